"""Who reads, and what is sent: the database's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.administered import SECOND, ask, entry, fill, now
from tests.embedded_clickhouse import ENGINES

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.reading.values import Access

every_engine = pytest.mark.parametrize("database_url", ENGINES, indirect=True)


@every_engine
def test_a_reader_proves_that_it_can_write_nothing(database_url: str) -> None:
    """The transaction is read-only whatever the role may do; what it may do is told as well."""
    found: Access = ask(database_url, lambda reader: reader.access())
    assert found.read_only
    assert found.may_write
    assert (found.role is None) == (found.dialect == "sqlite")
    assert database_url.startswith(found.dialect)


def test_a_file_that_cannot_be_written_is_told(sqlite_url: str, tmp_path: Path) -> None:
    """``may_write`` is about the file's mode; root may write everything, and is told so."""
    found: Access = ask(sqlite_url, lambda reader: reader.access())
    assert found.may_write


@every_engine
def test_a_statement_is_what_search_sends(database_url: str) -> None:
    """Values are parameters, in their order; the text holds none of them."""
    from dblog import SyncLogReader

    with SyncLogReader(database_url) as reader:
        made = reader.statement("payment level>=error", limit=7)
    assert "payment" not in made.sql
    assert any("payment" in str(value) for value in made.parameters)
    assert 7 in made.parameters
    sign = {"sqlite": "?", "postgresql": "$"}.get(database_url.partition(":")[0], "{")
    assert made.sql.count(sign) >= len(made.parameters)


@every_engine
def test_bounds_are_the_times_of_the_first_and_the_last(database_url: str) -> None:
    """Of those that match; None where nothing does."""
    start = now() - 60 * SECOND
    fill(database_url, [entry(number, start + number) for number in range(5)])
    assert ask(database_url, lambda reader: reader.bounds()) == (start, start + 4)
    assert ask(database_url, lambda reader: reader.bounds("lineno:[1 TO 2]")) == (start + 1, start + 2)
    assert ask(database_url, lambda reader: reader.bounds("nothing")) == (None, None)
