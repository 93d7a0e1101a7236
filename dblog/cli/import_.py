"""``dblog import``: lines of JSON into a database."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from dblog.cli.admin import Choose, administers, connection_to, many
from dblog.cli.common import (
    EXIT_USAGE,
    fail,
    warn,
)
from dblog.cli.options import examples
from dblog.cli.progress import Progress
from dblog.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from dblog.admin.importing import Summary

__all__ = ["EPILOG", "created", "import_"]

_SHOWN = 10
"""Refused lines whose reasons are printed."""

EPILOG = examples(
    "dblog import logs.ndjson.gz",
    "dblog export --profile old | dblog import - --profile new",
    "dblog import app.log.json --rejects bad.ndjson --dry-run",
)


@administers
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="NDJSON, compressed if it ends in .gz; - is stdin.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the lines; store nothing.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write the refused lines there.")
    ] = None,
    choose: Choose,
) -> None:
    """Store the entries of a file, each once, however often it is imported. Exits 2 when lines were refused."""
    from dblog.admin.importing import Import, lines_of

    database = None if dry_run else choose()
    with contextlib.ExitStack() as stack:
        lines = lines_of(stack.enter_context(_opened(file)))
        bad = None if rejects is None else stack.enter_context(created(rejects))
        connection = None if database is None else stack.enter_context(connection_to(database, clickhouse=True))
        progress = stack.enter_context(Progress("lines"))
        work = Import(connection, rejects=bad, report=lambda summary: progress(summary.read))
        try:
            summary = work.run(lines)
        except (KeyboardInterrupt, StoreError, SystemExit):
            warn(f"{_told(work.summary, dry_run=dry_run)}; what is stored stays, and importing again is safe")
            raise
        except (EOFError, OSError, gzip.BadGzipFile) as error:
            warn(_told(work.summary, dry_run=dry_run))
            fail(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is damaged'}", EXIT_USAGE)
    for _, reason in summary.reasons[:_SHOWN]:
        warn(reason)
    if summary.refused > _SHOWN:
        warn(f"{summary.refused - _SHOWN:,} more: see --rejects")
    typer.echo(_told(summary, dry_run=dry_run))
    if summary.refused:
        raise typer.Exit(EXIT_USAGE)


def _told(summary: Summary, *, dry_run: bool) -> str:
    parts = [f"{many(summary.read, 'line')} read"]
    if not dry_run:
        parts += [f"{summary.stored:,} stored", f"{summary.present:,} already there"]
    parts.append(f"{summary.refused:,} refused")
    if summary.days:
        parts.append(f"{many(len(summary.days), 'partition')} made")
    return ", ".join(parts)


def _opened(file: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if file == "-":
        if sys.stdin is None:
            raise ConfigurationError("there is no stdin to read from: name a file")
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        if file.endswith(".gz"):
            return gzip.open(file, "rb")  # type: ignore[return-value]  # a BinaryIO but by name
        return Path(file).open("rb")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None


def created(path: Path) -> BinaryIO:
    """A new file for what was refused."""
    try:
        return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        raise ConfigurationError(f"rejects={str(path)!r} cannot be written: {error.strerror}") from None
