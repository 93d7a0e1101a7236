"""``dblog trace``: one request through every service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from dblog.cli.common import fail, reading
from dblog.cli.options import examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.cli.traces import trace_lines
from dblog.reading.values import Trace
from dblog.visible import visible

if TYPE_CHECKING:
    from dblog.reader import LogReader
    from dblog.reading.values import Facets

__all__ = ["EPILOG", "trace"]

EPILOG = examples(
    "dblog trace 4bf92f3577b34da6a3ce929d0e0e4736",
    "dblog trace 4bf92f35 --flat",
    "dblog trace 4bf92f35 --json | jq -r '[.service, .message] | @tsv'",
)

_PREFIX: Final = re.compile(r"[0-9a-fA-F]{8,31}")
_MOST: Final = 20
"""Candidates shown."""


@reads
def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="The trace id, or its first 8 digits or more.")],
    *,
    flat: Annotated[bool, typer.Option("--flat", help="By time only, not under their spans.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=10_000, help="Entries at most.")
    ] = 10_000,
    database: Database,
    output: Output,
) -> None:
    """Show a trace across services.

    Its entries: when, where, how long, and what failed; those that name spans are shown under them. Exit code 1
    where there is no such trace, or several that begin so.
    """

    async def run(reader: LogReader) -> Trace | Facets:
        found = await reader.trace(trace_id, limit=limit)
        if found.entries or not _PREFIX.fullmatch(trace_id):
            return found
        candidates = await reader.facets(f"trace_id:{trace_id}*", "trace_id", limit=_MOST + 1)
        if len(candidates.values) != 1:
            return candidates
        return await reader.trace(candidates.values[0].value, limit=limit)

    found = reading(database, run)
    if not isinstance(found, Trace):
        _fail_for(trace_id, found)
    if not found.entries:
        fail(f"no entry has the trace id {visible(trace_id)}")
    output.show(found, trace_lines(found, output.look, flat=flat))
    if found.truncated:
        output.note(f"{len(found.entries):,} shown, there are more: --limit")


def _fail_for(prefix: str, candidates: Facets) -> NoReturn:
    """No trace begins so, or several do; the newest entries were asked."""
    if not candidates.values:
        fail(f"no entry has a trace id that is or begins with {prefix}")
    ids = [visible(each.value) for each in candidates.values]
    more = ["  …"] if len(ids) > _MOST else []
    fail("\n".join([f"several traces begin with {prefix}:", *(f"  {each}" for each in ids[:_MOST]), *more]))
