"""Capture: ordinary records take the quick way, and both ways say the same."""

from __future__ import annotations

import logging
import math
import threading
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import dblog
from dblog.capture import Capture, _Unusual
from dblog.item import ITEM_SIZE, expand
from dblog.levels import severity_of
from dblog.options import Options
from dblog.plain import REDACTED
from dblog.testing import MemorySink

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
extras = st.dictionaries(
    st.sampled_from(["order_id", "password", "Api-Key", "user_id", "trace_id", "path", "dblog", "note", "x" * 40]),
    scalars,
    max_size=5,
)


def made(message: str, args: tuple[Any, ...] = (), **fields: Any) -> logging.LogRecord:
    record = logging.getLogger("shop.orders").makeRecord(
        "shop.orders", logging.INFO, "/srv/shop/orders.py", 7, message, args, None, "create", extra=fields
    )
    record.created = 1_700_000_000.25
    return record


@pytest.mark.parametrize(
    ("message", "args", "fields"),
    [
        ("started", (), {}),
        ("user %s bought %d items for %.2f", ("bob", 3, 9.5), {}),
        ("%(name)s", ({"name": "bob"},), {}),
        ("naïve café 漢字 😀", (), {}),
        ("ok", (), {"order_id": 7, "amount": 9.5, "currency": "EUR", "paid": True, "coupon": None}),
        ("ok", (), {"password": "hunter2", "user_id": "u1", "trace_id": "t1", "session_id": None}),
        ("a [bracket] {brace} null \\ \x1b[31m", (), {"text": "[x] {y} null \\u0000"}),
    ],
)
def test_ordinary_records_take_the_quick_way(message: str, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
    """No ordinary record needs the slow way: it would cost ten times as much, and nothing else would tell."""
    with dblog.bound(trace_id="a" * 32, user_id="u-9", tenant="blue"):
        Capture(Options.of()).fast(made(message, args, **fields))


def test_the_quick_way_is_taken_after_other_handlers_formatted_the_record() -> None:
    """``message`` and ``asctime``, which a Formatter leaves on the record, are no extras."""
    record = made("hello %s", ("world",), order_id=7)
    logging.Formatter("%(asctime)s %(message)s").format(record)
    entry = expand(Capture(Options.of()).fast(record))
    assert entry.attributes == {"order_id": 7}


@given(
    message=st.text(st.characters(), max_size=30),
    args=st.lists(scalars, max_size=3).map(tuple),
    fields=extras,
    ids=st.dictionaries(
        st.sampled_from(["user_id", "trace_id", "tenant", "order_id"]), st.text(max_size=8), max_size=3
    ),
)
def test_both_ways_agree(message: str, args: tuple[Any, ...], fields: dict[str, Any], ids: dict[str, str]) -> None:
    """What the quick way makes of a record, the slow way makes too, field by field."""
    capture = Capture(Options.of())
    with dblog.bound(**ids):
        record = made(message.replace("%", "%%") + " %s" * len(args), args, **fields)
        try:
            quick = capture.fast(record)
        except _Unusual:
            reject()  # not on the quick way; Hypothesis complains if that is where all of them go
        slow = capture.slow(record, None, ValueError())
    quick_entry, slow_entry = expand(quick), expand(slow)
    assert quick_entry._replace(metadata=None) == slow_entry._replace(metadata=None)
    assert quick_entry.attributes == slow_entry.attributes


@given(fields=extras)
def test_secrets_are_redacted_whichever_way(fields: dict[str, Any]) -> None:
    """A text under a redacted key never leaves capture; numbers keep their type."""
    capture = Capture(Options.of())
    for item in (capture(made("m", **fields)), capture.slow(made("m", **fields), None, ValueError())):
        stored = expand(item).attributes
        for key in ("password", "Api-Key"):
            if isinstance(fields.get(key), str):
                assert stored[key] == REDACTED


def test_patterns_reach_every_text() -> None:
    """``redact_patterns`` hides in message, template, extras at any depth and exception."""
    capture = Capture(Options.of(redact_patterns=[r"\d{16}"]))
    secret = "4111111111111111"
    try:
        raise ValueError(secret)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = made(f"card {secret} %s", (secret,), card={"deep": [secret]}, note=secret)
    record.exc_info = info
    entry = expand(capture(record))
    assert secret not in repr(entry)
    assert entry.message == f"card {REDACTED} {REDACTED}"


def test_a_record_with_a_missing_attribute_keeps_its_extra() -> None:
    """One standard attribute deleted and one extra added is as many as usual; the extra is still found."""
    for gone in ("process", "msecs", "processName", "relativeCreated", "thread", "filename"):
        record = made("m", tenant="blue")
        del record.__dict__[gone]
        assert expand(Capture(Options.of())(record)).attributes == {"tenant": "blue"}


def test_the_thread_and_the_record_are_told() -> None:
    """Where and when: thread, source location, level, microseconds."""
    entry = expand(Capture(Options.of()).fast(made("m")))
    assert entry.thread == threading.current_thread().name
    assert (entry.logger, entry.pathname, entry.lineno, entry.function, entry.module) == (
        "shop.orders",
        "/srv/shop/orders.py",
        7,
        "create",
        "orders",
    )
    assert (entry.timestamp, entry.level, entry.severity) == (1_700_000_000_250_000, "INFO", 9)


def test_a_custom_record_class_is_asked_for_its_message() -> None:
    """A record factory with brace formatting is honoured, on the quick way."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - logging's name
            return str(self.msg).format(*self.args or ())

    record = Braces("n", logging.INFO, "/p.py", 1, "hello {}", ("world",), None)
    entry = expand(Capture(Options.of()).fast(record))
    assert (entry.message, entry.template) == ("hello world", "hello {}")


@pytest.mark.parametrize("fields", [{}, {"nested": [1]}, {"dblog": 1}, {"when": object()}])
@pytest.mark.parametrize(("template", "shown"), [("%s", "shown"), ("%d", "%d (shown)"), ("%s %s", "%s %s (shown)")])
def test_an_argument_is_shown_once(template: str, shown: str, fields: dict[str, Any]) -> None:
    """Whichever way a record goes, a ``__str__`` with side effects runs once per message, twice if it does not fit."""

    class Argument:
        times = 0

        def __str__(self) -> str:
            self.times += 1
            return "shown"

        __repr__ = __str__

    argument = Argument()
    entry = expand(Capture(Options.of())(made(template, (argument,), **fields)))
    assert entry.message == shown
    assert argument.times == (1 if template in {"%s", "%d"} else 2)


def test_what_a_record_holds_is_counted() -> None:
    """Long extras, keys, templates and a context's attributes count in the item's size and against the bound."""
    capture = Capture(Options.of())
    big = "x" * 30_000
    assert capture(made("m", note=big))[ITEM_SIZE] >= len(big)
    long_key = capture(made("m", (), **{big: 1}))
    assert long_key[ITEM_SIZE] >= len(expand(long_key).metadata or "")
    with dblog.bound(body=big):
        assert capture(made("m"))[ITEM_SIZE] >= len(big)
    small = Capture(Options.of(max_record_bytes=4096))
    with dblog.bound(body=big):
        entry = expand(small(made("y" * 8000, note=big)))
    assert len(entry.message.encode()) + len((entry.metadata or "").encode()) < 4096 + 512
    assert "truncated" in entry.attributes["dblog"]["flags"]


def test_contexts_of_the_past_are_not_remembered() -> None:
    """However many contexts come by, few are held."""
    capture = Capture(Options.of())
    for number in range(1000):
        with dblog.bound(number=number):
            capture(made("m"))
    assert len(capture._bound) < 100


def test_entries_made_by_hand_are_treated_as_records() -> None:
    """dblog.enqueue: redacted by key and pattern, bounded, any metadata accepted, a float time taken as seconds."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, redact_patterns=[r"\d{16}"], max_record_bytes=4096)
    deep = '{"a":' * 300 + "1" + "}" * 300
    entry = dblog.LogEntry.now("card 4111111111111111 " + "x" * 10_000, metadata={"password": "hunter2"})
    moment = entry.timestamp
    handler.enqueue(entry._replace(user_id="u" * 5000, timestamp=moment / 1e6))  # type: ignore[arg-type]  # as people do
    handler.enqueue(entry._replace(metadata=deep, message="deep\0", timestamp=0))
    assert handler.flush(10)
    first, second = sink.entries
    assert first.message.startswith(f"card {REDACTED}")
    assert len(first.message) <= 4096
    assert first.attributes["password"] == REDACTED
    assert len(first.user_id or "") <= 512
    assert abs(first.timestamp - moment) <= 1
    assert second.message == "deep\u2400"
    handler.close()


def test_a_closed_handler_takes_no_entries() -> None:
    """enqueue goes to the handlers in use only, by their level, custom levels included."""
    sink, other = MemorySink(), MemorySink()
    closed, notice = dblog.DatabaseHandler(sink=sink), dblog.DatabaseHandler(sink=other, level=25)
    closed.close()
    assert dblog.enqueue(dblog.LogEntry.now("m", level="NOTICE", severity=severity_of(25))) == 1
    assert dblog.enqueue(dblog.LogEntry.now("m", level="INFO")) == 0
    assert notice.flush(10)
    assert (sink.messages, other.messages) == ([], ["m"])
    notice.close()


def test_a_filter_may_log_and_may_fail() -> None:
    """A filter that logs does not multiply records; one that raises is counted under the record's own level."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink)
    log = logging.getLogger("dblog.tests.filters")
    log.propagate = False
    log.addHandler(handler)

    def chatty(_record: logging.LogRecord) -> bool:
        log.error("from the filter")
        return True

    handler.addFilter(chatty)
    log.error("once")
    handler.removeFilter(chatty)

    def broken(_record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    handler.addFilter(broken)
    log.error("fails")
    stats = handler.stats()
    assert stats.emitted <= 4
    assert stats.failed_by == {"capture": 1}
    assert handler.flush(10)
    assert sink.messages.count("once") == 1
    handler.close()


@pytest.mark.parametrize(
    "wrong", [{"url": "nonsense"}, {"level": "FOO"}, {"password": 5}, {"redact_patterns": 5}, {"queue_size": "--5"}]
)
def test_a_refused_handler_leaves_nothing_behind(wrong: dict[str, Any]) -> None:
    """A constructor that raises registers nothing that logging would close at exit."""
    before = len(logging._handlerList)  # type: ignore[attr-defined]  # not in the stubs
    with pytest.raises(dblog.ConfigurationError):
        dblog.DatabaseHandler(**wrong)
    assert len(logging._handlerList) == before  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 2**53, -(2**60), 10**30])
def test_a_number_that_is_stored_as_text_is_redacted_as_text(number: float) -> None:
    """Under a redacted key, whichever way the record takes."""
    attributes = expand(Capture(Options.of())(made("m", password=number, pin=number))).attributes
    assert attributes["password"] == REDACTED
    assert isinstance(attributes["pin"], str)
