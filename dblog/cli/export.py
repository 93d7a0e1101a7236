"""``dblog export``: everything that matches, into a file or a pipe."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.admin import Choose, administers, many
from dblog.cli.common import (
    EXIT_USAGE,
    TimeoutOption,
    fail,
    reading,
    warn,
)
from dblog.cli.options import QueryArgument, SinceOption, UntilOption, examples, query_of
from dblog.cli.progress import Progress
from dblog.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from dblog.admin.exporting import Output
    from dblog.admin.partfile import PartFile
    from dblog.cli.profiles import Database
    from dblog.query import Query
    from dblog.reader import LogReader

__all__ = ["EPILOG", "export"]

EPILOG = examples(
    "dblog export --output logs.ndjson.gz",
    "dblog export level:error --since 7d --format csv --output errors.csv",
    "dblog export --output logs.ndjson.gz --resume",
)


class Shape(enum.StrEnum):
    """How entries are written."""

    NDJSON = "ndjson"
    JSON = "json"
    CSV = "csv"


@administers
def export(
    query: QueryArgument = None,
    *,
    shape: Annotated[
        Shape | None, typer.Option("--format", show_default="by the file's ending, else ndjson", help="How.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="A file, compressed if it ends in .gz; - is stdout.")
    ] = "-",
    since: SinceOption = None,
    until: UntilOption = None,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", show_default="all", help="Only these: timestamp,level,message.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, show_default="none", help="The oldest N at most.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV: leave cells that a spreadsheet would take for a formula.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted export of the same.")] = False,
    timeout: TimeoutOption = None,  # noqa: ARG001 - in what `choose` gives
    choose: Choose,
) -> None:
    """Write everything that matches, the oldest first, whole or not at all: FILE appears when it is complete."""
    from dblog.admin.formats import columns_of
    from dblog.url import safe_url

    database = choose()
    names = columns_of(columns)
    shape = Shape(shape) if shape else _by_ending(output)  # typer gives the value
    asked = {
        "database": {"url": safe_url(database.url), "schema": database.schema, "table": database.table},
        "query": " ".join(query or ()), "since": since, "until": until, "format": shape.value, "columns": list(names),
        "limit": limit, "raw": raw,
    }  # fmt: skip
    found = query_of(query, since, until)
    if output == "-":
        _to_stdout(database, found, asked, resume=resume)
    else:
        _to_file(database, found, asked, Path(output), resume=resume)


def _by_ending(output: str) -> Shape:
    ending = Path(output.removesuffix(".gz")).suffix
    return {".csv": Shape.CSV, ".json": Shape.JSON}.get(ending, Shape.NDJSON)


def _to_stdout(database: Database, query: Query, asked: dict[str, Any], *, resume: bool) -> None:
    from dblog.admin.partfile import Stream

    if resume:
        fail("--resume needs --output FILE: what went into a pipe is gone", EXIT_USAGE)
    if sys.stdout is None:
        raise BrokenPipeError
    if sys.stdout.isatty():
        fail("an export is not for a terminal: give --output FILE or a pipe, or see dblog search", EXIT_USAGE)
    _run(database, query, Stream(sys.stdout.buffer), asked, {})


def _to_file(database: Database, query: Query, asked: dict[str, Any], path: Path, *, resume: bool) -> None:
    from dblog.admin.partfile import PartFile
    from dblog.query import parse

    with PartFile(path) as file:
        state = file.resume() if resume else {}
        if state:
            _same(file, state.get("asked"), asked)
            query = parse(str(state.get("query")))  # with the times it had then
        elif not resume:
            file.begin({"asked": asked, "query": str(query)})
        try:
            count = _run(database, query, file, asked, state)
        except (KeyboardInterrupt, SystemExit, StoreError, typer.Exit, OSError):
            warn(f"what is written so far is in {file.part}: repeat the command with --resume to go on")
            raise
    typer.echo(f"{many(count, 'entry', 'entries')} in {path}", err=True)


def _same(file: PartFile, before: Any, asked: dict[str, Any]) -> None:
    """See that an interrupted export was asked for the same.

    Raises:
        ConfigurationError: it was not.
    """
    if not isinstance(before, dict) or before.get("database") != asked["database"]:
        raise ConfigurationError(f"{file.side} is of an export from another database: give that one with --resume")
    if before != asked:
        raise ConfigurationError(f"{file.side} is of another export: repeat its query and options with --resume")


def _run(database: Database, query: Query, output: Output, asked: dict[str, Any], state: dict[str, Any]) -> int:
    from dblog.admin.exporting import Progress as Place
    from dblog.admin.exporting import export as run
    from dblog.admin.formats import format_of

    shape = format_of(asked["format"], tuple(asked["columns"]), raw=asked["raw"])
    since = Place.of(state) if "cursor" in state else None

    async def body(reader: LogReader) -> int:
        with Progress("entries") as progress:
            if progress.shown:
                progress.total = (await reader.count(query, exact=False)).value
            return await run(
                reader,
                query,
                shape,
                output,
                asked={"asked": asked, "query": str(query)},
                since=since,
                limit=asked["limit"],
                report=progress,
            )

    try:
        return reading(database, body)
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"the output cannot be written: {error.strerror}", EXIT_USAGE)
