"""SQL of queries: values are bound, the largest run, asyncpg takes them, and a condition can stand anywhere."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from sqlalchemy.ext.asyncio import create_async_engine

from dblog.entry import LogEntry
from dblog.errors import MissingExtraError
from dblog.query import functions, regex
from dblog.query import tree as t
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.predicate import predicate
from dblog.query.sql import condition, install_functions, value_texts
from dblog.query.tree import MOST_DEPTH, MOST_STEPS, MOST_TERMS, Wild
from tests import querytrees
from tests.embedded_clickhouse import ENGINES
from tests.oracle import examples
from tests.querymarks import assert_bound
from tests.querystores import COMPILERS, TABLES, select
from tests.querytrees import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dblog.query.tree import Field, Node
    from tests.querystores import Stores

# -- nothing but bound parameters ------------------------------------------------------------------------------


@pytest.mark.timeout(600)  # the long profile
@examples(60)
@given(tree=querytrees.trees())
def test_no_value_reaches_the_text_of_a_statement(tree: Node) -> None:
    """Texts, patterns, keys, regexes, numbers, times and ids are bound parameters, whatever the tree."""
    assert_bound(tree)


# -- bounds ----------------------------------------------------------------------------------------------------

_WIDE = t.Like(ANYWHERE, (Wild.ANY, "straße", Wild.ONE, "ǅ", Wild.ANY))


def _deep(depth: int) -> Node:
    node: Node = t.Has(path("a"))
    for level in range(depth):
        node = t.Not(node) if level % 2 else t.And((node, t.Has(path("b"))))
    return node


@pytest.mark.parametrize(
    "tree",
    [
        t.Or((_WIDE,) * MOST_TERMS),
        t.And((t.Like(COLUMNS["message"], (Wild.ANY, "%", Wild.ANY)),) * MOST_TERMS),
        t.Or((t.Equal(path("http", "status"), 500),) * MOST_TERMS),
        t.Or((t.Like(path("http", "status"), _WIDE.pattern),) * MOST_TERMS),
        t.Or((t.Search(path("a", "b"), regex.parse("a{200}")),) * MOST_TERMS),
        _deep(MOST_DEPTH),
        t.Equal(path(*["a"] * MOST_STEPS), "x"),
        t.Equal(path("a", *[0] * (MOST_STEPS - 1)), "x"),
        t.Like(COLUMNS["message"], ("ΐ" * 4096,)),
        t.Like(COLUMNS["message"], (Wild.ANY, "a") * 2000),
        t.Equal(path("a"), "x" * 4096),
        t.Range(COLUMNS["timestamp"], -(10**20), 10**20),
        t.Range(COLUMNS["timestamp"], 10**20),
        t.Range(COLUMNS["lineno"], -1e300, 1e300),
        t.Equal(COLUMNS["pid"], 2**31),
        t.Equal(COLUMNS["seq"], 2**63),
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_the_largest_queries_run(stores: Stores, tree: Node) -> None:
    """What the tree's bounds allow is within the databases': parameters, depth of expressions, length of patterns."""
    with stores.holding([]):
        for dialect in ENGINES:
            assert stores.ids(dialect, tree) == set()


# -- drivers and surroundings ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """An event loop of the module's own."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def by_asyncpg(runner: asyncio.Runner, stores: Stores) -> Iterator[Any]:
    """A connection of asyncpg's to the same database."""
    url = stores.connections["postgresql"].engine.url.set(drivername="postgresql+asyncpg")
    options = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    engine = create_async_engine(url, connect_args=options)
    connection = runner.run(engine.connect().start())
    yield connection
    runner.run(connection.close())
    runner.run(engine.dispose())


@pytest.mark.timeout(600)  # the long profile
@examples(150)
@given(tree=querytrees.leaves())
def test_asyncpg_takes_every_parameter(runner: asyncio.Runner, by_asyncpg: Any, tree: Node) -> None:
    """asyncpg, which is strict about the types of parameters, runs every kind of leaf."""
    assert runner.run(by_asyncpg.execute(select(tree, "postgresql"))).all() == []


@pytest.mark.parametrize("dialect", ENGINES)
def test_a_condition_can_stand_anywhere(stores: Stores, dialect: str) -> None:
    """In CASE, in FILTER, over an alias or a subquery of the newest rows: metadata is always that of the row around."""
    entries = [
        LogEntry(START + number, "INFO", 9, "", "", metadata=metadata)
        for number, metadata in enumerate([None, '{"a": [1, 2]}', '{"a": 3}', '{"b": {"c": "x"}}'])
    ]
    tree = t.Or((t.Equal(path("a"), 2), t.Like(ANYWHERE, ("x",)), t.Has(path("b", "c"))))
    table = TABLES[dialect]
    with stores.holding(entries):
        newest = sa.select(table).order_by(table.c.timestamp.desc()).limit(3).subquery()
        for source in (table, table.alias("other"), newest):
            found = condition(tree, source, dialect)
            counted = sa.select(sa.func.count().filter(found), sa.func.sum(sa.case((found, 1), else_=0)))
            (row,) = stores.rows(dialect, counted.select_from(source))
            assert tuple(row) == (2, 2)


