"""What each node of a query means, said with one entry; SQL is held to the same by ``test_agreement``."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.query import regex
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.predicate import predicate
from dblog.query.tree import All, And, Equal, Has, Like, Not, Or, Range, Search, Wild
from dblog.query.values import MOST_INT, fold, number_of, spellings, text_of, variants
from dblog.query.wildcards import matcher
from tests.querytrees import LETTERS, NUMERALS, START, patterns

if TYPE_CHECKING:
    from dblog.query.tree import Node, Pattern

ENTRY = LogEntry(
    START,
    "WARNING",
    13,
    "app.db",
    "Timeout after 30 s at Straße 5",
    metadata='{"http": {"status": 500}, "http.method": "GET", "tags": ["a", "B", 3], "n": "007", "f": "1.50",'
    ' "no": null, "yes": true, "said": "False", "empty": "", "none": [], "object": {"x": null}, "pi": 3.5,'
    ' "big": 9007199254740992}',
    lineno=42,
    trace_id="ABC123",
    user_id="u1",
    id=UUID(int=1),
)
MESSAGE, LEVEL, LINE, TRACE = (COLUMNS[name] for name in ("message", "level", "lineno", "trace_id"))
STATUS, TAGS = path("http", "status"), path("tags")


def contains(text: str) -> Pattern:
    """``*text*``."""
    return (Wild.ANY, text, Wild.ANY)


@pytest.mark.parametrize(
    ("tree", "holds"),
    [
        (All(), True),
        (And((Has(MESSAGE), Has(COLUMNS["service"]))), False),
        (Or((Has(MESSAGE), Has(COLUMNS["service"]))), True),
        (Not(Has(COLUMNS["service"])), True),
        # text
        (Like(MESSAGE, contains("TIMEOUT")), True),
        (Like(MESSAGE, ("timeout",)), False),
        (Like(MESSAGE, ("timeout", Wild.ANY)), True),
        (Like(MESSAGE, (Wild.ANY, "straße", Wild.ONE, "5")), True),
        (Like(MESSAGE, contains("STRASSE")), False),
        (Equal(MESSAGE, "timeout after 30 s at Straße 5"), False),
        (Range(MESSAGE, "Time", "Timf"), True),
        (Search(MESSAGE, regex.parse(r"\d+ s\b")), True),
        # identifiers: as typed, lower or upper
        (Like(TRACE, ("abc123",)), True),
        (Like(TRACE, ("Abc123",)), True),
        (Equal(TRACE, "abc123"), False),
        (Like(TRACE, ("aBc", Wild.ANY)), True),
        # levels: by rank; patterns by name
        (Range(LEVEL, 13), True),
        (Range(LEVEL, 13, low_open=True), False),
        (Equal(LEVEL, 13), True),
        (Like(LEVEL, ("warn", Wild.ANY)), True),
        # integers
        (Equal(LINE, 42), True),
        (Equal(LINE, 42.5), False),
        (Range(LINE, 41.5, 42.5), True),
        (Like(LINE, ("4", Wild.ONE)), True),
        (Equal(COLUMNS["pid"], 1), False),
        (Equal(COLUMNS["pid"], 1, negated=True), False),
        # times and ids
        (Range(COLUMNS["timestamp"], START, START + 1, high_open=True), True),
        (Range(COLUMNS["ingested_at"], 0), False),
        (Equal(COLUMNS["id"], UUID(int=1)), True),
        # paths: nested, and with a dot in the key
        (Equal(STATUS, 500), True),
        (Equal(path("http", "method"), "GET"), True),
        (Equal(path("http.method"), "GET"), True),
        (Equal(path("http"), "GET"), False),
        (Has(path("http")), True),
        (Has(path("no")), False),
        (Has(path("empty")), True),
        (Has(path("none")), True),
        (Has(path("object", "x")), False),
        # numbers in texts
        (Equal(STATUS, "500"), True),
        (Equal(path("n"), 7), False),
        (Equal(path("n"), "007"), True),
        (Equal(path("f"), 1.5), True),
        (Range(path("f"), 1, 2), True),
        (Like(path("pi"), (Wild.ANY,)), False),
        (Range(path("pi"), 3, 4), True),
        (Range(path("big"), 0), False),
        (Like(path("big"), (Wild.ANY,)), False),
        # booleans
        (Equal(path("yes"), True), True),
        (Equal(path("yes"), "true"), False),
        (Equal(path("said"), False), True),
        (Equal(path("yes"), 1), False),
        # arrays: any element
        (Equal(TAGS, "a"), True),
        (Equal(TAGS, 3), True),
        (Like(TAGS, ("b",)), True),
        (Equal(path("tags", 1), "B"), True),
        (Equal(path("tags", 9), "B"), False),
        (Equal(TAGS, "a", negated=True), False),
        (Equal(TAGS, "z", negated=True), True),
        (Equal(path("none"), "z", negated=True), True),
        (Equal(path("missing"), "z", negated=True), False),
        (Not(Equal(path("missing"), "z")), True),
        # everywhere
        (Like(ANYWHERE, ("get",)), True),
        (Like(ANYWHERE, ("500",)), True),
        (Like(ANYWHERE, ("u1",)), True),
        (Like(ANYWHERE, ("warning",)), True),
        (Like(ANYWHERE, ("42",)), False),
        (Like(ANYWHERE, ("status",)), False),
    ],
    ids=str,
)
def test_what_a_query_means(tree: Node, holds: bool) -> None:
    """One line per rule of the reference."""
    assert predicate(tree)(ENTRY) is holds
    assert predicate(Not(tree))(ENTRY) is not holds


@pytest.mark.parametrize("metadata", [None, "NaN", "{", "", "5", "[1]", '"a"', "null"])
def test_metadata_that_is_no_object_holds_nothing(metadata: str | None) -> None:
    """Nothing raises, and no path finds anything."""
    entry = ENTRY._replace(metadata=metadata)
    for tree in (Equal(path("a"), 1), Has(path("a")), Like(path("a"), (Wild.ANY,)), Search(path("a"), regex.parse(""))):
        assert not predicate(tree)(entry)


def test_texts_no_database_has_seen_yet_are_no_trouble() -> None:
    """An entry that the writer has not cleaned may hold a lone surrogate; leaves about it do not raise."""
    entry = ENTRY._replace(message="a\ud800b\0")
    assert predicate(Search(MESSAGE, regex.parse("^a")))(entry)
    assert predicate(Like(MESSAGE, ("A", Wild.ANY)))(entry)
    assert predicate(Range(MESSAGE, "a"))(entry)


# -- patterns --------------------------------------------------------------------------------------------------


def _reference(pattern: Pattern) -> re.Pattern[str]:
    pieces = {Wild.ANY: ".*", Wild.ONE: "."}
    parts = (pieces[each] if isinstance(each, Wild) else re.escape(each) for each in pattern)
    return re.compile("".join(parts), re.DOTALL)


@given(pattern=patterns(), data=st.data())
def test_wildcards_mean_what_a_regex_of_them_means(pattern: Pattern, data: st.DataObject) -> None:
    """Python's re, given the pattern as ``.*`` and ``.``, agrees on texts that nearly fit."""
    around = st.text(LETTERS, max_size=3)
    pieces = [data.draw(around) if isinstance(each, Wild) else each for each in pattern]
    for text in ("".join(pieces), "".join(pieces) + data.draw(around), data.draw(around), "".join(pieces[1:])):
        assert matcher(pattern)(text) == bool(_reference(pattern).fullmatch(text)), text


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ((Wild.ANY, Wild.ONE, Wild.ONE, Wild.ANY), "ab", "a"),
        (("a", Wild.ANY, Wild.ONE, Wild.ANY, "b"), "axb", "ab"),
        ((Wild.ANY, "ab", Wild.ONE, "c", Wild.ANY), "abab-c", "abcab"),
        ((Wild.ANY, Wild.ONE, "b", Wild.ANY), "bb", "b"),
        (("ab", Wild.ANY, "ba"), "abba", "aba"),
        ((), "", "a"),
        ((Wild.ANY,), "", None),
    ],
)
def test_stars_with_question_marks_between(pattern: Pattern, fitting: str, other: str | None) -> None:
    """Places of one character are kept between, before and behind what is found."""
    assert matcher(pattern)(fitting)
    assert other is None or not matcher(pattern)(other)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """What makes a backtracking matcher try every split is found piece by piece."""
    pattern: Any = (Wild.ANY, *(part for _ in range(1000) for part in ("ab", Wild.ANY)), "c")
    begun = time.monotonic()
    assert not matcher(pattern)("ab" * 30_000)
    assert not matcher((Wild.ANY, Wild.ONE, "a", Wild.ONE, "b", Wild.ANY))("a" * 60_000)
    assert time.monotonic() - begun < 2


