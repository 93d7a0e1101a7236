"""The pieces of a query are those the grammar sees, and there are some of whatever is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import QuerySyntaxError
from dblog.query import parse
from dblog.query.canonical import canonical
from dblog.query.fields import names
from dblog.query.parser import _parsed
from dblog_tui.highlight import Part, pieces, terms
from tests.querytrees import trees

if TYPE_CHECKING:
    from dblog.query.tree import Node

_TYPED = st.text("abz _.*?0123 \n\\/:=<>!~-\"'`()[]{}|&,@^%é日", max_size=40) | st.lists(
    st.sampled_from(["service", ":", ">=", "not", "and", "OR", " ", "(", ")", '"', "/x/", "in", "level", "a", "[1 TO"]),
    max_size=12,
).map("".join)


@given(_TYPED)
def test_pieces_are_whatever_is_not_blank(text: str) -> None:
    """In order, one behind the other, none empty, and between them blanks only."""
    at = 0
    for piece in pieces(text, names()):
        assert piece.start < piece.end
        assert not text[at : piece.start].strip()
        at = piece.end
    assert not text[at:].strip()


@given(trees())
def test_fields_are_those_of_the_grammar(tree: Node) -> None:
    """Of any query that can be written, the fields, strings and regexes are where Lark's lexer finds them."""
    text = canonical(tree)
    if not text:
        return
    _, tokens = _parsed(text)
    kinds = {
        "FIELD": Part.FIELD, "ANYWHERE": Part.FIELD, "TIME_KEY": Part.FIELD, "NAME": Part.FIELD, "STRING": Part.STRING,
        "REGEX": Part.REGEX, "LISTED_REGEX": Part.REGEX, "NEGATION": Part.NEGATION, "WORD": Part.WORD,
    }  # fmt: skip
    expected = [(token.start_pos, token.end_pos, kinds[token.type]) for token in tokens if token.type in kinds]
    found = [(piece.start, piece.end, piece.part) for piece in pieces(text, names())]
    assert [each for each in found if each[2] in kinds.values()] == expected


@given(trees())
def test_terms_say_the_same_one_by_one(tree: Node) -> None:
    """A query's terms, written one behind the other, are the query."""
    text = canonical(tree)
    try:
        whole = parse(text).tree
    except QuerySyntaxError:  # a number no query can write
        return
    joined = " ".join(text[slice(*span)] for span in terms(text, names()))
    assert parse(joined).tree == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a AND b", ["a", "b"]),
        ("a b OR c", ["a b OR c"]),
        ("-service:(a OR b) NOT x (y or z)", ["-service:(a OR b)", "NOT x", "(y or z)"]),
        ("has(exc) last:24h level >= warn", ["has(exc)", "last:24h", "level >= warn"]),
        ("service not in (a, b) msg like 'x y'", ["service not in (a, b)", "msg like 'x y'"]),
        ("service contains x", ["service contains x"]),
        ("x contains y", ["x", "contains", "y"]),
        ("n:[1 TO 5} -!a", ["n:[1 TO 5}", "-!a"]),
        ("", []),
    ],
)
def test_what_is_one_term(text: str, expected: list[str]) -> None:
    """Operators, lists, ranges and negations belong to their term; an OR on the outermost level makes one of all."""
    assert [text[slice(*span)] for span in terms(text, names())] == expected


@given(_TYPED)
def test_terms_of_anything_stand_in_the_text(text: str) -> None:
    """Also of what no query is: spans within the text, one behind the other."""
    at = 0
    for start, end in terms(text):
        assert at <= start < end <= len(text)
        at = end


def test_an_unfinished_query_has_the_pieces_it_will_have() -> None:
    """What is typed next does not change what stands there already."""
    text = 'service:(billing OR "two words") level>=warn -msg=~/pay.+ed/i user in (1, 2) '
    whole = pieces(text, names())
    for end in range(len(text)):
        before = [piece for piece in pieces(text[:end], names()) if piece.end < end]
        finished = [piece for piece in before if piece.part not in (Part.WORD, Part.REGEX) and piece != before[-1]]
        assert all(piece in whole for piece in finished if piece.end + 9 < end)


def test_a_bad_query_is_no_error_here() -> None:
    """Where the parser complains, the pieces are there all the same."""
    text = "service:billing AND dur_ms>>250 OR levle:error"
    with pytest.raises(QuerySyntaxError):
        parse(text)
    assert [text[piece.start : piece.end] for piece in pieces(text) if piece.part is Part.FIELD] == [
        "service", "dur_ms", "levle",
    ]  # fmt: skip
