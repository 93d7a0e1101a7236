"""What can be wrong with a PostgreSQL server, its tables, and the role we have there."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Final

from dblog.admin.findings import fail, ok, warn
from dblog.admin.partitions import day_of, is_partitioned, partitions
from dblog.admin.timescale import is_hypertable, whole_days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.admin.connection import AdminConnection
    from dblog.admin.findings import Check, Finding

__all__ = ["SERVER_CHECKS", "TABLE_CHECKS"]

_OLDEST: Final = 140_000
_AHEAD: Final = 3
"""Days whose partitions writers make ahead."""
_SKEW, _FAR = 2.0, 3600.0
"""Seconds by which the clocks may differ, and by which rows get a wrong day."""
_OPEN: Final = 300.0
"""Seconds a transaction may be open before a tail has to look at more and more again."""
_LARGE: Final = 1_000_000
_LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


def _server(connection: AdminConnection) -> Iterator[Finding]:
    number, version = connection.rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )[0]
    what = f"PostgreSQL {version}"
    yield ok(what) if number >= _OLDEST else fail(f"{what} is too old", "dblog needs PostgreSQL 14 or newer")


def _encryption(connection: AdminConnection) -> Iterator[Finding]:
    host = connection.url.host or str(connection.url.query.get("host", ""))
    if host in _LOCAL or host.startswith(("/", "127.")):
        yield ok("the server is on this machine")
        return
    encrypted = connection.value("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    mode = connection.url.query.get("sslmode", "prefer")
    if not encrypted:
        yield warn("the connection is not encrypted: whoever is in between can read the log", "sslmode=verify-full")
    elif mode != "verify-full":
        yield warn(
            f"sslmode={mode} encrypts, and does not look who the server is", "sslmode=verify-full, sslrootcert=…"
        )
    else:
        yield ok("the connection is encrypted, and the server's certificate was checked")


def _clock(connection: AdminConnection) -> Iterator[Finding]:
    before = time.time()
    theirs = connection.now() / 1e6
    after = time.time()
    skew = theirs - (before + after) / 2
    what = f"the server's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} ours"
    if abs(skew) > _FAR + (after - before):
        yield fail(what, "rows would get a wrong day: set the clocks (NTP)")
    elif abs(skew) > _SKEW + (after - before):
        yield warn(what, "set the clocks (NTP)")
    else:
        yield ok("the clocks agree")


def _open_transactions(connection: AdminConnection) -> Iterator[Finding]:
    found = connection.rows(
        "SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)"
        " AND xact_start < clock_timestamp() - make_interval(secs => ?) ORDER BY xact_start",
        _OPEN,
    )
    if found:
        pid, seconds = found[0]
        yield warn(
            f"{len(found)} transactions are open for long, that of pid {pid} for {seconds / 60:.0f} min",
            "they keep dead rows alive and make a tail dearer: end them (pg_terminate_backend)",
        )
    else:
        yield ok(f"no transaction is open for more than {_OPEN / 60:.0f} min")


def _privileges(connection: AdminConnection) -> Iterator[Finding]:
    names = connection.names
    role, owner, read, added, reported, makes = connection.rows(
        "SELECT current_user, pg_has_role(c.relowner, 'MEMBER'), has_table_privilege(c.oid, 'SELECT'),"
        " has_any_column_privilege(c.oid, 'INSERT'), has_table_privilege(?, 'INSERT'),"
        " (SELECT has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p"
        "  WHERE p.proname = ? AND p.pronamespace = c.relnamespace)"
        " FROM pg_class c WHERE c.oid = to_regclass(?)",
        connection.instances,
        names.ensure_day,
        connection.logs,
    )[0]
    if makes is None:
        yield fail(f"the function {names.ensure_day} is missing: nobody makes tomorrow's partition", "dblog upgrade")
    able = [word for word, may in (("admin", owner), ("read", read), ("write", added and reported and makes)) if may]
    if able:
        yield ok(f"the role {role} may {', '.join(able).replace('admin', 'administer')}")
    if added and not (reported and makes) and makes is not None:
        yield fail(f"the role {role} may insert rows, and lacks the rest of a writer", f"dblog grants --writer {role}")
    elif not able:
        yield fail(f"the role {role} may neither read nor write {names.logs}", f"dblog grants --reader {role}")


def _partitions(connection: AdminConnection) -> Iterator[Finding]:
    names = connection.names
    if not is_partitioned(connection):
        if is_hypertable(connection):
            yield ok(
                f"{names.logs} is a hypertable of {len(whole_days(connection))} chunks: days are made by their rows"
            )
        else:
            yield warn(
                f"{names.logs} is not partitioned", "old days can only be deleted entry by entry: see dblog.schema"
            )
        return
    today = day_of(connection.now())
    there = {partition.day: partition.attached for partition in partitions(connection)}
    wanted = [today + dt.timedelta(days=ahead) for ahead in range(_AHEAD + 1)]
    missing = [str(day) for day in wanted if not there.get(day)]
    make = f"SELECT {names.qualified(names.ensure_day)}(…), which every writer does when it connects"
    if str(today) in missing:
        yield fail(f"today's partition is missing, and {len(missing) - 1} of the next", make)
    elif missing:
        yield warn(f"there is no partition for {', '.join(missing)}", make)
    else:
        yield ok(f"partitions are there for today and the {_AHEAD} next days")
    if left := [f"{names.partition(f'{day:%Y%m%d}')}" for day, attached in there.items() if not attached]:
        yield warn(
            f"detached and left behind: {', '.join(left)}",
            "dblog prune and dblog maintain drop those that are too old; else attach them again, or DROP TABLE",
        )
    if connection.value(
        "SELECT partdefid::regclass::text FROM pg_partitioned_table"
        " WHERE partrelid = to_regclass(?) AND partdefid <> 0",
        connection.logs,
    ):
        yield warn(
            "there is a DEFAULT partition: days cannot be made once it holds rows of them", "move its rows, DROP it"
        )


def _indexes(connection: AdminConnection) -> Iterator[Finding]:
    rows, trigrams = connection.rows(
        "SELECT (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_inherits i"
        "  JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(?)),"
        " EXISTS (SELECT FROM pg_index x JOIN pg_opclass o ON o.oid = ANY (x.indclass)"
        "  WHERE x.indrelid = to_regclass(?) AND o.opcname LIKE '%_trgm_ops')".replace("%", "%%"),
        connection.logs,
        connection.logs,
    )[0]
    if rows > _LARGE and not trigrams:
        yield ok(
            f"about {rows:,} entries, and no trigram index on message: searching for words reads them all",
            "dblog index add message helps, says what it costs, and asks",
        )
    else:
        yield ok(f"about {rows:,} entries" + (", with a trigram index" if trigrams else ""))


SERVER_CHECKS: Final[tuple[Check, ...]] = (_server, _encryption, _clock, _open_transactions)
TABLE_CHECKS: Final[tuple[Check, ...]] = (_privileges, _partitions, _indexes)
"""Only where the tables are there."""
