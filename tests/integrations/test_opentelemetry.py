"""Records and OpenTelemetry's spans, with the real SDK: the inner one wins, and what fails in it harms no record."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import dblog
from dblog import scopes, spans, testing
from dblog.entry import ID_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRIPLE = ("trace_id", "span_id", "parent_span_id")
logger = logging.getLogger("shop")
tracer = TracerProvider().get_tracer("shop")
unsampled = TracerProvider(sampler=ALWAYS_OFF).get_tracer("shop")


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """The function's result, run in a context of its own."""
    return contextvars.Context().run(function, *args)


def ids_of(span: Any) -> tuple[str, str, str | None]:
    context, parent = span.get_span_context(), getattr(span, "parent", None)
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", parent and f"{parent.span_id:016x}"


Ids = tuple[str | None, ...]


class Walk:
    """Enters and leaves scopes and spans as told; a record is logged, and known what it has to carry, at each step."""

    def __init__(self) -> None:
        self.expected: list[tuple[int, Ids]] = []

    def log(self, ids: Ids) -> None:
        number = len(self.expected)
        self.expected.append((number, ids))
        logger.warning("step", extra={"number": number} if number % 2 else {"number": number, "slow": [number]})
        assert tuple(getattr(dblog.current(), name) for name in TRIPLE) == ids
        headers: dict[str, str] = {}
        dblog.inject(headers)
        assert headers.get("traceparent", "")[3:52] == (f"{ids[0]}-{ids[1]}" if ids[0] else "")

    def walk(self, tree: Any, ids: Ids) -> None:
        """The steps of a tree, within what has these ids; afterwards everything is as it was before."""
        for kind, below in tree:
            with contextlib.ExitStack() as stack:
                inside = getattr(self, kind)(stack, ids)
                self.log(inside)
                self.walk(below, inside)
                self.log(inside)
            self.log(ids)

    def span(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        return ids_of(stack.enter_context(tracer.start_as_current_span("s")))

    def unrecorded(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        return ids_of(stack.enter_context(unsampled.start_as_current_span("s")))

    def remote(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        carrier = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        stack.callback(otel.detach, otel.attach(TraceContextTextMapPropagator().extract(carrier)))
        return TRACE, SPAN, None

    def same_span(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        """Another context of OpenTelemetry's, with the same span in it."""
        stack.callback(otel.detach, otel.attach(baggage.set_baggage("k", "v")))
        return ids

    def bound(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        scope = stack.enter_context(dblog.bound(user_id="u"))
        assert (scope.span_id is None) == (ids[0] is None)
        return (None,) * 3 if ids[0] is None else (ids[0], scope.span_id, ids[1])

    def bind(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        """Without a trace of its own, it leaves the one there is."""
        stack.callback(dblog.context.reset, dblog.bind(session_id="s"))
        return ids

    def continued(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        scope = stack.enter_context(dblog.bound(trace_id="1" * 32, parent_span_id="2" * 16))
        return "1" * 32, scope.span_id, "2" * 16

    def new_trace(self, stack: contextlib.ExitStack, ids: Ids) -> Ids:
        stack.enter_context(dblog.bound())
        trace_id = dblog.new_trace()
        return trace_id, dblog.current().span_id, None


KINDS = ("span", "unrecorded", "remote", "same_span", "bound", "bind", "continued", "new_trace")
trees: st.SearchStrategy[Any] = st.recursive(
    st.just([]), lambda below: st.lists(st.tuples(st.sampled_from(KINDS), below), max_size=3), max_leaves=12
)


def test_of_scopes_and_spans_the_inner_one_wins() -> None:
    """However they are nested, a record, ``current`` and ``inject`` tell the innermost, and leaving restores the outer.

    On the fast way through capture as on the slow one. A scope within a span goes on in its trace, as its child.
    """

    @given(trees)
    def holds(tree: Any) -> None:
        recorded.sink.rows.clear()
        walk = Walk()
        apart(walk.walk, tree, (None,) * 3)
        entries = recorded.wait()
        stored = {entry.attributes["number"]: tuple(getattr(entry, name) for name in TRIPLE) for entry in entries}
        assert stored == dict(walk.expected)

    with testing.recording() as recorded:
        holds()


def logged(function: Callable[[], object]) -> LogEntry:
    """The one entry that is logged meanwhile."""
    with testing.recording() as recording:
        apart(function)
        (entry,) = recording.wait()
    return entry


def test_a_record_s_own_ids_win() -> None:
    """An id given with the record is the record's, whatever is active; the others are the span's and the scope's."""

    def log() -> None:
        with dblog.bound(user_id="u"), tracer.start_as_current_span("s") as span:
            logger.warning("x", extra={"span_id": "mine"})
            seen.append(ids_of(span))

    seen: list[Any] = []
    entry = logged(log)
    assert (entry.trace_id, entry.span_id, entry.user_id) == (seen[0][0], "mine", "u")


def test_a_scope_entered_elsewhere_is_not_the_inner_one() -> None:
    """Where a span is over and the outer one active again, a scope left open in it is over too."""

    def log() -> tuple[Any, ...]:
        with tracer.start_as_current_span("outer") as outer:
            inner = tracer.start_span("inner")
            with trace.use_span(inner, end_on_exit=True):
                dblog.bind(trace_id=TRACE, user_id="u")
                assert dblog.current().trace_id == TRACE
            return dblog.current(), ids_of(outer)

    scope, ids = apart(log)
    assert (scope.trace_id, scope.span_id, scope.parent_span_id, scope.user_id) == (*ids, "u")


def test_the_trace_can_be_taken_off() -> None:
    """``unbind`` within a span: records carry no trace, until another span is started."""

    def work() -> None:
        with tracer.start_as_current_span("s"):
            dblog.unbind(*TRIPLE)
            assert dblog.current().ids is scopes.NO_IDS
            with tracer.start_as_current_span("t") as span:
                assert dblog.current().trace_id == ids_of(span)[0]

    apart(work)


@pytest.mark.parametrize("flags", ["00", "01"])
def test_what_is_injected_under_a_span_is_the_span_s(flags: str) -> None:
    """Flags and tracestate of the span, baggage of both: OpenTelemetry's and, where both have a name, the scope's."""

    def send() -> dict[str, str]:
        headers = {"Tracestate": "stale=1"}
        context = TraceContextTextMapPropagator().extract(
            {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": "a=1"}
        )
        otel.attach(baggage.set_baggage("theirs", 7, baggage.set_baggage("both", "theirs", context)))
        with dblog.bound(trace_id="1" * 32, tracestate="b=2", baggage={"both": "ours", "ours": "1"}):
            remote = trace.NonRecordingSpan(trace.get_current_span().get_span_context())
            with trace.use_span(remote):
                dblog.inject(headers)
        return headers

    headers = apart(send)
    assert headers["traceparent"] == f"00-{TRACE}-{SPAN}-{flags}"
    assert headers["tracestate"] == "a=1"
    assert set(headers["baggage"].split(",")) == {"theirs=7", "both=ours", "ours=1"}


def test_a_scope_within_a_span_keeps_its_flags() -> None:
    """What an unsampled span's scope injects is unsampled too."""

    def send() -> dict[str, str]:
        headers: dict[str, str] = {}
        with unsampled.start_as_current_span("s"), dblog.bound():
            dblog.inject(headers)
        return headers

    assert int(apart(send)["traceparent"][-2:], 16) & 1 == 0


def test_spans_of_concurrent_tasks_do_not_mix() -> None:
    """Of 500 tasks under way at once, more than are remembered, each record has its own task's ids."""
    expected: dict[int, tuple[Any, ...]] = {}

    async def serve(number: int) -> None:
        with tracer.start_as_current_span("s") as span:
            expected[number] = ids_of(span)
            for _ in range(3):
                await asyncio.sleep(0)
                logger.warning("x", extra={"number": number})

    async def main() -> None:
        await asyncio.gather(*map(serve, range(500)))

    with testing.recording("WARNING") as recorded:
        apart(asyncio.run, main())
        entries = recorded.wait()
    assert len(entries) == 1500
    for entry in entries:
        assert tuple(getattr(entry, name) for name in TRIPLE) == expected[entry.attributes["number"]]
    assert len(scopes._seen) <= 64


# -- what fails ---------------------------------------------------------------------------------------------------


class Hostile:
    """A span, or a context, every part of which raises."""

    def __init__(self, error: BaseException) -> None:
        object.__setattr__(self, "error", error)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "error")

    def __str__(self) -> str:
        raise object.__getattribute__(self, "error")

    def __bool__(self) -> bool:
        raise object.__getattribute__(self, "error")


def hostile_spans(error: BaseException) -> list[Any]:
    good = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=False)
    hostile = Hostile(error)

    class NoParent(trace.NonRecordingSpan):
        parent = property(lambda _: hostile)

    def context(**parts: Any) -> Any:
        known = {"is_valid": True, "trace_id": 1, "span_id": 1, "trace_flags": 1, "trace_state": hostile, **parts}
        return SimpleNamespace(get_span_context=lambda: SimpleNamespace(**known))

    ids = [context(trace_id=hostile), context(span_id="x"), context(is_valid=hostile)]
    return [hostile, SimpleNamespace(get_span_context=lambda: hostile), NoParent(good), None, 7, *ids]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What dblog told people."""
    lines: list[str] = []
    monkeypatch.setattr(spans, "complain", lambda kind, line: lines.append(line))
    return lines


@pytest.mark.parametrize("number", range(len(hostile_spans(LookupError()))))
def test_a_span_that_raises_harms_no_record(number: int, told: list[str]) -> None:
    """Whatever in a span fails, the record is stored with the scope's ids, and nothing reaches the caller."""

    def log() -> None:
        span = hostile_spans(LookupError("secret"))[number]
        key = trace.set_span_in_context(trace.INVALID_SPAN)
        otel.attach(type(key)(dict.fromkeys(key, span)))
        with dblog.bound(trace_id=TRACE, span_id=SPAN):
            pass
        dblog.bind(user_id="u")
        logger.warning("x")
        dblog.inject({})

    entry = logged(log)
    assert (entry.user_id, entry.trace_id) == ("u", None)
    assert not any("secret" in line for line in told)


def test_state_that_raises_harms_no_header(told: list[str]) -> None:
    """Flags and tracestate that cannot be read are left out; the ids go."""

    def send() -> dict[str, str]:
        context = {"is_valid": True, "trace_id": int(TRACE, 16), "span_id": int(SPAN, 16), "trace_flags": "no"}
        key = trace.set_span_in_context(trace.INVALID_SPAN)
        span = SimpleNamespace(get_span_context=lambda: SimpleNamespace(**context))
        otel.attach(type(key)(dict.fromkeys(key, span)))
        headers: dict[str, str] = {}
        dblog.inject(headers)
        return headers

    assert apart(send) == {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert told


@pytest.mark.parametrize("part", ["get_current", "attach", "detach"])
def test_a_runtime_context_that_raises_harms_nothing(
    part: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's context may be anybody's: a record, a header and a batch are made without it."""

    class Runtime:
        def get_current(self) -> Any:
            return {}

        def attach(self, context: Any) -> Any:
            return object()

        def detach(self, token: Any) -> None: ...

    def fail(*_: Any) -> Any:
        raise LookupError

    runtime = Runtime()
    setattr(runtime, part, fail)
    monkeypatch.setattr(otel, "_RUNTIME_CONTEXT", runtime)
    monkeypatch.setattr(otel, "detach", runtime.detach)
    monkeypatch.setattr(spans, "read", spans._find)
    assert logged(lambda: logger.warning("x")).trace_id is None
    dblog.inject({})
    assert told


def test_ctrl_c_passes() -> None:
    """What is no Exception goes through: a KeyboardInterrupt within a span reaches the caller, and is accounted for."""

    def log() -> None:
        key = trace.set_span_in_context(trace.INVALID_SPAN)
        otel.attach(type(key)({name: Hostile(KeyboardInterrupt()) for name in key}))
        logger.warning("x")

    with testing.recording() as recording:
        with pytest.raises(KeyboardInterrupt):
            apart(log)
        recording.wait()
        assert recording.handler.stats().failed_by == {"capture": 1}


def test_baggage_and_a_resource_that_raise_are_as_none(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What they hold is somebody's; the request goes on without."""
    monkeypatch.setattr(baggage, "get_all", lambda: {"k": Hostile(LookupError())})
    monkeypatch.setitem(vars(trace), "_TRACER_PROVIDER", Hostile(LookupError()))
    assert spans.baggage() == {}
    assert spans.resource() == {}
    assert len(told) == 2


# -- how it is found ----------------------------------------------------------------------------------------------


def test_another_runtime_context_is_asked_through_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenTelemetry keeps its context elsewhere than in a context variable of its own, the span is found too."""

    class Runtime:
        def __init__(self) -> None:
            self.stack = [otel.Context()]

        def get_current(self) -> Any:
            return self.stack[-1]

        def attach(self, context: Any) -> Any:
            self.stack.append(context)
            return len(self.stack)

        def detach(self, token: Any) -> None:
            self.stack.pop()

    monkeypatch.setattr(otel, "_RUNTIME_CONTEXT", Runtime())
    monkeypatch.setattr(spans, "read", spans._find)
    monkeypatch.setattr(spans, "key", spans.key)
    assert dblog.current().trace_id is None
    with tracer.start_as_current_span("s") as span:
        assert dblog.current().trace_id == ids_of(span)[0]
        assert spans.read is spans._ask
    assert dblog.current().trace_id is None


def test_an_api_that_is_still_being_imported_has_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record logged while another thread imports OpenTelemetry finds none, and the next looks again."""
    monkeypatch.setattr(spans, "read", spans._find)
    monkeypatch.setattr(trace.__spec__, "_initializing", True, raising=False)
    with tracer.start_as_current_span("s") as span:
        assert dblog.current().trace_id is None
        monkeypatch.undo()
        assert dblog.current().trace_id == ids_of(span)[0]


def test_dblog_loads_nothing_of_opentelemetry() -> None:
    """Logging, scopes and headers work without; the API is found when the application loads it later."""
    program = """
import logging, sys, dblog
from dblog.testing import recording
log = logging.getLogger("x")
with recording() as recorded:
    with dblog.bound(trace_id="1" * 32):
        log.warning("before")
        dblog.inject({})
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    from opentelemetry.sdk.trace import TracerProvider
    with TracerProvider().get_tracer("x").start_as_current_span("s") as span:
        log.warning("after")
    before, after = recorded.wait()
    assert before.trace_id == "1" * 32
    assert after.trace_id == format(span.get_span_context().trace_id, "032x")
"""
    done = subprocess.run([sys.executable, "-Werror", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_id_but_the_span_s_stays_the_scope_s() -> None:
    """Under a span the scope's other ids and attributes are on the record as ever."""
    others = {name: name for name in ID_FIELDS if name not in TRIPLE}

    def log() -> None:
        with dblog.bound(**others, order=7), tracer.start_as_current_span("s"):
            logger.warning("x")

    entry = logged(log)
    assert {name: getattr(entry, name) for name in others} == others
    assert entry.attributes == {"order": 7}
