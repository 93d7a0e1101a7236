"""What ``+`` and ``-`` make of a query."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, QuerySyntaxError
from dblog.query import parse
from dblog.query.fields import COLUMNS
from dblog.query.tree import And, Equal, Kind, Like, Node, Not, Or
from dblog_tui.clauses import choices, exclude, include, name_of
from tests import hostile
from tests.administered import ask, entry, fill
from tests.querytrees import entries, trees

if TYPE_CHECKING:
    from dblog.reader import LogReader

NOW = 1_795_000_000.0


def found(query: str, entry: LogEntry) -> bool:
    """Whether the query finds the entry."""
    return parse(query, now=NOW, timezone=dt.UTC).predicate()(entry)


@given(entries(), entries())
def test_an_entry_has_its_own_values(entry: LogEntry, other: LogEntry) -> None:
    """Including a value it has finds an entry, excluding it does not; of any other entry just one of them is true."""
    for name, value in choices(entry):
        try:
            with_it, without = include("", name, value), exclude("", name, value)
        except ConfigurationError as error:
            assert "too large" in str(error)  # noqa: PT017 - the one reason there may be
            continue
        assert found(with_it, entry), with_it
        assert not found(without, entry), without
        assert found(with_it, other) is not found(without, other)


@given(st.sampled_from([name for name, field in COLUMNS.items() if field.kind is Kind.TEXT]), st.text(), st.text())
@example("service", "a*", "ab")
@example("service", "Api", "aPI")
@example("service", "", "x")
def test_a_text_finds_itself_in_any_case_and_nothing_else(name: str, value: str, other: str) -> None:
    """What is equal but for case is found; what is not, is not: no character is a wildcard, an operator, a number."""
    assume("\0" not in value and "\0" not in other and not _surrogate(value + other))
    query = include("", name, value)
    base: Any = LogEntry(1, "INFO", 9, "app", "m")
    assert found(query, base._replace(**{name: value}))
    if value.casefold() != other.casefold() and value.lower() != other.lower():
        assert not found(query, base._replace(**{name: other}))


def _surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


@given(
    st.sampled_from([*COLUMNS, "a", "`ß x`.b", "http.status[0]"]),
    hostile.texts | st.none() | st.booleans() | st.integers() | st.floats() | st.uuids(),
)
def test_any_value_makes_a_query_or_a_sentence(name: str, value: Any) -> None:
    """What a database may hold, and what it cannot: the text made of it parses, and can be seen."""
    try:
        made = include("", name, value)
        assert exclude("", name, value)
    except ConfigurationError as error:
        assert COLUMNS.get(name) is None or COLUMNS[name].kind not in {Kind.TEXT, Kind.KEY, Kind.LEVEL}
        assert str(error)  # noqa: PT017 - as above
        return
    parse(made)
    assert made.isprintable()


_names = st.sampled_from(["service", "level", "user_id", "a", "http.status"])
_values = st.sampled_from(["a", "A", "b", "ß", "true", "5", "0.1", "a b", "*", "WARNING", "NOTICE"])


@given(trees(), _names, _values, st.lists(entries(), min_size=1, max_size=4))
def test_beside_other_clauses_a_value_narrows(tree: Node, name: str, value: str, found_in: list[LogEntry]) -> None:
    """With a query that has no value of that field on its outermost level, both have to be true of an entry."""
    from dblog.query.canonical import canonical

    text = canonical(tree)
    with suppress(QuerySyntaxError):
        query = parse(text, now=NOW, timezone=dt.UTC)
        assume(
            not any(
                _is_about(part, name) for part in (query.tree.parts if isinstance(query.tree, And) else [query.tree])
            )
        )
        leaf = include("", name, value)
        both, rest = (change(text, name, value, now=NOW, zone=dt.UTC) for change in (include, exclude))
        for entry in found_in:
            assert found(both, entry) is (query.predicate()(entry) and found(leaf, entry))
            assert found(rest, entry) is (query.predicate()(entry) and not found(leaf, entry))


def _is_about(node: Node, name: str) -> bool:
    node = node.part if isinstance(node, Not) else node
    parts = node.parts if isinstance(node, Or) else (node,)
    spelled = {"service", "level", "user_id"} & {name}
    return any(isinstance(part, (Like, Equal)) and (part.field.name in spelled or part.field.path) for part in parts)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["api", "auth", "web"])), max_size=6),
    st.sampled_from(["", "x OR y", "timeout since:15m"]),
)
def test_a_field_stays_one_clause(steps: list[tuple[bool, str]], query: str) -> None:
    """However often values are taken in and out: what was included last is found, what was excluded last is not."""
    start = query
    for wanted, value in steps:
        query = (include if wanted else exclude)(query, "service", value)
    assert query.count("service") <= 2
    assert start in query
    if steps:
        wanted, value = steps[-1]
        entry = LogEntry(int((NOW - 60) * 1e6), "INFO", 9, "app", "x timeout", service=value)
        assert found(query, entry) is wanted


@pytest.mark.parametrize(
    ("query", "name", "value", "included", "excluded"),
    [
        ("", "service", "api", "service:api", "-service:api"),
        ("timeout since:15m", "service", "api", "timeout since:15m service:api", "timeout since:15m -service:api"),
        ("service:api x", "service", "auth", "service:(api OR auth) x", "service:api x -service:auth"),
        ("service:(api OR auth)", "service", "auth", "service:auth", "service:api"),
        ("service:api", "service", "API", "service:API", "-service:API"),
        ("-service:api AND x", "service", "api", "x service:api", "-service:api AND x"),
        ("-service:api", "service", "auth", "-service:api service:auth", "-service:(api OR auth)"),
        ("service:web-*", "service", "web-1", "service:web-* service:web-1", "service:web-* -service:web-1"),
        ("a OR b", "level", "ERROR", "(a OR b) level:ERROR", "(a OR b) -level:ERROR"),
        ("level:error", "level", "WARN", "level:(ERROR OR WARNING)", "level:error -level:WARNING"),
        ("tags:(a OR b)", "tags", "a", "tags:a", "tags:(a OR b) -tags:a"),
        ("", "dur_ms", 0.1 + 0.2, "dur_ms:[0.3 TO 0.30000000000001]", "-dur_ms:[0.3 TO 0.30000000000001]"),
        ("", "dur_ms", "5s", 'dur_ms:"5s"', '-dur_ms:"5s"'),
        (
            "",
            "x",
            "0.30000000000000004",
            "(x:0.30000000000000004 OR x:[0.3 TO 0.30000000000001])",
            "-(x:0.30000000000000004 OR x:[0.3 TO 0.30000000000001])",
        ),
        ("", "code", "500", "code:500", "-code:500"),
        ("", "ok", True, "ok:true", "-ok:true"),
        ("ok:1", "ok", True, "ok:(1 OR true)", "ok:1 -ok:true"),
        ("", "user_id", None, "-has(user_id)", "has(user_id)"),
        ("", "cart", {"a": 1}, "has(cart)", "-has(cart)"),
        ("", "timestamp", 1_795_000_000_000_000, "timestamp=2026-11-18T11:06:40Z", "-timestamp=2026-11-18T11:06:40Z"),
        ("", "lineno", "88", "lineno:88", "-lineno:88"),
    ],
)
def test_the_text_is_as_people_write_it(query: str, name: str, value: Any, included: str, excluded: str) -> None:
    """Short, without needless quotes; what was typed stays."""
    assert include(query, name, value) == included
    assert exclude(query, name, value) == excluded


def test_a_long_value_is_looked_for_by_its_beginning() -> None:
    """A query has a limit, a message may have none."""
    message = 'line "one"\n' * 1000
    query = include("timeout", "message", message)
    assert len(query) < 1000
    assert found(query, LogEntry(1, "INFO", 9, "app", message + "timeout"))
    assert not found(query, LogEntry(1, "INFO", 9, "app", "timeout"))


def test_what_cannot_be_compared_is_a_sentence() -> None:
    """A name that is none, a likely typing error, a query that is broken."""
    with pytest.raises(ConfigurationError, match="did you mean service"):
        include("", "sevice", "a")
    with pytest.raises(ConfigurationError, match="is not the name of a field"):
        include("", "a b", "a")
    with pytest.raises(ConfigurationError, match="is a number"):
        exclude("", "pid", "x")
    with pytest.raises(QuerySyntaxError):
        include('"', "service", "a")


@given(st.lists(hostile.texts | st.integers(0, 5), min_size=1, max_size=4))
def test_a_key_has_a_name_that_is_read_as_it_or_none(steps: list[str | int]) -> None:
    """``name_of`` is what ``fields.named`` reads."""
    from dblog.query.fields import named

    name = name_of(*steps)
    if name is not None:
        assert named(name).path == tuple(steps)


def test_a_counted_value_is_found_as_often_as_it_was_counted(database_url: str) -> None:
    """On both databases: what facets say of a field, of any type, is a value that ``include`` finds."""
    logged: list[tuple[str, str | None]] = [
        ("api", '{"v":0.30000000000000004}'), ("api", '{"v":812.4000000000001}'), ("auth", '{"v":812.5}'),
        ("a b", '{"v":true}'), ("*", '{"v":"x y"}'), ("", '{"v":"*"}'), ("null", '{"v":"null"}'),
        ("true", '{"v":"5s"}'), ("500", '{"v":500}'), ("ß", '{"v":"007"}'), ("-api", '{"v":-2.5}'),
        ("api:1", '{"v":"a\\"b"}'), ("zz", None), ("(x OR y)", '{"v":1e-7}'), ("x", '{"v":9007199254740991}'),
    ]  # fmt: skip
    fill(database_url, [entry(at, service=service, metadata=data) for at, (service, data) in enumerate(logged)])

    async def check(reader: LogReader) -> None:
        for name in ("service", "level", "v", "lineno", "host", "user_id"):
            facets = await reader.facets("", name)
            for each in facets.values:
                query = include("", name, each.value)
                assert (await reader.count(query)).value == each.count, (name, each.value, query)
                assert (await reader.count(exclude("", name, each.value))).value == facets.seen - each.count

    ask(database_url, check)
