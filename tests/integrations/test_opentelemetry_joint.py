"""Errors become span events, spans become entries, and the provider's resource says whose they are; the real SDK."""

from __future__ import annotations

import contextvars
import logging
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, Status, StatusCode

import dblog
from dblog import spans, testing
from dblog.errors import ConfigurationError, MissingExtraError
from dblog.integrations import opentelemetry as joint
from dblog.integrations.opentelemetry import EVENT, DblogSpanProcessor, SpanEventHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("shop.orders")
START = time.time_ns() // 1000 * 1000


@pytest.fixture
def exported() -> InMemorySpanExporter:
    """The spans that ended."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return provider.get_tracer("shop")


@pytest.fixture
def events() -> Iterator[SpanEventHandler]:
    """The handler, on the root logger."""
    handler = SpanEventHandler()
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What dblog told people."""
    lines: list[str] = []
    monkeypatch.setattr(joint, "complain", lambda kind, line: lines.append(line))
    return lines


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """The function's result, run in a context of its own."""
    return contextvars.Context().run(function, *args)


# -- errors become span events ------------------------------------------------------------------------------------


def test_an_error_is_an_event_with_its_exception_and_the_span_failed(
    tracer: trace.Tracer, exported: InMemorySpanExporter, events: SpanEventHandler
) -> None:
    """Seed 002's attributes, each with its value; the exception with its trace; the status ERROR with the message."""

    def fail() -> None:
        with tracer.start_as_current_span("s"):
            logger.warning("not yet")
            try:
                raise LookupError("no such order")
            except LookupError:
                logger.exception("order %d failed", 7)

    apart(fail)
    (span,) = exported.get_finished_spans()
    exception, event = span.events
    assert exception.name == "exception"
    assert (exception.attributes or {})["exception.type"] == "LookupError"
    assert "in fail" in str((exception.attributes or {})["exception.stacktrace"])
    attributes = dict(event.attributes or {})
    line = attributes.pop("log.line")
    assert line == fail.__code__.co_firstlineno + 6
    assert event.name == EVENT == "error_log"
    assert span.context is not None
    assert attributes == {
        "log.level": "ERROR",
        "log.message": "order 7 failed",
        "log.logger": "shop.orders",
        "log.module": "test_opentelemetry_joint",
        "log.function": "fail",
        "tracking.id": f"{span.context.trace_id:032x}",
        "error.type": "LookupError",
    }
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "order 7 failed")


@given(
    level=st.sampled_from([logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL, 45]),
    least=st.sampled_from([logging.NOTSET, logging.WARNING, "ERROR", logging.CRITICAL]),
    extra=st.sampled_from([{}, {"tracking_id": "t-1"}, {"trace_id": "mine"}, {"tracking_id": 7}]),
    info=st.sampled_from([None, False, (None, None, None), ValueError("x")]),
)
def test_whatever_is_logged_there_is_one_event_or_none(
    level: int, least: int | str, extra: dict[str, Any], info: Any
) -> None:
    """One event for each record from the handler's level on; it names the record's own tracking id if it has one."""
    exported = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    handler = SpanEventHandler(least)
    own = logging.Logger("own", logging.DEBUG)
    own.addHandler(handler)
    with provider.get_tracer("x").start_as_current_span("s") as span:
        own.log(level, "x", extra=extra, exc_info=info)
    (ended,) = exported.get_finished_spans()
    found = [event for event in ended.events if event.name == EVENT]
    assert len(found) == (level >= handler.level)
    assert (ended.status.status_code is StatusCode.ERROR) == bool(found)
    for event in found:
        attributes = event.attributes or {}
        known = next(iter(extra.values()), f"{span.get_span_context().trace_id:032x}")
        assert attributes["tracking.id"] == str(known)
        assert attributes["error.type"] == ("ValueError" if isinstance(info, ValueError) else "UnknownError")


def test_without_a_recording_span_nothing_is_done(events: SpanEventHandler, told: list[str]) -> None:
    """No span, a span that is over, one that is not recorded: no event, no complaint, and no message is formatted."""

    class Unread:
        def __str__(self) -> str:
            raise AssertionError

    def work() -> None:
        logger.error(Unread())
        with TracerProvider(sampler=ALWAYS_OFF).get_tracer("x").start_as_current_span("s"):
            logger.error(Unread())
        with trace.use_span(TracerProvider().get_tracer("x").start_span("s")) as over:
            over.end()
            logger.error(Unread())

    own = logging.root.handlers[:]
    logging.root.handlers[:] = [events]  # pytest's own would read the messages
    apart(work)
    logging.root.handlers[:] = own
    assert told == []


class Failing:
    """A recording span whose parts raise in turn."""

    def __init__(self, part: str, error: BaseException) -> None:
        self.part, self.error = part, error

    def __getattr__(self, name: str) -> Any:
        def answer(*_: Any, **__: Any) -> Any:
            if name == self.part:
                raise self.error
            return SimpleNamespace(trace_id=1, span_id=1, is_valid=True) if name == "get_span_context" else True

        return answer


