"""Every mistake of a query has its place, and its repair puts that one right."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dblog.errors import QuerySyntaxError
from dblog.query import parse
from dblog_tui.mistakes import mistakes, of_error

_TERMS = st.lists(
    st.sampled_from([
        "service:api", "levle:error", "dur_ms>>250", "a|b", "(x", "took>5s", "level:erorr", '"open', "msg=~/a(/", "AND",
        "since:yesterdy", "not", "x:[1..2]", "user:9547", "-", "=>", "sevice=1", "]",
    ]),
    max_size=5,
).map(" ".join)  # fmt: skip


def _error(text: str) -> QuerySyntaxError | None:
    try:
        parse(text)
    except QuerySyntaxError as error:
        return error
    return None


@given(_TERMS)
def test_there_are_mistakes_where_it_cannot_be_read(text: str) -> None:
    """And only there; their places are in the text, in order, and no two are the same."""
    found = mistakes(text, parse)
    assert bool(found) is (_error(text) is not None)
    columns = [mistake.column for mistake in found]
    assert columns == sorted(set(columns))
    assert all(0 <= mistake.column <= mistake.column + mistake.width <= len(text) for mistake in found)


@given(_TERMS)
def test_repairs_come_to_an_end(text: str) -> None:
    """One repair after the other, each makes another text; after a few, none is left to be made."""
    seen = {text}
    for _ in range(8):
        repaired = next((each.repaired for each in mistakes(text, parse) if each.repaired is not None), None)
        if repaired is None:
            return
        assert repaired not in seen
        seen.add(text := repaired)
    pytest.fail(f"still not repaired: {text}")


@given(_TERMS)
def test_a_lone_mistake_is_the_parsers(text: str) -> None:
    """Where the parser knows a repair of everything, it is the one that is offered, and it can be read."""
    error = _error(text)
    assume(error is not None and error.repaired is not None)
    assert error is not None
    (found,) = mistakes(text, parse)
    assert (found.column, found.reason, found.repaired) == (error.column, error.reason, error.repaired)
    parse(error.repaired or "")


def test_two_mistakes_each_with_its_own_repair() -> None:
    """The query of the paper: both places are marked, one key puts the first right, then the second."""
    text = "service:billing AND dur_ms>>250 OR levle:error"
    first, second = mistakes(text, parse)
    assert (first.column, first.width, first.advice) == (27, 1, "did you mean  dur_ms>250 ?")
    assert (second.column, second.width) == (35, 5)
    assert first.repaired == "service:billing AND dur_ms>250 OR levle:error"
    (left,) = mistakes(first.repaired, parse)
    assert left.repaired == "service:billing AND dur_ms>250 OR level:error"
    assert not mistakes(left.repaired, parse)


@pytest.mark.parametrize("text", ["service:", "a AND", '"open', "(a OR b", "service:(a OR"])
def test_what_is_only_unfinished(text: str) -> None:
    """A repair that only writes on, or a place at the end: whoever types is about to write it."""
    (found,) = mistakes(text, parse)
    assert found.grows(text)


@pytest.mark.parametrize("text", ["levle:error", "a|b", "dur_ms>>250"])
def test_what_is_wrong_already(text: str) -> None:
    """Writing on does not help."""
    assert not mistakes(text, parse)[0].grows(text)


def test_an_error_from_elsewhere() -> None:
    """A reader's error is shown as the parser's own."""
    error = QuerySyntaxError("a b", 2, "no", expected=("x", "y", "z"))
    found = of_error(error)
    assert (found.column, found.reason, found.advice) == (2, "no", "expected x, y or z")