@pytest.mark.parametrize("field", [COLUMNS["service"], COLUMNS["user_id"], path("a"), path("a", "b")], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        lambda field: t.Range(field, low="b"),
        lambda field: t.Range(field, high="b", high_open=True),
        lambda field: t.Range(field, "a", "b"),
        lambda field: t.Like(field, (Wild.ANY, "k")),
        lambda field: t.Search(field, regex.parse("k", ignore_case=True)),
    ],
    ids=["low", "high", "both", "like", "regex"],
)
def test_texts_go_by_code_point_whatever_the_database_s_collation(field: Field, make: Callable[[Field], Node]) -> None:
    """PostgreSQL is told so at every comparison; the tests' server has no collation that orders otherwise."""
    statement = str(select(make(field), "postgresql").compile(dialect=COMPILERS["psycopg"]))
    compared = re.findall(r"(\S+)\s+(?:[<>]=?|ILIKE|~) %\(param_\d+\)s::VARCHAR", statement)
    assert compared, statement
    assert all(before.startswith('"C"') for before in compared), statement


# -- values as text --------------------------------------------------------------------------------------------

_SHOWN = LogEntry(
    START + 7,
    "Größe",
    24,
    "app",
    "hello",
    trace_id="AB",
    lineno=30,
    id=UUID(int=9),
    metadata='{"s":"x y","i":5,"f":0.1,"t":true,"n":null,"l":[1,2],"http.status":500,"b":{"c":1},"e":"",'
    '"d":{"e":null},"d.e":7}',
)


@pytest.mark.parametrize("dialect", ENGINES)
@pytest.mark.parametrize(
    ("field", "text"),
    [
        (COLUMNS["level"], "Größe"),
        (COLUMNS["severity"], "24"),
        (COLUMNS["message"], "hello"),
        (COLUMNS["trace_id"], "AB"),
        (COLUMNS["user_id"], None),
        (COLUMNS["lineno"], "30"),
        (COLUMNS["timestamp"], "2026-01-15T12:00:00.000007Z"),
        (COLUMNS["id"], str(querytrees.UUIDS[0])),
        (path("s"), "x y"),
        (path("i"), "5"),
        (path("f"), "0.1"),
        (path("t"), "true"),
        (path("n"), None),
        (path("missing"), None),
        (path("e"), ""),
        (path("l"), "[1,2]"),
        (path("l", 1), "2"),
        (path("http", "status"), "500"),
        (path("b", "c"), "1"),
        (path("d", "e"), "7"),
    ],
    ids=str,
)
def test_values_as_text(stores: Stores, dialect: str, field: Field, text: str | None) -> None:
    """What facets group by: the text itself, a name, digits, ISO 8601, JSON; NULL where absent."""
    with stores.holding([_SHOWN]):
        shown = value_texts(field, TABLES[dialect], dialect)
        ((found,),) = stores.rows(dialect, sa.select(shown))
    assert (found and found.replace(", ", ",")) == text


# -- SQLite's functions ----------------------------------------------------------------------------------------


def test_pythons_re_is_taken_from_sqlite() -> None:
    """REGEXP is RE2 where it is wanted and raises where it is not, although SQLAlchemy installs Python's."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        assert raw.execute("SELECT 'ab' REGEXP '(?=a)'").fetchone() == (1,), "SQLAlchemy's own"
        install_functions(raw, regex=True)
        asked = raw.execute("SELECT 'ab' REGEXP '^a', x'61ff' REGEXP 'a', NULL REGEXP 'a', 5 REGEXP '5'")
        assert asked.fetchone() == (1, 1, None, 1)
        with pytest.raises(sqlite3.OperationalError, match="exception"):
            raw.execute("SELECT 'ab' REGEXP '(?=a)'").fetchone()
        install_functions(raw, regex=False)
        with pytest.raises(sqlite3.OperationalError, match="exception"):
            raw.execute("SELECT 'ab' REGEXP 'a'").fetchone()
    engine.dispose()


def test_without_google_re2_only_regexes_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A predicate with a regex, and SQLite with REGEXP, name the extra; all else works."""
    monkeypatch.setitem(sys.modules, "re2", None)
    functions.searcher.cache_clear()
    search = t.Search(COLUMNS["message"], regex.parse("a"))
    connection = sqlite3.connect(":memory:")
    install_functions(connection, regex=False)
    for failing in (lambda: predicate(search), lambda: install_functions(connection, regex=True)):
        with pytest.raises(MissingExtraError, match=r"google-re2 is not installed.*\[regex\]"):
            failing()
    connection.close()
    assert predicate(t.Not(t.Has(COLUMNS["service"])))(LogEntry(START, "INFO", 9, "", ""))
    assert "~" in str(select(search, "postgresql").compile(dialect=COMPILERS["psycopg"]))
