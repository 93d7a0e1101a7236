"""What an index looks up beforehand never leaves out an entry that the query finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.query import parse
from dblog.query.needles import Begins, Every, Formula, Holds, Some, folded, needles
from dblog.query.predicate import predicate
from dblog.query.values import document
from tests import querytrees
from tests.oracle import examples
from tests.queryhits import trees_about

if TYPE_CHECKING:
    from dblog.entry import LogEntry

ALL = frozenset({"message", "metadata", "logger"})


def holds(formula: Formula, entry: LogEntry) -> bool:
    """As the databases look it up."""
    match formula:
        case Every(parts):
            return all(holds(part, entry) for part in parts)
        case Some(parts):
            return any(holds(part, entry) for part in parts)
        case Holds("metadata", pieces):
            text = json.dumps(document(entry.metadata), ensure_ascii=False)
            return all(folded(piece) in folded(text) for piece in pieces)
        case Holds(column, pieces):
            return all(folded(piece) in folded(getattr(entry, column)) for piece in pieces)
        case Begins(column, text, whole):
            found = folded(getattr(entry, column))
            return found == text if whole else found.startswith(text)


@pytest.mark.timeout(1800)  # the long profile
@examples(100)
@given(data=st.data())
def test_what_is_looked_up_is_never_less(data: st.DataObject) -> None:
    """For any entry and any tree about it: if the query finds the entry, it has the needles, whatever is indexed."""
    entry = data.draw(querytrees.entries())
    columns = data.draw(st.sampled_from([ALL, *(frozenset({each}) for each in ALL)]))
    for _ in range(4):
        tree = data.draw(trees_about([entry]))
        formula = needles(tree, columns)
        if formula is not None and predicate(tree)(entry):
            assert holds(formula, entry), (tree, formula)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("message:*timeout*", Holds("message", ("timeout",))),
        ("timeout", Holds("message", ("timeout",))),
        ("message:ab*cde*f", Holds("message", ("cde",))),
        ("logger:Shop.Cart", Begins("logger", "shop.cart", whole=True)),
        ("logger:shop.*", Begins("logger", "shop.", whole=False)),
        ('user.name="Ann"', Holds("metadata", ("Ann",))),
        ("level:error message:*abc*", Holds("message", ("abc",))),
        ("message:*abc* or logger:x", Some((Holds("message", ("abc",)), Begins("logger", "x", whole=True)))),
        ("message:*abc* or level:error", None),
        ("-message:*abc*", None),
        ("message:ab", None),
        ("logger:*x", None),
        ("pid:123", None),
        ("order>5", None),
    ],
)
def test_what_is_looked_up(query: str, found: Any) -> None:
    """Of what a query says, that which an index of its kind answers."""
    made = needles(parse(query).tree, ALL)
    assert made == found


def test_a_needle_in_json_is_spelled_as_json() -> None:
    """Quotation marks, backslashes and control characters are escaped there, and nothing else is."""
    assert needles(parse('a="x\\"y\\\\z\\tß"').tree, ALL) == Holds("metadata", ('x\\"y\\\\z\\tß',))
