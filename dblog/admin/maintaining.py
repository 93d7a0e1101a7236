"""``maintain``: what a database of logs needs again and again, in one run that any number of hosts may start.

Days are made ahead, what a policy calls too old goes, ``log_rollup`` is brought up to
date, and an SQLite file gives back what is empty. No step keeps a writer waiting, each
may be repeated, and whatever was changed is told in one audit row. Nothing is deleted
without rules.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog.admin import pruning, rollup, shrinking
from dblog.admin.alone import alone
from dblog.admin.deleting import audit
from dblog.admin.partitions import Days, day_of, is_partitioned, partitions
from dblog.admin.pruning import Pruned
from dblog.errors import ConfigurationError
from dblog.repair import DAY_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection
    from dblog.admin.pruning import Rule

__all__ = ["AHEAD", "BUDGET", "MOST_AHEAD", "Maintained", "maintain", "preview"]

AHEAD: Final = 3
"""Days made ahead, as writers make them."""
MOST_AHEAD: Final = 7
"""As far as ``dblog_ensure_day`` goes."""
BUDGET: Final = 60.0
"""Seconds of one run for the rollup, and for what an SQLite file gives back."""


@dataclass(slots=True)
class Maintained:
    """What a run did, or would do."""

    busy: bool = False
    """Somebody else was at it: nothing was done."""
    made: list[str] = field(default_factory=list)
    """Days that have a partition now and had none."""
    pruned: Pruned = field(default_factory=Pruned)
    counted: int = 0
    """Entries that the rollup counts now and did not before."""
    anew: bool = False
    """What was counted before was thrown away first."""
    freed: int = 0
    """SQLite: bytes given back to the disk."""
    warnings: list[str] = field(default_factory=list)
    """What was left undone, and what to do about it."""


def maintain(
    connection: AdminConnection,
    rules: list[Rule],
    *,
    ahead: int = AHEAD,
    budget: float = BUDGET,
    recount: bool = False,
    patience: float = 20.0,
    report: Callable[[int], None] = lambda _: None,
) -> Maintained:
    """Do what is due, unless somebody else does.

    Args:
        connection: of the tables' owner.
        rules: what is too old; none: nothing is deleted.
        ahead: how many days after today have a partition afterwards.
        budget: seconds for the rollup, and for what an SQLite file gives back.
        recount: throw the rollup's counts away first.
        patience: seconds to wait in all where others are in the way of a drop.
        report: called with the entries gone so far.

    Raises:
        ConfigurationError: there is nothing to count anew.
        StoreError: a privilege is missing, or the database is away; what went before is done, and in the audit row
            where one could be written.
    """
    done = Maintained(anew=_recounts(connection, recount=recount))
    with alone(connection) as ours:
        if not ours:
            done.busy = True
            return done
        try:
            _make_days(connection, ahead, done)
            if rules:
                pruning.carry_out(connection, rules, done.pruned, patience=patience, report=report)
            done.counted = _count(connection, budget, done)
        finally:
            _audit(connection, rules, done)
        if connection.dialect == "sqlite":
            _shrink(connection, budget, done)
    if days := done.pruned.waiting:
        done.warnings.append(f"others used the table all the time: {', '.join(days)} could not be dropped yet")
    return done


def preview(connection: AdminConnection, rules: list[Rule], *, ahead: int = AHEAD, recount: bool = False) -> Maintained:
    """What ``maintain`` would do now, but for the rollup; looks at every row that would go."""
    found = Maintained(anew=_recounts(connection, recount=recount))
    if connection.postgres and is_partitioned(connection):
        there = {each.day for each in partitions(connection) if each.attached}
        found.made = [str(day) for day in _wanted(connection, ahead) if day not in there]
    elif connection.dialect == "sqlite" and shrinking.able(connection):
        found.freed = shrinking.surplus(connection) * int(connection.value("PRAGMA page_size"))
    if rules:
        found.pruned = pruning.plan(connection, rules)
    return found


def _wanted(connection: AdminConnection, ahead: int) -> list[dt.date]:
    today = day_of(connection.now())
    return [today + dt.timedelta(days=number) for number in range(ahead + 1)]


def _make_days(connection: AdminConnection, ahead: int, done: Maintained) -> None:
    if not connection.postgres or not is_partitioned(connection):
        return
    days = Days(connection)
    for day in _wanted(connection, ahead):
        moment = (day - dt.date(1970, 1, 1)).days * DAY_US
        if reason := days.refusal(moment):
            done.warnings.append(reason)
    done.made = [str(day) for day in days.made]


def _recounts(connection: AdminConnection, *, recount: bool) -> bool:
    if recount and connection.dialect == "clickhouse":
        raise ConfigurationError("recount: ClickHouse keeps no counts, each question counts")
    return recount


def _count(connection: AdminConnection, budget: float, done: Maintained) -> int:
    if done.anew:
        rollup.reset(connection)
    elif not connection.has_table(connection.names.rollup):
        return 0  # revision 0001: `dblog upgrade` says so to whoever asks it
    refreshed = rollup.refresh(connection, budget=budget)
    if not refreshed.complete:
        done.warnings.append("the rollup is not complete yet: the next run goes on")
    return refreshed.entries


def _shrink(connection: AdminConnection, budget: float, done: Maintained) -> None:
    shrunk = shrinking.shrink(connection, budget)
    done.freed, done.pruned.free = shrunk.freed, shrunk.free
    if not shrunk.able and shrunk.free:
        done.warnings.append("the file cannot give pages back in steps: dblog prune --vacuum, once, makes it able to")
    if shrunk.log:
        done.warnings.append(f"the write-ahead log has {shrunk.log:,} bytes: somebody reads in one long transaction")


def _audit(connection: AdminConnection, rules: list[Rule], done: Maintained) -> None:
    if done.made or done.pruned.any or done.pruned.days:
        facts = pruning.facts(rules, done.pruned)
        audit(connection, f"maintained: {done.pruned.rows} entries gone", action="maintain", made=done.made, **facts)
