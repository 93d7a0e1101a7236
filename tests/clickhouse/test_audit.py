"""``dblog audit`` where there are no snapshots, rows may be there twice, and the server deletes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dblog.admin import gaps
from dblog.admin.clickhouse import ClickHouseConnection
from dblog.admin.pruning_clickhouse import shortest_age
from tests.admin.scheduled import Scheduled
from tests.administered import DAY, SECOND, now
from tests.oracle import execute, rows

if TYPE_CHECKING:
    from dblog.admin.gaps import Account


def audited(url: str, **wanted: Any) -> list[Account]:
    with ClickHouseConnection(url) as connection:
        return gaps.audit(connection, **wanted)


def stored(url: str, count: int, began: int | None = None) -> Scheduled:
    """A writer that has stored so many and is closed."""
    writer = Scheduled(url, began)
    writer.run([("put", None), ("take", 1)] * count)
    writer.beat("CLOSED")
    writer.save()
    return writer


def test_a_number_that_is_there_twice_hides_none_that_is_missing(clickhouse_url: str) -> None:
    """A row that was sent again and is not merged yet is one number."""
    writer = stored(clickhouse_url, 9)
    again = "INSERT INTO logs SELECT * FROM logs WHERE seq IN (2, 3, 4) SETTINGS insert_deduplicate = 0"
    execute(clickhouse_url, "SYSTEM STOP MERGES logs", again, again)
    writer.delete(6, 8)
    assert rows(clickhouse_url, "SELECT count() FROM logs") == [(13,)]
    (account,) = audited(clickhouse_url)
    assert (account.holes, account.missing) == ([(6, 6), (8, 8)], 2)


def test_what_comes_while_it_reads_is_not_missing(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that show themselves behind the slice that would have had them, with their writer's last word."""
    writer = Scheduled(clickhouse_url)
    writer.run([("put", None)] * 9)
    late = writer.queue[2:5]
    del writer.queue[2:5]
    writer.take(100)
    writer.save()
    slices = gaps._slices

    def reading(*given: Any) -> Any:
        yield from slices(*given)
        writer.queue[:] = late
        writer.take(100)
        writer.beat("CLOSED")
        writer.save()

    monkeypatch.setattr(gaps, "_slices", reading)
    (account,) = audited(clickhouse_url)
    assert (account.last, account.missing) == (9, 0)


@pytest.mark.parametrize(
    ("ttl", "age"),
    [
        ("toDateTime(timestamp) + INTERVAL 1 DAY WHERE severity <= 8, toDateTime(timestamp) + INTERVAL 1 WEEK", DAY),
        ("toDateTime(timestamp) + toIntervalSecond(90)", 90 * SECOND),
    ],
)
def test_what_is_older_than_a_ttl_may_have_expired(clickhouse_url: str, ttl: str, age: int) -> None:
    """The server says nothing of what it deletes; what is younger than the shortest age is unexplained."""
    old, young = stored(clickhouse_url, 5, now() - age - 60 * SECOND), stored(clickhouse_url, 5)
    for writer in (old, young):
        writer.delete(2, 4)
    with ClickHouseConnection(clickhouse_url) as connection:
        assert shortest_age(connection) is None
        unchanged = "SETTINGS materialize_ttl_after_modify = 0"
        execute(clickhouse_url, "SYSTEM STOP TTL MERGES logs", f"ALTER TABLE logs MODIFY TTL {ttl} {unchanged}")
        assert shortest_age(connection) == age
    found = {account.writer.id: account for account in audited(clickhouse_url)}
    assert (found[old.id].deleted, found[old.id].unexplained) == ({"expired": 2}, 0)
    assert found[young.id].holes == [(2, 2), (4, 4)]
