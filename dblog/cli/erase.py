"""``dblog erase``: the entries of a person, or whatever a query names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from dblog.cli.admin import Choose, YesOption, administers, confirm, connection_to, many
from dblog.cli.common import (
    EXIT_STORE,
    EXIT_USAGE,
    TimeoutOption,
    fail,
    reading,
    warn,
)
from dblog.cli.options import QueryArgument, SinceOption, UntilOption, examples, query_of
from dblog.cli.progress import Progress

if TYPE_CHECKING:
    from dblog.admin.erasing import Erased, Found
    from dblog.reader import LogReader

__all__ = ["EPILOG", "erase"]

EPILOG = examples(
    "dblog erase user_id:u-17",
    "dblog erase 'user_id:u-17 or metadata.email:ada@example.org' --yes",
)

_REST: Final = {
    "postgresql": "VACUUM, replicas and backups are the database administrator's: until then the bytes may be there",
    "clickhouse": "parts that were replaced stay on disk for some minutes (old_parts_lifetime); backups, detached parts"
    " and system.query_log are the database administrator's: until then the bytes may be there",
}


@administers
def erase(
    query: QueryArgument = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="SQLite: write the file anew afterwards; writers wait meanwhile.")
    ] = False,
    yes: YesOption = False,
    timeout: TimeoutOption = None,  # noqa: ARG001 - in what `choose` gives
    choose: Choose,
) -> None:
    """Delete every entry and dead letter that matches, and leave one row that says who did, without their values."""
    from dblog.admin import erasing, pruning
    from dblog.admin.partitions import partitions

    database = choose()
    wanted = query_of(query, since, until)
    with connection_to(database, clickhouse=True) as connection:
        if vacuum and connection.dialect != "sqlite":
            fail("--vacuum is for SQLite: others make room by themselves", EXIT_USAGE)

        async def look(reader: LogReader) -> Found:
            return await erasing.survey(reader, connection, wanted)

        async def run(reader: LogReader) -> Erased:
            with Progress("entries") as progress:
                return await erasing.erase(reader, connection, wanted, report=progress)

        found = reading(database, look)
        _show(found)
        if connection.postgres and (left := [each.name for each in partitions(connection) if not each.attached]):
            warn(f"not looked at, for detached: {', '.join(left)}; dblog maintain drops those that are too old")
        total = str(found.count + len(found.letters.fitting))
        if total == "0":
            return
        confirm(f"this cannot be undone; type {total} to erase them", total, yes=yes)
        done = reading(database, run)
        typer.echo(f"erased: {many(done.count, 'entry', 'entries')}, {many(done.dead_letters, 'dead letter')}")
        if vacuum:
            pruning.vacuum(connection)
            done.clean = connection.checkpoint()
        _conclude(done, connection.dialect)


def _conclude(done: Erased, dialect: str) -> None:
    """Say what there still is of it; ends the command where entries are left."""
    if done.masked:
        warn(f"they are not found any more, but lie in the table until its parts are merged: {done.masked}")
    elif not done.clean:
        warn("the write-ahead log still holds them: somebody reads all the time, run dblog prune --vacuum later")
    if dialect in _REST:
        warn(_REST[dialect])
    if not done.complete:
        advice = "run it again" if dialect == "clickhouse" else "look for rules or triggers"
        fail(f"{many(done.left, 'entry', 'entries')} could not be deleted: {advice}", EXIT_STORE)


def _show(found: Found) -> None:
    from dblog.interchange import iso

    typer.echo(
        f"{many(found.count, 'entry matches', 'entries match')}, {many(len(found.letters.fitting), 'dead letter')}"
    )
    for moment, identity in found.examples:
        typer.echo(f"  {iso(moment)}  {identity}")
    if found.letters.undecided:
        warn(
            f"of {many(found.letters.undecided, 'dead letter')} nobody knows whether the query fits, for where their"
            " writer ran is not known any more, and they stay: see dblog dead-letters list, and drop"
        )
    if found.letters.unreadable:
        unreadable = many(found.letters.unreadable, "dead letter")
        warn(f"{unreadable} cannot be read as entries: look with dblog dead-letters --full")
