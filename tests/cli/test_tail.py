"""``dblog tail``: the past and what comes, joined without a gap; what it says beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.tail import followed
from dblog.query import parse
from dblog.reading.values import Cursor, Page, TailBatch
from tests.fake_reader import FakeReader, entry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import pytest

    from dblog.entry import LogEntry

NUMBERS = st.lists(st.integers(0, 1000), unique=True, max_size=30)


class Growing(FakeReader):
    """A log that grows between the tail's first look, the search, and each look after it."""

    def __init__(self, committed: list[LogEntry], begun: int, searched: int, seen: list[int]) -> None:
        super().__init__()
        self.committed, self.begun, self.searched, self.seen = committed, begun, searched, seen

    async def search(self, query: Any = "", *, before: Any = None, after: Any = None, limit: int = 200) -> Page:
        newest = sorted(self.committed[: self.searched], key=Cursor.of, reverse=True)
        return Page(tuple(newest[:limit]), None, None)

    async def tail(self, query: Any = "", **options: Any) -> AsyncGenerator[TailBatch]:
        yield TailBatch((), frozenset(), 0, "0")
        place = self.begun
        for end in (*self.seen, len(self.committed)):
            if end > place:
                yield TailBatch(tuple(sorted(self.committed[place:end], key=Cursor.of)), frozenset(), 0, str(end))
                place = end


@given(NUMBERS, st.integers(0, 30), st.integers(0, 30), st.lists(st.integers(0, 30)), st.integers(0, 12))
async def test_the_past_and_what_comes_are_joined(
    numbers: list[int], begun: int, more: int, seen: list[int], history: int
) -> None:
    """In whatever order entries are committed, and whenever the past is read: each once, and none missed.

    Those committed after the tail began are all there; before them the newest of the past.
    """
    committed = [entry(number) for number in numbers]
    begun = min(begun, len(committed))
    reader: Any = Growing(committed, begun, min(begun + more, len(committed)), sorted(seen))
    shown = [each async for batch in followed(reader, parse(""), reader.tail(), history=history) for each in batch]
    past = (await reader.search(limit=history)).entries if history else ()
    assert sorted(shown, key=Cursor.of) == sorted({*past, *committed[begun:]}, key=Cursor.of)
    assert tuple(shown[: len(past)]) == past[::-1]


async def test_what_sorts_before_the_past_is_late() -> None:
    """To a person what comes after a newer entry is late, even where the tail itself has not shown that one."""
    reader: Any = Growing([entry(1), entry(5), entry(3), entry(6)], 2, 2, [])
    batches = [batch async for batch in followed(reader, parse(""), reader.tail(), history=10)]
    assert [len(batch.entries) for batch in batches] == [2, 2]
    assert batches[1].late == {entry(3).id}


def test_json(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """One line per entry, with the columns' names and nothing else; everything, where no person reads."""
    fake.entries = [entry(number, f"m{number}") for number in range(20)]
    fake.batches = [(entry(30, "live"),)]
    done = dblog("tail", "-n", "2", "--poll", "0.5")
    assert [json.loads(each)["message"] for each in done.lines] == ["m18", "m19", "live"]
    assert dict(fake.asked)["tail"] == {"after": None, "poll_interval": 0.5, "lossless": True, "follow": True}
    assert [json.loads(each)["message"] for each in dblog("tail", "-n", "1", "--no-follow").lines] == ["live"]


def test_going_on_where_another_has_ended(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """``--after`` reads no past; ``--token`` says where the next may begin."""
    fake.entries, fake.batches = [entry(1)], [(entry(2),), (entry(3),)]
    done = dblog("tail", "--after", "token-9", "--token")
    assert (len(done.lines), done.err) == (2, "token-2\n")
    assert dict(fake.asked)["tail"]["after"] == "token-9"


def test_on_a_terminal(
    dblog: Callable[..., Any], fake: FakeReader, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late entries are marked; what was skipped and what happened to the database are said on stderr.

    Lines fit the terminal as it then is.
    """
    late = entry(5, "late one")

    async def tail(*_: Any, **options: Any) -> AsyncGenerator[TailBatch]:
        fake.asked.append(("tail", options))
        yield TailBatch((), frozenset(), 0, "t0")
        yield TailBatch((entry(9, "x"),), frozenset(), 4812, "t1", notice="the database was away for 5 s")
        yield TailBatch((late,), frozenset({late.id or UUID(int=0)}), 0, "t2")
        monkeypatch.setenv("COLUMNS", "40")
        yield TailBatch((entry(9, "y" * 80),), frozenset(), 0, "t3")

    monkeypatch.setattr(fake, "tail", tail)
    done = dblog("tail", "--color", "never", "--utc")
    assert done.lines == [
        "── Thu 2025-11-20 UTC ──",
        "10:02:04.786 INFO  shop.cart x",
        "10:02:04.782 INFO  shop.cart late late one",
        f"10:02:04.786 INFO  shop.cart {'y' * 10}…",
    ]
    assert done.err.splitlines() == ["── the database was away for 5 s ──", "… 4,812 skipped"]
    assert dict(fake.asked)["tail"]["lossless"] is False


def test_an_error_ends_it(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Ctrl-C included: without a word but the token."""
    fake.error = KeyboardInterrupt()  # type: ignore[assignment]  # as a signal raises it
    assert dblog("tail", "--token") == (130, "", "")
