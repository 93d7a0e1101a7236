"""What ``erase`` promises, on every database in the same words: what matches and was there is gone, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog.admin import erasing
from dblog.errors import ConfigurationError
from dblog.query import parse
from tests.administered import DAY, ask, entry, everything, now
from tests.buried import bury, letter
from tests.contract.copied import beside, clear, connected, fill
from tests.embedded_clickhouse import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry

few = settings(max_examples=max(3, settings().max_examples // 30))
QUERIES = (
    "user_id:u-1",
    "metadata.email=ada@example.org",
    "user_id:u-2 or metadata.email:*@example.org",
    "-user_id:u-1",
)


def erase(url: str, query: str, report: Callable[[int], None] = lambda _: None) -> erasing.Erased:
    with connected(url) as connection:
        return ask(url, lambda reader: erasing.erase(reader, connection, parse(query), report=report))


def left(url: str) -> set[int | None]:
    return {each.lineno for each in everything(url, "logger:shop")}


def audits(url: str) -> list[dict[str, Any]]:
    return [each.attributes for each in everything(url, "logger:dblog.audit")]


def made(number: int, user: int, *, known: bool = False, days: int = 0, taken: int | None = None) -> LogEntry:
    """An entry of a person, who may be known by an address only."""
    mail = "ada@example.org" if known else "ben@example.com"
    moment = now()
    return entry(
        number,
        moment - days * DAY,
        user_id=f"u-{user}",
        metadata=f'{{"email": "{mail}"}}',
        ingested_at=moment if taken is None else taken,
    )


def test_what_matches_is_gone_everywhere(place: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any entries of any days, in whatever pages they are read: the same on all, and again, nothing."""
    urls = {kind: place(kind) for kind in ENGINES}

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2)), max_size=12),
        st.sampled_from(QUERIES),
        st.integers(1, 5),
    )
    @few
    def holds(batch: list[tuple[int, bool, int]], query: str, page: int) -> None:
        monkeypatch.setattr(erasing, "_PAGE", page)
        some = [made(number, user, known=known, days=days) for number, (user, known, days) in enumerate(batch)]
        goes = {each.lineno for each in some if parse(query).predicate()(each)}
        for url in urls.values():
            clear(url)
            fill(url, some)
            done, again = erase(url, query), erase(url, query)
            assert left(url) == {each.lineno for each in some} - goes
            assert (done.count, done.left, done.complete, done.clean) == (len(goes), 0, True, True)
            assert again.count == 0
            assert [each["count"] for each in audits(url)] == [len(goes), 0]

    holds()


@pytest.mark.parametrize("kind", ENGINES)
def test_what_comes_meanwhile_stays(place: Callable[..., str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer whose every entry matches keeps no erase from its end; what was taken ahead of the clock goes too."""
    monkeypatch.setattr(erasing, "_PAGE", 2)
    url = place(kind)
    moment = now()
    fill(url, [made(number, 1, taken=moment + (DAY if number == 3 else -DAY)) for number in range(7)])
    numbers = iter(range(100, 200))

    def write(_gone: int) -> None:
        fill(url, [made(next(numbers), 1), made(next(numbers), 1, days=-1)])

    done = erase(url, "user_id:u-1", write)
    assert (done.count, done.left, done.complete) == (7, 0, True)
    assert left(url) == set(range(100, next(numbers)))


@pytest.mark.parametrize("kind", ENGINES)
def test_letters_go_too_and_who_erased_is_told(place: Callable[..., str], kind: str) -> None:
    """One row says who, how many and by which fields, and never a value; it is not erased by what matches it."""
    url = place(kind)
    fill(url, [made(1, 1), made(2, 2)])
    bury(url, letter(1, user_id="u-1"), letter(2, user_id="u-2"))
    assert erase(url, "user_id:u-1").dead_letters == 1
    assert [row[0].int for row in beside(url, "dead_letters")] == [3]
    (audit,) = audits(url)
    assert (audit["action"], audit["count"], audit["dead_letters"], audit["complete"]) == ("erase", 1, 1, True)
    assert (audit["fields"], "u-1" in str(audit)) == (["user_id"], False)
    assert erase(url, "level:warning").count == 0
    assert erase(url, "logger:dblog.audit action=erase").count == 2
    assert len(audits(url)) == 1


@pytest.mark.parametrize("kind", ENGINES)
def test_everything_is_refused(place: Callable[..., str], kind: str) -> None:
    """Before anything is looked at, and prune is named."""
    fill(url := place(kind), [made(1, 1)])
    with pytest.raises(ConfigurationError, match="dblog prune"):
        erase(url, "has(message)")
    assert left(url) == {1}
