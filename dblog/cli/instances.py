"""``dblog instances``: who writes, and who has stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dblog.cli.charts import table_lines
from dblog.cli.common import reading
from dblog.cli.lines import DIM, service_style
from dblog.cli.moments import ago
from dblog.cli.options import examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.visible import visible

if TYPE_CHECKING:
    from dblog.cli.cells import Piece
    from dblog.reading.values import Instance

__all__ = ["EPILOG", "instances"]

EPILOG = examples("dblog instances", "dblog instances --json | jq 'select(.state == \"down\") | .host'")

_HEADS: Final = (
    "service", "host", "pid", "state", "seen", "emitted", "stored", "dropped", "failed", "queued", "last error",
)  # fmt: skip
_TIMES: Final = frozenset({"started_at", "last_seen", "last_success"})
_RED, _YELLOW = "31", "33"
_STATES: Final = {"RUNNING": "32", "DOWN": _RED, "BLOCKED": _RED, "CLOSED": DIM, "DETACHED": DIM}
"""The styles of ``dblog.ledger.STATES``; of the others, yellow."""


@reads
def instances(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=100_000, help="Writers at most.")] = 1000,
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
        now = time.time_ns() // 1000
        output.write(table_lines(_HEADS, [_row(each, now) for each in found], output.look))
    elif output.terminal:
        output.note("no writer has said anything yet")


def _object(instance: Instance) -> dict[str, Any]:
    from dblog.interchange import iso

    fields = {name: getattr(instance, name) for name in instance.__slots__}
    return {name: iso(value) if name in _TIMES and value is not None else value for name, value in fields.items()}


def _row(each: Instance, now: int) -> list[Piece]:
    state = _STATES.get(each.state.upper(), _YELLOW)
    lost = [(f"{count:,}", _RED if count else DIM) for count in (each.dropped, each.failed)]
    return [
        (visible(each.service or ""), service_style(each.service)),
        (visible(each.host or ""), ""),
        ("" if each.pid is None else str(each.pid), ""),
        (visible(each.state), state),
        (ago(each.last_seen, now), ""),
        (f"{each.emitted:,}", ""),
        (f"{each.stored:,}", ""),
        *lost,
        (f"{each.queued + each.in_flight + each.spooled:,}", ""),
        (visible(each.last_error or ""), _RED),
    ]
