"""Indexes in an SQLite file: a full-text table of messages' trigrams, which triggers feed, and an ordinary index.

The full-text table takes what is stored from its birth on; what was there before is put in from the newest down, in
steps of some milliseconds, and only then is it used. Which entries it has, its state says: those from ``low`` on. An
entry that it has not is not taken out of it either, when it is deleted.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.admin.connection import AdminConnection

__all__ = ["Here"]

_TARGET: Final = 0.03
"""Seconds of one step: every writer waits for it."""
_FIRST, _MOST = 500, 50_000
_FORGETS: Final = (3, 42)
"""From here on what is deleted is taken out of the index at once, and not when its parts are merged."""
_LOGGER: Final = 'CREATE INDEX IF NOT EXISTS "{name}" ON {logs} (lower(logger), timestamp)'
# Trigrams with the rows they are in and nothing else: a third of the bytes. The message is compared in the log table.
_TABLE: Final = """
CREATE VIRTUAL TABLE "{name}" USING fts5(
    message, content = '{plain}', content_rowid = 'ingest_seq', tokenize = 'trigram', detail = none, columnsize = 0
)"""
_TRIGGERS: Final = (
    """CREATE TRIGGER "{name}_insert" AFTER INSERT ON {logs} BEGIN
    INSERT INTO "{name}" (rowid, message) VALUES (new.ingest_seq, new.message); END""",
    """CREATE TRIGGER "{name}_delete" AFTER DELETE ON {logs}
    WHEN old.ingest_seq >= (SELECT low FROM "{state}") BEGIN
    INSERT INTO "{name}" ("{name}", rowid, message) VALUES ('delete', old.ingest_seq, old.message); END""",
    """CREATE TRIGGER "{name}_update" AFTER UPDATE OF message ON {logs}
    WHEN old.ingest_seq >= (SELECT low FROM "{state}") BEGIN
    INSERT INTO "{name}" ("{name}", rowid, message) VALUES ('delete', old.ingest_seq, old.message);
    INSERT INTO "{name}" (rowid, message) VALUES (new.ingest_seq, new.message); END""",
)


class Here:
    """What ``dblog.admin.indexes`` asks of a database."""

    @staticmethod
    def states(connection: AdminConnection, kinds: Sequence[str]) -> dict[str, tuple[str, int | None]]:
        """Each one's state; its bytes only somebody knows who reads the whole file."""
        names, found = connection.names, {}
        for kind in kinds:
            there = connection.value("SELECT count(*) FROM sqlite_master WHERE name = ?", names.index_on(kind))
            found[kind] = "unavailable" if kind == "metadata" else "ready" if there else "absent"
        if found.get("message") == "ready" and connection.value(f'SELECT low FROM "{names.fts_state}"'):  # noqa: S608 - a checked name
            found["message"] = "building"
        return {kind: (state, None) for kind, state in found.items()}

    @staticmethod
    def measured(connection: AdminConnection, kind: str, sample: int) -> tuple[int, float, float, int]:
        """How many entries, bytes of each, how much slower, and how many there are; in the memory of this process."""
        rows = connection.rows(
            f"SELECT timestamp, id, trace_id, logger, message, metadata FROM {connection.logs}"  # noqa: S608 - a checked name
            f" ORDER BY ingest_seq DESC LIMIT {sample}"
        )
        first, last = (
            connection.value(f"SELECT {end}(ingest_seq) FROM {connection.logs}")  # noqa: S608 - as above
            for end in ("min", "max")
        )
        there = 0 if last is None else last - first + 1
        took, sizes = [], []
        for indexed in (False, True):
            with sqlite3.connect(":memory:", isolation_level=None) as memory:
                _sample(memory, kind if indexed else None)
                started = time.perf_counter()
                memory.execute("BEGIN")
                memory.executemany(
                    "INSERT INTO logs (timestamp, id, trace_id, logger, message, metadata) VALUES (?, ?, ?, ?, ?, ?)",
                    rows,
                )
                memory.execute("COMMIT")
                took.append(time.perf_counter() - started)
                sizes.append(memory.execute("PRAGMA page_count").fetchone()[0] * 4096)
            memory.close()
        each = (sizes[1] - sizes[0]) / len(rows) if rows else 0.0
        return len(rows), each, took[1] / max(took[0], 1e-9), int(there)

    @staticmethod
    def add(connection: AdminConnection, kind: str, report: Callable[[int], None]) -> None:
        """See ``indexes.add``."""
        if kind == "logger":
            with connection.transaction():
                connection.run(_LOGGER.format(name=connection.names.index_on(kind), logs=connection.logs))
            return
        if Here.states(connection, [kind])[kind][0] == "absent":
            _create(connection)
        _fill(connection, report)

    @staticmethod
    def drop(connection: AdminConnection, kind: str) -> bool:
        """See ``indexes.drop``."""
        if Here.states(connection, [kind])[kind][0] == "absent":
            return False
        name = connection.names.index_on(kind)
        with connection.transaction():
            if kind == "logger":
                connection.run(f'DROP INDEX "{name}"')
                return True
            for trigger in ("insert", "delete", "update"):
                connection.run(f'DROP TRIGGER IF EXISTS "{name}_{trigger}"')
            connection.run(f'DROP TABLE "{name}"')
            connection.run(f'DROP TABLE IF EXISTS "{connection.names.fts_state}"')
        return True


