"""The proof that a query means the same in every database and in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.query import regex
from dblog.query import tree as t
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.predicate import predicate
from dblog.query.values import MOST_INT
from tests import querytrees
from tests.embedded_clickhouse import ENGINES
from tests.oracle import examples
from tests.queryhits import trees_about

if TYPE_CHECKING:
    from tests.querystores import Stores

TREES = 4
"""Queries of one example."""
ROWS = st.lists(querytrees.entries(), min_size=3, max_size=8)


@pytest.mark.timeout(1800)  # the long profile
@examples(200)
@given(data=st.data())
def test_every_database_and_the_predicate_find_the_same_rows(stores: Stores, data: st.DataObject) -> None:
    """For any rows the writer stores and any tree the parser builds, the ids are the same everywhere."""
    drawn = data.draw(ROWS)
    with stores.holding(drawn) as entries:
        for _ in range(TREES):
            tree = data.draw(trees_about(entries))
            matches = predicate(tree)
            wanted = {entry.id.int for entry in entries if entry.id is not None and matches(entry)}
            for dialect in ENGINES:
                assert stores.ids(dialect, tree) == wanted, (dialect, tree, entries)


_TRAPS = (
    '{"a":"x"}', '{"a":["x"]}', '{"a":[["x"]]}', '{"a":{"0":"x"}}', '{"a":[{"b":"x"}]}', '{"a":{"b":["x"]}}',
    '{"a.b":"x"}', '{"a":5}', '{"a":"5"}', '{"a":5.0}', '{"a":[5,"x"]}', '{"a":0.30000000000000004}', '{"a":0.3}',
    '{"a":1e16}', '{"a":9007199254740991}', '{"a":"-9007199254740991"}', '{"a":"-9007199254740992"}',
    '{"a":"9007199254740993"}', '{"a":"1e400"}', '{"a":true}', '{"a":"TRUE"}',
    '{"a":1}', '{"a":null}', '{"a":[null]}', '{"a":[]}', '{"a":{}}', '{"a":""}', '{"a":"\\u212a"}', '{"a":"\\u017f"}',
    '{"a":"\\uffff"}', '{"a":"\\ud83d\\ude00"}', '{"a":"%"}', '{"a":"a\\\\b"}', '{"a":"x\\ny"}',
)  # fmt: skip
_A, _B = path("a"), path("a", "b")
_ASKED: tuple[t.Node, ...] = (
    *map(t.Has, (COLUMNS["metadata"], _A, path("a", 0), path("a", 0, 0), path("a", "0"), _B)),
    *(t.Equal(_A, value) for value in ("x", "5", "", 5, 0.3, 1, MOST_INT, True)),
    *(t.Equal(_A, value, negated=True) for value in ("x", 5, True)),
    *(t.Equal(path("a", 0), value) for value in ("x", 5)),
    *(t.Range(_A, low) for low in (0, 0.3, "5", "\ue000")),
    *(t.Range(_A, high=high) for high in (-1, -MOST_INT)),
    t.Equal(_A, -MOST_INT),
    *(t.Like(field, (t.Wild.ONE,)) for field in (_A, path("a", 0), _B, ANYWHERE)),
    *(t.Like(_A, (text,)) for text in ("k", "s", "%", "true", "a\\B", "9007199254740991")),
    *(t.Search(_A, regex.parse(source)) for source in ("(?i)^k$", "(?i)s", "x.y", "^5$", "")),
)


def test_what_the_databases_have_a_mind_of_their_own_about(stores: Stores) -> None:
    """Scalars, arrays and objects in each other's place, numbers of every spelling, letters with odd cases."""
    rows = [LogEntry(querytrees.START, "INFO", 9, "", "", metadata=metadata) for metadata in _TRAPS]
    with stores.holding(rows) as entries:
        for tree in _ASKED:
            for asked in (tree, t.Not(tree)):
                matches = predicate(asked)
                wanted = {entry.id.int for entry in entries if entry.id is not None and matches(entry)}
                for dialect in ENGINES:
                    assert stores.ids(dialect, asked) == wanted, (dialect, asked)


_LINES = (-1, 0, 1, 2, 3)
_LIMITS = (None, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5)


def test_decimals_bound_columns_of_integers(stores: Stores) -> None:
    """``lineno>1.5`` begins with 2, ``lineno<1.5`` ends with 1; open, closed, on both sides; none equals 1.5."""
    rows = [LogEntry(querytrees.START, "INFO", 9, "", "", lineno=line) for line in _LINES]
    lineno = COLUMNS["lineno"]
    asked: list[t.Node] = [
        t.Range(lineno, low, high, low_open, high_open)
        for low in _LIMITS
        for high in (None, 1, 1.5, 2)
        for low_open, high_open in ((False, False), (True, True))
        if (low, high) != (None, None)
    ]
    asked += [t.Equal(lineno, value, negated) for value in (1, 1.5) for negated in (False, True)]
    with stores.holding(rows) as entries:
        for tree in asked:
            matches = predicate(tree)
            wanted = {entry.id.int for entry in entries if entry.id is not None and matches(entry)}
            for dialect in ENGINES:
                assert stores.ids(dialect, tree) == wanted, (dialect, tree)
