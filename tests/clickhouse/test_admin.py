"""An administrator's commands on ClickHouse: entries made elsewhere, dead letters, and what is refused there."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog.admin.clickhouse import ClickHouseConnection
from dblog.admin.importing import Import, lines_of
from dblog.admin.letters import drop, letters, named, retry
from dblog.demo.services import SERVICES
from dblog.demo.summary import summarize
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.interchange import to_json
from dblog.sink import DeadLetter
from tests.clickhouse.stores import NOW, Store, entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clickhouse.front import Front

DAY = 86_400_000_000


@pytest.fixture
def connection(store: Store) -> Iterator[ClickHouseConnection]:
    with ClickHouseConnection(store.url) as made:
        yield made


def imported(connection: ClickHouseConnection, lines: list[bytes]) -> Any:
    return Import(connection).run(lines_of(io.BytesIO(b"\n".join(lines))))


def line(**fields: Any) -> bytes:
    return json.dumps({"timestamp": "2026-01-02T03:04:05.678901Z", "level": "INFO", "severity": 9} | fields).encode()


@given(
    found=st.lists(
        entries().filter(lambda entry: entry.timestamp >= 0),
        min_size=1,
        max_size=8,
    ),
    keys=st.lists(st.uuids(), min_size=8, max_size=8, unique=True),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=10)
def test_what_is_imported_twice_is_stored_once(
    store: Store, connection: ClickHouseConnection, found: list[LogEntry], keys: list[UUID]
) -> None:
    """The second import says that it was there; after it was deleted, the third stores it again."""
    store.clear()
    rows = [
        entry._replace(
            id=key, metadata=None, severity=entry.severity % 24 + 1, message=entry.message.replace("\0", "0")
        )
        for entry, key in zip(found, keys, strict=False)
    ]
    lines = [to_json(entry) for entry in rows]
    for stored in (len(rows), 0):
        summary = imported(connection, lines)
        assert (summary.stored, summary.present, summary.refused) == (stored, len(rows) - stored, 0)
    assert store.count() == len(rows)
    assert {(entry.id, entry.timestamp, entry.message) for entry in store.rows()} == {
        (entry.id, entry.timestamp, entry.message) for entry in rows
    }
    store.clear()
    assert imported(connection, lines).stored == len(rows)
    assert store.count() == len(rows)


def test_a_file_of_many_days_is_stored(store: Store, connection: ClickHouseConnection) -> None:
    """More of them than one INSERT may have."""
    lines = [line(timestamp=(NOW - number * DAY) / 1e6, logger="a", message=f"m{number}") for number in range(105)]
    summary = imported(connection, lines)
    assert (summary.stored, summary.refused) == (105, 0), summary.reasons
    assert store.count() == 105


def test_a_line_that_cannot_be_stored_is_named_and_keeps_none_back(
    store: Store, connection: ClickHouseConnection
) -> None:
    """By its number: a time beyond what the table holds."""
    lines = [
        line(logger="a", message="first"),
        line(logger="a", message="later", timestamp="2400-01-01T00:00:00Z"),
        line(logger="a", message="last"),
    ]
    summary = imported(connection, lines)
    assert (summary.stored, summary.refused) == (2, 1)
    assert summary.reasons == [(2, "line 2: ClickHouse holds 1900 to 2299")]
    assert {entry.message for entry in store.rows("timestamp")} == {"first", "last"}


def test_dead_letters_are_listed_retried_and_dropped(store: Store, connection: ClickHouseConnection) -> None:
    """A letter whose entry is stored is gone; one that is dropped is counted once, however often it was sent."""
    sink = store.sink()
    payload = json.dumps({"timestamp": NOW, "level": "INFO", "severity": 9, "logger": "a", "message": "kept"})
    sent = [
        DeadLetter(UUID(int=number), NOW, sink._origin.instance_id, number, "poison", "DataError", 3, payload)
        for number in (1, 2, 3)
    ]
    for _ in range(2):
        sink.dead_letter(sent)
    assert sorted(letter.id.int for letter in letters(connection)) == [1, 2, 3]
    done = retry(connection, named(connection, [str(UUID(int=1))]))
    assert (done.stored, done.present, done.kept) == (1, 0, [])
    assert [(entry.message, entry.seq) for entry in store.rows()] == [("kept", 1)]
    assert drop(connection, [UUID(int=2)]) == 1
    assert [letter.id.int for letter in letters(connection)] == [3]


def test_what_needs_a_transaction_is_refused(connection: ClickHouseConnection) -> None:
    """There are none, and none are pretended."""
    for refused in (connection.transaction, connection.snapshot, lambda: connection.run_many("x", [])):
        with pytest.raises(ConfigurationError, match="ClickHouse has no such thing"):
            refused()


def test_a_statement_that_fails_is_classed_and_the_connection_goes_on(connection: ClickHouseConnection) -> None:
    """Its text is ours."""
    with pytest.raises(StoreError, match="60 UNKNOWN_TABLE: the table is missing") as caught:
        connection.rows("SELECT * FROM secrets WHERE a = ?", "it's")
    assert caught.value.kind is ErrorClass.CONFIGURATION
    assert connection.value("SELECT ? || '%'", "it's ?") == "it's ?%"


def test_a_statement_may_take_as_long_as_it_was_given(store: Store) -> None:
    """And no longer."""
    with ClickHouseConnection(store.url, timeout=1.0) as connection, pytest.raises(StoreError) as caught:
        connection.rows("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(cityHash64(number))")
    assert caught.value.code.startswith("159")


def test_the_demo_finds_its_rows_and_a_trace(store: Store) -> None:
    """Those that are there twice for a while are counted once; times are UTC's, whatever the driver leaves out."""
    trace = "ab" * 16
    for service in SERVICES:
        sink = store.sink(service=service)
        rows = [
            (seq, LogEntry(NOW + seq, "INFO", 9, "shop", f"m{seq}", trace_id=trace if seq == 2 else None))
            for seq in range(1, 5)
        ]
        sink.write(rows)
        sink.write(rows[:2], replay=True)
    report = {"emitted": 4, "stored": 4, "dropped": 0, "failed": 0, "began": 1.0, "ended": 2.0, "cost": 1e-6}
    found = summarize(store.url, NOW / 1e6, dict.fromkeys(SERVICES, report | {"trace_id": trace}))
    assert found.found == 4 * len(SERVICES)
    assert {(step.timestamp, step.service) for step in found.trace} == {(NOW + 2, service) for service in SERVICES}


def dblog(*arguments: str, text: bytes = b"") -> tuple[int, str, str]:
    program = [sys.executable, "-m", "dblog", *arguments]
    ended = subprocess.run(program, input=text, capture_output=True, timeout=60, check=False)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def test_the_commands_say_what_they_did_and_what_is_not_for_clickhouse(front: Front) -> None:
    """Over HTTP, as a user would."""
    where = ("--url", front.url)
    code, said, _ = dblog("import", "-", *where, text=line(logger="a", message="hello"))
    assert (code, said) == (0, "1 line read, 1 stored, 0 already there, 0 refused\n")
    assert dblog("dead-letters", *where) == (0, "no dead letters\n", "")
    code, _, said = dblog("erase", "user_id:x", "--vacuum", "--yes", *where)
    assert (code, said) == (2, "dblog: --vacuum is for SQLite: others make room by themselves\n")
    code, said, _ = dblog("erase", "message:hello", "--yes", *where)
    assert (code, said.splitlines()[-1]) == (0, "erased: 1 entry, 0 dead letters")
