"""``dblog prune``: what is too old goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dblog.cli.admin import Choose, KeepOption, LevelOption, YesOption, administers, confirm, connection_to, many
from dblog.cli.common import EXIT_USAGE, fail, warn
from dblog.cli.options import examples
from dblog.cli.progress import Progress

if TYPE_CHECKING:
    from dblog.admin.pruning import Pruned

__all__ = ["EPILOG", "prune", "told"]

EPILOG = examples(
    "dblog prune --older-than 90d --dry-run",
    "dblog prune --older-than 90d --keep debug=3d --keep info=30d --yes",
)


@administers
def prune(
    *,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", show_default=False, help="30d, 12h, 2w.")
    ] = None,
    level: LevelOption = None,
    keep: KeepOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and stop.")] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="SQLite: make the file smaller afterwards; writers wait meanwhile.")
    ] = False,
    yes: YesOption = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0.001, show_default=False, help="Of one statement (600)."),
    ] = None,
    choose: Choose,
) -> None:
    """Delete old entries in small steps, and whole days as partitions on Postgres; no writer waits for it."""
    from dblog.admin import pruning

    with connection_to(choose(), timeout, clickhouse=True) as connection:
        if vacuum and connection.dialect != "sqlite":
            fail("--vacuum is for SQLite: others make room by themselves", EXIT_USAGE)
        rules = pruning.rules_of(older_than, level, keep or [], connection.now())
        if dry_run or not yes:
            found = pruning.plan(connection, rules)
            typer.echo(f"would go: {told(found)}")
            if dry_run:
                return
            if found.any:
                confirm("type yes to delete them", "yes", yes=yes)
        with Progress("entries") as progress:
            done = pruning.prune(connection, rules, report=progress)
        typer.echo(f"gone: {told(done)}")
        if done.waiting:
            warn(f"others used the table all the time: {', '.join(done.waiting)} could not be dropped, run it again")
        if vacuum:
            typer.echo(f"the file has {pruning.vacuum(connection):,} bytes now")
        elif done.free:
            typer.echo(f"{done.free:,} bytes of the file are free for new entries; --vacuum makes it smaller")


def told(pruned: Pruned) -> str:
    """How many, of what."""
    parts = [many(pruned.rows, "entry", "entries")]
    if pruned.days:
        first, last = pruned.days[0], pruned.days[-1]
        days = first if first == last else f"{first} to {last}"
        parts.append(f"{many(len(pruned.days), 'whole day')} of them ({days})")
    if pruned.dead_letters:
        parts.append(many(pruned.dead_letters, "dead letter"))
    if pruned.instances:
        parts.append(f"{many(pruned.instances, 'writer')} that said nothing since")
    return ", ".join(parts)
