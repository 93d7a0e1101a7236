"""The sink on ClickHouse: what is stored is what was sent, once, however often and in whatever pieces it is sent."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.ledger import Stats
from dblog.options import Options
from dblog.schema_clickhouse import ORDER_BY
from dblog.sink import DeadLetter, Status
from dblog.store import clickhouse_rows, opener
from dblog.store.rows import id_words, origin_bits
from tests.clickhouse.stores import NOW, Store, entries, made

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15)
DAY = 86_400_000_000


def some(count: int, first: int = 1, **fields: Any) -> list[tuple[int, LogEntry]]:
    return [
        (first + index, LogEntry(NOW + index, "INFO", 9, "a.b", f"m{first + index}", **fields))
        for index in range(count)
    ]


def id_of(seq: int, entry: LogEntry, sink: Any) -> UUID:
    high, low = id_words(entry.timestamp, seq, origin_bits(sink._origin))
    return UUID(int=high << 64 | low)


@given(batch=st.lists(entries(), min_size=1, max_size=12))
@ONE_STORE
def test_a_batch_of_any_size_is_stored_as_it_was(store: Store, batch: list[LogEntry]) -> None:
    """Every field, absent and empty apart, and the time to the microsecond; a batch of one row is no other way."""
    store.clear()
    sink = store.one_sink()
    rows = list(enumerate(batch, start=1))
    sink.write(rows)
    stored = [entry._replace(ingested_at=None) for entry in store.rows()]
    assert stored == [made(row, sink._origin, id_of(*row, sink)) for row in rows]


@given(data=st.data(), count=st.integers(1, 40))
@ONE_STORE
def test_whatever_is_sent_again_is_stored_once(store: Store, data: st.DataObject, count: int) -> None:
    """Any slices of the rows, in any order, as often as it pleases: once they are merged, or read as if they were."""
    store.clear()
    sink, rows = store.one_sink(), some(count)
    sink.write(rows)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, count - 1))
        sink.write(rows[start : data.draw(st.integers(start + 1, count))], replay=data.draw(st.booleans()))
    assert [entry.seq for entry in store.rows()] == [seq for seq, _ in rows]
    store.client.command("OPTIMIZE TABLE logs FINAL")
    assert store.count() == count


def test_the_same_batch_is_known_by_its_token(store: Store) -> None:
    """It is not even stored for a while; another batch that holds the same rows is."""
    sink, rows = store.sink(), some(100)
    for _ in range(5):
        sink.write(rows, replay=True)
    assert store.count() == 100
    sink.write(rows[:50], replay=True)
    assert (store.count(), store.count("logs FINAL")) == (150, 100)


@given(keys=st.lists(st.tuples(st.sampled_from((NOW, NOW + 1)), st.uuids()), min_size=2, max_size=20, unique=True))
@ONE_STORE
def test_entries_of_one_time_have_the_order_they_have_everywhere(store: Store, keys: list[tuple[int, UUID]]) -> None:
    """By all bytes of their ids from the first; ClickHouse's own order of UUIDs would begin with the ninth."""
    store.clear()
    rows = [(None, LogEntry(moment, "INFO", 9, "a", "m", id=key)) for moment, key in keys]
    store.one_sink().write(rows)
    found = [(entry.timestamp, entry.id) for entry in store.rows(", ".join(ORDER_BY))]
    assert found == sorted(keys, key=lambda key: (key[0], key[1].int))


def test_a_batch_of_many_days_is_stored_in_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One INSERT may touch a hundred partitions, a spool has more; with three it is the same and shorter."""
    monkeypatch.setattr(clickhouse_rows, "MOST_DAYS", 3)
    sink = store.sink()
    rows = [(seq, entry._replace(timestamp=NOW - seq // 2 * DAY)) for seq, entry in some(17)]
    for _ in range(2):
        sink.write(rows)
    assert store.count() == 17


def test_an_insert_of_more_days_is_refused_by_the_server(store: Store) -> None:
    """What the pieces are for, how large they may be, and with which code it is refused."""
    sink = store.sink()
    sink.write(some(1))
    rows = [(seq, entry._replace(timestamp=NOW - seq * DAY)) for seq, entry in some(clickhouse_rows.MOST_DAYS + 1)]
    _, columns = sink._blocks._block([tuple(row) for row in _values(rows, sink)])
    with pytest.raises(Exception, match="252"):
        sink._insert(sink._client, "logs", sink._columns, columns, "")


def _values(rows: Sequence[Any], sink: Any) -> Sequence[tuple[object, ...]]:
    from dblog.store.rows import values

    return values(rows, sink._origin)


def test_rows_with_ids_of_their_own_go_with_those_that_get_one(store: Store) -> None:
    """The driver takes one kind of UUID in a column, the first row's."""
    own = UUID("0198f000-1234-7001-8000-0123456789ab")
    rows = [*some(2), (None, LogEntry(NOW, "WARNING", 13, "dblog.loss", "lost", id=own)), *some(2, 3)]
    store.sink().write(rows)
    assert own in {entry.id for entry in store.rows()}
    assert store.count() == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": 300},
        {"severity": None},
        {"lineno": 2**40},
        {"message": "\ud800"},
        {"message": None},
        {"level": "\udc80"},
        {"timestamp": 2**70},
        {"metadata": 5},
        {"pid": "x"},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_sent_is_poison_and_stores_nothing(store: Store, fields: dict[str, Any]) -> None:
    """So the batch is halved down to the one row; nothing is said of the value."""
    sink, rows = store.sink(), some(5)
    rows[3] = (4, rows[3][1]._replace(**fields))
    with pytest.raises(StoreError) as caught:
        sink.write(rows)
    assert caught.value.kind is ErrorClass.POISON
    assert not caught.value.ambiguous
    assert store.count() == 0
    sink.write(rows[:3])
    assert store.count() == 3


