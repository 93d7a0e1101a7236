"""One entry as one line of JSON: nothing is lost on the way there and back, and others' lines are understood."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import schema
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError
from dblog.interchange import COLUMNS, LATEST, from_json, iso, to_json
from dblog.plain import Limits, plain

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
METADATA = st.dictionaries(TEXT, JSON, min_size=1, max_size=4).map(lambda tree: orjson.dumps(tree).decode())
MOMENTS = st.integers(0, LATEST)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "timestamp": MOMENTS,
    "level": TEXT,
    "severity": st.integers(1, 24),
    "logger": TEXT,
    "message": TEXT,
    "metadata": optional(METADATA),
    "lineno": optional(st.integers(0, 2**31 - 1)),
    "pid": optional(st.integers(0, 2**31 - 1)),
    "instance_id": optional(st.uuids()),
    "seq": optional(st.integers(0, 2**63 - 1)),
    "id": optional(st.uuids()),
    "ingested_at": optional(MOMENTS),
}
ENTRIES = st.builds(LogEntry, **{name: SPECIAL.get(name, optional(TEXT)) for name in LogEntry._fields})
BASE = {"timestamp": "2026-01-02T03:04:05.678901Z", "message": "m"}


def line(**fields: Any) -> LogEntry:
    return from_json(json.dumps(fields))


@given(ENTRIES)
def test_there_and_back(entry: LogEntry) -> None:
    """What was stored is read back equal, field by field, from one line without a line break."""
    text = to_json(entry)
    assert b"\n" not in text
    assert b"\r" not in text
    assert from_json(text) == entry


def test_the_keys_are_the_columns_in_their_order() -> None:
    """Every column, in the schema's order, the absent ones left out."""
    assert [column.name for column in schema.COLUMNS] == list(COLUMNS)
    entry = LogEntry(0, "INFO", 9, "a", "m", metadata='{"b": [1.0,\n2]}', id=UUID(int=7), seq=3)
    assert to_json(entry) == (
        b'{"timestamp":"1970-01-01T00:00:00.000000Z","id":"00000000-0000-0000-0000-000000000007","level":"INFO",'
        b'"severity":9,"logger":"a","message":"m","metadata":{"b": [1.0, 2]},"seq":3}'
    )
    assert to_json(entry, {"message", "seq", "host"}) == b'{"message":"m","seq":3}'


def test_what_was_never_stored_has_a_line_too() -> None:
    """Entries made by hand: metadata that is no object is a string, lone surrogates and wild times are shown."""
    entry = LogEntry(-(10**20), "INFO", 9, "a", "\ud800", metadata="[1]")
    assert json.loads(to_json(entry)) == {
        "timestamp": str(-(10**20)), "level": "INFO", "severity": 9, "logger": "a", "message": "\ufffd",
        "metadata": "[1]",
    }  # fmt: skip


@given(st.datetimes(dt.datetime(1970, 1, 3), dt.datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001 - aware by `timezones`
def test_times_of_any_offset(moment: dt.datetime) -> None:
    """The same instant in whatever zone it is written; as iso() writes it, too."""
    micros = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert line(timestamp=moment.isoformat()).timestamp == micros
    assert line(timestamp=iso(micros)).timestamp == micros


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        (1_700_000_000_123_456, 1_700_000_000_123_456),
        (1_700_000_000.5, 1_700_000_000_500_000),
        ("2023-11-14 22:13:20,5", 1_700_000_000_500_000),
        ("2023-11-14T22:13:20", 1_700_000_000_000_000),
        ("9999-12-31T23:59:59.999999Z", LATEST),
    ],
)
def test_documented_forms_of_time(value: object, micros: int) -> None:
    """ISO with and without an offset, integers of µs, fractions of seconds."""
    assert line(timestamp=value).timestamp == micros


@pytest.mark.parametrize(
    "value", [1_700_000_000, 1_700_000_000_000, 10**18, 1e300, -1.5, True, [], "yesterday", "1969-12-31T23:59:59Z"]
)
def test_times_that_would_be_guesses_are_refused(value: object) -> None:
    """Seconds and milliseconds as integers, nanoseconds, words, and years outside 1970-9999; none is shown."""
    with pytest.raises(ConfigurationError, match="time") as refused:
        from_json(json.dumps({"timestamp": value, "message": "hunter2"}), 7)
    assert str(refused.value).startswith("line 7: its time")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "secret words", '{"message": ', '"x"', "null", "[" * 5000, '{"a":1}'])
def test_no_entry_is_an_error_with_its_number(text: str) -> None:
    """The sentence names the line and never shows it."""
    with pytest.raises(ConfigurationError, match="line 12") as refused:
        from_json(text, 12)
    assert "secret" not in str(refused.value)


@given(st.binary() | st.text() | JSON.map(json.dumps))
def test_any_line_is_an_entry_or_one_kind_of_error(text: bytes | str) -> None:
    """Nothing else than ConfigurationError comes out."""
    with contextlib.suppress(ConfigurationError):
        from_json(text)


