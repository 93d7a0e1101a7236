"""``dblog copy``: from one database into another, whatever kinds they are."""

from __future__ import annotations

import contextlib
from pathlib import Path  # noqa: TC003 - typer looks at it
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.admin import connection_to, many, print_json
from dblog.cli.common import EXIT_USAGE, exit_code, fail, sentence, warn
from dblog.cli.import_ import created
from dblog.cli.options import SinceOption, UntilOption, bounds_of, examples
from dblog.cli.profiles import Database, resolve
from dblog.cli.progress import Progress
from dblog.errors import ConfigurationError, StoreError
from dblog.visible import visible

if TYPE_CHECKING:
    from dblog.admin.beside_logs import Beside
    from dblog.admin.connection import AdminConnection
    from dblog.admin.copying import Copied, Copying, Day

__all__ = ["EPILOG", "copy"]

_SHOWN = 10
"""Entries whose reasons are printed."""

EPILOG = examples(
    "dblog copy --from sqlite:///logs.db --to postgresql://... --dry-run",
    "dblog copy --from production --to archive --until 2026-11-01",
)


def copy(
    *,
    source: Annotated[str, typer.Option("--from", metavar="URL", help="A database, or a profile's name.")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="Another one, with dblog's tables in it.")],
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; store nothing.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write entries the target refuses there.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each day.")] = False,
) -> None:
    """Copy every entry that is not there yet, day by day, and compare all of them with what arrived.

    Safe to interrupt, to run again, and while the source is written to; the next run brings what came meanwhile.
    Exits 2 when entries were refused or differ.
    """
    from dblog.admin.copying import Copying, refuse_nonsense

    low, high = bounds_of(since, until)
    ends = _database("from", source), _database("to", target)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_open(name, end)) for name, end in zip(("from", "to"), ends, strict=True)]
        refuse_nonsense(*opened)
        bad = None if rejects is None else stack.enter_context(created(rejects))
        progress = stack.enter_context(Progress("entries"))
        work = Copying(*opened, since=low, until=high, dry_run=dry_run, rejects=bad, report=progress)
        try:
            if progress.shown:
                progress.total = work.count()
            work.run()
        except (KeyboardInterrupt, StoreError, SystemExit):
            _interrupted(work, dry_run=dry_run)
            raise
    _tell(work.copied, dry_run=dry_run, json=json)
    if not work.copied.verified and not (dry_run and not _bad(work.copied)):
        raise typer.Exit(EXIT_USAGE)


def _database(option: str, given: str) -> Database:
    if not given.strip():
        # A script's unset variable, most likely.
        raise ConfigurationError(f"--{option} is empty: give a URL, or the name of a profile")
    url = given if ":" in given else None
    database, warning = resolve(url, None if url else given)
    if warning:
        warn(warning)
    if database is None:  # pragma: no cover - a name that is given is found, or an error
        raise ConfigurationError(f"--{option} names no database")
    return database


@contextlib.contextmanager
def _open(option: str, database: Database) -> Any:
    """An open connection; what is wrong with it is said with the option that named it."""
    connection = connection_to(database, clickhouse=True)
    with contextlib.ExitStack() as stack:
        try:
            opened: AdminConnection = stack.enter_context(connection)
        except StoreError as error:
            fail(f"--{option}: {sentence(error)} ({connection.shown})", exit_code(error))
        yield opened


def _bad(copied: Copied) -> int:
    """What a next run would not mend."""
    sides = [side.refused for side in (copied.writers, copied.letters) if side is not None]
    return copied.total("refused") + copied.total("different") + sum(sides)


def _interrupted(work: Copying, *, dry_run: bool) -> None:
    days = work.copied.days
    warn(f"{_summary(work.copied, dry_run=dry_run)}; what is stored stays, and the same command goes on")
    if len(days) > 1:
        warn(f"what is before {days[-1].name} has been gone through: --since {days[-1].name} is the quickest way on")


def _tell(copied: Copied, *, dry_run: bool, json: bool) -> None:
    for day in copied.days:
        if json:
            print_json(_fields(day))
        else:
            typer.echo(_line(day, dry_run=dry_run))
    for identity, reason in copied.reasons[:_SHOWN]:
        warn(f"{identity}: {visible(reason)}")
    named = copied.total("refused") + copied.total("different") + (0 if dry_run else copied.total("missing"))
    if named > _SHOWN:
        warn(f"{named - _SHOWN:,} more")
    typer.echo(_summary(copied, dry_run=dry_run), err=json)


def _fields(day: Day) -> dict[str, Any]:
    from dblog.admin.digests import shown

    names = ("read", "stored", "present", "different", "refused", "missing")
    figures = {name: getattr(day, name) for name in names}
    return {"day": day.name, **figures, "source": shown(day.source), "target": shown(day.target)} | {
        "verified": day.verified
    }


def _line(day: Day, *, dry_run: bool) -> str:
    from dblog.admin.digests import shown

    return f"{day.name}  {_counted(day, dry_run=dry_run)}  {shown(day.source)[:16] if day.verified else 'not the same'}"


def _counted(figures: Any, *, dry_run: bool) -> str:
    parts = [many(figures.read, "entry", "entries")]
    parts += [f"{figures.missing:,} to store"] if dry_run else [f"{figures.stored:,} stored"]
    parts.append(f"{figures.present:,} already there")
    if figures.different:
        parts.append(f"{figures.different:,} different")
    if figures.refused:
        parts.append(f"{figures.refused:,} refused")
    if figures.missing and not dry_run:
        parts.append(f"{figures.missing:,} gone")
    return ", ".join(parts)


def _summary(copied: Copied, *, dry_run: bool) -> str:
    from dblog.admin.copying import Day

    whole = Day("")
    for name in ("read", "stored", "present", "different", "refused", "missing"):
        setattr(whole, name, copied.total(name))
    parts = [f"{_counted(whole, dry_run=dry_run)} in {many(len(copied.days), 'day')}"]
    for what, side in (("writer", copied.writers), ("dead letter", copied.letters)):
        if side is not None and side.read:
            parts.append(_beside(what, side, dry_run=dry_run))
    if copied.partitions:
        parts.append(f"{many(len(copied.partitions), 'partition')} made")
    return "; ".join(parts)


def _beside(what: str, side: Beside, *, dry_run: bool) -> str:
    refused = f", {side.refused:,} refused" if side.refused else ""
    return f"{many(side.read, what)}, {side.stored:,} {'to store' if dry_run else 'stored'}{refused}"
