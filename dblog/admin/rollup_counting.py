"""How entries are counted into ``log_rollup``: in steps, each a transaction that also says how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dblog.errors import ErrorClass, StoreError
from dblog.reading.snapshot import Snapshot

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = [
    "HOUR",
    "LONGEST",
    "NOTHING",
    "Counting",
    "PostgresCounting",
    "SQLiteCounting",
    "release",
    "restart",
    "tables",
]

_TARGET: Final = {"postgresql": 0.5, "sqlite": 0.03}
"""Seconds of one transaction: on Postgres those who delete wait for it, on SQLite those who store."""
_FIRST: Final = {"postgresql": 256, "sqlite": 5000}
"""Transactions of the first step; on SQLite entries."""
_MOST: Final = {"postgresql": 2**40, "sqlite": 100_000}
_PATIENCE: Final = 2.0
"""Seconds to wait, on Postgres, for somebody who counts or deletes."""
LONGEST: Final = 600.0
"""Seconds of one step: a single transaction of an import may have millions of entries."""
HOUR: Final = 3_600_000_000
NOTHING: Final = "1:1:"
"""A snapshot in which no transaction is over."""


class State(NamedTuple):
    """The row of ``log_rollup_state``."""

    token: Any
    floor: int | None
    system: int | None


def tables(connection: AdminConnection) -> tuple[str, str]:
    """The names of the rollup and of its state, quoted."""
    names = connection.names
    return names.qualified(names.rollup), names.qualified(names.rollup_state)


def release(connection: AdminConnection, before: int) -> None:
    """No longer answer for entries before a time (µs): they are counted in ``logs`` from now on.

    To be called before a day's partition is detached or dropped; where there is no rollup, and on SQLite, which has
    no partitions, it does nothing.
    """
    if not connection.postgres or not connection.has_table(connection.names.rollup_state):
        return
    rollup, state = tables(connection)
    moment = connection.moment(-(-before // HOUR) * HOUR)
    with connection.transaction(lock_timeout=5.0, statement_timeout=LONGEST):
        if connection.run(
            f"UPDATE {state} SET floor = ?, generation = generation + 1 WHERE id = 1 AND (floor IS NULL OR floor < ?)",  # noqa: S608 - a checked name
            moment,
            moment,
        ):
            connection.run(f"DELETE FROM {rollup} WHERE start < ?", moment)  # noqa: S608 - as above


def restart(connection: AdminConnection, system: int | None) -> None:
    """Forget every count, in a transaction of the caller's.

    Args:
        connection: of the tables' owner.
        system: Postgres: the cluster whose transactions are counted from now on.
    """
    rollup, state = tables(connection)
    connection.run(
        f"UPDATE {state} SET token = ?, floor = NULL, system = ?, generation = generation + 1 WHERE id = 1",  # noqa: S608 - as above
        NOTHING if connection.postgres else 0,
        system,
    )
    connection.run(f"DELETE FROM {rollup}")  # noqa: S608 - as above


class Counting:
    """Counts in steps."""

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self._rollup, self._state = tables(connection)
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

    def read(self, lock: str = "") -> State:
        """How far counting has come."""
        floor = self._connection.micros("floor")
        rows = self._connection.rows(f"SELECT token, {floor}, system FROM {self._state} WHERE id = 1{lock}")  # noqa: S608 - a checked name
        if not rows:
            nothing = f"'{NOTHING}'" if self._connection.postgres else 0
            sentence = (
                f"the row of {self._state} is missing: INSERT INTO {self._state} (id, token) VALUES (1, {nothing})"  # noqa: S608 - said, not run
            )
            raise StoreError(ErrorClass.CONFIGURATION, "P0002", sentence)
        return State(*rows[0])


class SQLiteCounting(Counting):
    """By ``ingest_seq``: writers take turns, so all up to a number are there once it is."""

    def __init__(self, connection: AdminConnection) -> None:
        super().__init__(connection)
        logs = connection.logs
        self._last = f"SELECT coalesce(max(ingest_seq), 0) FROM {logs}"  # noqa: S608 - a checked name
        self._before = f"SELECT coalesce(min(ingest_seq) - 1, 0) FROM {logs}"  # noqa: S608 - as above
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
        """See ``Counting``."""
        connection = self._connection
        with connection.transaction():
            token = max(self.read().token, connection.value(self._before))
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
        hour = start - start % HOUR if start != -1 else start
        for width, moment in ((60, start), (3600, hour)):
            key = (width, moment, *rest)
            counts[key] = counts.get(key, 0) + entries
    return [(*key, entries) for key, entries in counts.items()]


class PostgresCounting(Counting):
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
        """See ``Counting``."""
        connection = self._connection
        with connection.transaction(lock_timeout=_PATIENCE, statement_timeout=LONGEST):
            # A token names transactions whose numbers must never be given again, not even after a crash.
            connection.run("SET LOCAL synchronous_commit = on")
            state = self.read(" FOR UPDATE")
            text, system = connection.rows(_LOOK)[0]
            # The rows are read by a later statement: all that is over now it sees.
            now = Snapshot.parse(text)
            token = Snapshot.parse(state.token)
            if state.system != system:
                restart(connection, system)
                token, state = Snapshot.parse(NOTHING), state._replace(floor=None)
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
