"""What a sink promises, on every database in the same words: all of a batch, once, as it was, or none of it."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog import DatabaseHandler, SyncLogReader
from dblog.entry import LogEntry
from dblog.errors import ErrorClass, StoreError
from dblog.ledger import Stats
from dblog.opening import new_origin
from dblog.options import Options
from dblog.sink import DeadLetter, Status
from dblog.store import opener
from dblog.store.capabilities import capabilities_of
from dblog.store.rows import id_words, origin_bits
from tests.contract.copied import clear, connected, entries, meant, rows
from tests.embedded_clickhouse import ENGINES
from tests.tail_tools import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.parametrize("kind", ENGINES)
DAY = 86_400_000_000
few = settings(max_examples=max(4, settings().max_examples // 20))


class Place:
    """An emptied database, and writers of it."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self._stack = url, stack

    def sink(self, **options: Any) -> Any:
        checked = Options.of(**options)
        sink = opener(self.url, checked)(new_origin(checked))
        self._stack.callback(sink.close)
        return sink

    def count(self) -> int:
        """Rows as they lie there, those that are there twice as well."""
        with connected(self.url) as connection:
            return int(connection.value(f"SELECT count(*) FROM {connection.logs}"))

    def numbers(self) -> list[int]:
        """The writers' numbers as a reader sees them."""
        with SyncLogReader(self.url) as reader:
            return sorted(each.seq or 0 for each in reader.search("", limit=5000).entries)


@pytest.fixture
def there(place: Callable[..., str], kind: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(place(kind), stack)


def some(count: int, first: int = 1) -> list[tuple[int, LogEntry]]:
    start = now() // DAY * DAY
    return [(seq, LogEntry(start + seq, "INFO", 9, "a.b", f"m{seq}")) for seq in range(first, first + count)]


def stored(row: tuple[int, LogEntry], origin: Any) -> LogEntry:
    """What a row is once it is stored."""
    seq, entry = row
    high, low = id_words(entry.timestamp, seq, origin_bits(origin))
    where = {name: getattr(entry, name) or getattr(origin, name) for name in ("service", "host", "pid")}
    whole = entry._replace(instance_id=origin.instance_id, seq=seq, id=UUID(int=high << 64 | low), ingested_at=None)
    return meant(whole._replace(**where))


def test_a_batch_is_stored_as_it_was(there: Place) -> None:
    """Every field, absent and empty apart, with its writer's name; whatever is in it, and of any size."""
    sink = there.sink(service="svc")

    @given(st.lists(entries(), min_size=1, max_size=8))
    @few
    def holds(batch: list[LogEntry]) -> None:
        clear(there.url)
        today = now() // DAY * DAY
        batch = [each._replace(timestamp=today + each.timestamp % DAY, id=None) for each in batch]
        given_rows = list(enumerate(batch, 1))
        assert not sink.refused_days(given_rows)
        sink.write(given_rows)
        found = sorted((each._replace(ingested_at=None) for each in rows(there.url)), key=lambda each: each.seq or 0)
        assert found == [stored(row, sink._origin) for row in given_rows]

    holds()


def test_what_is_sent_again_is_stored_once(there: Place, kind: str) -> None:
    """Any pieces of a batch, as often as one likes: a reader sees each row once, and counts it once."""
    sink = there.sink()

    @given(st.integers(1, 30), st.data())
    @few
    def holds(count: int, data: st.DataObject) -> None:
        clear(there.url)
        batch = some(count)
        sink.write(batch)
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, count - 1))
            sink.write(batch[start : data.draw(st.integers(start + 1, count))], replay=True)
        assert there.numbers() == [seq for seq, _ in batch]
        with SyncLogReader(there.url) as reader:
            assert reader.count("").value == count
            assert sum(bucket.total for bucket in reader.histogram("", bucket=60).buckets) == count
        if capabilities_of(kind).idempotent == "row":
            assert there.count() == count

    holds()


