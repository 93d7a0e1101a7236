"""``dblog maintain``: what is due is done, once, or again and again: days ahead, what is too old, what is empty."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dblog.cli.admin import Choose, KeepOption, LevelOption, administers, connection_to, many
from dblog.cli.common import sentence, warn
from dblog.cli.options import examples
from dblog.cli.progress import Progress
from dblog.errors import ErrorClass, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.maintaining import Maintained

__all__ = ["EPILOG", "maintain"]

EPILOG = examples(
    "dblog maintain --older-than 90d --keep debug=1d --keep info=7d --dry-run",
    "dblog maintain --older-than 90d --keep debug=1d --keep info=7d --every 1h",
)
_JITTER: Final = 0.1
"""The share of an interval that is left to chance, so that many hosts do not come at once."""
_wait: Callable[[float], None] = time.sleep


@administers
def maintain(
    *,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", show_default=False, help="What is older goes: 30d, 12h, 2w."),
    ] = None,
    level: LevelOption = None,
    keep: KeepOption = None,
    ahead: Annotated[int, typer.Option(metavar="DAYS", min=0, max=7, help="Days made ahead on Postgres.")] = 3,
    every: Annotated[
        str | None, typer.Option(metavar="AGE", show_default=False, help="Again and again: 1h, 30m.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="AGE", help="Time of a run for the rollup, and to make an SQLite file smaller.")
    ] = "60s",
    recount: Annotated[
        bool, typer.Option("--recount", help="Throw the counts for histograms away, and make them again.")
    ] = False,
    hypertable: Annotated[
        bool,
        typer.Option(
            "--hypertable", help="TimescaleDB: make the log table a hypertable, if it is none; writers wait meanwhile."
        ),
    ] = False,
    compress: Annotated[
        str | None,
        typer.Option(metavar="AGE", show_default=False, help="TimescaleDB, by its licence: compress what is older."),
    ] = None,
    ttl: Annotated[
        bool, typer.Option("--ttl", help="ClickHouse: have the server delete by these ages itself, from now on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0.001, show_default=False, help="Of one statement (600)."),
    ] = None,
    choose: Choose,
) -> None:
    """Make days ahead, delete what is too old, count for histograms, give empty pages back; no writer waits for it.

    Any number of hosts may run it: one works, the others say so. Without an age nothing is deleted.
    """
    from dblog.admin import maintaining, pruning, pruning_clickhouse, timescale
    from dblog.admin.connection import TIMEOUT

    # What is written wrong is said before any database is asked.
    interval = None if every is None else float(pruning.age_of(every, "every"))
    seconds = float(pruning.age_of(budget, "budget"))
    compressed = None if compress is None else pruning.age_of(compress, "compress")
    chosen_rules = older_than is not None or level is not None or bool(keep)
    if chosen_rules:
        pruning.rules_of(older_than, level, keep or [], 0)
    database = choose()

    def run() -> None:
        nonlocal recount
        with connection_to(database, timeout, clickhouse=True) as connection:
            now = connection.now()
            rules = pruning.rules_of(older_than, level, keep or [], now) if chosen_rules else []
            if dry_run:
                _tell(maintaining.preview(connection, rules, ahead=ahead, recount=recount), "would ")
                return
            if hypertable and (moved := timescale.convert(connection, timeout or TIMEOUT)) is not None:
                typer.echo(f"the log table is a hypertable now, with {many(moved, 'entry', 'entries')}")
            if ttl and pruning_clickhouse.set_ttl(connection, rules, now):
                typer.echo("the server deletes by these ages itself now")
            if compressed is not None:
                timescale.compress(connection, compressed)
            with Progress("entries") as progress:
                done = maintaining.maintain(
                    connection, rules, ahead=ahead, budget=seconds, recount=recount, report=progress
                )
            recount = recount and done.busy  # once, however often it runs
            _tell(done)

    if interval is None or dry_run:
        run()
    else:
        _again_and_again(run, interval)


def _again_and_again(run: Callable[[], None], interval: float) -> None:
    first = True
    while True:
        try:
            run()
        except StoreError as error:
            if first and error.kind is ErrorClass.CONFIGURATION:  # it would be wrong in an hour as well
                raise
            warn(sentence(error))
        first = False
        _wait(interval * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret


def _tell(done: Maintained, would: str = "") -> None:
    if done.busy:
        typer.echo("somebody else maintains this database: nothing was done")
        return
    from dblog.cli.prune import told

    parts = []
    if done.made:
        parts.append(f"{would}make {_days(done.made)}" if would else f"made {_days(done.made)}")
    if done.pruned.any or done.pruned.days:
        parts.append(f"{would}delete {told(done.pruned)}" if would else f"gone: {told(done.pruned)}")
    if done.anew and would:
        parts.append("would throw the counts away, and count every entry anew")
    elif done.anew:
        parts.append(f"counted {many(done.counted, 'entry', 'entries')} anew")
    elif done.counted:
        parts.append(f"counted {many(done.counted, 'new entry', 'new entries')}")
    if done.freed:
        parts.append(f"{would}give back" if would else "gave back")
        parts[-1] += f" {done.freed:,} bytes of the file"
    typer.echo("\n".join(parts) or "nothing to do")
    for warning in done.warnings:
        warn(warning)


def _days(days: list[str]) -> str:
    return f"the partition of {days[0]}" if len(days) == 1 else f"the partitions of {days[0]} to {days[-1]}"