# -- values ----------------------------------------------------------------------------------------------------


@given(text=st.text())
def test_only_ascii_is_folded(text: str) -> None:
    """``fold`` lowers A-Z and leaves every other character."""
    assert fold(text) == "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("-1", -1), ("1.50", 1.5), ("500", 500), (str(MOST_INT), MOST_INT), ("-0", 0), ("0.1", 0.1),
        ("123456789012.345", 123456789012.345), ("0.00000000000001", 1e-14), ("007", None), ("+1", None), ("1e3", None),
        (" 1", None), ("1\n", None), (".5", None), ("5.", None), ("", None), ("-", None), ("1_0", None), ("٣", None),
        (str(MOST_INT + 1), None), ("1234567890123.456", None), ("9" * 400, None), ("NaN", None),
    ],
)  # fmt: skip
def test_which_texts_are_numbers(text: str, number: float | None) -> None:
    """Integers within ±(2**53 - 1), and decimals of at most 15 digits, written as JSON writes them."""
    assert number_of(text) == number
    assert text in NUMERALS or len(text) > 1


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [
        (True, None, None), (None, None, None), ([1], None, None), ({}, None, None), (5, 5, "5"), (5.0, 5.0, None),
        (MOST_INT + 1, None, None), (1e300, None, None), (float("inf"), None, None), ("x", None, "x"),
    ],
)  # fmt: skip
def test_what_json_values_compare_as(value: Any, number: float | None, text: str | None) -> None:
    """A bool is no number, a float has no text form, and nothing beyond ±(2**53 - 1) has either."""
    assert number_of(value) == number
    assert text_of(value) == text


def test_letters_beyond_ascii_are_looked_for_in_four_spellings() -> None:
    """As typed, lower, upper, capitalised; ASCII folded in each, and no spelling twice."""
    assert variants(("Abc",)) == (("abc",),)
    assert variants((Wild.ANY, "éA", Wild.ONE, "ß")) == (
        (Wild.ANY, "éa", Wild.ONE, "ß"),
        (Wild.ANY, "Éa", Wild.ONE, "ss"),
        (Wild.ANY, "Éa", Wild.ONE, "ß"),
    )
    assert spellings("aB") == ("aB", "ab", "AB")