def test_a_batch_with_a_row_that_cannot_be_stored_stores_nothing(there: Place) -> None:
    """It is the row's fault and called so, with nothing of it said; the sink goes on, and the others can be stored."""
    sink = there.sink()
    batch = some(5)
    bad = [*batch[:2], (9, batch[2][1]._replace(message="secret \ud800")), *batch[2:]]
    with pytest.raises(StoreError) as failed:
        sink.write(bad)
    assert failed.value.kind is ErrorClass.POISON
    assert "secret" not in str(failed.value)
    assert there.count() == 0
    sink.write(batch, replay=True)
    assert there.numbers() == [1, 2, 3, 4, 5]


def test_which_numbers_are_stored_can_be_asked(there: Place) -> None:
    """Of the writer a sink is turned to, between two, the later of them included."""
    sink, other = there.sink(), there.sink()
    sink.write([*some(5), *some(5, 11)])
    other.write(some(5, 6))
    since = now() // DAY * DAY
    assert set(sink.present(3, 12, since)) == {3, 4, 5, 11, 12}
    sink.turn_to(other._origin)
    assert set(sink.present(1, 20, since)) == {6, 7, 8, 9, 10}
    sink.write(some(6, 6), replay=True)
    assert set(sink.present(1, 20, since)) == {6, 7, 8, 9, 10, 11}
    assert len(there.numbers()) == 16


def test_a_writers_last_word_counts(there: Place) -> None:
    """It has one row, with what it said last."""
    sink = there.sink(service="svc")
    for second, state in ((1, "UP"), (2, "UP"), (3, "CLOSED")):
        figures = {"dropped": 1, "failed": 0, "queued": 0, "in_flight": 0, "spooled": 0}
        stats = Stats(
            emitted=second + 1, stored=second, **figures, dropped_by={"evicted": 1}, failed_by={}, state=state,
            last_error="gone", last_success=time.time(), lag=0.25,
        )  # fmt: skip
        sink.report(Status(sink._origin, now() + second, stats))
    with SyncLogReader(there.url) as reader:
        (row,) = reader.instances()
    assert (row.state, row.emitted, row.stored, row.service, row.lag) == ("CLOSED", 4, 3, "svc", 0.25)
    assert (row.dropped_by, row.last_error) == ({"evicted": 1}, "gone")


def test_a_dead_letter_that_is_sent_again_is_one(there: Place) -> None:
    """Its id says so."""
    sink = there.sink()
    letter = DeadLetter(UUID(int=5), now(), sink._origin.instance_id, None, "poison", "DataError", 3, '{"a":1}')
    for _ in range(3):
        sink.dead_letter([letter])
    with SyncLogReader(there.url) as reader:
        (row,) = reader.dead_letters()
    assert (row.id, row.seq, row.payload) == (UUID(int=5), None, {"a": 1})


def test_what_is_logged_is_found(there: Place) -> None:
    """From the logging call to the page: every record is in the ledger as stored, and in the order it was logged in."""
    handler = DatabaseHandler(there.url, service="shop")
    logger = logging.getLogger("contract.sink")
    logger.setLevel("DEBUG")
    logger.propagate = False
    logger.addHandler(handler)
    texts = ["plain", "a\0b", "\ud800", "漢字 🎉", "\x1b[31m", "", "x" * 5000, "%s"]
    for number in range(200):
        logger.info(texts[number % len(texts)], extra={"number": number, "odd": texts[number % 3]})
    handler.close()
    stats = handler.stats()
    assert (stats.emitted, stats.stored, stats.dropped, stats.failed) == (200, 200, 0, 0)
    with SyncLogReader(there.url) as reader:
        found = list(reversed(reader.search("logger:contract.sink", limit=1000).entries))
        assert [each.attributes["number"] for each in found] == list(range(200))
        assert [each.seq for each in found] == list(range(1, 201))
        assert reader.search("number:17").entries[0].seq == 18
        assert reader.instances()[0].stored == 200