PARTS = ("is_recording", "add_event", "record_exception", "set_status", "get_span_context")


@pytest.mark.parametrize("part", PARTS)
def test_a_span_that_raises_harms_no_logging_call(
    part: str, events: SpanEventHandler, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever in a span fails is told once, without its text; the caller and other handlers notice nothing."""
    monkeypatch.setattr(trace, "get_current_span", lambda: Failing(part, LookupError("secret")))
    with testing.recording() as recorded:
        logger.error("x", exc_info=ValueError("y"))
        assert recorded.messages == ["x"]
    assert told == ["a record made no span event: LookupError"]


@pytest.mark.parametrize("part", PARTS)
def test_ctrl_c_in_a_span_passes(part: str, events: SpanEventHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no Exception reaches the caller."""
    monkeypatch.setattr(trace, "get_current_span", lambda: Failing(part, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        logger.error("x", exc_info=ValueError("y"))


def test_a_message_that_cannot_be_formatted_is_an_event_all_the_same(
    tracer: trace.Tracer, exported: InMemorySpanExporter, told: list[str]
) -> None:
    """The template stands for it; a long message is cut; a filter that raises costs the event, not the call."""
    own, handler = logging.Logger("own"), SpanEventHandler()
    own.addHandler(handler)
    with tracer.start_as_current_span("s"):
        own.error("%d items", "seven")
        own.error("x" * 100_000)
        handler.addFilter(lambda record: record.levelno / 0 > 0)
        own.error("not seen")
    (span,) = exported.get_finished_spans()
    messages = [str((event.attributes or {})["log.message"]) for event in span.events]
    assert messages[0] == "%d items"
    assert len(messages[1]) == 8192
    assert len(messages) == 2
    assert told == ["a record made no span event: ZeroDivisionError"]


def test_a_filter_s_record_is_the_one_that_is_noted(tracer: trace.Tracer, exported: InMemorySpanExporter) -> None:
    """What the filters refuse makes no event; from Python 3.12 on they may give another record."""
    handler = SpanEventHandler()
    handler.addFilter(lambda record: record.getMessage() != "refused")
    record = logging.LogRecord("x", logging.ERROR, "p", 1, "kept", None, None)
    refused = logging.LogRecord("x", logging.ERROR, "p", 1, "refused", None, None)
    with tracer.start_as_current_span("s"):
        assert handler.handle(record) is True
        assert handler.handle(refused) is False
    (span,) = exported.get_finished_spans()
    assert [(event.attributes or {})["log.message"] for event in span.events] == ["kept"]


# -- spans become entries -----------------------------------------------------------------------------------------


@pytest.fixture
def recorded() -> Iterator[testing.Recording]:
    """What is logged meanwhile."""
    with testing.recording() as recording:
        yield recording


@pytest.fixture
def own(recorded: testing.Recording) -> trace.Tracer:
    """A tracer whose spans become entries."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(DblogSpanProcessor())
    return provider.get_tracer("shop")


def test_a_span_that_ended_is_an_entry(own: trace.Tracer, recorded: testing.Recording) -> None:
    """Time, duration, ids, kind, status and attributes; a child's parent is the outer one; a failure is an ERROR."""

    def work() -> tuple[Any, Any]:
        with dblog.bound(user_id="u"), own.start_as_current_span("GET /orders", kind=SpanKind.SERVER) as outer:
            inner = own.start_span("SELECT", start_time=START, attributes={"rows": 3, "password": "p"})
            inner.record_exception(LookupError("gone"))
            inner.set_status(Status(StatusCode.ERROR, "no rows"))
            inner.end(START + 12_345_678)
        return outer.get_span_context(), inner.get_span_context()

    outer, inner = apart(work)
    select, get = recorded.wait(logger="dblog.spans")
    assert (select.timestamp, select.level, select.severity, select.message) == (
        START // 1000 + 12_345,
        "ERROR",
        17,
        "SELECT",
    )
    assert (select.trace_id, select.span_id) == (f"{inner.trace_id:032x}", f"{inner.span_id:016x}")
    assert (select.parent_span_id, select.user_id) == (f"{outer.span_id:016x}", "u")
    assert (select.exc_type, select.exc_message) == ("LookupError", "gone")
    assert select.attributes == {
        "duration_ms": 12.346,
        "kind": "internal",
        "status": "error",
        "description": "no rows",
        "scope": "shop",
        "attributes": {"rows": 3, "password": "[REDACTED]"},
    }
    assert (get.level, get.message, get.parent_span_id, get.user_id) == ("INFO", "GET /orders", None, "u")
    assert get.attributes.keys() == {"duration_ms", "kind", "status", "scope"}
    assert (get.attributes["kind"], get.attributes["status"]) == ("server", "unset")


values = st.text(max_size=5) | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=3), max_size=3)


@given(st.text(max_size=30), st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=200))
def test_any_span_makes_an_entry_within_bounds(name: str, attributes: dict[str, Any]) -> None:
    """Whatever its name and attributes, the entry is storable and holds no more than a record's extras may."""
    with testing.recording(max_attributes=50) as recorded:
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(DblogSpanProcessor())
        span = provider.get_tracer("x").start_span(name)
        span.set_attributes(attributes)
        span.end()
        (entry,) = recorded.wait(logger="dblog.spans")
    assert entry.attributes["duration_ms"] >= 0
    assert len(entry.attributes.get("attributes", {})) <= 50


