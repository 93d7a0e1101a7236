"""Whatever is logged: it is stored readable or counted, its neighbours are stored, and nobody sees it changed."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import decimal
import enum
import json
import logging
import math
import os
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, get_type_hints

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dblog import DatabaseHandler, LogEntry
from dblog.capture import Capture
from dblog.item import ITEM_SIZE, expand
from dblog.options import Options
from dblog.plain import clean
from dblog.repair import clamp, repair
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import exactly_once, examples, hold, logging_to, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.conftest import Place


class Raising:
    """Every way to ask for its text raises."""

    def __init__(self, error: type[BaseException] = ValueError) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error("hostile")

    __repr__ = __str__
    __format__ = None  # type: ignore[assignment]  # no method at all is the hostility


class Talkative:
    """Logs while it is being formatted."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __str__(self) -> str:
        self.logger.warning("from inside")
        return "talkative"


class Unreadable(dict[str, int]):
    def items(self) -> NoReturn:
        raise LookupError

    __iter__ = keys = items


class RaisingError(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class Text(str):
    """A text with a mind of its own, which looks like one that was seen before."""

    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError


class Number(int):
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


class Mood(enum.Enum):
    GOOD = 1


@dataclasses.dataclass
class Point:
    x: int = 1


class Stored(NamedTuple):
    """What a database holds of one record."""

    message: str
    template: str | None
    metadata: dict[str, Any]
    level: str
    severity: int
    logger: str
    exc_type: str | None
    exc_message: str | None
    exc_text: str | None
    lineno: int | None

    @property
    def flags(self) -> set[str]:
        return set(self.metadata.get("dblog", {}).get("flags", ()))


def _cycle() -> list[object]:
    loop: list[object] = [1]
    loop.append(loop)
    return loop


def _nested(depth: int) -> object:
    tree: object = "bottom"
    for _ in range(depth):
        tree = [tree]
    return tree


def _record(msg: object = "hostile", args: Any = (), **attributes: Any) -> logging.LogRecord:
    record = logging.LogRecord("app", logging.INFO, "/srv/app.py", 7, msg, None, None, "function")
    record.args = args
    record.__dict__.update(attributes)
    return record


def _raised(error: BaseException) -> Any:
    local = "LOCAL-VARIABLE"
    try:
        try:
            raise KeyError("cause", local[:0])
        except KeyError as cause:
            raise error from cause
    except BaseException:
        return sys.exc_info()


_MUTABLE = {"a": 1}

CASES: dict[str, tuple[Callable[[], logging.LogRecord], Callable[[Stored], object]]] = {
    "D1 NUL": (lambda: _record("a\0b"), lambda r: r.message == "a\u2400b" and "sanitized" in r.flags),
    "D2 surrogate": (lambda: _record("a\ud800b"), lambda r: r.message == "a\ufffdb" and "sanitized" in r.flags),
    "D2 fsdecode": (lambda: _record("%s", (os.fsdecode(b"\xff"),)), lambda r: r.message == "\ufffd"),
    "D3 JSON keys and values": (
        lambda: _record(**{"k\0\ud800": "v\0", "deep": {"\udfff": ["\0"]}, "text": "\\u0000"}),
        lambda r: (
            r.metadata["k\u2400\ufffd"] == "v\u2400"
            and r.metadata["deep"] == {"\ufffd": ["\u2400"]}
            and r.metadata["text"] == "\\u0000"
        ),
    ),
    "D4 NaN": (
        lambda: _record(nan=math.nan, inf=[math.inf, -math.inf]),
        lambda r: r.metadata["nan"] == "NaN" and len(r.metadata["inf"]) == 2 and "nonfinite" in r.flags,
    ),
    "D5 large integers": (
        lambda: _record("%s", (10**30,), big=2**64, huge=10**5000, lineno=2**70, process=2**70, thread=-(2**70)),
        lambda r: (
            r.message == str(10**30)
            and r.metadata["big"] == str(2**64)
            and "bits" in r.metadata["huge"]
            and (r.lineno is None or r.lineno < 2**31)
        ),
    ),
    "D5 digits": (lambda: _record("%d", (10**5000,)), lambda r: "format_error" in r.flags or "bits" in r.message),
    "D6 nesting": (lambda: _record(deep=_nested(100_000)), lambda r: "truncated" in r.flags),
    "D7 any value": (
        lambda: _record(
            cycle=_cycle(),
            set={1},
            bytes=b"\xff\0",
            keys={(1, 2): 3, None: 4, 1.5: 5},
            decimal=decimal.Decimal("1.10"),
            uuid=uuid.UUID(int=1),
            when=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
            point=Point(),
            mood=Mood.GOOD,
            unreadable=Unreadable(a=1),
            module_=sys,
        ),
        lambda r: (
            r.metadata["decimal"] == "1.10"
            and r.metadata["uuid"].endswith("1")
            and r.metadata["when"].startswith("2020-01-01")
            and set(r.metadata) >= {"cycle", "set", "bytes", "keys", "point", "mood", "unreadable", "module_"}
        ),
    ),
    "D8 raising argument": (lambda: _record("%s", (Raising(),)), lambda r: "Raising" in r.message),
    "D8 raising message": (lambda: _record(Raising()), lambda r: "Raising" in r.message),
    "D8 recursion": (
        lambda: _record(Raising(RecursionError), x=Raising(MemoryError)),
        lambda r: "Raising" in r.message,
    ),
    "D9 format": (
        lambda: _record("%d of %s", ("x",)),
        lambda r: "%d of %s" in r.message and "x" in r.message and "format_error" in r.flags,
    ),
    "D9 arguments": (lambda: _record("none", (1, 2)), lambda r: "1" in r.message and "format_error" in r.flags),
    "D10 mutable": (lambda: _record("%s", ([_MUTABLE],), extra_={"m": _MUTABLE}), lambda r: r.message == "[{'a': 1}]"),
    "D11 exception": (
        lambda: _record(exc_info=_raised(ValueError("bad\0value"))),
        lambda r: (
            (r.exc_type, r.exc_message) == ("ValueError", "bad\u2400value")
            and "KeyError" in str(r.exc_text)
            and "direct cause" in str(r.exc_text)
            and "LOCAL-VARIABLE" not in str(r.exc_text)
        ),
    ),
    "D11 raising exception": (
        lambda: _record(exc_info=_raised(RaisingError())),
        lambda r: str(r.exc_type).endswith("RaisingError") and "RaisingError" in str(r.exc_text),
    ),
    "D11 odd exc_info": (lambda: _record(exc_info=(1, 2)), lambda r: r.message == "hostile"),
    "D11 stack": (lambda: _record(stack_info="Stack:\0\n  here"), lambda r: "Stack:\u2400" in str(r.exc_text)),
    **{
        f"D13 {created!r}": (
            lambda created=created: _record(created=created),  # type: ignore[misc]  # mypy infers no type for a default
            lambda r: "clock" in r.flags and "created" in r.metadata["dblog"],
        )
        for created in (math.nan, math.inf, 1e20, -62135596800.0, 10**400, "noon", None)
    },
    "D14 names": (
        lambda: _record(
            name="n" * 100_000, levelname="L\0", pathname="p\ud800", funcName=7, module=None, threadName=b"t", msg=None
        ),
        lambda r: 0 < len(r.logger) <= 512 and r.level == "L\u2400" and r.message == "None",
    ),
    "D14 level": (lambda: _record(levelno=10**30, levelname=None), lambda r: 1 <= r.severity <= 24),
    "D14 level text": (lambda: _record(levelno="high", levelname=""), lambda r: 1 <= r.severity <= 24),
    "D14 bytes": (lambda: _record(b"\xffbytes"), lambda r: "bytes" in r.message),
    "D14 dict": (lambda: _record({"a": 1}), lambda r: r.message == "{'a': 1}"),
    "D15 five megabytes": (
        lambda: _record("head" + "é" * 5_000_000 + "tail", blob="x" * 5_000_000),
        lambda r: (
            len(r.message.encode()) + len(json.dumps(r.metadata)) < 300_000
            and r.message.startswith("head")
            and r.message.endswith("tail")
            and "truncated" in r.flags
            and r.metadata["dblog"]["original_bytes"]["message"] == 10_000_008
        ),
    ),
    "D16 forged lines": (
        lambda: _record("a\nb\rc\u2028d\te\\N\\."),
        lambda r: r.message == "a\nb\rc\u2028d\te\\N\\.",
    ),
    "D17 control characters": (
        lambda: _record("\x1c\x1d\x1e\x1f\x7f\x80\ufeff", extra_="\x1d\x1e\x1f"),
        lambda r: r.message == "\x1c\x1d\x1e\x1f\x7f\x80\ufeff" and r.metadata["extra_"] == "\x1d\x1e\x1f",
    ),
}


class Witness(logging.Handler):
    """Another handler of the same logger."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.seen.append(dict(record.__dict__))
        return True


def _stored(place: Place) -> list[Stored]:
    found = rows(
        place.owner,
        "SELECT message, template, metadata, level, severity, logger, exc_type, exc_message, exc_text, lineno"
        " FROM logs ORDER BY seq",
    )
    return [
        Stored._make((*row[:2], (json.loads(row[2]) if isinstance(row[2], str) else row[2]) or {}, *row[3:]))
        for row in found
    ]


def _identities(record: logging.LogRecord) -> dict[str, tuple[int, str]]:
    return {key: (id(value), type(value).__name__) for key, value in record.__dict__.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_record(place: Place, case: str) -> None:
    """It is stored readable; so are those before and after it in its batch; other handlers see it as it was made."""
    make, readable = CASES[case]
    witness = Witness()
    with logging_to(place.url, flush_interval=60, flush_level=10**9) as (logger, handler):
        hold(handler)
        logger.addHandler(witness)
        record = make()
        before = _identities(record)
        mutable = copy.deepcopy(_MUTABLE)
        logger.info("before")
        handler.handle(record)
        witness.handle(record)
        _MUTABLE["a"] = 2
        logger.info("after")
        assert handler.flush(20), handler.stats()
        _MUTABLE.update(mutable)
        exactly_once(place.owner, handler)
    assert {key: (id(value), type(value).__name__) for key, value in witness.seen[1].items()} == before
    first, stored, last = _stored(place)
    assert (first.message, last.message) == ("before", "after")
    assert readable(stored), stored


def test_every_case_in_one_batch(place: Place) -> None:
    """All of them at once, and between any two a good one."""
    with logging_to(place.url, flush_interval=60, flush_level=10**9) as (logger, handler):
        hold(handler)
        for make, _ in CASES.values():
            handler.handle(make())
            logger.info("good")
        assert handler.flush(20), handler.stats()
        exactly_once(place.owner, handler)
    stored = _stored(place)
    assert [row.message for row in stored[1::2]] == ["good"] * len(CASES)
    for row, (_, readable) in zip(stored[::2], CASES.values(), strict=True):
        assert readable(row), row


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_goes_on(error: type[BaseException]) -> None:
    """D8: Ctrl-C inside a __str__ reaches the application, and the record is counted."""
    sink = MemorySink()
    handler = DatabaseHandler(sink=sink)
    try:
        with pytest.raises(error):
            handler.handle(_record("%s", (Raising(error),)))
        with pytest.raises(error):
            handler.handle(_record("plain", x=Raising(error)))
        handler.handle(_record("after"))
        assert handler.flush(5)
        stats = handler.stats()
    finally:
        handler.close()
    assert_conserved(stats)
    assert (stats.emitted, stats.stored, stats.failed_by) == (3, 1, {"capture": 2})


def test_a_record_logged_while_another_is_captured(place: Place) -> None:
    """D8: both are stored, each once."""
    with logging_to(place.url) as (logger, handler):
        logger.info("outer %s", Talkative(logger))
        assert handler.flush(10), handler.stats()
        exactly_once(place.owner, handler)
    assert {"outer talkative", "from inside"} == {row.message for row in _stored(place)}


# -- the property -------------------------------------------------------------------------------------------------

_texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["\0", "\ud800", "a\\u0000", "\\N", "\\.", "\x1d\x1e\x1f"]
)
_ODD: dict[str, Callable[[], object]] = {
    "raising": Raising,
    "recursion": lambda: Raising(RecursionError),
    "unreadable": lambda: Unreadable(a=1),
    "point": Point,
    "mood": lambda: Mood.GOOD,
    "object": object,
    "module": lambda: sys,
    "class": lambda: int,
    "function": lambda: _nested,
    "generator": lambda: (number for number in range(3)),
    "cycle": _cycle,
    "deep": lambda: _nested(1000),
    "error": RaisingError,
    "digits": lambda: 10**5000,
    "long": lambda: "x" * 70_000,
    "wide": lambda: "é" * 3000,
    "text": lambda: Text("MainThread"),
    "number": lambda: Number(20),
}


class Odd(NamedTuple):
    """Stands for a value that Hypothesis could not print."""

    name: str


def _live(value: Any) -> Any:
    """The value itself, with what ``Odd`` stands for."""
    if isinstance(value, Odd):
        return _ODD[value.name]()
    if isinstance(value, dict):
        return {key: _live(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_live, value))
    return value


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | _texts
    | st.binary(max_size=20)
    | st.decimals()
    | st.uuids()
    | st.datetimes()
    | st.timedeltas()
)
_values = st.recursive(
    _scalars | st.sampled_from([Odd(name) for name in _ODD]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_texts | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)
_KEYS = [*_record().__dict__, "taskName", "dblog", "message", "asctime", "trace_id", "span_id", "user_id", "password"]
_ERRORS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("x\0"),
    "raising": RaisingError,
    "decode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "r"),
    "os": lambda: OSError(2),
}
_records = st.fixed_dictionaries(
    {"attributes": st.dictionaries(st.sampled_from(_KEYS) | _texts, _values, max_size=6)},
    optional={
        "error": st.sampled_from(sorted(_ERRORS)),
        "format": st.sampled_from(["%s", "%d %s", "%(a)s", "%", "%s\ud800"]),
    },
)
_TYPES = {
    name: hint.__args__ if hasattr(hint, "__args__") else (hint,)
    for name, hint in get_type_hints(LogEntry, {"UUID": uuid.UUID}).items()
}
_captures = Capture(Options.of(max_record_bytes=20_000))


def _make(parts: dict[str, Any]) -> logging.LogRecord:
    record = logging.makeLogRecord(
        {"created": time.time(), "levelno": 20, "levelname": "INFO", "msg": "m", "name": "app"}
    )
    record.__dict__.update(_live(parts["attributes"]))
    if "error" in parts:
        record.exc_info = _raised(_ERRORS[parts["error"]]())
    if "format" in parts:
        record.msg = parts["format"]
    return record


def _check(entry: LogEntry) -> None:
    for name, value in zip(LogEntry._fields, entry, strict=True):
        assert type(value) in _TYPES[name], (name, value)
        if isinstance(value, str):
            assert clean(value) is value, name
    assert 1 <= entry.severity <= 24
    assert entry.lineno is None or 0 <= entry.lineno < 2**31
    assert all(value is None or len(value) <= 512 for value in (entry.level, entry.logger, entry.module, entry.thread))
    if entry.metadata is not None:
        assert "\\u0000" not in entry.metadata.replace("\\\\", "")
        assert isinstance(orjson.loads(entry.metadata), dict)
    body = (entry.message, entry.exc_text, entry.exc_message, entry.metadata)
    assert sum(len(part.encode()) for part in body if part) <= 20_000 + 2_000


@given(parts=_records)
@example(parts={"attributes": {"threadName": Odd("text"), "name": Odd("text"), "levelno": Odd("number")}})
@example(parts={"attributes": {"trace_id": Odd("text"), "user_id": Odd("number"), "taskName": Odd("text")}})
@example(parts={"attributes": {"levelname": Odd("text"), "lineno": Odd("number"), "created": Odd("number")}})
@example(parts={"attributes": {"msg": Odd("text")}})
@example(parts={"attributes": {"threadName": Odd("text")}})
@example(parts={"attributes": {"name": Odd("text")}})
@example(parts={"attributes": {"created": 9223372036855}})
def test_capture_is_total(parts: dict[str, Any]) -> None:
    """Any record gives an entry of the declared types, clean and bounded; the record stays as it was."""
    record = _make(parts)
    _captures(logging.makeLogRecord({"msg": "seen before", "threadName": "MainThread", "name": "MainThread"}))
    before = _identities(record)
    item = _captures(record)
    assert _identities(record) == before
    entry = expand(item)
    _check(entry)
    assert item[ITEM_SIZE] >= len(entry.message)
    assert repair(entry) == entry, "repair finds nothing to do"
    _check(clamp(entry, time.time_ns() // 1000))


@examples(15)
@given(batch=st.lists(_records, min_size=1, max_size=40))
def test_databases_take_what_was_captured(shared_places: list[str], batch: list[dict[str, Any]]) -> None:
    """Whatever was captured is stored as it is: no database refuses a row, nothing is bisected."""
    for url in shared_places:
        with logging_to(url, flush_interval=60, flush_level=10**9, max_record_bytes=20_000) as (_, handler):
            for parts in batch:
                handler.handle(_make(parts))
            assert handler.flush(20), handler.stats()
            stats = handler.stats()
        assert (stats.stored, stats.dropped, stats.failed) == (len(batch), 0, 0), stats


_fields = st.fixed_dictionaries({}, optional=dict.fromkeys(LogEntry._fields, _values))


@given(fields=_fields)
def test_repair_is_total_and_settles(fields: dict[str, Any]) -> None:
    """An entry made by hand of anything becomes one of the declared types; a second repair changes nothing."""
    fixed = repair(LogEntry.now("by hand")._replace(**_live(fields)))
    for name, value in zip(LogEntry._fields, fixed, strict=True):
        assert type(value) in _TYPES[name], (name, value)
        assert not isinstance(value, str) or clean(value) is value
    assert repair(fixed) is fixed
    clamp(fixed, time.time_ns() // 1000)


def test_a_time_of_thousands_of_digits_is_replaced(database_url: str) -> None:
    """An entry made by hand with a timestamp that Python itself cannot print is stored with the present time."""
    with logging_to(database_url) as (_, handler):
        handler.enqueue(LogEntry.now("by hand")._replace(timestamp=10**5000))
        handler.enqueue(LogEntry.now("by hand")._replace(timestamp=-(10**5000)))
        assert handler.flush(20)
        assert (handler.stats().stored, handler.stats().failed) == (2, 0)


@examples(15)
@given(batch=st.lists(_fields, min_size=1, max_size=20))
def test_databases_take_what_was_repaired(shared_places: list[str], batch: list[dict[str, Any]]) -> None:
    """Entries made by hand as well: none is lost, and none is refused."""
    for url in shared_places:
        with logging_to(url, flush_interval=60, flush_level=10**9) as (_, handler):
            for fields in batch:
                handler.enqueue(LogEntry.now("by hand")._replace(**{**_live(fields), "id": None}))
            assert handler.flush(20), handler.stats()
            stats = handler.stats()
        assert (stats.stored, stats.failed) == (len(batch), 0), stats


@pytest.fixture(scope="module")
def shared_places(
    postgres_template: tuple[Any, str], sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Both databases, kept over the examples of a property."""
    import shutil

    from tests.postgres import database

    file = tmp_path_factory.mktemp("hostile") / "logs.db"
    shutil.copyfile(sqlite_template, file)
    file.chmod(0o600)
    with database(*postgres_template) as url:
        yield [f"sqlite:///{file}", url]
