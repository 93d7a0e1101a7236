"""The tail of ClickHouse: what shows itself late, what comes again, and how little a token has to hold."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.query.tree import All
from dblog.reading.opened import sessions_for
from dblog.reading.seen import Key, Seen
from dblog.reading.tailing import Tailer
from tests.administered import SECOND, entry, now
from tests.embedded_clickhouse import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dblog.entry import LogEntry


@contextlib.asynccontextmanager
async def _tailing(url: str, overlap: float, **options: Any) -> AsyncIterator[Tailer]:
    sessions = sessions_for(url, tail_overlap=overlap)
    tailer = Tailer(sessions, All(), **({"limit": 100, "lossless": True} | options))
    try:
        await tailer.begin()
        yield tailer
    finally:
        await tailer.aclose()
        await sessions.aclose()


@pytest.fixture
def rows(clickhouse_url: str) -> Iterator[Rows]:
    """A table that merges nothing."""
    with Rows(clickhouse_url) as made:
        made.client.command("SYSTEM STOP MERGES logs")
        yield made


def _entries(first: int, count: int) -> list[LogEntry]:
    return [entry(number, id=uuid4()) for number in range(first, first + count)]


async def _found(tailer: Tailer) -> set[UUID | None]:
    batch = await tailer.poll()
    return set() if batch is None else {each.id for each in batch}


def _ids(entries: list[LogEntry]) -> set[UUID | None]:
    return {each.id for each in entries}


async def test_what_shows_itself_within_the_overlap_is_found(rows: Rows, clickhouse_url: str) -> None:
    """A row may have been taken long before it is seen; one that takes longer than the overlap is missed."""
    async with _tailing(clickhouse_url, 30.0) as tailer:
        first, slow, slower = _entries(0, 3), _entries(3, 3), _entries(6, 3)
        rows.insert(first)
        assert await _found(tailer) == _ids(first)
        rows.insert(slow, taken=now() - 20 * SECOND)
        rows.insert(slower, taken=now() - 40 * SECOND)
        assert await _found(tailer) == _ids(slow)
        assert await _found(tailer) == set()


@pytest.mark.parametrize("overlap", [30.0, 0.05], ids=["within", "after"])
async def test_what_is_stored_again_does_not_come_again(rows: Rows, clickhouse_url: str, overlap: float) -> None:
    """A resend is known: by what was yielded within the overlap, and after that by the row that is there."""
    async with _tailing(clickhouse_url, overlap) as tailer:
        first, second = _entries(0, 5), _entries(5, 2)
        rows.insert(first)
        assert await _found(tailer) == _ids(first)
        while overlap < 1 and tailer._source.place().count("_") > 1:  # until all it had is forgotten
            assert await _found(tailer) == set()
        rows.insert(first[1:4])
        rows.insert(second)
        assert await _found(tailer) == _ids(second)
        assert await _found(tailer) == set()


async def test_a_place_is_small_and_goes_on(rows: Rows, clickhouse_url: str) -> None:
    """Ten thousand entries of three writers are some hundred characters; none of them comes after it."""
    entries = _entries(0, 10_000)
    async with _tailing(clickhouse_url, 60.0, limit=100_000) as tailer:
        rows.insert([each._replace(seq=number // 3) for number, each in enumerate(entries)])
        batch = await tailer.poll()
        assert batch is not None
        assert len(batch.entries) == 10_000
        assert len(batch.token) < 400
        more = _entries(20_000, 3)
        rows.insert(more)
    async with _tailing(clickhouse_url, 60.0, after=batch.token) as tailer:
        assert await _found(tailer) == _ids(more)


async def test_a_backlog_is_read_in_the_order_it_was_taken(rows: Rows, clickhouse_url: str) -> None:
    """After a token of long ago: piece by piece, the first taken first, each entry once."""
    entries = _entries(0, 40)
    for number, each in enumerate(entries):
        rows.insert([each], taken=now() - (3000 - number * 50) * SECOND)
    token = f"clickhouse1.{now() - 7200 * SECOND}_5000000."
    found: list[UUID | None] = []
    async with _tailing(clickhouse_url, 5.0, after=token, limit=7, follow=False) as tailer:
        while not found or tailer.more:
            batch = await tailer.poll()
            assert batch is not None
            assert len(batch.entries) <= 7
            found += [each.id for each in batch]
    assert found == [each.id for each in entries]


# -- what was seen ------------------------------------------------------------------------------------------------

_WRITERS = (UUID(int=1), UUID(int=2), None)
_keys = st.builds(
    lambda writer, seq, number: Key(UUID(int=100 + number), writer, seq),
    st.sampled_from(_WRITERS),
    st.none() | st.integers(0, 30),
    st.integers(0, 9),
)
_when = st.integers(0, 100)
_stored = st.lists(st.tuples(_keys, _when), max_size=40)


def _name(key: Key) -> tuple[object, ...]:
    return (key.id,) if key.writer is None or key.seq is None else (key.writer, key.seq)


@given(first=_stored, then=_stored, asked=st.lists(_keys, max_size=20), span=st.integers(1, 50), before=_when)
def test_seen_is_a_set(
    first: list[tuple[Key, int]], then: list[tuple[Key, int]], asked: list[Key], span: int, before: int
) -> None:
    """Also once it was written and read; what is forgotten was stored before the moment, and is nearly all of that."""
    seen, names = Seen(span), {_name(key) for key, _ in first + then}
    for key, stored in first:
        seen.add(key, stored)
    again = Seen(span)
    assert again.read(seen.text())
    assert again.text() == seen.text()
    for key, stored in then:
        again.add(key, stored)
    assert all((key in again) == (_name(key) in names) for key in asked)
    again.forget(before)
    assert all(key in again for key, stored in first + then if stored >= before)
    late = {_name(key) for key, stored in first + then if stored > before - span}
    assert all(_name(key) in late for key, _ in first + then if key in again)


@pytest.mark.parametrize("text", ["x", "_x", "_1_zz", f"_{'0' * 32}", f"_1_{'0' * 32}-1", "1", "_1-2"])
def test_other_texts_are_not_read(text: str) -> None:
    """What no ``Seen`` has written is told from what one has."""
    assert not Seen(10).read(text)
