"""``dblog show``: everything about one entry."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from dblog.cli.cells import paint
from dblog.cli.common import fail, reading
from dblog.cli.details import detail_lines
from dblog.cli.lines import DIM, Lines
from dblog.cli.options import examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError
from dblog.reading.values import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.reader import LogReader

__all__ = ["EPILOG", "show"]

EPILOG = examples(
    "dblog search level:error --ids -n 5",
    "dblog show 019aa04f-7f10-7000-8000-2c57de2b8f11",
    "dblog show 80002c57de2b8f11 --context 10",
)

_END: Final = re.compile(r"[0-9a-f]{8,31}")
_SURE: Final = 16
"""Digits that tell the entries of one writer apart; fewer say little more than which writer it was."""


@reads
def show(
    entry_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id, or its last 16 digits (8 at least: the newest that ends so).")
    ],
    *,
    context: Annotated[
        int, typer.Option("--context", "-C", metavar="N", min=0, max=1000, help="Entries before and after.")
    ] = 0,
    database: Database,
    output: Output,
) -> None:
    """Show everything about one entry.

    Every column that has a value, the metadata, the traceback. Exit code 1 where there is none.
    """
    wanted = _id(entry_id)

    async def run(reader: LogReader) -> Context | None:
        entry = await reader.get(wanted)
        if entry is None:
            return None
        return await reader.context(entry, context) if context else Context((), entry, ())

    found = reading(database, run)
    if found is None:
        fail(f"no entry has the id {entry_id}")
    if len(wanted) < _SURE:
        output.note(f"the newest entry whose id ends in {wanted}; {_SURE} digits name one")
    output.show((*found.before, found.entry, *found.after), _text(found, output))


def _id(text: str) -> str:
    """The id as the reader takes it: whole, or the end of one."""
    try:
        return str(UUID(text))
    except ValueError:
        pass
    digits = text.lower().replace("-", "")
    if not _END.fullmatch(digits):
        msg = f"{text[:80]!r} is not an id: give a UUID, or its last 16 hexadecimal digits (8 at least)"
        raise ConfigurationError(msg)
    return digits


def _text(found: Context, output: Output) -> Iterator[str]:
    if not (found.before or found.after):
        yield from detail_lines(found.entry, output.look)
        return
    look = dataclasses.replace(output.look, ids=True)
    lines = Lines(look)
    lines.fit((*found.before, *found.after))
    for entry in found.before:
        yield from lines.of(entry)
    rule = paint("─" * min(look.width or 80, 80), DIM, colour=look.colour)
    yield rule
    yield from detail_lines(found.entry, look)
    yield rule
    for entry in found.after:
        yield from lines.of(entry)
