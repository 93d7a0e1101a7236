"""Words of the query language are offered where they may stand, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.query import parse
from dblog.query.fields import names
from dblog_tui.complete import taken
from dblog_tui.keywords import keywords_at
from dblog_tui.offer import Known, Offer

_NAMES = (*names(), "order", "dur_ms")
_AFTER = {"AND": "b", "OR": "b", "NOT": "b", "in (": "b)", "not in (": "b)", "contains ": "b", "like '": "b%'"}


def _offered(text: str) -> list[str]:
    offer = Offer()
    offer.look(text, len(text), Known(names=_NAMES, paths=("order",)), asked=True)
    return [each.insert for each in offer.found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("service:api a", ["and"]),
        ("service:api A", ["AND"]),
        ("service:api o", ["or"]),
        ("n", ["not"]),
        ("service:api AND n", ["not"]),
        ("(service:api O", ["OR"]),
        ("service i", ["in (", "is null", "is not null"]),
        ("service no", ["not in (", "not"]),
        ("@service c", ["contains "]),
        ("order l", ["like '"]),
        ("timeout i", []),
        ("o", []),
        ("service:api AND o", []),
        ("(a", []),
        ("-a", []),
        ("-n", []),
        ("service:a", []),
        ("NOT n", []),
        ('"an', []),
    ],
)
def test_what_is_offered(text: str, wanted: list[str]) -> None:
    """Behind a term AND and OR, behind the bare name of a field its operators, at a term's beginning NOT."""
    words = {"and", "or", "not", *_AFTER, "is null", "is not null"}
    assert [each for each in _offered(text) if each in words] == wanted


@given(
    st.sampled_from(["", "a ", "service:api ", "(a) ", "a OR ", "NOT (", "service ", "has(order) ", '"x y" ']),
    st.data(),
)
def test_what_is_taken_can_be_read(before: str, data: st.DataObject) -> None:
    """Each word, with something behind it where it asks for that, makes a query of what stands before it."""
    found = keywords_at(before, "", _NAMES)
    if not found:
        return
    each = data.draw(st.sampled_from(found))
    offer = Offer()
    offer.look(before, len(before), Known(names=_NAMES), asked=True)
    assert offer.place is not None
    text, cursor = taken(before, offer.place, each)
    assert cursor == len(text)
    closing = ")" * (before == "NOT (")
    parse(f"{text}{_AFTER.get(each.insert, '')}{closing}")


def test_names_that_begin_so_stand_before_words() -> None:
    """``o`` may be the beginning of ``order``; what only has it within comes last."""
    offered = _offered("a o")
    assert offered.index("order:") < offered.index("or")
    offered = _offered("a an")
    assert offered[0] == "and"
