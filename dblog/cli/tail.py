"""``dblog tail``: follow what is being logged."""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dblog.cli.common import reading
from dblog.cli.lines import Lines
from dblog.cli.options import QueryArgument, examples, query_of, reads
from dblog.cli.output import Output, terminal_width
from dblog.cli.profiles import Database
from dblog.cli.search import DatesOption, FullOption, IdsOption, WrapOption

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from uuid import UUID

    from dblog.query import Query
    from dblog.reader import LogReader
    from dblog.reading.values import TailBatch

__all__ = ["EPILOG", "followed", "tail"]

EPILOG = examples(
    "dblog tail",
    "dblog tail 'level >= warning' -service:gateway -n 50",
    "dblog tail service:payments | jq -r .message",
    "dblog tail level:error --token 2>token; dblog tail --after $(cat token)",
)


@reads
def tail(
    query: QueryArgument = None,
    *,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, max=10_000, help="Entries of the past first.")
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Go on with what is logged.")] = True,
    after: Annotated[
        str | None, typer.Option(metavar="TOKEN", show_default=False, help="Go on where another tail has ended.")
    ] = None,
    token: Annotated[bool, typer.Option("--token", help="At the end, print that place on stderr.")] = False,
    poll: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, max=3600, help="How often to look.")] = 0.25,
    lossless: Annotated[
        bool | None,
        typer.Option("--lossless/--skip", show_default=False, help="In a flood show all, or skip to the newest."),
    ] = None,
    date: DatesOption = False,
    ids: IdsOption = False,
    wrap: WrapOption = False,
    full: FullOption = False,
    database: Database,
    output: Output,
) -> None:
    """Follow what is being logged: each entry once, none missed.

    It shows what every process and host logs, and ends with Ctrl-C. A flood on a terminal is skipped to its
    newest entries, which is said; into a pipe or a file everything is written (--lossless).
    """
    asked = query_of(query)
    printer = _Printer(output, Lines(dataclasses.replace(output.look, dates=date, ids=ids, full=full, wrap=wrap)))
    every = not output.terminal if lossless is None else lossless

    async def run(reader: LogReader) -> None:
        live = reader.tail(asked, after=after, poll_interval=poll, lossless=every, follow=follow)
        await printer.show_all(followed(reader, asked, live, history=0 if after else lines))

    try:
        reading(database, run)
    finally:
        if token and printer.token:
            typer.echo(printer.token, err=True)


async def followed(
    reader: LogReader, query: Query, live: AsyncIterator[TailBatch], *, history: int
) -> AsyncGenerator[TailBatch]:
    """The newest ``history`` entries as a batch, then the tail's without what was shown already.

    The tail's place is taken before the past is read, so nothing falls between them; what is committed in the
    meantime is in both, and shown once.
    """
    try:
        first = await anext(live)
        entries = (await reader.search(query, limit=history)).entries[::-1] if history else ()
        shown = {entry.id for entry in entries}
        newest = max(((entry.timestamp, entry.id) for entry in entries if entry.id), default=None)
        yield dataclasses.replace(first, entries=(*entries, *(entry for entry in first if entry.id not in shown)))
        async for batch in live:
            yield _without(batch, shown, newest)
    finally:
        if (close := getattr(live, "aclose", None)) is not None:
            await close()


def _without(batch: TailBatch, shown: set[UUID | None], newest: tuple[int, UUID] | None) -> TailBatch:
    new = tuple(entry for entry in batch if entry.id not in shown)
    shown.difference_update([entry.id for entry in batch])
    late = {entry.id for entry in new if entry.id and newest and (entry.timestamp, entry.id) < newest}
    return dataclasses.replace(batch, entries=new, late=batch.late | late)


class _Printer:
    """Prints batches, and remembers behind which one to go on."""

    def __init__(self, output: Output, lines: Lines) -> None:
        self._output, self._lines = output, lines
        self.token: str | None = None

    async def show_all(self, batches: AsyncGenerator[TailBatch]) -> None:
        with _ended_with_the_pipe():
            async with aclosing(batches):
                async for batch in batches:
                    self.show(batch)

    def show(self, batch: TailBatch) -> None:
        if batch.notice:
            self._output.note(f"── {batch.notice} ──")
        if batch.skipped:
            self._output.note(f"… {batch.skipped:,} skipped")
        self._output.show(batch, self._text(batch))
        self.token = batch.token

    def _text(self, batch: TailBatch) -> Iterator[str]:
        if self._output.terminal:
            self._lines.resize(terminal_width())
        self._lines.fit(batch)
        for entry in batch:
            yield from self._lines.of(entry, late=entry.id in batch.late)


@contextmanager
def _ended_with_the_pipe() -> Iterator[None]:
    """End when whoever reads a pipe has gone, also while there is nothing to write that would tell us."""
    import asyncio

    loop, this, gone = asyncio.get_running_loop(), asyncio.current_task(), False
    if (pipe := _pipe()) is None or this is None:
        yield
        return

    def end() -> None:
        nonlocal gone
        gone = True
        loop.remove_reader(pipe)
        this.cancel()

    # The end that is written to is never readable, except that its other end was closed.
    loop.add_reader(pipe, end)
    try:
        yield
    except asyncio.CancelledError:
        if gone:
            raise BrokenPipeError from None
        raise
    finally:
        loop.remove_reader(pipe)


def _pipe() -> int | None:
    """Stdout's descriptor where it is a pipe."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # there is none, or it is no file
        return None
    return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
