"""Canonical text: every tree has one, it parses back to the same tree, and people can read it."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import QuerySyntaxError
from dblog.query import numerals
from dblog.query.canonical import canonical
from dblog.query.fields import COLUMNS, path
from dblog.query.parser import parse_tree
from dblog.query.tree import MOST_LENGTH, And, Equal, Kind, Like, Node, Not, Or, Range, Wild
from tests.querytrees import trees

ZONES = (dt.UTC, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York"), dt.timezone(dt.timedelta(hours=-12)))


def writable(node: Node) -> bool:
    """A query can write its numbers: floats of metadata have at most 14 decimals and 15 digits."""
    match node:
        case And(parts) | Or(parts):
            return all(map(writable, parts))
        case Not(part):
            return writable(part)
        case Equal(field, value):
            return _writable(field.kind, value)
        case Range(field, low, high):
            return _writable(field.kind, low) and _writable(field.kind, high)
        case _:
            return True


def _writable(kind: Kind, value: Any) -> bool:
    return not isinstance(value, float) or kind is Kind.INT or numerals.rounded(Decimal(repr(value))) == value


def kinds(node: Node) -> list[type]:
    """The types of a tree's values, in order; a float may be written as the integer it is."""
    match node:
        case And(parts) | Or(parts):
            return [kind for part in parts for kind in kinds(part)]
        case Not(part):
            return kinds(part)
        case Equal(_, value):
            return [_kind(value)]
        case Range(_, low, high):
            return [_kind(low), _kind(high)]
        case _:
            return []


def _kind(value: Any) -> type:
    return int if isinstance(value, float) else type(value)


@given(trees().filter(writable), st.sampled_from(ZONES), st.floats(0, 4e9))
def test_canonical_text_parses_back_to_the_same_tree(tree: Node, zone: dt.tzinfo, now: float) -> None:
    """For every tree, at any moment and in any zone: canonical(tree) parses to an equal tree, and is its own canon."""
    text = canonical(tree)
    parsed = parse_tree(text, now=now, timezone=zone)
    assert parsed == tree, text
    assert canonical(parsed) == text


@given(trees().filter(writable))
def test_truth_and_one_stay_apart(tree: Node) -> None:
    """Python takes True for 1, so that equal trees are not enough: types of values come back as they were, too."""
    assert kinds(parse_tree(canonical(tree))) == kinds(tree)


READABLE = [
    ("level>=warn service:api 'connection reset' dur_ms>=1s not logger:app.health since:2026-11-20T09:00Z",
     'level>=WARNING service:api "connection reset" dur_ms>=1000 -logger:app.health since:2026-11-20T09:00:00Z'),
    ("msg:'*timeout*'", 'message:"*timeout*"'),
    ("msg:*timeout*", "timeout"),
    ("msg like 'time%'", "message:time*"),
    ("exc contains 'Time out'", 'exc_type~"Time out"'),
    ("service like '%a_b%'", "service:*a?b*"),
    ("service like 'a b%'", "service like 'a b%'"),
    ("service like '100\\%'", "service:100%"),
    ("user=5 or user=6", "user_id in (5, 6)"),
    ("code=5 or code='5' or code:x*", 'code in (5, "5") OR code:x*'),
    ("a (level:error or level:30)", "a level:(ERROR OR WARNING)"),
    ("not (service:a or service:b)", "-service:(a OR b)"),
    ("not (a b)", "-(a b)"),
    ("a b or c", "a AND b OR c"),
    ("exc!~/time/", "has(exc_type) -exc_type:/time/"),
    ("path=~'/v1/'", "path:/\\/v1\\//"),
    ("ok=true", "ok:true"),
    ("ok='true'", 'ok="true"'),
    ("n>='5'", 'n>="5"'),
    ("level=~/^W/", "level:/^W/"),
    ("level like 'error'", "level like 'error'"),
    ("pid:12*", "pid:12*"),
    ("f:''", 'f:""'),
    ("*", "*"),
    ("''", "*"),
    ("", ""),
    ("ts:2026-11-20T09:00:00.5Z", "timestamp=2026-11-20T09:00:00.5Z"),
    ("metadata.order:1 metadata.level:2 metadata.and:4", "order:1 metadata.level:2 metadata.and:4"),
    ("metadata.5xx:3", "metadata.5xx:3"),
    ("attrs.servcie:1 attrs.since:1 attrs.metadata.x:1", "metadata.servcie:1 metadata.since:1 metadata.metadata.x:1"),
    ("`a.b`:1 a.b:1 `a b`.c:1", "`a.b`:1 a.b:1 `a b`.c:1"),
    ("id:0190A5D0AC96774BBCCEB302099A8057", "id:0190a5d0-ac96-774b-bcce-b302099a8057"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "text"), READABLE)
def test_it_is_what_a_person_would_write(query: str, text: str) -> None:
    """The shortest usual spelling: columns by their names, quotes only where needed, lists where there is one."""
    assert canonical(parse_tree(query, timezone=dt.UTC)) == text
    assert canonical(parse_tree(text, timezone=dt.UTC)) == text


def test_a_query_too_long_when_written_out_is_refused() -> None:
    """So that every query that parses has a canonical text that parses; 64 short times would be 4,400 characters."""
    short = " ".join(["ts>now"] * 64)
    assert len(short) < MOST_LENGTH
    assert canonical(parse_tree(" ".join(["ts>now"] * 60), now=0.123456))
    with pytest.raises(QuerySyntaxError, match="written out in full"):
        parse_tree(" ".join(["around:now"] * 64), now=1e9 + 0.123456)


@given(st.text(max_size=20).filter(lambda text: not re.search("[\0\ud800-\udfff]", text)))
def test_any_text_can_be_looked_for(text: str) -> None:
    """Literally, in every place a text can stand; whatever characters it has."""
    around: tuple[str | Wild, ...] = (Wild.ANY, text, Wild.ANY) if text else (Wild.ANY,)
    whole = (text,) if text else ()
    leaves = (
        Like(COLUMNS["message"], around),
        Like(path("a"), whole),
        Like(COLUMNS["level"], whole),
        Equal(path("a"), text),
        Equal(COLUMNS["service"], text),
        Range(path("a"), low=text),
        Range(COLUMNS["host"], text, text),
    )
    for leaf in leaves:
        for tree in (leaf, Not(leaf), And((leaf, leaf)), Or((leaf, Not(leaf), leaf)), Or((leaf, leaf))):
            assert parse_tree(canonical(tree)) == tree


@pytest.mark.parametrize(
    "text",
    [
        'since:2026-11-20T10:30:00Z "10:00"',
        'since:2026-11-20T10:30:00Z "ago"',
        'since:2026-11-20T10:30:00Z -"5m"',
        'level:"erorr"',
        'has(level) -level:"errors"',
        'level:("erorr" OR notice)',
        'version>="1.2.3"',
        'n:["1k" TO "5k"]',
        "`a-`>5",
        "metadata._exists_:x",
        "metadata._exists_:5",
        "x.`a-`<=5",
        'n "is" "null"',
        'n "ilike" "a b"',
        "exists (a OR b)",
        '"größe:5"',
        "wait_ms:[5 TO 5]",
    ],
)
def test_what_would_be_taken_for_a_mistake_is_quoted(text: str) -> None:
    """It stays as it is, so it parses, as often as it is written."""
    assert canonical(parse_tree(text)) == text