@given(st.dictionaries(st.sampled_from([*COLUMNS, "@timestamp", "event", "log", "x"]), JSON, max_size=6), MOMENTS)
def test_any_object_with_a_time_is_storable(fields: dict[str, Any], moment: int) -> None:
    """Values of any type in any field: every field is clean and of its type, and a second reading changes nothing."""
    fields |= {"timestamp": iso(moment)}
    fields.pop("ingested_at", None)
    entry = from_json(json.dumps(fields))
    assert from_json(to_json(entry)) == entry
    assert entry.timestamp == moment
    assert 1 <= entry.severity <= 24


@pytest.mark.parametrize(
    ("given", "level", "severity"),
    [
        ({"level": "warn"}, "WARNING", 13),
        ({"level": "Error"}, "ERROR", 17),
        ({"level": 10}, "DEBUG", 5),
        ({"level": "fatal"}, "CRITICAL", 21),
        ({"level": "trace"}, "TRACE", 1),
        ({"level": "odd"}, "odd", 9),
        ({"severity": 17}, "ERROR", 17),
        ({"severity": 99}, "CRITICAL", 24),
        ({"severity": "ERROR"}, "ERROR", 17),
        ({"level": "warn", "severity": 3}, "warn", 3),
        ({}, "INFO", 9),
    ],
)
def test_level_and_severity_from_each_other(given: dict[str, Any], level: str, severity: int) -> None:
    """A name gives the rank, a rank the name; both as they are where both are given."""
    entry = line(**BASE, **given)
    assert (entry.level, entry.severity) == (level, severity)


def test_a_line_of_structlog() -> None:
    """``event``, a traceback as text, and everything else in metadata."""
    entry = line(event="paid", level="info", timestamp=BASE["timestamp"], exception="Traceback …", order=17, user_id=4)
    assert (entry.message, entry.level, entry.severity, entry.exc_text) == ("paid", "INFO", 9, "Traceback …")
    assert (entry.user_id, entry.attributes) == ("4", {"order": 17})


def test_a_line_of_ecs() -> None:
    """Dotted and nested names alike; what is left of an object stays, what became empty goes."""
    entry = from_json(
        json.dumps({
            "@timestamp": "2026-01-02T03:04:05.678+01:00", "log.level": "error", "message": "no",
            "log": {"logger": "shop", "origin": {"file": {"line": 7, "name": "a.py"}, "function": "f"}},
            "service": {"name": "shop", "version": "1"}, "host": {"name": "h"}, "process": {"pid": 12},
            "error": {"type": "ValueError", "message": "x", "stack_trace": "T"}, "trace": {"id": "abc"},
        })
    )  # fmt: skip
    assert (entry.level, entry.severity, entry.logger) == ("ERROR", 17, "shop")
    assert (entry.pathname, entry.lineno, entry.function) == ("a.py", 7, "f")
    assert (entry.service, entry.host, entry.pid, entry.trace_id) == ("shop", "h", 12, "abc")
    assert (entry.exc_type, entry.exc_message, entry.exc_text) == ("ValueError", "x", "T")
    assert entry.attributes == {"service": {"version": "1"}}


def test_what_fits_no_column_is_kept() -> None:
    """Ids that are no UUID, objects where text belongs, and names that metadata has already."""
    entry = line(**BASE, id="r-17", service={"a": 1}, metadata={"order": 1}, order=2, lineno=True)
    assert entry.id is None
    assert entry.attributes == {"order": 1, "order~": 2, "id": "r-17", "service": {"a": 1}, "lineno": True}
    assert line(**BASE, metadata="text").attributes == {"metadata": "text"}
    assert line(**BASE, metadata=[1]).attributes == {"metadata": [1]}


def test_an_id_no_index_could_hold_is_cut() -> None:
    """As capture does it, and flagged; longer texts elsewhere are kept."""
    entry = line(**BASE, trace_id="x" * 5000, logger="y" * 5000)
    assert len(entry.trace_id or "") <= 512
    assert len(entry.logger) == 5000
    assert entry.attributes == {"dblog": {"flags": ["truncated"]}}


def test_what_python_s_json_writes_is_made_storable() -> None:
    """NaN, lone surrogates and NUL become what capture makes of them, with its flags."""
    entry = from_json('{"timestamp": "2026-01-02T03:04:05Z", "message": "a\\u0000b", "x": NaN, "y": "\\ud800", "z": 1}')
    assert entry.message == "a\u2400b"
    assert entry.attributes == {"x": "NaN", "y": "\ufffd", "z": 1, "dblog": {"flags": ["nonfinite", "sanitized"]}}


@pytest.mark.parametrize("number", [2**53 - 1, 2**53, -(2**53), 9007199254740993, 2**63, -(2**63) - 1, 2**64, 10**40])
def test_integers_keep_their_digits(number: int) -> None:
    """Beyond 2**53 - 1 they become text and are flagged, as capture has them, at any depth and in a text of JSON."""
    kept, _ = plain({"n": number, "list": [{"n": number}]}, limits=Limits(), redact=())
    inner = json.dumps({"n": number, "list": [{"n": number}]})
    for text in (f'{{"timestamp": "2026-11-20T10:00:00Z", "metadata": {form}}}' for form in (inner, json.dumps(inner))):
        attributes = from_json(text).attributes
        flags = attributes.pop("dblog", {"flags": []})["flags"]
        assert attributes == kept
        assert flags == (["sanitized"] if abs(number) >= 2**53 else [])
