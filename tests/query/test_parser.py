"""Text → tree: what each form means, what a value is to each kind of field, times, limits, and exact fields."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError, QuerySyntaxError
from dblog.levels import severity_of
from dblog.query import fields, parse, regex, where
from dblog.query.fields import COLUMNS, MESSAGE, path
from dblog.query.parser import parse_tree
from dblog.query.times import shown
from dblog.query.tree import (
    MOST_DEPTH,
    MOST_LENGTH,
    MOST_TERMS,
    All,
    And,
    Equal,
    Field,
    Has,
    Like,
    Node,
    Not,
    Or,
    Range,
    Search,
    Wild,
)

ANY, ONE = Wild.ANY, Wild.ONE
A, B, C = (Like(MESSAGE, (ANY, letter, ANY)) for letter in "abc")
SERVICE, LEVEL, USER, PID, TIMESTAMP = (COLUMNS[name] for name in ("service", "level", "user_id", "pid", "timestamp"))
X, MS = path("x"), path("dur_ms")
ID = UUID("0190a5d0ac96774bbcceb302099a8057")
NOW = dt.datetime(2026, 11, 20, 10, 45, tzinfo=dt.UTC).timestamp()
SECOND = 1_000_000


def read(text: str, *, now: float = NOW, zone: dt.tzinfo = dt.UTC) -> Node:
    return parse_tree(text, now=now, timezone=zone)


STRUCTURE: list[tuple[str, Node]] = [
    ("", All()),
    (" \t\n\u3000", All()),
    ("a b", And((A, B))),
    ("a AND b and c", And((A, B, C))),
    ("a&&b", And((A, B))),
    ("a (b c)", And((A, B, C))),
    ("a or b OR c", Or((A, B, C))),
    ("a||(b||c)", Or((A, B, C))),
    ("a b or c", Or((And((A, B)), C))),
    ("a (b or c)", And((A, Or((B, C))))),
    ("not a b", And((Not(A), B))),
    ("nOt a Or b", Or((Not(A), B))),
    ("-a !b", And((Not(A), Not(B)))),
    ("-(a b)", Not(And((A, B)))),
    ("--a", A),
    ("not -not a", Not(A)),
    ("-(-a)", A),
    ("((a))", A),
    ("(a)(b)", And((A, B))),
    ("android order nothing", And(tuple(Like(MESSAGE, (ANY, w, ANY)) for w in ("android", "order", "nothing")))),
]


@pytest.mark.parametrize(("text", "tree"), STRUCTURE)
def test_terms_are_put_together(text: str, tree: Node) -> None:
    """NOT before AND before OR, a blank is AND; levels of one kind are one, and a double NOT is none."""
    assert read(text) == tree


BARE: list[tuple[str, Node]] = [
    ("time*out", Like(MESSAGE, (ANY, "time", ANY, "out", ANY))),
    ("*a*", A),
    ("**a", A),
    ("a?", Like(MESSAGE, (ANY, "a", ONE, ANY))),
    ("*", Like(MESSAGE, (ANY,))),
    ('""', Like(MESSAGE, (ANY,))),
    ('"a*b"', Like(MESSAGE, (ANY, "a*b", ANY))),
    (r"a\*b\?\\", Like(MESSAGE, (ANY, "a*b?\\", ANY))),
    (r"C:\\x", Like(path("C"), ("\\x",))),
    (r"\d\(\)\"\|", Like(MESSAGE, (ANY, '\\d()"|', ANY))),
    (r'"\"\'\\\n\t\u00e9\ud83d\ude00\d"', Like(MESSAGE, (ANY, "\"'\\\n\té😀\\d", ANY))),
    ("'it''s'", And((Like(MESSAGE, (ANY, "it", ANY)), Like(MESSAGE, (ANY, "s", ANY))))),
    ("don't", Like(MESSAGE, (ANY, "don't", ANY))),
    *[
        (word, Like(MESSAGE, (ANY, word, ANY)))
        for word in (
            "user@example.com", "10.0.0.1:8080", "a/b", "/api/v1/users", "http://x/y=1&b=2", "std::sort", "::1", "#7",
            "a,b", "items[0]", "50%", "x.y.", "日本", "größer", "10:42:00", "/etc", "+1", "ago", "30m", "a->b",
        )
    ],
    ("page contains errors", And(tuple(Like(MESSAGE, (ANY, w, ANY)) for w in ("page", "contains", "errors")))),
    ("errors in production", And(tuple(Like(MESSAGE, (ANY, w, ANY)) for w in ("errors", "in", "production")))),
    ("looks like rain", And(tuple(Like(MESSAGE, (ANY, w, ANY)) for w in ("looks", "like", "rain")))),
    ("/a b/i", Search(MESSAGE, regex.parse("a b", ignore_case=True))),
    (r"/a\/b/", Search(MESSAGE, regex.parse("a/b"))),
    (r"(/\d+/)", Search(MESSAGE, regex.parse(r"\d+"))),
    ("*:a", Like(fields.ANYWHERE, (ANY, "a", ANY))),
    ("* like 'a%'", Like(fields.ANYWHERE, ("a", ANY))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), BARE)
def test_bare_text_is_looked_for_in_the_message(text: str, tree: Node) -> None:
    """Words, patterns, phrases and regexes; what is no operator where it stands is part of the word."""
    assert read(text) == tree


VALUES: list[tuple[str, Node]] = [
    ("service:api", Like(SERVICE, ("api",))),
    ("service: api", Like(SERVICE, ("api",))),
    ("service : api", Like(SERVICE, ("api",))),
    ("service:web-*", Like(SERVICE, ("web-", ANY))),
    ("service:'web-*'", Like(SERVICE, ("web-*",))),
    ("service:''", Like(SERVICE, ())),
    ("service:*", Has(SERVICE)),
    ("service:null", Not(Has(SERVICE))),
    ("service:'null'", Like(SERVICE, ("null",))),
    ("service:/a/", Search(SERVICE, regex.parse("a"))),
    ("service:(a OR 'b', /c/)", Or((Like(SERVICE, ("a",)), Like(SERVICE, ("b",)), Search(SERVICE, regex.parse("c"))))),
    ("service:(a)", Like(SERVICE, ("a",))),
    ("service=api", Equal(SERVICE, "api")),
    ("service == 'a b'", Equal(SERVICE, "a b")),
    ("service!=api", Equal(SERVICE, "api", negated=True)),
    ("service<>api", Equal(SERVICE, "api", negated=True)),
    ("service=null", Not(Has(SERVICE))),
    ("service!=null", Has(SERVICE)),
    ("service=web-*", Equal(SERVICE, "web-*")),
    ("service in (a, 'b')", Or((Equal(SERVICE, "a"), Equal(SERVICE, "b")))),
    ("service in (a)", Equal(SERVICE, "a")),
    ("service not in (a)", Not(Equal(SERVICE, "a"))),
    ("service NOT IN (a,b)", Not(Or((Equal(SERVICE, "a"), Equal(SERVICE, "b"))))),
    ("service not in (null)", Has(SERVICE)),
    (r"service like 'a%b_\%\\'", Like(SERVICE, ("a", ANY, "b", ONE, "%\\"))),
    ("service not like '%'", Not(Like(SERVICE, (ANY,)))),
    ("service=~/a/i", Search(SERVICE, regex.parse("a", ignore_case=True))),
    (r'service=~"\d/\n"', Search(SERVICE, regex.parse("\\d/\n"))),
    ("service!~/a/", And((Has(SERVICE), Not(Search(SERVICE, regex.parse("a")))))),
    ("service~a", Like(SERVICE, (ANY, "a", ANY))),
    ("service contains a", Like(SERVICE, (ANY, "a", ANY))),
    ("a.b contains c", Like(path("a", "b"), (ANY, "c", ANY))),
    ("x contains 'c'", Like(X, (ANY, "c", ANY))),
    ("service ~ /a/", Search(SERVICE, regex.parse("a"))),
    ("has(service)", Has(SERVICE)),
    ("HAS(metadata)", Has(COLUMNS["metadata"])),
    ("service>b", Range(SERVICE, low="b", low_open=True)),
    ("service:<=b", Range(SERVICE, high="b")),
    ("user>5", Range(USER, low=5, low_open=True)),
    ("user>'5'", Range(USER, low="5", low_open=True)),
    ("user:5", Like(USER, ("5",))),
    ("user=5", Equal(USER, "5")),
    ("x:5", Equal(X, 5)),
    ("x:'5'", Like(X, ("5",))),
    ("x='5'", Equal(X, "5")),
    ("x:-0.50", Equal(X, -0.5)),
    ("x:5.0", Equal(X, 5)),
    ("x:007", Like(X, ("007",))),
    ("x=1e3", Equal(X, "1e3")),
    ("x:9007199254740992", Like(X, ("9007199254740992",))),
    ("x:True", Equal(X, True)),
    ("x='true'", Equal(X, "true")),
    ("x:[1 TO 5}", Range(X, 1, 5, high_open=True)),
    ("x:{1 to *]", Range(X, low=1, low_open=True)),
    ("x:[* TO *]", Has(X)),
    ("x:['1' TO b]", Range(X, "1", "b")),
    ("dur_ms>=1s", Range(MS, low=1000)),
    ("dur_ms:250ms", Equal(MS, 250)),
    ("dur_ms>1h30m", Range(MS, low=5_400_000, low_open=True)),
    ("dur_ms:1h30m", Equal(MS, 5_400_000)),
    ("wait_days<=1w", Range(path("wait_days"), high=7)),
    ("dur_ms<1.5s250us", Range(MS, high=1500.25, high_open=True)),
    ("x:1h30m", Like(X, ("1h30m",))),
    ("x>'1h30m'", Range(X, low="1h30m", low_open=True)),
    ("x>'5k'", Range(X, low="5k", low_open=True)),
    ("x:5k", Like(X, ("5k",))),
    ("dur_ms<1ns", Range(MS, high=0.000001, high_open=True)),
    ("x:5s", Like(X, ("5s",))),
    ("x:5MB", Like(X, ("5MB",))),
    ("x>5MB", Range(X, low=5_000_000, low_open=True)),
    ("x_kib=1MiB", Equal(path("x_kib"), 1024)),
    ("level:error", Equal(LEVEL, 17)),
    ("level:'Error'", Equal(LEVEL, 17)),
    ("level:'erorr'", Like(LEVEL, ("erorr",))),
    ("level!='errors'", And((Has(LEVEL), Not(Like(LEVEL, ("errors",)))))),
    ("level:errors*", Like(LEVEL, ("errors", ANY))),
    ("level:audit", Like(LEVEL, ("audit",))),
    ("level>=warn", Range(LEVEL, low=13)),
    ("level:[info TO error}", Range(LEVEL, 9, 17, high_open=True)),
    ("level:notice", Like(LEVEL, ("notice",))),
    ("level!=notice", And((Has(LEVEL), Not(Like(LEVEL, ("notice",)))))),
    ("level:err*", Like(LEVEL, ("err", ANY))),
    ("severity>=warn", Range(COLUMNS["severity"], low=13)),
    ("pid:5", Equal(PID, 5)),
    ("pid:5*", Like(PID, ("5", ANY))),
    ("seq=9223372036854775807", Equal(COLUMNS["seq"], 2**63 - 1)),
    ("id:0190a5d0ac96774bbcceb302099a8057", Equal(COLUMNS["id"], ID)),
    ("id!='0190A5D0-AC96-774B-BCCE-B302099A8057'", Equal(COLUMNS["id"], ID, True)),
    ("function:<module>", Like(COLUMNS["function"], ("<module>",))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), VALUES)
def test_operators_and_values(text: str, tree: Node) -> None:
    """Each operator, and each literal on each kind of field; types of values are part of it."""
    assert repr(read(text)) == repr(tree)


@pytest.mark.parametrize("levelno", range(-5, 70))
def test_a_level_s_number_is_python_s(levelno: int) -> None:
    """``level>=30`` is WARNING and above, whatever the number."""
    assert read(f"level>={levelno}") == Range(LEVEL, low=severity_of(levelno))


TYPICAL = [
    ("timeout", "timeout"),
    ('"connection reset" level>=error', '"connection reset" level>=ERROR'),
    ("service:billing -logger:app.health", "service:billing -logger:app.health"),
    ("level:(error OR critical) host:web-*", "level:(ERROR OR CRITICAL) host:web-*"),
    ("@http.status_code:[500 TO 599] since:30m", "http.status_code:[500 TO 599] since:2026-11-20T10:15:00Z"),
    ("user = 9547 and dur_ms >= 250ms", "user_id=9547 dur_ms>=250"),
    (r"msg=~/payment \d+ failed/i NOT exc_type:TimeoutError", r"/payment \d+ failed/i -exc_type:TimeoutError"),
    ("trace:4bf92f3577b34da6a3ce929d0e0e4736", "trace_id:4bf92f3577b34da6a3ce929d0e0e4736"),
    (
        "has(exc) last:24h (service:api OR service:auth)",
        "has(exc_type) since:2026-11-19T10:45:00Z service:(api OR auth)",
    ),
    ("service in ('api','auth') and msg like '%token%'", "service in (api, auth) token"),
    ("*:9547 around:10:42:00", "*:9547 timestamp:[2026-11-20T10:37:00Z TO 2026-11-20T10:47:00Z]"),
]


@pytest.mark.parametrize(("text", "written"), TYPICAL)
def test_what_users_of_other_systems_type(text: str, written: str) -> None:
    """Queries as people from Datadog, Kibana, Loki, Seq and SQL guess them."""
    assert str(parse(text, now=NOW, timezone=dt.UTC)) == written


NAMES: list[tuple[str, Field]] = [
    *[(alias, COLUMNS[name]) for alias, name in fields.ALIASES.items() if name != "metadata"],
    ("@service", SERVICE),
    ("metadata.service", path("service")),
    ("attrs.x.y", path("x", "y")),
    ("service.name", path("service", "name")),
    ("http.status_code", path("http", "status_code")),
    ("a[0].b[12]", path("a", 0, "b", 12)),
    ("metadata[0]", path(0)),
    ("`a.b`", path("a.b")),
    ("a.`b c`.d", path("a", "b c", "d")),
    ("`service`", SERVICE),
    ("metadata.`x y`", path("x y")),
    ("metadata.metadata", path("metadata")),
    ("x-y_z", path("x-y_z")),
    ("ip", path("ip")),
    ("os", path("os")),
    ("price", path("price")),
    ("temperature", path("temperature")),
]


@pytest.mark.parametrize(("name", "field"), NAMES)
def test_names_of_fields(name: str, field: Field) -> None:
    """Columns and aliases, paths, forced paths, steps in backquotes; and each name's canonical form reads the same."""
    assert read(f"has({name})") == Has(field)
    assert read(f"has({fields.spelled(field)})") == Has(field)


