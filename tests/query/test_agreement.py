"""The proof that a query means the same in SQLite, in PostgreSQL and in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.query.predicate import predicate
from tests import querytrees
from tests.oracle import examples
from tests.queryhits import trees_about

if TYPE_CHECKING:
    from tests.querystores import Stores

TREES = 4
"""Queries of one example."""
ROWS = st.lists(querytrees.entries(), min_size=3, max_size=8)


@pytest.mark.timeout(1800)  # the long profile
@examples(150)
@given(data=st.data())
def test_both_databases_and_the_predicate_find_the_same_rows(stores: Stores, data: st.DataObject) -> None:
    """For any rows the writer stores and any tree the parser builds, the ids are the same three times."""
    drawn = data.draw(ROWS)
    with stores.holding(drawn) as entries:
        for _ in range(TREES):
            tree = data.draw(trees_about(entries))
            matches = predicate(tree)
            wanted = {entry.id.int for entry in entries if entry.id is not None and matches(entry)}
            assert stores.ids("sqlite", tree) == wanted, (tree, entries)
            assert stores.ids("postgresql", tree) == wanted, (tree, entries)
