"""``log_rollup``: how many entries each minute and hour has, by severity and service, kept up with what is stored.

Counting goes by transactions, as a tail does, and stores how far it has come in the transaction that adds the counts:
an entry is counted once, however late it comes, and the counts are those of all entries up to that place, at every
moment. What is deleted is taken out by the tables' own triggers; days that go as partitions are no longer answered for
(``release``) before they go. Safe to run from many places at once, and nobody who stores waits for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.admin.rollup_counting import LONGEST, Counting, PostgresCounting, SQLiteCounting, release, restart
from dblog.errors import ErrorClass, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection

__all__ = ["Refreshed", "refresh", "release", "reset"]

_PAUSE: Final = 0.01
_BUSY: Final = "55P03"


@dataclass(slots=True)
class Refreshed:
    """What a refresh did."""

    entries: int = 0
    """Counted now."""
    complete: bool = False
    """All that was stored when it began is counted; else time was up, or somebody else was counting."""


def refresh(
    connection: AdminConnection,
    *,
    budget: float = 60.0,
    report: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Refreshed:
    """Count what has been stored since the last time.

    Args:
        connection: of the tables' owner.
        budget: seconds; what is not done by then is done next time. One step is always taken.
        report: called with the number of entries counted so far.
        sleep: between two steps, so that writers get their turn.

    Raises:
        StoreError: the tables are missing, a privilege is, or the database is away; what went before is counted.
    """
    _see(connection)
    counting: Counting = (PostgresCounting if connection.postgres else SQLiteCounting)(connection)
    done = Refreshed()
    until = time.monotonic() + budget
    try:
        counting.prepare()
        while True:
            started = time.perf_counter()
            counted, done.complete = counting.step()
            took = time.perf_counter() - started
            done.entries += counted
            report(done.entries)
            if done.complete or time.monotonic() >= until:
                return done
            counting.adapt(took)
            sleep(max(_PAUSE, 0.0 if connection.postgres else took))
    except StoreError as error:
        if not error.code.startswith(_BUSY):
            raise
        return done


def reset(connection: AdminConnection) -> None:
    """Forget every count; ``refresh`` begins anew. For rows that were changed by hand, or restored into the table."""
    _see(connection)
    with connection.transaction(statement_timeout=LONGEST):
        restart(connection, None)


def _see(connection: AdminConnection) -> None:
    for name in connection.names.rollups:
        if not connection.has_table(name):
            code = "42P01 UndefinedTable" if connection.postgres else "SQLITE_ERROR"
            raise StoreError(ErrorClass.CONFIGURATION, code, f"the table {name} is missing: run dblog upgrade")