def test_level_and_logger_are_told(recorded: testing.Recording) -> None:
    """A level below the handlers' keeps out spans that did not fail; the logger's name can be given."""
    recorded.handler.setLevel(logging.INFO)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(DblogSpanProcessor("DEBUG", logger="spans"))
    with provider.get_tracer("x").start_as_current_span("fine"):
        pass
    with provider.get_tracer("x").start_as_current_span("bad") as span:
        span.set_status(StatusCode.ERROR)
    assert provider.force_flush()
    assert [(entry.logger, entry.message) for entry in recorded.entries()] == [("spans", "bad")]


@pytest.mark.parametrize("make", [SpanEventHandler, DblogSpanProcessor])
def test_a_level_that_is_none_is_refused(make: Callable[..., Any]) -> None:
    """The error names the option and the value."""
    with pytest.raises(ConfigurationError, match="level='LOUD'"):
        make("LOUD")


def test_a_flush_says_whether_everything_is_stored(recorded: testing.Recording) -> None:
    """Within the time: True; a database that is away: False."""
    processor = DblogSpanProcessor()
    assert processor.force_flush(0)
    recorded.sink.down()
    logger.error("x")
    assert not processor.force_flush(1)
    recorded.sink.up()


class Span:
    """A span each part of which raises."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError("secret")


def test_a_span_that_cannot_be_read_makes_no_entry(recorded: testing.Recording, told: list[str]) -> None:
    """It is told once, without its text; ending a span never raises."""
    span: Any = Span()
    DblogSpanProcessor().on_start(span)
    DblogSpanProcessor().on_end(span)
    assert recorded.wait() == []
    assert told == ["a span made no entry: LookupError"]


def test_spans_of_many_threads_all_arrive(own: trace.Tracer, recorded: testing.Recording) -> None:
    """Each of them once, with its own parent."""
    meet = threading.Barrier(4, timeout=10)

    def work(number: int) -> None:
        meet.wait()
        for step in range(50):
            with (
                own.start_as_current_span(f"outer {number} {step}"),
                own.start_as_current_span(f"inner {number} {step}"),
            ):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = {entry.message: entry for entry in recorded.wait(logger="dblog.spans")}
    assert len(entries) == 400
    for number in range(4):
        for step in range(50):
            outer, inner = entries[f"outer {number} {step}"], entries[f"inner {number} {step}"]
            assert (inner.parent_span_id, inner.trace_id) == (outer.span_id, outer.trace_id)


# -- the resource -------------------------------------------------------------------------------------------------

given_resource = {
    "service.name": "shop",
    "service.version": "1.2",
    "deployment.environment.name": "prod",
    "deployment.environment": "old",
}


@pytest.mark.parametrize(
    ("resource", "options", "expected"),
    [
        (given_resource, {}, ("shop", "1.2", "prod")),
        (given_resource, {"service": "mine", "environment": "dev"}, ("mine", "1.2", "dev")),
        ({"deployment.environment": "old"}, {}, (None, None, "old")),
        ({}, {"service_version": "2"}, (None, "2", None)),
    ],
)
def test_the_provider_s_resource_says_what_the_options_do_not(
    resource: dict[str, str], options: dict[str, str], expected: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Service, version and environment, also of a provider set later than the handler; never ``unknown_service``."""
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    with testing.recording(**options) as recorded:
        provider = TracerProvider(shutdown_on_exit=False, resource=Resource.create(resource))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        logger.warning("x")
        (entry,) = recorded.wait()
        origin = recorded.handler._writer.origin
    assert (origin.service, origin.service_version, origin.environment) == expected
    assert entry.service == expected[0]


def test_the_provider_is_found_where_an_application_sets_it() -> None:
    """``set_tracer_provider`` after the handler and before the first record."""
    program = """
import logging
from dblog.testing import recording
with recording() as recorded:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop"})))
    logging.warning("x")
    assert [entry.service for entry in recorded.wait()] == ["shop"]
"""
    done = subprocess.run([sys.executable, "-Werror", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_provider_no_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody set one there is nothing to say."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    assert spans.resource() == {}


# -- without the library ------------------------------------------------------------------------------------------


def test_without_the_sdk_the_error_says_what_to_install() -> None:
    """One line, naming the extra."""
    program = "import sys; sys.modules['opentelemetry.sdk'] = None; import dblog.integrations.opentelemetry"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        f"{MissingExtraError.__name__}: opentelemetry.sdk.trace is not installed: pip install 'dblog-logging[otel]'"
    ) or done.stderr.splitlines()[-1].endswith("opentelemetry.sdk is not installed: pip install 'dblog-logging[otel]'")
