"""``log_rollup``: how many entries each minute and hour has, by severity and service, kept up with what is stored.

Counting goes by transactions, as a tail does, and stores how far it has come in the transaction that adds the counts:
an entry is counted once, however late it comes, and the counts are those of all entries up to that place, at every
moment. What is deleted is taken out by the tables' own triggers; days that go as partitions are no longer answered for
(``release``) before they go. Safe to run from many places at once, and nobody who stores waits for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dblog.errors import ErrorClass, StoreError
from dblog.reading.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection

__all__ = ["Refreshed", "refresh", "release", "reset"]

_TARGET: Final = {"postgresql": 0.5, "sqlite": 0.03}
"""Seconds of one transaction: on Postgres those who delete wait for it, on SQLite those who store."""
_FIRST: Final = {"postgresql": 256, "sqlite": 5000}
"""Transactions of the first step; on SQLite entries."""
_MOST: Final = {"postgresql": 2**40, "sqlite": 100_000}
_PAUSE: Final = 0.01
_LONGEST: Final = 600.0
"""Seconds of one step: a single transaction of an import may have millions of entries."""
_NOTHING: Final = "1:1:"
_BUSY: Final = "55P03"


@dataclass(slots=True)
class Refreshed:
    """What a refresh did."""

    entries: int = 0
    """Counted now."""
    complete: bool = False
    """All that was stored when it began is counted; else time was up, or somebody else was counting."""


class _State(NamedTuple):
    """The row of ``log_rollup_state``."""

    token: Any
    floor: int | None
    system: int | None


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
    _see_tables(connection)
    counting: _Counting = (_Postgres if connection.postgres else _SQLite)(connection)
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


def release(connection: AdminConnection, before: int) -> None:
    """No longer answer for entries before a time (µs): they are counted in ``logs`` from now on.

    To be called before a day's partition is detached or dropped; where there is no rollup it does nothing.
    """
    if not connection.has_table(connection.names.rollup_state):
        return
    rollup, state = _tables(connection)
    moment = connection.moment(before)
    with connection.transaction(lock_timeout=5.0, statement_timeout=_LONGEST):
        if connection.run(
            f"UPDATE {state} SET floor = ? WHERE id = 1 AND (floor IS NULL OR floor < ?)",  # noqa: S608 - a checked name
            moment,
            moment,
        ):
            connection.run(f"DELETE FROM {rollup} WHERE start < ?", moment)  # noqa: S608 - as above


def reset(connection: AdminConnection) -> None:
    """Forget every count; ``refresh`` begins anew. For rows that were changed by hand, or restored into the table."""
    _see_tables(connection)
    with connection.transaction(statement_timeout=_LONGEST):
        _reset(connection, None)


def _reset(connection: AdminConnection, system: int | None) -> None:
    rollup, state = _tables(connection)
    connection.run(
        f"UPDATE {state} SET token = ?, floor = NULL, system = ?, generation = generation + 1 WHERE id = 1",  # noqa: S608 - as above
        _NOTHING if connection.postgres else 0,
        system,
    )
    connection.run(f"DELETE FROM {rollup}")  # noqa: S608 - as above


def _tables(connection: AdminConnection) -> tuple[str, str]:
    names = connection.names
    return names.qualified(names.rollup), names.qualified(names.rollup_state)


def _see_tables(connection: AdminConnection) -> None:
    for name in connection.names.rollups:
        if not connection.has_table(name):
            code = "42P01 UndefinedTable" if connection.postgres else "SQLITE_ERROR"
            raise StoreError(ErrorClass.CONFIGURATION, code, f"the table {name} is missing: run dblog upgrade")


class _Counting:
    """Counts in steps."""

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self._rollup, self._state = _tables(connection)
        self.size = _FIRST[connection.dialect]
        """Of the next step."""

    def adapt(self, took: float) -> None:
        """Let the next step take about as long as it should."""
        dialect = self._connection.dialect
        wanted = self.size * _TARGET[dialect] / max(took, 1e-3)
        self.size = max(1, min(int(wanted), 4 * self.size, _MOST[dialect]))

    def prepare(self) -> None:
        """What is done once, before all steps."""

    def step(self) -> tuple[int, bool]:
        """How many entries were counted, and whether that is all."""
        raise NotImplementedError

    def _read(self, lock: str = "") -> _State:
        floor = self._connection.micros("floor")
        rows = self._connection.rows(f"SELECT token, {floor}, system FROM {self._state} WHERE id = 1{lock}")  # noqa: S608 - a checked name
        if not rows:
            nothing = f"'{_NOTHING}'" if self._connection.postgres else 0
            sentence = (
                f"the row of {self._state} is missing: INSERT INTO {self._state} (id, token) VALUES (1, {nothing})"  # noqa: S608 - said, not run
            )
            raise StoreError(ErrorClass.CONFIGURATION, "P0002", sentence)
        return _State(*rows[0])


class _SQLite(_Counting):
    """By ``ingest_seq``: writers take turns, so all up to a number are there once it is."""

    def __init__(self, connection: AdminConnection) -> None:
        super().__init__(connection)
        logs = connection.logs
        self._last = f"SELECT coalesce(max(ingest_seq), 0) FROM {logs}"  # noqa: S608 - a checked name
        start = "CASE typeof(timestamp) WHEN 'integer' THEN timestamp - ((timestamp % {0} + {0}) % {0}) ELSE -1 END"
        minute = start.format(60_000_000)
        # A scan in order of numbers; by time the lookups would be everywhere.
        self._minutes = (
            f"SELECT {minute}, severity, coalesce(service, ''), service IS NOT NULL, count(*)"  # noqa: S608 - as above
            f" FROM {logs} NOT INDEXED WHERE ingest_seq > ? AND ingest_seq <= ? GROUP BY 1, 2, 3, 4"
        )
        self._add = (
            f"INSERT INTO {self._rollup} (width, start, severity, service, has_service, entries)"  # noqa: S608 - as above
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET entries = entries + excluded.entries"
        )
        self._goal: int = connection.value(self._last)

    def step(self) -> tuple[int, bool]:
        connection = self._connection
        with connection.transaction():
            token = self._read().token
            last = min(token + self.size, connection.value(self._last))
            minutes = connection.rows(self._minutes, token, last) if last > token else []
            connection.run_many(self._add, _by_both(minutes))
            connection.run(
                f"UPDATE {self._state} SET token = ?, refreshed_at = ? WHERE id = 1",  # noqa: S608 - a checked name
                max(token, last),
                connection.now(),
            )
        return sum(row[-1] for row in minutes), max(token, last) >= self._goal


def _by_both(minutes: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of minutes and of hours; at -1 is what has no time."""
    counts: dict[tuple[Any, ...], int] = {}
    for start, *rest, entries in minutes:
        hour = start - start % 3_600_000_000 if start != -1 else start
        for width, moment in ((60, start), (3600, hour)):
            key = (width, moment, *rest)
            counts[key] = counts.get(key, 0) + entries
    return [(*key, entries) for key, entries in counts.items()]


