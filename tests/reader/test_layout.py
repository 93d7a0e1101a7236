"""Where the table lies, in the words of the database's catalog; and letters that no strict parser reads."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.administered import ask, entry, fill
from tests.buried import bury, letter
from tests.oracle import execute

if TYPE_CHECKING:
    from dblog.reading.layout import Layout
    from dblog.reading.values import DeadLetterRow


def test_a_role_that_may_only_select_sees_the_layout(database_url: str, reading_url: str) -> None:
    """Revision, bytes and the three shared indexes; partitions with today and the days ahead, on PostgreSQL only."""
    fill(database_url, [entry(number) for number in range(20)])
    found: Layout = ask(reading_url, lambda reader: reader.layout())
    assert found.revision == "0002"
    assert found.bytes > 0
    names = {index.name: index for index in found.indexes}
    assert {"logs_trace_idx", "logs_warning_idx"} < set(names)
    assert "trace_id" in names["logs_trace_idx"].definition
    assert "severity >= 13" in names["logs_warning_idx"].definition
    assert all(index.valid for index in found.indexes)
    assert sum(index.unique for index in found.indexes) == 1
    if database_url.startswith("sqlite"):
        assert found.partitions is None
        assert (found.dead, found.vacuumed, found.free is not None) == (None, None, True)
        assert {index.bytes for index in found.indexes} == {None}
    else:
        assert found.partitions
        today = dt.datetime.now(dt.UTC).date()
        assert today in {partition.day for partition in found.partitions if partition.attached}
        assert all(index.bytes for index in found.indexes)


def test_days_left_behind_and_other_tables(postgres_url: str) -> None:
    """A detached day is told; a table of somebody else's with a similar name, and our own beside the log, are not."""
    found: Layout = ask(postgres_url, lambda reader: reader.layout())
    assert found.partitions
    first = found.partitions[0].name
    execute(
        postgres_url,
        f"ALTER TABLE logs DETACH PARTITION {first}",
        "CREATE TABLE logs_of_ships (x int)",
        "CREATE TABLE logs_99999999 (x int)",
        "CREATE TABLE logs_rest PARTITION OF logs DEFAULT",
    )
    again: Layout = ask(postgres_url, lambda reader: reader.layout())
    assert again.partitions
    told = {partition.name: (partition.attached, partition.day is None) for partition in again.partitions}
    assert told.keys() == {partition.name for partition in found.partitions} | {"logs_rest"}
    assert (told[first], told["logs_rest"]) == ((False, False), (True, True))


def test_a_revision_that_cannot_be_read_is_none(postgres_url: str, reader_postgres_url: str) -> None:
    """Without SELECT on the version table the rest is told all the same."""
    execute(postgres_url, "REVOKE SELECT ON dblog_version FROM PUBLIC")
    role = reader_postgres_url.partition("//")[2].partition(":")[0]
    execute(postgres_url, f"REVOKE SELECT ON dblog_version FROM {role}")
    found: Layout = ask(reader_postgres_url, lambda reader: reader.layout())
    assert found.revision is None
    assert found.indexes


def test_a_file_without_a_revision(sqlite_url: str) -> None:
    """A table that was copied without its version has none."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file, file:
        file.execute("DELETE FROM dblog_version")
    found: Layout = ask(sqlite_url, lambda reader: reader.layout())
    assert found.revision is None


@pytest.mark.parametrize("payload", ['{"message": "\\ud800"}', "nothing", "[1]", '{"n": 1' + "0" * 400 + "}"])
def test_letters_that_no_strict_parser_reads(database_url: str, payload: str) -> None:
    """A refused row is often refused for its text: it is listed all the same, whatever it holds."""
    bury(database_url, letter(1), letter(2)._replace(payload=payload))
    found: tuple[DeadLetterRow, ...] = ask(database_url, lambda reader: reader.dead_letters())
    assert len(found) == 2
    assert all(isinstance(each.payload, dict) for each in found)
