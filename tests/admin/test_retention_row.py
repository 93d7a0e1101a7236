"""What retention deletes from an SQLite file it tells in one row a day, by which ``dblog audit`` explains it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dblog.admin import gaps
from dblog.admin.connection import AdminConnection
from dblog.options import Options
from dblog.sink import Origin
from dblog.store import opener
from tests.administered import DAY, SECOND, entry, everything, fill, now
from tests.oracle import examples, execute, logging_to, rows, seqs

if TYPE_CHECKING:
    import pytest

    from dblog.sink import Sink


def _sink(url: str, number: int = 1, **options: Any) -> Sink:
    origin = Origin(UUID(int=number << 64 | number), "shop", None, None, host=f"h{number}", pid=number, started_at=1)
    return opener(url, Options.of(**options))(origin)


def _told(url: str) -> list[dict[str, Any]]:
    """The rows, the oldest first."""
    found = everything(url, "logger=dblog.audit")
    return [{"message": each.message, "at": each.timestamp, **json.loads(each.metadata or "{}")} for each in found]


def _unexplained(url: str) -> int:
    with AdminConnection(url) as connection:
        return sum(account.unexplained for account in gaps.audit(connection))


_turns = st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 6), st.booleans()), min_size=1, max_size=8)


def test_whatever_it_takes_is_explained(sqlite_url: str) -> None:
    """Two writers in turns, records of up to three days, deletions in between: only what was stolen is missing."""

    @given(_turns, st.floats(0.01, 3), st.data())
    @examples(8)
    def holds(turns: list[tuple[int, int, bool]], days: float, data: st.DataObject) -> None:
        execute(sqlite_url, "DELETE FROM logs", "DELETE FROM log_instances")
        sinks = {number: _sink(sqlite_url, number, retention="1d") for number in (1, 2)}
        given_ = {1: 0, 2: 0}
        moment, step = now() - int(days * DAY), int(days * DAY) // sum(count for _, count, _ in turns)
        for number, count, prunes in turns:
            made = []
            for _ in range(count):
                given_[number] += 1
                made.append((given_[number], entry(given_[number], moment, id=None, instance_id=None, seq=None)))
                moment += step
            sinks[number].write(made)
            while prunes and sinks[number].prune(5.0):
                pass
        for sink in sinks.values():
            sink.close()
        assert _unexplained(sqlite_url) == 0
        told = _told(sqlite_url)
        assert sum(each["count"] for each in told) == sum(given_.values()) - len(seqs(sqlite_url))
        # Without the last of its numbers a writer would have given fewer.
        inner = "seq < (SELECT max(seq) FROM logs AS b WHERE b.instance_id = a.instance_id)"
        found = rows(sqlite_url, f"SELECT ingest_seq FROM logs AS a WHERE seq IS NOT NULL AND {inner}")
        stolen = data.draw(st.sets(st.sampled_from(found), max_size=3)) if found else set()
        for (number,) in stolen:
            execute(sqlite_url, f"DELETE FROM logs WHERE ingest_seq = {number}")
        # A row that tells how many went, not which, can be taken for that of a stolen one.
        assert _unexplained(sqlite_url) <= len(stolen) if told else _unexplained(sqlite_url) == len(stolen)

    holds()


def test_one_row_a_day_for_all_who_delete(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers and restarts add to the same one, which is as old as the last deletion; the next day has its own."""
    clock = [time.time_ns() // DAY // 1000 * DAY * 1000 + 1000]
    monkeypatch.setattr("dblog.store.retention.time.time_ns", lambda: clock[0])
    for hour, (number, count) in enumerate([(1, 3), (2, 4), (1, 5), (2, 6)]):
        clock[0] += 3_600_000_000_000
        moment = clock[0] // 1000
        fill(sqlite_url, [entry(hour * 10 + each, moment - 2 * DAY) for each in range(count)])
        sink = _sink(sqlite_url, number, retention="1d")
        assert sink.prune(5.0) == count
        sink.close()
    (told,) = _told(sqlite_url)
    assert told["message"] == "retention deleted 18 entries"
    assert (told["action"], told["by"], told["count"], told["at"]) == ("prune", "retention", 18, clock[0] // 1000)
    clock[0] += 86_400_000_000_000
    fill(sqlite_url, [entry(90, clock[0] // 1000 - 2 * DAY)])
    sink = _sink(sqlite_url, retention="3d")
    assert sink.prune(5.0) == 0
    sink.close()
    sink = _sink(sqlite_url, retention="25h")
    assert sink.prune(5.0) == 1
    sink.close()
    assert [each["count"] for each in _told(sqlite_url)] == [18, 1]


def test_a_file_that_grew_too_large_tells_it_too(sqlite_url: str) -> None:
    """``max_bytes`` takes the oldest, of whatever age: the row says up to when."""
    with logging_to(sqlite_url) as (logger, handler):
        for number in range(500):
            logger.info("%d %s", number, "x" * 4000)
        assert handler.flush(10), handler.stats()
    sink = _sink(sqlite_url, max_bytes=1024 * 1024)
    while sink.prune(5.0):
        pass
    sink.close()
    (told,) = _told(sqlite_url)
    ((left, oldest),) = rows(sqlite_url, "SELECT count(*), min(timestamp) FROM logs WHERE seq IS NOT NULL")
    assert told["count"] == 500 - left
    assert told["by"] == "max_bytes"
    assert oldest - SECOND < _micros(told["rules"][0]["before"]) <= oldest + 1
    assert _unexplained(sqlite_url) == 0


def _micros(text: str) -> int:
    import datetime as dt

    return int(dt.datetime.fromisoformat(text).timestamp() * 1e6 + 0.5)


def test_who_follows_is_told_once(sqlite_url: str) -> None:
    """The row grows in its place: a tail shows when the day's first entries went, and not every minute."""

    def follow(after: str) -> tuple[list[str], str]:
        from dblog import SyncLogReader

        with SyncLogReader(sqlite_url) as reader:
            batches = list(reader.tail(after=after, follow=False))
        return [each.message for batch in batches for each in batch.entries], batches[-1].token

    sink = _sink(sqlite_url, retention="1d")
    token, seen = "sqlite1.0.", []
    for turn in range(3):
        fill(sqlite_url, [entry(turn, now() - 2 * DAY)])
        assert sink.prune(5.0) == 1
        found, token = follow(token)
        seen += found
    sink.close()
    assert seen == ["retention deleted 1 entries"]
    with AdminConnection(sqlite_url) as connection:
        ((identity, moment),) = connection.rows("SELECT id, timestamp FROM logs")
    assert UUID(bytes=identity).int >> 80 == moment // 1000, "found by its id, which tells its time"


def test_a_table_without_the_columns_for_it_is_pruned_all_the_same(sqlite_url: str) -> None:
    """An older schema: what is too old goes, untold."""
    execute(sqlite_url, "ALTER TABLE logs DROP COLUMN metadata")
    moment = now() - 2 * DAY
    execute(
        sqlite_url,
        "INSERT INTO logs (timestamp, id, level, severity, logger, message)"
        f" VALUES ({moment}, randomblob(16), 'INFO', 9, 'a', 'b')",
    )
    sink = _sink(sqlite_url, retention="1d")
    assert sink.prune(5.0) == 1
    sink.close()
    assert rows(sqlite_url, "SELECT count(*) FROM logs") == [(0,)]
