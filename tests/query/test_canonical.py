"""Canonical text: every tree has one, it parses back to the same tree, and people can read it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dblog.query import literals
from dblog.query.canonical import canonical
from dblog.query.parser import parse_tree
from dblog.query.tree import And, Equal, Kind, Node, Not, Or, Range
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
    return not isinstance(value, float) or kind is Kind.INT or literals.rounded(Decimal(repr(value))) == value


def shape(node: Any) -> str:
    """What distinguishes ``True`` from ``1`` but not ``1.0`` from ``1``."""
    return repr(node).replace(".0,", ",").replace(".0)", ")")


@given(trees().filter(writable), st.sampled_from(ZONES), st.floats(0, 4e9))
def test_canonical_text_parses_back_to_the_same_tree(tree: Node, zone: dt.tzinfo, now: float) -> None:
    """For every tree, at any moment and in any zone: canonical(tree) parses to an equal tree, and is its own canon."""
    text = canonical(tree)
    parsed = parse_tree(text, now=now, timezone=zone)
    assert parsed == tree, text
    assert canonical(parsed) == text
