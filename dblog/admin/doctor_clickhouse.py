"""What can be wrong with ClickHouse: the server, its merges, its replicas, and what deletes rows there."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, cast

from dblog.admin.findings import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection
    from dblog.admin.findings import Check, Finding

__all__ = ["SERVER_CHECKS", "TABLE_CHECKS"]

_OLDEST: Final = (24, 3)
"""The first long-term release with every setting and function that is used here."""
_CLOCK: Final = 1_000_000
"""µs by which two clocks may differ: a tail looks back by the server's, and an entry's time is ours."""
_PARTS: Final = 300
"""Parts of one partition that are many; at 3,000 the server refuses to be written to."""
_FREE: Final = 0.10
_DELAY: Final = 60
_TTL: Final = re.compile(r"\bTTL (.+?)(?: SETTINGS |$)", re.DOTALL)


def _version(connection: AdminConnection) -> Iterator[Finding]:
    version = str(connection.value("SELECT version()"))
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        yield fail(f"ClickHouse {version} is older than {oldest}", f"upgrade the server to {oldest} or newer")
    else:
        yield ok(f"ClickHouse {version}")


def _clock(connection: AdminConnection) -> Iterator[Finding]:
    before = time.time_ns() // 1000
    theirs = connection.now()
    off = theirs - (before + time.time_ns() // 1000) // 2
    what = f"the server's clock is {abs(off) / 1e6:.1f} s {'ahead of' if off > 0 else 'behind'} ours"
    yield ok("the server's clock agrees with ours") if abs(off) < _CLOCK else warn(what, "synchronise the clocks (NTP)")


def _disks(connection: AdminConnection) -> Iterator[Finding]:
    for name, free, total in connection.rows("SELECT name, free_space, total_space FROM system.disks ORDER BY name"):
        what = f"{free / (1 << 30):,.1f} GiB of the server's disk {name} are free"
        full = total and free < _FREE * total
        yield warn(what, "make room, or keep rows for a shorter time (TTL)") if full else ok(what)


def _parts(connection: AdminConnection) -> Iterator[Finding]:
    database = cast("ClickHouseConnection", connection).database
    found = connection.rows(
        "SELECT table, partition, count() AS parts FROM system.parts"  # noqa: S608 - a checked name
        f" WHERE database = {database} AND active AND table IN (?, ?)"
        " GROUP BY table, partition ORDER BY parts DESC LIMIT 1",
        connection.names.logs,
        connection.names.local,
    )
    table, partition, parts = found[0] if found else (connection.names.logs, "", 0)
    what = f"the most parts in one partition are {parts:,}"
    if parts > _PARTS:
        yield warn(f"{what}, of {partition} in {table}", "write larger batches: raise batch_size and flush_interval")
    else:
        yield ok(what)


def _replicas(connection: AdminConnection) -> Iterator[Finding]:
    database = cast("ClickHouseConnection", connection).database
    found = connection.rows(
        "SELECT table, is_readonly, absolute_delay FROM system.replicas"  # noqa: S608 - as above
        f" WHERE database = {database} AND (is_readonly OR absolute_delay > ?) ORDER BY table",
        _DELAY,
    )
    for table, read_only, delay in found:
        if read_only:
            yield fail(f"the replica of {table} is read-only", "look whether it reaches Keeper")
        else:
            yield warn(f"the replica of {table} is {delay:,} s behind", "a tail through it misses rows until it is not")
    if not found:
        yield ok("no replica is behind or read-only")


def _retention(connection: AdminConnection) -> Iterator[Finding]:
    database = cast("ClickHouseConnection", connection).database
    full = connection.rows(
        "SELECT engine_full FROM system.tables"  # noqa: S608 - as above
        f" WHERE database = {database} AND engine != 'Distributed' AND name IN (?, ?)",
        connection.names.logs,
        connection.names.local,
    )
    terms = [match[1] for (engine,) in full if (match := _TTL.search(engine))]
    yield ok(f"rows are deleted by TTL: {terms[0]}") if terms else ok("there is no TTL: rows are kept for ever")


SERVER_CHECKS: Final[tuple[Check, ...]] = (_version, _clock, _disks)
TABLE_CHECKS: Final[tuple[Check, ...]] = (_parts, _replicas, _retention)
"""Where the tables are there."""
