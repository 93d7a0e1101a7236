"""``dblog audit``: is every number that is missing explained?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dblog.cli.admin import connection_to, many
from dblog.cli.cells import line
from dblog.cli.charts import compact, table_lines
from dblog.cli.common import EXIT_NOTHING
from dblog.cli.lines import DIM, service_style
from dblog.cli.options import SinceOption, bounds_of, examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dblog.admin.gaps import Account
    from dblog.cli.cells import Piece
    from dblog.cli.lines import Look

__all__ = ["EPILOG", "audit"]

EPILOG = examples("dblog audit", "dblog audit --since 1d --json | jq 'select(.unexplained > 0)'")

_HEADS: Final = ("service", "host", "pid", "state", "last", "missing", "lost", "deleted", "coming", "unexplained")
_SHOWN: Final = 10
"""Unexplained ranges named in text, and a hundred times as many in JSON."""
_RED: Final = "31"


@reads
def audit(
    *,
    since: SinceOption = None,
    instance: Annotated[
        str | None,
        typer.Option(metavar="ID", show_default=False, help="One writer: its id, or 8 digits or more of its ends."),
    ] = None,
    database: Database,
    output: Output,
) -> None:
    """Explain every number that is missing in every writer's count. Exits 1 for one that is unexplained.

    A writer counts its records from 1, those it lost included. What is not in the table is in a loss row, in the
    writer's counters, deleted, or on its way.
    """
    from dblog.admin import gaps

    low, _ = bounds_of(since, None)
    with connection_to(database, database.statement_timeout, clickhouse=True) as connection:
        found = gaps.audit(connection, since=low, instance=instance)
    if output.json:
        output.objects(map(_object, found))
    elif found:
        output.write(_text(found, output.look))
    elif output.terminal:
        output.note("no writer has stored anything yet")
    if any(each.unexplained for each in found):
        raise typer.Exit(EXIT_NOTHING)


def _object(account: Account) -> dict[str, Any]:
    from dblog.interchange import iso

    writer = account.writer
    return {
        "instance_id": writer.id,
        "service": writer.service,
        "host": writer.host,
        "pid": writer.pid,
        "state": writer.state,
        "last_seen": None if writer.last_seen is None else iso(writer.last_seen),
        "last": account.last,
        "missing": account.missing,
        "lost": account.lost,
        "counted": account.counted,
        "deleted": account.deleted,
        "on_its_way": account.on_its_way,
        "unexplained": account.unexplained,
        "holes": account.holes[: 100 * _SHOWN],
    }


def _text(found: list[Account], look: Look) -> Iterator[str]:
    """A row for each, below it what is unexplained of it, and a sentence about all."""
    head, *lines = table_lines(_HEADS, [_row(each) for each in found], look, flexible=(0, 1))
    yield head
    for each, shown in zip(found, lines, strict=True):
        yield shown
        if each.unexplained:
            told = f"  unexplained, of writer {each.writer.id}: {_ranges(each.holes)}"
            yield line(((told, _RED),), look.width, colour=look.colour)
    missing, left = (sum(getattr(each, name) for each in found) for name in ("missing", "unexplained"))
    said = "all explained" if not left else f"{left:,} unexplained"
    sentence = f"{many(len(found), 'writer')}, {many(missing, 'number')} missing, {said}"
    yield line(((sentence, _RED if left else DIM),), look.width, colour=look.colour)


def _row(account: Account) -> list[Piece]:
    writer = account.writer
    lost, deleted = sum(account.lost.values()) + account.counted, sum(account.deleted.values())
    return [
        (visible(writer.service or ""), service_style(writer.service)),
        (visible(writer.host or ""), ""),
        ("" if writer.pid is None else str(writer.pid), ""),
        (visible(writer.state or "unknown"), ""),
        (compact(account.last), ""),
        *((compact(count), "" if count else DIM) for count in (account.missing, lost, deleted, account.on_its_way)),
        (compact(account.unexplained), _RED if account.unexplained else DIM),
    ]


def _ranges(holes: Iterable[tuple[int, int]]) -> str:
    holes = list(holes)
    named = [str(first) if first == last else f"{first}–{last}" for first, last in holes[:_SHOWN]]
    more = [] if len(holes) <= _SHOWN else [f"and {many(len(holes) - _SHOWN, 'range')} more"]
    return ", ".join([*named, *more])