class _Postgres(_Counting):
    """By transactions: those that are over now and were not at the last time."""

    _goal: Snapshot | None = None

    def __init__(self, connection: AdminConnection) -> None:
        super().__init__(connection)
        self._add = _ADD.format(rollup=self._rollup, logs=connection.logs)

    def prepare(self) -> None:
        """A day's table that somebody took out by hand took its entries along."""
        missing = self._connection.value(_GONE.format(rollup=self._rollup), self._connection.logs)
        if missing is not None:
            release(self._connection, int(missing))

    def step(self) -> tuple[int, bool]:
        connection = self._connection
        with connection.transaction(lock_timeout=2.0, statement_timeout=_LONGEST):
            # A token names transactions whose numbers must never be given again, not even after a crash.
            connection.run("SET LOCAL synchronous_commit = on")
            state = self._read(" FOR UPDATE")
            text, system = connection.rows(_LOOK)[0]
            # The rows are read by a later statement: all that is over now it sees.
            now = Snapshot.parse(text)
            token = Snapshot.parse(state.token)
            if state.system != system:
                _reset(connection, system)
                token, state = Snapshot.parse(_NOTHING), state._replace(floor=None)
            self._goal = goal = self._goal or now
            new = now.since(token)
            if new.empty:
                return 0, True
            border = min(now.end, new.first + self.size)
            which = new.below(border)
            floor = None if state.floor is None else connection.moment(state.floor)
            singles, running = (list(map(str, each)) for each in (which.singles, which.running))
            ranges = (str(which.low), str(which.high), running)
            counted = int(connection.value(self._add, floor, singles, *ranges))
            reached = token.joined(now, border)
            connection.run(
                f"UPDATE {self._state} SET token = ?, refreshed_at = clock_timestamp() WHERE id = 1",  # noqa: S608 - a checked name
                _text_of(reached),
            )
        return counted, goal.since(reached).empty


