"""Doubts: what can be read and is hardly meant, said of the rows that are loaded and of nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from dblog.entry import LogEntry
from dblog.query import Query, parse
from dblog_tui.doubts import doubt
from dblog_tui.draft import Draft
from tests import hostile
from tests.querytrees import trees


def _entry(number: int, **metadata: Any) -> LogEntry:
    return LogEntry(
        number, "INFO", 9, "app", "paid", service="pay", template="t %d",
        metadata=json.dumps({"duration_ms": number + 0.5, "region": f"eu-{number % 3}", "code": "7"} | metadata),
    )  # fmt: skip


ROWS = [_entry(number) for number in range(30)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("duration_ms>abc", "duration_ms is a number in all 30 rows here that have it; abc is none"),
        ("x OR NOT duration_ms:abc", "duration_ms is a number in all 30 rows here that have it; abc is none"),
        ("duration_ms in (5, abc)", "duration_ms is a number in all 30 rows here that have it; abc is none"),
        ("region>=5", "region is a number in none of the 30 rows here that have it"),
        ("service<5", "service is a number in none of the 30 rows here that have it"),
        ("durration>5", "none of the 30 newest rows here has durration"),
        ("duration_ms>250ms", ""),
        ("duration_ms:3*", ""),
        ("duration_ms:'3'", ""),
        ("code>5", ""),
        ("code:seven", "code is a number in all 30 rows here that have it; seven is none"),
        ("region:eu-1", ""),
        ("region>eu", ""),
        ("service:nobody", ""),
        ("exc_type:x", ""),
        ("has(nothing)", ""),
        ("level>=warn lineno>5 paid", ""),
        ("", ""),
    ],
)
def test_what_is_said(query: str, said: str) -> None:
    """Another type than all rows have, or a key none has; columns that are seldom there are no such key."""
    assert doubt(parse(query).tree, ROWS) == said


def test_few_rows_and_rows_that_differ_say_nothing() -> None:
    """Of a handful nothing follows, nor where some of the rows are otherwise."""
    assert doubt(parse("duration_ms>abc").tree, ROWS[:10]) == ""
    assert doubt(parse("duration_ms>abc").tree, [*ROWS, _entry(99, duration_ms="slow")]) == ""
    assert doubt(parse("region>5").tree, [*ROWS, _entry(99, region="6")]) == ""


@given(trees())
def test_where_a_type_is_doubted_no_row_matches_that_part(tree: Any) -> None:
    """Any query is taken; of one condition that is doubted no row that is loaded is found, unless by denial."""
    from dblog.query.tree import Equal, Not

    said = doubt(tree, ROWS)
    denies = isinstance(tree, Not) or (isinstance(tree, Equal) and tree.negated)
    if said and not denies and not hasattr(tree, "parts"):
        assert not any(map(Query("", tree).predicate(), ROWS))
    assert not hostile.DANGEROUS & set(said)


def test_it_is_said_at_a_pause_and_asked_all_the_same() -> None:
    """A doubt goes with the next key, and hinders nobody from asking; a mistake goes before it."""
    draft = Draft()
    draft.begin("duration_ms>abc", (), ())
    draft.settle(ROWS)
    assert draft.doubt.startswith("duration_ms is a number")
    assert not draft.mistakes
    draft.insert(" ")
    assert draft.doubt == ""
    draft.settle(ROWS)
    assert draft.submit() == "duration_ms>abc"
    draft.begin("duration_ms>abc OR (", (), ())
    draft.settle(ROWS)
    assert draft.doubt == ""