def test_the_newest_report_of_a_writer_counts(store: Store) -> None:
    """Each is a row; one of them is left."""
    sink = store.sink(service="svc")
    for second, state in ((1, "UP"), (3, "CLOSED"), (2, "UP")):
        stats = _stats(state, emitted=second)
        sink.report(Status(sink._origin, NOW + second * 1_000_000, stats))
    found = store.client.query("SELECT state, emitted, service FROM log_instances FINAL").result_rows
    assert [tuple(row) for row in found] == [("CLOSED", 3, "svc")]


def _stats(state: Any, *, emitted: int) -> Stats:
    return Stats(
        emitted=emitted, stored=emitted, dropped=0, failed=0, queued=0, in_flight=0, spooled=0,
        dropped_by={"evicted": 1}, failed_by={}, state=state, last_error=None, last_success=time.time(), lag=0.5,
    )  # fmt: skip


def test_a_dead_letter_that_is_sent_again_is_one(store: Store) -> None:
    """Its id says so."""
    sink = store.sink()
    letter = DeadLetter(UUID(int=5), NOW, sink._origin.instance_id, None, "poison", "DataError", 3, '{"a":1}')
    for _ in range(3):
        sink.dead_letter([letter])
    found = store.client.query("SELECT id, payload, seq FROM log_dead_letters FINAL").result_rows
    assert [tuple(row) for row in found] == [(UUID(int=5), '{"a":1}', None)]


def test_which_numbers_are_stored_can_be_asked(store: Store) -> None:
    """Of this writer only, between the two."""
    sink, other = store.sink(), store.sink()
    sink.write([*some(5), *some(5, 11)])
    other.write(some(5, 6))
    assert sink.present(3, 12, NOW - DAY) == {3, 4, 5, 11, 12}


def test_one_sink_stores_what_several_dead_writers_left(store: Store) -> None:
    """Each row under its own writer's name, with the id that writer gave it."""
    heir, sinks = store.sink(service="heir"), [store.sink(service=name) for name in ("one", "two")]
    sinks[0].write(some(3))
    for sink in sinks:
        heir.turn_to(sink._origin)
        assert heir.present(1, 9, NOW - DAY) == ({1, 2, 3} if sink is sinks[0] else set())
        heir.write(some(4), replay=True)
    stored = store.rows("service, seq")
    assert [(entry.service, entry.seq) for entry in stored] == [
        (name, seq) for name in ("one", "two") for seq in range(1, 5)
    ]
    assert len({entry.id for entry in stored}) == 8


def test_a_table_without_a_column_takes_the_others(own_store: Store) -> None:
    """An older table is fine, and a newer one."""
    own_store.client.command("ALTER TABLE logs DROP COLUMN template, ADD COLUMN newer Nullable(String)")
    own_store.sink().write(some(3, template="t %s"))
    assert own_store.count() == 3


def test_a_table_without_a_vital_column_says_what_to_do(own_store: Store) -> None:
    """As on the other databases."""
    own_store.client.command("DROP TABLE logs")
    with pytest.raises(StoreError, match="dblog upgrade") as caught:
        own_store.sink().write(some(1))
    assert caught.value.kind is ErrorClass.CONFIGURATION


def test_a_table_that_goes_away_under_a_writer_is_found_again(own_store: Store) -> None:
    """The failure is one of configuration; after it the next attempt looks anew."""
    sink = own_store.sink()
    sink.write(some(1))
    own_store.client.command("RENAME TABLE logs TO gone")
    with pytest.raises(StoreError) as caught:
        sink.write(some(1, 2))
    assert caught.value.kind is ErrorClass.CONFIGURATION
    own_store.client.command("RENAME TABLE gone TO logs")
    sink.write(some(1, 2))
    assert own_store.count() == 2


def test_settings_the_server_does_not_know_are_left_out_and_a_fixed_one_is_named(store: Store) -> None:
    """A profile that fixes what *stored* depends on makes a writer say so, not lose rows."""
    sink = store.sink(statement_timeout=3)
    known = {
        "insert_deduplicate": SimpleNamespace(readonly=0, value="1"),
        "max_execution_time": SimpleNamespace(readonly=1, value="60"),
        "wait_for_async_insert": SimpleNamespace(readonly=1, value="1"),
    }
    assert sink._allowed(SimpleNamespace(server_settings=known)) == {"insert_deduplicate": "1"}
    known["async_insert"] = SimpleNamespace(readonly=1, value="1")
    with pytest.raises(StoreError, match="async_insert = 1") as caught:
        sink._allowed(SimpleNamespace(server_settings=known))
    assert caught.value.kind is ErrorClass.CONFIGURATION


def test_an_insert_waits_for_what_the_server_gathers(store: Store) -> None:
    """``async_insert=1`` in the URL is for many small writers; it never answers before the rows are stored."""
    store.url += "&async_insert=1"
    sink = store.sink()
    sink.write(some(3))
    assert (sink._settings["async_insert"], sink._settings["wait_for_async_insert"]) == ("1", "1")
    assert store.count() == 3


@pytest.mark.parametrize("option", [{"retention": "7d"}, {"max_bytes": 10_000_000}])
def test_what_deletes_rows_there_is_said(store: Store, option: dict[str, Any]) -> None:
    """The writer does not."""
    with pytest.raises(ConfigurationError, match="on ClickHouse, give the table a TTL"):
        opener(store.url, Options.of(**option))
    assert store.sink().prune(1.0) == 0