def _text_of(snapshot: Snapshot) -> str:
    """As Postgres writes it."""
    running = sorted(snapshot.running)
    return f"{running[0] if running else snapshot.end}:{snapshot.end}:{','.join(map(str, running))}"


_LOOK: Final = "SELECT CAST(pg_current_snapshot() AS text), system_identifier FROM pg_control_system()"
# Two branches, for each is one look-up in the index on xid.
_ADD: Final = """
WITH minutes AS MATERIALIZED (
    SELECT date_bin('1 minute', "timestamp", '1970-01-01 00:00+00') AS start, severity,
           coalesce(service, '') AS service, CAST(service IS NOT NULL AS int) AS has_service, count(*) AS entries
    FROM (SELECT coalesce(CAST(? AS timestamptz), '-infinity') AS moment) AS floor, LATERAL (
        SELECT "timestamp", severity, service FROM {logs}
        WHERE xid = ANY (CAST(CAST(? AS text[]) AS xid8[]))
        UNION ALL
        SELECT "timestamp", severity, service FROM {logs}
        WHERE xid >= CAST(CAST(? AS text) AS xid8) AND xid < CAST(CAST(? AS text) AS xid8)
          AND xid <> ALL (CAST(CAST(? AS text[]) AS xid8[]))
    ) AS new
    WHERE new."timestamp" >= floor.moment
    GROUP BY 1, 2, 3, 4
), added AS (
    INSERT INTO {rollup} AS counts (width, start, severity, service, has_service, entries)
    SELECT 60, start, severity, service, has_service, entries FROM minutes
    UNION ALL
    SELECT 3600, date_bin('1 hour', start, '1970-01-01 00:00+00'), severity, service, has_service, sum(entries)
    FROM minutes GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (width, start, severity, service, has_service)
    DO UPDATE SET entries = counts.entries + excluded.entries
)
SELECT coalesce(sum(entries), 0) FROM minutes
"""
# The end, in µs, of the newest day that is counted and has no table any more; tables that are named otherwise may
# hold any day.
_GONE: Final = """
SELECT (extract(epoch FROM max(day) + interval '1 day') * 1000000)::bigint
FROM (SELECT DISTINCT date_bin('1 day', start, '1970-01-01 00:00+00') AS day FROM {rollup} WHERE width = 3600) AS days,
     (SELECT oid, relname FROM pg_class WHERE oid = to_regclass(?) AND relkind = 'p') AS logs
WHERE NOT EXISTS (
    SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = logs.oid AND NOT inhdetachpending
      AND (pg_class.relname = logs.relname || to_char(days.day AT TIME ZONE 'UTC', '"_"YYYYMMDD')
           OR pg_class.relname !~ '_[0-9]{{8}}$')
)
"""
