"""``doctor``: is everything set up as it should be? Each finding is one line and says what to do.

It changes nothing, and it never fails as a whole: a check that cannot be made is a finding.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.admin import doctor_clickhouse, doctor_postgres, doctor_rollup, doctor_sqlite
from dblog.admin.connection import AdminConnection
from dblog.admin.findings import Finding, Status, fail, guarded, ok, warn
from dblog.names import DEFAULT_TABLE
from dblog.url import dialect_of, require_driver, safe_url, sync_url

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from dblog.admin.findings import Check

__all__ = ["Place", "examine"]

_SILENT: Final = 30.0
"""Seconds after which a writer that was not closed counts as down."""
_RECENT: Final = 86_400.0
"""Seconds after which nobody is told any more that it is."""
_SPELT: Final = {"connect": "clickhouse-connect"}
"""What a driver is called by people, where SQLAlchemy calls it otherwise."""
_SLOW: Final = 1.0
"""Seconds a connection should take at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is examined."""

    url: str
    login: Callable[[], str | URL]
    """The URL with the password in it, for what takes none apart; may raise."""
    source: str
    """Where the URL came from, in words."""
    visible: bool = False
    """It is on the command line, where others can see it."""
    schema: str | None = None
    table: str = DEFAULT_TABLE
    password_file: str | os.PathLike[str] | None = None


def examine(place: Place) -> Iterator[Finding]:
    """Every finding, each as soon as it is known; without a database the looks into it are left out."""
    yield _regex()
    made: list[AdminConnection] = []
    yield from guarded("configuration", lambda: _configuration(place, made))
    for connection in made:
        if connection.dialect == "sqlite":
            yield from _all(doctor_sqlite.FILE_CHECKS, connection)
        try:
            reached = list(guarded("connection", functools.partial(_connect, connection)))
            yield from reached
            if all(finding.status is not Status.FAIL for finding in reached):
                yield from _inside(place, connection)
        finally:
            connection.close()


def _inside(place: Place, connection: AdminConnection) -> Iterator[Finding]:
    yield from guarded("schema", lambda: _schema(place))
    tables = list(guarded("tables", lambda: _tables(connection)))
    yield from tables
    there = all(finding.status is Status.OK for finding in tables)
    if connection.dialect == "sqlite":
        yield from _all(doctor_sqlite.CHECKS, connection)
    else:
        server = doctor_postgres if connection.postgres else doctor_clickhouse
        yield from _all(server.SERVER_CHECKS, connection)
        yield from _all(server.TABLE_CHECKS if there else (), connection)
    if there:
        rollup = () if connection.dialect == "clickhouse" else doctor_rollup.CHECKS
        yield from _all((*rollup, _writers, _dead_letters), connection)


def _all(checks: tuple[Check, ...], connection: AdminConnection) -> Iterator[Finding]:
    for check in checks:
        name = check.__name__.strip("_").replace("_", " ")
        yield from guarded(name, functools.partial(check, connection))


def _configuration(place: Place, made: list[AdminConnection]) -> Iterator[Finding]:
    mapped = sync_url(place.url)
    yield ok(f"the database is {safe_url(mapped)}, from {place.source}")
    if place.visible and mapped.password:
        yield warn(
            "the password is on the command line, where every user of this machine can see it",
            "use DBLOG_URL, or a profile with password_file",
        )
    require_driver(mapped)
    driver = mapped.get_driver_name()
    yield ok(f"the driver {_SPELT.get(driver, driver)} is installed")
    kind = AdminConnection
    if dialect_of(mapped) == "clickhouse":
        from dblog.admin.clickhouse import ClickHouseConnection  # noqa: PLC0415 - an optional extra

        kind = ClickHouseConnection
    made.append(kind(place.url, schema=place.schema, table=place.table, password_file=place.password_file))


def _regex() -> Finding:
    if importlib.util.find_spec("re2") is not None:
        return ok("google-re2 is installed, for regular expressions in queries")
    return warn("google-re2 is not installed: SQLite knows no =~ then", "pip install 'dblog-logging[regex]'")


def _connect(connection: AdminConnection) -> Iterator[Finding]:
    started = time.perf_counter()
    connection.open()
    took = time.perf_counter() - started
    what = f"it was reached in {took * 1000:.0f} ms"
    yield ok(what) if took < _SLOW else warn(what, "look at the network and the name service in between")


def _schema(place: Place) -> Iterator[Finding]:
    from dblog import migrate  # noqa: PLC0415 - loads Alembic

    found = migrate.check(place.login(), schema=place.schema, table=place.table)
    if found.ok:
        yield ok(str(found)) if found.known else warn(str(found), "upgrade dblog here as well")
    else:
        yield fail(str(found).partition(": run")[0], "dblog upgrade")


def _tables(connection: AdminConnection) -> Iterator[Finding]:
    names = connection.names
    missing = [name for name in names.tables if not connection.has_table(name)]
    if missing:
        yield fail(f"missing: {', '.join(missing)}", "dblog upgrade")
    else:
        yield ok(f"the tables {', '.join(names.tables)} are there")


def _writers(connection: AdminConnection) -> Iterator[Finding]:
    now = connection.now()
    found = connection.rows(
        f"SELECT service, host, pid FROM {connection.instances}"  # noqa: S608 - a checked name
        " WHERE last_seen < ? AND last_seen > ? AND state <> 'CLOSED' ORDER BY last_seen DESC LIMIT 20",
        connection.moment(now - int(_SILENT * 1e6)),
        connection.moment(now - int(_RECENT * 1e6)),
    )
    if found:
        service, host, pid = found[0]
        yield warn(
            f"{len(found)} writers ended without a word since yesterday, the last {service!r} on {host!r}, pid {pid}",
            "dblog instances; close the handler at the end of a program",
        )
    else:
        yield ok("every writer of the last day is alive, or said good-bye")


def _dead_letters(connection: AdminConnection) -> Iterator[Finding]:
    count = connection.value(f"SELECT count(*) FROM {connection.dead_letters}")  # noqa: S608 - a checked name
    if count:
        yield warn(
            f"{count} dead letters: rows that the database refused", "dblog dead-letters, then retry or drop them"
        )
    else:
        yield ok("no dead letters")