def _sample(memory: sqlite3.Connection, kind: str | None) -> None:
    execute = memory.execute
    execute(
        "CREATE TABLE logs (ingest_seq INTEGER PRIMARY KEY, timestamp INTEGER, id BLOB, trace_id TEXT, logger TEXT,"
        " message TEXT, metadata TEXT)"
    )
    execute("CREATE UNIQUE INDEX one ON logs (timestamp, id)")
    execute("CREATE INDEX two ON logs (trace_id, timestamp) WHERE trace_id IS NOT NULL")
    if kind == "logger":
        execute(_LOGGER.format(name="logs_logger_idx", logs="logs"))
    elif kind == "message":
        execute(_TABLE.format(name="fts", plain="logs"))
        execute(_TRIGGERS[0].format(name="fts", logs="logs"))


def _create(connection: AdminConnection) -> None:
    names, logs = connection.names, connection.logs
    given = {"name": names.index_on("message"), "state": names.fts_state, "logs": logs, "plain": names.logs}
    with connection.transaction():
        connection.run(f'CREATE TABLE "{names.fts_state}" (low INTEGER NOT NULL)')
        connection.run(
            f'INSERT INTO "{names.fts_state}" SELECT coalesce(max(ingest_seq), -1) + 1 FROM {logs}'  # noqa: S608 - checked names
        )
        for statement in (_TABLE, *_TRIGGERS):
            connection.run(statement.format(**given))
        if sqlite3.sqlite_version_info >= _FORGETS:
            connection.run(f'INSERT INTO "{given["name"]}" ("{given["name"]}", rank) VALUES (\'secure-delete\', 1)')  # noqa: S608 - as above


def _fill(connection: AdminConnection, report: Callable[[int], None]) -> None:
    """From the newest down; at 0 it has them all."""
    name, state, size, built = connection.names.index_on("message"), connection.names.fts_state, _FIRST, 0
    while True:
        with connection.transaction():
            started = time.perf_counter()
            low = connection.value(f'SELECT low FROM "{state}"')  # noqa: S608 - a checked name
            first = max(0, low - size)
            added = connection.run(
                f'INSERT INTO "{name}" (rowid, message) SELECT ingest_seq, message FROM {connection.logs} NOT INDEXED'  # noqa: S608 - as above
                " WHERE ingest_seq >= ? AND ingest_seq < ? ORDER BY ingest_seq",
                first,
                low,
            )
            connection.run(f'UPDATE "{state}" SET low = ?', first)  # noqa: S608 - as above
        took = time.perf_counter() - started
        built += max(added, 0)
        report(built)
        if not first:
            return
        size = max(1, min(int(size * _TARGET / max(took, 1e-4)), 2 * size, _MOST))
        time.sleep(max(0.01, took))