@pytest.mark.parametrize("name", sorted(fields.NOT_TYPOS))
def test_a_key_excepted_from_typos_needs_to_be(name: str) -> None:
    """It is a path; and without the exception it would be taken for a typing error."""
    assert fields.named(name) == path(name)
    assert min(fields.distance(name, known) for known in (*fields.names(), *fields.TIME_KEYS)) <= 2


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance(one: str, other: str) -> None:
    """Symmetric, zero for equal texts only, at most the longer's length, one for a swap of neighbours."""
    assert fields.distance(one, other) == fields.distance(other, one)
    assert (fields.distance(one, other) == 0) is (one == other)
    assert fields.distance(one, other) <= max(len(one), len(other))
    assert fields.distance(f"{one}ab{other}", f"{one}ba{other}") == 1


def since(text: str, *, now: str = "2026-11-20T10:45:00Z", zone: dt.tzinfo = dt.UTC) -> str:
    tree = read(f"since:{text}", now=dt.datetime.fromisoformat(now).timestamp(), zone=zone)
    assert isinstance(tree, Range)
    assert isinstance(tree.low, int)
    return shown(tree.low)


BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
TIMES = [
    ("now", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T10:45:00Z"),
    ("15m", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T10:30:00Z"),
    ("now-15m", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T10:30:00Z"),
    ("1d12h", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-18T22:45:00Z"),
    ("1.5s", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T10:44:58.5Z"),
    ("today", "2026-11-20T23:30:00Z", BERLIN, "2026-11-20T23:00:00Z"),
    ("yesterday", "2026-03-30T10:00:00Z", BERLIN, "2026-03-28T23:00:00Z"),
    ("today", "2026-03-29T10:00:00Z", BERLIN, "2026-03-28T23:00:00Z"),
    ("10:42", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T10:42:00Z"),
    ("10:50", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-19T10:50:00Z"),
    ("9:05:07.25", "2026-11-20T10:45:00Z", dt.UTC, "2026-11-20T09:05:07.25Z"),
    # The day after the clock went forward: yesterday's noon is 23 hours before today's.
    ("12:00", "2026-03-29T09:59:00Z", BERLIN, "2026-03-28T11:00:00Z"),
    # 1:30 happens twice; before its second time, the first one is the latest.
    ("1:30", "2026-11-01T06:00:00Z", NEW_YORK, "2026-11-01T05:30:00Z"),
    ("1:30", "2026-11-01T07:00:00Z", NEW_YORK, "2026-11-01T06:30:00Z"),
    ("2026-11-20", "2026-11-20T10:45:00Z", BERLIN, "2026-11-19T23:00:00Z"),
    ("2026-11-20T10:42", "2026-11-20T10:45:00Z", BERLIN, "2026-11-20T09:42:00Z"),
    ("'2026-11-20 10:42:03'", "2026-11-20T10:45:00Z", BERLIN, "2026-11-20T09:42:03Z"),
    ("2026-11-20T10:42:03.1234567Z", "2026-11-20T10:45:00Z", BERLIN, "2026-11-20T10:42:03.123456Z"),
    ("2026-11-20t10:42:03-0330", "2026-11-20T10:45:00Z", BERLIN, "2026-11-20T14:12:03Z"),
    ("0001-01-01T00:00:00Z", "2026-11-20T10:45:00Z", BERLIN, "0001-01-01T00:00:00Z"),
    ("9999-12-31T23:59:59.999999Z", "2026-11-20T10:45:00Z", BERLIN, "9999-12-31T23:59:59.999999Z"),
]


@pytest.mark.parametrize(("text", "now", "zone", "expected"), TIMES)
def test_times(text: str, now: str, zone: dt.tzinfo, expected: str) -> None:
    """Durations, dates, clock times, with and without a zone, across changes of the clock."""
    assert since(text, now=now, zone=zone) == expected


def test_time_keys_are_ranges_of_timestamp() -> None:
    """``since`` includes its time, ``until`` does not, ``around`` has two sides."""
    now = round(NOW) * SECOND
    assert read("since:1h") == read("last:1h") == Range(TIMESTAMP, low=now - 3600 * SECOND)
    assert read("until:1h") == Range(TIMESTAMP, high=now - 3600 * SECOND, high_open=True)
    assert read("around:1h") == Range(TIMESTAMP, now - 3900 * SECOND, now - 3300 * SECOND)
    assert read("around:1h±1m") == read("around:1h+-1m") == Range(TIMESTAMP, now - 3660 * SECOND, now - 3540 * SECOND)
    # Its surroundings have begun, so this 10:47 is today's.
    assert read("around:10:47") == Range(TIMESTAMP, now - 180 * SECOND, now + 420 * SECOND)


CLOCKS = [
    ("since:10:00 until:11:00", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    ("until:11:00 a since:10:00", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    ("(since:10:00) until:11:00", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    ("ts>10:00 time<=11:00", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    ("timestamp:[10:00 TO 11:00]", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    ("ts:{10:00 TO 10:00}", "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"),
    ("since:10:00 until:10:30", "2026-11-20T10:00:00Z", "2026-11-20T10:30:00Z"),
    ("since:11:00 until:12:00", "2026-11-19T11:00:00Z", "2026-11-19T12:00:00Z"),
    ("since:23:00 until:1:00", "2026-11-19T23:00:00Z", "2026-11-20T01:00:00Z"),
    ("since:1h until:11:00", "2026-11-20T09:45:00Z", "2026-11-20T11:00:00Z"),
    ("since:1d until:11:00", "2026-11-19T10:45:00Z", "2026-11-19T11:00:00Z"),
    ("since:10:00 until:2h", "2026-11-20T10:00:00Z", "2026-11-20T08:45:00Z"),
    ("since:10:00 OR until:11:00", "2026-11-20T10:00:00Z", "2026-11-19T11:00:00Z"),
    ("ingested_at>10:00 until:11:00", "2026-11-20T10:00:00Z", "2026-11-19T11:00:00Z"),
]


@pytest.mark.parametrize(("text", "low", "high"), CLOCKS)
def test_clock_times_of_one_and_belong_together(text: str, low: str, high: str) -> None:
    """At 10:45 ``until:11:00`` is yesterday's; behind a lower bound it is the first 11:00 after that."""
    ranges = [node for node in _leaves(read(text)) if isinstance(node, Range)]
    assert [shown(node.low) for node in ranges if isinstance(node.low, int)] == [low]
    assert [shown(node.high) for node in ranges if isinstance(node.high, int)] == [high]


def test_a_clock_time_after_another_is_found_where_the_clock_changes() -> None:
    """The night of 29 March in Berlin has no 2:30; 1:30 to 3:30 is one hour."""
    now = dt.datetime(2026, 3, 29, 3, 10, tzinfo=BERLIN).timestamp()
    tree = read("ts:[1:30 TO 3:30]", now=now, zone=BERLIN)
    assert isinstance(tree, Range)
    assert (shown(int(str(tree.low))), shown(int(str(tree.high)))) == ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")


def _leaves(tree: Node) -> list[Node]:
    return [leaf for part in tree.parts for leaf in _leaves(part)] if isinstance(tree, (And, Or)) else [tree]


def test_a_time_after_a_colon_is_as_long_as_it_is_written() -> None:
    """The day (of 23 hours, when it is one), the minute, the second; with decimals and after ``=`` it is one µs."""
    day = round(dt.datetime(2026, 3, 29, tzinfo=BERLIN).timestamp()) * SECOND
    whole = Range(TIMESTAMP, day, day + 23 * 3600 * SECOND, high_open=True)
    assert read("ts:2026-03-29", zone=BERLIN) == read("ts=2026-03-29", zone=BERLIN) == whole
    assert read("ts!=2026-03-29", zone=BERLIN) == And((Has(TIMESTAMP), Not(whole)))
    at = round(NOW) * SECOND
    assert read("ts:2026-11-20T10:45") == Range(TIMESTAMP, at, at + 60 * SECOND, high_open=True)
    assert read("ts:10:45:00") == Range(TIMESTAMP, at, at + SECOND, high_open=True)
    assert read("ts:10:45:00.0") == read("ts=10:45:00") == Equal(TIMESTAMP, at)
    assert read("ts:9999-12-31") is not None


def test_the_machine_s_zone_and_the_present_are_defaults() -> None:
    """Without ``now`` and ``timezone`` a query means the same as with the machine's own."""
    local = dt.datetime.now().astimezone()
    noon = dt.datetime(2026, 6, 1, 12).astimezone()
    assert str(parse("since:2026-06-01T12:00")) == f"since:{shown(round(noon.timestamp()) * SECOND)}"
    tree = parse_tree("since:0s")
    assert isinstance(tree, Range)
    assert isinstance(tree.low, int)
    assert abs(tree.low / SECOND - local.timestamp()) < 60


# -- limits ----------------------------------------------------------------------------------------------------

ATTACKS = [
    unit * (MOST_LENGTH // len(unit))
    for unit in (
        "(", "-", "!", "not ", "a ", "a OR ", "-(", "x:(", "x:[", '"', "'", "`", "/", "\\", "[0]", ".", "a.", "a:",
        "*", "?", "*?", "|", "&", "{", "=", ">", ":", "::", ";", " ", "\u3000", "@", "/a ", "has(", "since:", "\\u",
        "x in (", "| json ", '|= "a" ', "x like '", "a\\", "±", "1h", "9", ")", "select ", "where ", "x:[a ..",
        "error|",
    )
]  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS, ids=[text[:8] for text in ATTACKS])
@pytest.mark.parametrize("prefix", ["", "x:", "x=~", "x:[", 'a "'])
def test_no_text_takes_long_or_deep(prefix: str, text: str) -> None:
    """4,096 characters of anything: a tree or a QuerySyntaxError, never a RecursionError, and soon."""
    begin = time.process_time()
    with contextlib.suppress(QuerySyntaxError):
        read((prefix + text)[:MOST_LENGTH])
    assert time.process_time() - begin < 2  # tens of ms; seconds would be quadratic


def test_limits_are_where_they_are_said_to_be() -> None:
    """The largest query in each direction parses, and one more does not; parentheses count even around nothing."""
    assert read("a" * MOST_LENGTH) == Like(MESSAGE, (ANY, "a" * MOST_LENGTH, ANY))
    refused("a" * (MOST_LENGTH + 1), "at most 4,096 characters", MOST_LENGTH)
    terms = " ".join("a" * MOST_TERMS)
    assert len(getattr(read(terms), "parts", ())) == MOST_TERMS
    refused(f"{terms} a", "at most 64 terms", len(terms) + 1)
    refused(f"x in ({', '.join(map(str, range(MOST_TERMS + 1)))})", "at most 64 terms", 0)
    assert read("(" * MOST_DEPTH + "a" + ")" * MOST_DEPTH) == A
    refused("(" * (MOST_DEPTH + 1) + "a" + ")" * (MOST_DEPTH + 1), "parentheses", MOST_DEPTH)
    deepest = "-(a " * (MOST_DEPTH // 2) + "b" + ")" * (MOST_DEPTH // 2)
    assert str(parse(deepest)) == deepest
    refused(f"-(a {deepest})", "inside each other", 0)


def refused(text: str, reason: str, column: int) -> None:
    with pytest.raises(QuerySyntaxError, match=reason) as caught:
        read(text)
    assert caught.value.column == column


# -- exact fields ----------------------------------------------------------------------------------------------

GIVEN: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"level": "ERROR", "portfolio_id": "p-1"}, "level:ERROR portfolio_id=p-1"),
    ({"level": 30}, "level:WARNING"),
    ({"level": "NOTICE"}, "level:NOTICE"),
    ({"service": "web-*"}, 'service="web-*"'),
    ({"service": None}, "-has(service)"),
    ({"service": ["a", "b"]}, "service in (a, b)"),
    ({"service": ("a",)}, "service=a"),
    ({"code": {5, 6}}, "code:(5 OR 6)"),
    ({"code": "5"}, 'code="5"'),
    ({"ok": True}, "ok:true"),
    ({"ok": "true"}, 'ok="true"'),
    ({"x": 0.1}, "x:0.1"),
    ({"x": 2**53}, "x=9007199254740992"),
    ({"user": 42}, "user_id=42"),
    ({"user_id": UUID(int=5)}, "user_id=00000000-0000-0000-0000-000000000005"),
    ({"ref": UUID(int=5)}, "ref=00000000-0000-0000-0000-000000000005"),
    ({"id": UUID(int=5)}, "id:00000000-0000-0000-0000-000000000005"),
    ({"id": "00000000000000000000000000000005"}, "id:00000000-0000-0000-0000-000000000005"),
    ({"pid": 5}, "pid:5"),
    ({"ts": dt.datetime(2026, 11, 20, 10, 42, tzinfo=dt.UTC)}, "timestamp=2026-11-20T10:42:00Z"),
    ({"timestamp": 1_500_000}, "timestamp=1970-01-01T00:00:01.5Z"),
    ({"http.status": 500, "`unit price`": 5}, "http.status:500 `unit price`:5"),
    ({"message": 'a"b\n'}, 'message="a\\"b\\n"'),
    ({"metadata": None}, "-has(metadata)"),
]


@pytest.mark.parametrize(("given", "text"), GIVEN)
def test_where_is_exact_and_needs_no_quoting(given: dict[str, Any], text: str) -> None:
    """Values by the kind of the field; the query's text says the same in the language."""
    query = where(given)
    assert query.text == text
    assert repr(parse(text).tree) == repr(query.tree)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"levle": "error"}, "levle='error': there is no field 'levle'; did you mean level"),
    ({"a b": 1}, "not the name of a field"),
    ({"since": "15m"}, "since takes a time after a colon"),
    ({"service": []}, "none of no values"),
    ({"service": b"x"}, "service is not compared with bytes"),
    ({"service": True}, "not compared with bool"),
    ({"service": 1.5}, "not compared with float"),
    ({"level": 1.5}, "not compared with float"),
    ({"pid": "x"}, "pid is a number, and 'x' is not"),
    ({"pid": True}, "not compared with bool"),
    ({"id": "x"}, "id is a UUID"),
    ({"id": 5}, "id is a UUID"),
    ({"ts": "2026-11-20"}, "a datetime, or an int of µs"),
    ({"ts": 10**18}, "outside of the years"),
    ({"x": 0.1 + 0.2}, "at most 15 digits"),
    ({"x": float("nan")}, "finite"),
    ({"x": 1e300}, "numbers are compared within"),
    ({"x": {"y": 1}}, "not compared with dict"),
    ({"x": [[1]]}, "not compared with list"),
    ({"x": "\ud800"}, "half of a surrogate pair"),
    ({"x": "\0"}, "U+0000"),
    ({"metadata": "x"}, "metadata is an object"),
    ({"x": list(range(65))}, "where has 65 values; at most 64"),
]


@pytest.mark.parametrize(("given", "reason"), WRONG)
def test_a_wrong_value_names_field_and_value(given: dict[str, Any], reason: str) -> None:
    """A ConfigurationError, in one sentence, with the field; long values are cut."""
    with pytest.raises(ConfigurationError, match=re.escape(reason)) as caught:
        where(given)
    assert len(str(caught.value)) < 300
