"""The regex subset: what is in it, what is refused, and that both engines agree with a matcher of thirty lines."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dblog.query import regex
from dblog.query.functions import searcher
from dblog.query.regex import MOST_NESTING, RegexSyntaxError, parse
from dblog.query.regex_tree import Assertion, Chars, Choice, Part, Repeat, Series
from tests.oracle import examples
from tests.querytrees import LETTERS, regex_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


# -- an independent matcher ------------------------------------------------------------------------------------


def _ends(part: Part, text: str, starts: set[int]) -> set[int]:
    """Where a match of the part that begins at one of these places can end."""
    match part:
        case Chars(ranges):
            inside = {at for at in starts if at < len(text)}
            return {at + 1 for at in inside if any(first <= ord(text[at]) <= last for first, last in ranges)}
        case Series(parts):
            for inner in parts:
                starts = _ends(inner, text, starts)
            return starts
        case Choice(parts):
            return {end for inner in parts for end in _ends(inner, text, starts)}
        case Repeat(inner, least, most):
            for _ in range(least):
                starts = _ends(inner, text, starts)
            reached = set(starts)
            for _ in range(len(text) + 1 if most is None else most - least):
                starts = _ends(inner, text, starts)
                reached |= starts
            return reached
        case _:
            return {at for at in starts if _holds(part, text, at)}


def _holds(assertion: Assertion, text: str, at: int) -> bool:
    if assertion is Assertion.BOUNDARY:
        return (text[at - 1 : at] in _WORD and at > 0) != (text[at : at + 1] in _WORD and at < len(text))
    return at == (0 if assertion is Assertion.START else len(text))


def _found(part: Part, text: str) -> bool:
    return bool(_ends(part, text, set(range(len(text) + 1))))


@st.composite
def _matching(draw: st.DrawFn, part: Part) -> str:
    """A text the part matches, if its assertions happen to hold."""
    match part:
        case Chars(ranges):
            first, last = draw(st.sampled_from(ranges))
            return chr(draw(st.sampled_from([first, last, min(max(first, ord("b")), last)])))
        case Series(parts):
            return "".join(draw(_matching(inner)) for inner in parts)
        case Choice(parts):
            return draw(_matching(draw(st.sampled_from(parts))))
        case Repeat(inner, least, most):
            times = draw(st.integers(least, min(least + 2, least + 2 if most is None else most)))
            return "".join(draw(_matching(inner)) for _ in range(times))
        case _:
            return ""


@st.composite
def _near(draw: st.DrawFn, part: Part) -> str:
    """A text the part nearly matches, with something around it."""
    around = st.text(LETTERS + "b9ï\x0b\x1f", max_size=2)
    return draw(around) + draw(_matching(part) | around) + draw(around)


# -- agreement -------------------------------------------------------------------------------------------------


@given(source=regex_sources(), data=st.data())
def test_re2_finds_what_the_tree_says(source: str, data: st.DataObject) -> None:
    """RE2 given our print of a pattern, and a matcher of the tree, agree on any text."""
    parsed = parse(source)
    search = searcher(parsed.re2())
    for text in data.draw(st.lists(_near(parsed.tree), min_size=1, max_size=5)):
        assert search(text.encode()) == _found(parsed.tree, text), (parsed, text)


@given(source=regex_sources(), data=st.data())
def test_the_tree_says_what_python_would(source: str, data: st.DataObject) -> None:
    """Both the pattern as written and its canonical text mean to Python's re, under re.ASCII, what the tree says.

    But for ``$``, which in Python is also before a newline at the end.
    """
    parsed = parse(source)
    for text in data.draw(st.lists(_near(parsed.tree), min_size=1, max_size=5)):
        if not ("$" in source and text.endswith("\n")):
            for pattern in (source, parsed.source):
                assert bool(re.search(pattern, text, re.ASCII)) == _found(parsed.tree, text), (pattern, text)


@pytest.fixture(scope="module")
def postgres(postgres_server: Any) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the module's own."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        yield connection


_ASK = (
    'SELECT array_agg(text COLLATE "C" ~ %s ORDER BY place) FROM unnest(%s::text[]) WITH ORDINALITY AS t(text, place)'
)


@pytest.mark.timeout(900)  # the long profile
@examples(80)
@example(source=r"\b", data=None)
@given(source=regex_sources(), data=st.data())
def test_postgres_finds_what_re2_finds(postgres: psycopg.Connection[Any], source: str, data: Any) -> None:
    """PostgreSQL given our print of a pattern, and RE2 given its own, agree on any text."""
    parsed = parse(source)
    texts = ["", "a", "é", "aé", " "]
    if data is not None:
        texts += data.draw(st.lists(_near(parsed.tree), min_size=1, max_size=8))
    row = postgres.execute(_ASK, (parsed.postgres(), texts)).fetchone()
    assert row is not None
    assert row[0] == [searcher(parsed.re2())(text.encode()) for text in texts], (parsed, texts)


# -- canonical text --------------------------------------------------------------------------------------------


@given(source=regex_sources())
def test_canonical_text_is_parsed_to_itself(source: str) -> None:
    """``parse(regex.source)`` is the same regex with the same tree, and ``(?i)`` is the option."""
    parsed = parse(source)
    again = parse(parsed.source)
    assert (again, again.tree, hash(again)) == (parsed, parsed.tree, hash(parsed))
    ignoring = parse(source, ignore_case=True)
    assert parse(ignoring.source) == ignoring == parse(ignoring.source, ignore_case=True)


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        ("(?:a)", "a"),
        ("a*?b+?c??", "a*b+c?"),
        ("a{0,}b{1,}c{0,1}d{1}e{2,2}", "a*b+c?de{2}"),
        ("(?i)Timeout[A-C]", "(?i)timeout[a-c]"),
        ("(?i)[^A]", "(?i)[^a]"),
        ("[0-9]", r"\d"),
        ("[^\\n]", "."),
        ("[a-]", "[\\-a]"),
        ('{"a": 1}', r'\{"a": 1\}'),
        ("(a|(b|c))d", "(a|b|c)d"),
        (r"\x41\u00e9\/", "Aé/"),
    ],
)
def test_equal_patterns_have_one_text(source: str, canonical: str) -> None:
    """What means the same by syntax alone (groups, laziness, spellings of sets and repeats) is written in one way."""
    assert parse(source).source == canonical
    assert parse(source) == parse(canonical)


# -- meaning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("", "", True),
        ("a.c", "a\nc", False),
        ("^b", "a\nb", False),
        ("a$", "a\n", False),
        (r"\d", "٣", False),
        (r"\w", "é", False),
        (r"\bé", "aé", True),
        (r"\s", "\v", True),
        (r"\s", "\u00a0", False),
        ("(?i)k", "\u212a", False),
        ("(?i)s", "ſ", False),
        ("(?i)É", "é", False),
        ("(?i)[^k]", "K", False),
        ("[]]", "]", True),
        ("[^]]", "]", False),
        ("^.$", "😀", True),
        (r"[\ud7ff-\ue000]", "\ue000", True),
    ],
)
def test_what_patterns_mean(source: str, text: str, found: bool) -> None:
    """The places where engines differ have the one meaning the docs give."""
    parsed = parse(source)
    assert _found(parsed.tree, text) is found
    assert searcher(parsed.re2())(text.encode()) is found


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "offset", "word"),
    [
        (r"(a)\1", 3, "references"),
        (r"(?P<name>a)", 0, "names"),
        (r"(?<name>a)", 0, "names"),
        (r"a(?=b)", 1, "ahead or behind"),
        (r"(?<!a)b", 0, "ahead or behind"),
        (r"a(?i)b", 1, "start of the pattern"),
        (r"(?im)b", 0, "start of the pattern"),
        ("a++", 2, "possessive"),
        ("a**", 1, "parentheses"),
        ("a{2}{3}", 1, "parentheses"),
        ("*a", 0, "nothing to repeat"),
        ("a|+", 2, "nothing to repeat"),
        ("({2})", 1, "nothing to repeat"),
        ("^*", 1, "cannot be repeated"),
        (r"(\b)+", 4, "cannot be repeated"),
        ("a{256}", 1, "255"),
        ("a{3,2}", 1, "smaller"),
        ("a{0}", 1, "none"),
        ("a{2", 1, r"\{"),
        ("a{,3}", 1, r"\{"),
        ("(a", 0, r"\("),
        ("a)", 1, r"\)"),
        ("[a", 0, r"\["),
        ("[z-a]", 1, "wrong way"),
        (r"[\d-z]", 1, "hyphen"),
        ("[a-c-e]", 4, "hyphen"),
        ("[[:alpha:]]", 1, "names"),
        (r"[^\s\S]", 0, "no character"),
        (r"[\b]", 1, r"\b"),
        (r"\B", 0, "ASCII"),
        (r"\A", 0, "^"),
        (r"\p{L}", 0, "Unicode"),
        (r"\Qa", 0, "quoting"),
        (r"\e", 0, "not supported"),
        ("a\\", 1, "backslash"),
        (r"\x4", 0, "2 hexadecimal"),
        (r"\u12g4", 0, "4 hexadecimal"),
        (r"\x00", 0, "never stored"),
        (r"\ud800", 0, "never stored"),
        ("a\0", 1, "never stored"),
        ("[a\0]", 2, "never stored"),
        ("(a{100}){100}", 0, "too large"),
        (r"(\b|a){7}", 0, "optional or repeated"),
    ],
)
def test_what_is_not_in_the_subset_is_refused_with_a_sentence(source: str, offset: int, word: str) -> None:
    """The error names the place, and says what is wrong or what to write instead."""
    with pytest.raises(RegexSyntaxError) as caught:
        parse(source)
    assert caught.value.offset == offset
    assert word in caught.value.reason


@given(source=st.text("()[]{}^$|?*+\\.-,:<=!iPdbx019a\n\0é\ud800", max_size=20))
def test_any_text_is_parsed_or_refused(source: str) -> None:
    """Nothing but ``RegexSyntaxError`` comes out, with an offset within the pattern; what is accepted, RE2 compiles."""
    try:
        parsed = parse(source)
    except RegexSyntaxError as error:
        refused = error
    else:
        searcher(parsed.re2())
        return
    assert 0 <= refused.offset <= len(source)
    assert refused.reason


def test_groups_are_nested_within_bounds() -> None:
    """As deep as is allowed works; deeper is refused, however deep, and never a RecursionError."""
    deepest = "(" * MOST_NESTING + "a|b" + ")" * MOST_NESTING
    assert searcher(parse(deepest).re2())(b"b")
    for depth in (MOST_NESTING + 1, 4000):
        with pytest.raises(RegexSyntaxError, match="nested"):
            parse("(" * depth + "a" + ")" * depth)


_HARD = (
    "(a?){120}b", "(a|b|c){150}d", r"(\w+\s){150}", "((a{10}){10}){8}b", "(a{1,30}){1,30}b", r"\W{255}",
    "[à-ÿЀ-ӿ]{255}x", "(.*a){200}b", r"(\b|a){6}(x+x+)+y", "(a+)+$", "x" * 900, "|".join(["^foo"] * 100),
)  # fmt: skip


@pytest.mark.parametrize("source", _HARD)
def test_the_largest_patterns_are_no_trouble(postgres: psycopg.Connection[Any], source: str) -> None:
    """Patterns at the bounds, and those that stall a backtracking engine, take both engines no time to speak of."""
    parsed = parse(source)
    text = "a" * 20_000
    begun = time.monotonic()
    found = searcher(parsed.re2())(text.encode())
    row = postgres.execute(_ASK, (parsed.postgres(), [text])).fetchone()
    assert time.monotonic() - begun < 5
    assert row == ([found],)


def test_regexes_are_values() -> None:
    """Equal text, equal regex; the tree is left out of comparison and of ``repr``."""
    assert parse("a+") == parse("(a)+?") != parse("a*")
    assert repr(parse("a+")) == "Regex(source='a+')"
    assert regex.Regex("a+", Series(())) == parse("a+")
