"""``dblog instances``: who writes, and who has stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dblog.cli.cells import line
from dblog.cli.charts import compact, table_lines
from dblog.cli.common import reading
from dblog.cli.lines import DIM, service_style
from dblog.cli.moments import ago
from dblog.cli.options import examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dblog.cli.cells import Piece
    from dblog.cli.lines import Look
    from dblog.reading.values import Instance

__all__ = ["EPILOG", "instances"]

EPILOG = examples("dblog instances", "dblog instances --json | jq 'select(.state == \"DOWN\") | .host'")

_HEADS: Final = (
    "service", "host", "pid", "state", "seen", "emitted", "stored", "dropped", "failed", "queued",
)  # fmt: skip
_NARROW: Final = 100
"""Cells of a terminal that has no room for all columns."""
_TIMES: Final = frozenset({"started_at", "last_seen", "last_success"})
_RED, _YELLOW = "31", "33"
_STATES: Final = {"RUNNING": "32", "DOWN": _RED, "BLOCKED": _RED, "CLOSED": DIM, "DETACHED": DIM}
"""The styles of ``dblog.ledger.STATES``; of the others, yellow."""


@reads
def instances(
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=10_000, help="Writers at most.")
    ] = 1000,
    database: Database,
    output: Output,
) -> None:
    """List the writers: what each has stored and lost.

    One per handler and process, the last seen first.
    """
    found = reading(database, lambda reader: reader.instances(limit=limit))
    if output.json:
        output.objects(map(_object, found))
    elif found:
        output.write(_text(found, output.look))
    elif output.terminal:
        output.note("no writer has said anything yet")


def _object(instance: Instance) -> dict[str, Any]:
    from dblog.interchange import iso

    fields = {name: getattr(instance, name) for name in instance.__slots__}
    return {name: iso(value) if name in _TIMES and value is not None else value for name, value in fields.items()}


def _text(found: Iterable[Instance], look: Look) -> Iterator[str]:
    """A row for each, and below it the error of one that has one."""
    found, now = list(found), time.time_ns() // 1000
    rows = [_row(each, now) for each in found]
    heads: tuple[str, ...] = _HEADS
    if look.width is not None and look.width < _NARROW:  # it is the sum of the four that follow
        heads = tuple(head for head in heads if head != "emitted")
        rows = [[piece for piece, head in zip(row, _HEADS, strict=True) if head != "emitted"] for row in rows]
    head, *lines = table_lines(heads, rows, look, flexible=(0, 1))
    yield head
    for each, shown in zip(found, lines, strict=True):
        yield shown
        if each.last_error:
            yield line((("  ", ""), (visible(each.last_error), _RED)), look.width, colour=look.colour)


def _row(each: Instance, now: int) -> list[Piece]:
    lost = [(compact(count), _RED if count else DIM) for count in (each.dropped, each.failed)]
    return [
        (visible(each.service or ""), service_style(each.service)),
        (visible(each.host or ""), ""),
        ("" if each.pid is None else str(each.pid), ""),
        (visible(each.state), _STATES.get(each.state.upper(), _YELLOW)),
        (ago(each.last_seen, now), ""),
        (compact(each.emitted), ""),
        (compact(each.stored), ""),
        *lost,
        (compact(each.queued + each.in_flight + each.spooled), ""),
    ]
