"""The trace context: nearest scope wins, leaving restores exactly, nothing leaks between threads or tasks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dblog.context import NO_IDS, Context, bind, bound, current, extract, inject, new_trace, reset, unbind
from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    """Each test starts and ends without a scope."""
    assert current() == Context()
    before = current()
    token = bind()
    yield
    reset(token)
    assert current() is before


def apart(function: Callable[[], Any]) -> Any:
    """The function's result, run in a context of its own: what it leaves bound does not stay."""
    return contextvars.Context().run(function)


def sent(ids: Mapping[str, Any], headers: dict[str, str]) -> dict[str, str]:
    """The headers as they leave a scope with these ids."""

    def send() -> None:
        bind(**ids)
        inject(headers)

    apart(send)
    return headers


hex32 = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda x: x.strip("0"))
hex16 = st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda x: x.strip("0"))
plain_ids = [name for name in ID_FIELDS if name not in {"trace_id", "span_id", "parent_span_id"}]
names = st.sampled_from([*plain_ids, "order", "tenant", "a-b c"])
simple = st.none() | st.text("abc", max_size=3) | st.integers(0, 9).map(str)
fields = st.dictionaries(names, simple, max_size=4)


class Scopes(RuleBasedStateMachine):
    """Any sequence of bind, unbind, reset, entering and leaving, against a stack of dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.context = contextvars.Context()
        self.model: list[dict[str, object]] = [{}]
        self.open: list[tuple[bound, Context]] = []
        self.shared = bound(tenant="shared")

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.context.run(function, *args, **kwargs)

    def put(self, changes: dict[str, Any]) -> None:
        merged = {**self.model[-1], **changes}
        self.model[-1] = {name: value for name, value in merged.items() if value is not None}

    def enter(self, scope: bound, changes: dict[str, Any]) -> None:
        before = self.run(current)
        self.run(scope.__enter__)
        self.open.append((scope, before))
        self.model.append(dict(self.model[-1]))
        self.put(changes)

    @rule(changes=fields)
    def bind(self, changes: dict[str, Any]) -> None:
        self.run(bind, **changes)
        self.put(changes)

    @rule(changes=fields)
    def bind_and_reset(self, changes: dict[str, Any]) -> None:
        before = self.run(current)
        token = self.run(bind, **changes)
        self.run(reset, token)
        assert self.run(current) is before

    @rule(gone=st.lists(names, max_size=3))
    def unbind(self, gone: list[str]) -> None:
        self.run(unbind, *gone)
        self.put(dict.fromkeys(gone))

    @rule(changes=fields)
    def enter_new(self, changes: dict[str, Any]) -> None:
        self.enter(bound(**changes), changes)

    @rule()
    def enter_shared(self) -> None:
        self.enter(self.shared, {"tenant": "shared"})

    @precondition(lambda self: self.open)
    @rule()
    def leave(self) -> None:
        scope, before = self.open.pop()
        self.run(scope.__exit__, None, None, None)
        self.model.pop()
        assert self.run(current) is before

    @invariant()
    def the_nearest_scope_wins(self) -> None:
        scope = self.run(current)
        assert scope.as_dict() == self.model[-1]
        assert (scope.ids is NO_IDS) == (not any(name in self.model[-1] for name in ID_FIELDS))
        assert scope.attributes is None or scope.attributes


def test_scopes_behave_as_a_stack_of_dicts() -> None:
    """Nearest scope wins, None unbinds, leaving gives back the very object that was there; one instance may nest."""
    run_state_machine_as_test(Scopes)


@given(st.lists(st.sampled_from(["span", "given", "other", "attributes"]), max_size=8))
def test_within_a_trace_each_scope_is_a_span_of_the_one_around_it(shape: list[str]) -> None:
    """Every bound has its own span; its parent is the outer span if that is of the same trace, else none."""

    def descend(rest: list[str], seen: set[str | None]) -> None:
        if not rest:
            return
        outer = current()
        given: dict[str, dict[str, Any]] = {
            "span": {},
            "given": {"span_id": f"given-{len(rest)}"},
            "other": {"trace_id": f"{len(rest):032x}"},
            "attributes": {"order": 1},
        }
        with bound(**given[rest[0]]) as scope:
            assert scope is current()
            assert scope.span_id not in seen
            if rest[0] == "other":
                assert (scope.trace_id, scope.parent_span_id) == (f"{len(rest):032x}", None)
            else:
                assert (scope.trace_id, scope.parent_span_id) == (outer.trace_id, outer.span_id)
            descend(rest[1:], seen | {scope.span_id})
        assert current() is outer

    def start() -> None:
        new_trace()
        descend(shape, {current().span_id})

    apart(start)


def test_without_a_trace_no_span_is_made_up() -> None:
    """Outside of a trace bound adds no span; one given still gets the outer one as its parent."""
    with bound(user_id="u") as scope:
        assert scope.ids == ("u", *NO_IDS[1:])
    with bound(span_id="s1") as outer, bound(user_id="u") as same, bound(span_id="s2") as inner:
        assert outer.parent_span_id is None
        assert (same.span_id, same.parent_span_id) == ("s1", None)
        assert (inner.span_id, inner.parent_span_id) == ("s2", "s1")


def test_given_span_ids_are_kept() -> None:
    """Explicit span and parent ids win; the outer span given again is that span still; None leaves the span out."""
    with bound(trace_id="t", span_id="s", parent_span_id="p") as scope:
        assert (scope.trace_id, scope.span_id, scope.parent_span_id) == ("t", "s", "p")
        with bound(span_id="s") as again:
            assert (again.span_id, again.parent_span_id) == ("s", "p")
        with bound(parent_span_id=None) as root:
            assert root.span_id not in {"s", None}
            assert root.parent_span_id is None
        with bound(span_id=None) as without:
            assert (without.trace_id, without.span_id, without.parent_span_id) == ("t", None, None)


def test_a_new_trace_is_fresh_and_valid() -> None:
    """new_trace binds a W3C trace id and span id of its own, without a parent, and returns the trace id."""
    with bound(trace_id="t", parent_span_id="p"):
        traces = {new_trace(order=1) for _ in range(100)}
        scope = current()
    assert len(traces) == 100
    assert scope.trace_id in traces
    assert scope.parent_span_id is None
    assert scope.attributes == {"order": 1}
    assert extract(sent({"trace_id": scope.trace_id, "span_id": scope.span_id}, {})) == {
        "trace_id": scope.trace_id,
        "parent_span_id": scope.span_id,
        "trace_flags": "01",
    }


@pytest.mark.parametrize("name", ["trace_id", "span_id", "parent_span_id"])
def test_a_new_trace_takes_no_span_ids(name: str) -> None:
    """What new_trace makes itself cannot be given; the message says what to use."""
    with pytest.raises(ConfigurationError, match=rf"makes {name} itself: use bind\({name}="):
        new_trace(**{name: "x"})


@pytest.mark.parametrize("use", [bind, bound, new_trace])
def test_dblog_is_reserved(use: Callable[..., Any]) -> None:
    """A field called dblog would collide with dblog's own flags: it is refused, and nothing is bound."""
    before = current()
    with pytest.raises(ConfigurationError, match=r"'dblog'.*reserved"):
        use(user_id="u", dblog=1)
    assert current() is before


def test_values_are_fixed_when_they_are_bound() -> None:
    """Attributes are encoded at once: later changes are not seen, hostile values are readable, bounds hold."""
    items = [1]
    with bound(items=items, nan=float("nan"), text="a\0\ud800", big="x" * 100_000, own=1.5, yes=True) as scope:
        items.append(2)
        attributes = dict(scope.attributes or {})
        assert len(str(attributes.pop("big"))) == 65536
        assert attributes == {"items": [1], "nan": "NaN", "text": "a\u2400\ufffd", "own": 1.5, "yes": True}


def test_ids_are_text() -> None:
    """Strings are kept; ints, UUIDs and anything else become text, storable and of at most 512 characters."""
    unique = uuid.uuid4()
    with bound(user_id=17, session_id=unique, task_id="\0\ud800", context_id="x" * 9999, client_id="") as scope:
        assert (scope.user_id, scope.session_id, scope.task_id) == ("17", str(unique), "\u2400\ufffd")
        assert len(scope.context_id or "") == 512
        assert scope.client_id == ""


def test_every_id_has_its_property() -> None:
    """The properties name the ids in the order of ID_FIELDS."""
    scope = Context(tuple(ID_FIELDS))
    assert [getattr(scope, name) for name in ID_FIELDS] == list(ID_FIELDS)
    assert scope.as_dict() == {name: name for name in ID_FIELDS}


def test_reset_is_as_strict_as_contextvars() -> None:
    """A token is good once, and only where it was made."""
    token = bind(user_id="u")
    reset(token)
    with pytest.raises(RuntimeError):
        reset(token)
    foreign = apart(lambda: bind(user_id="u"))
    with pytest.raises(ValueError, match="different Context"):
        reset(foreign)


def test_leaving_in_another_context_does_no_harm() -> None:
    """A framework that leaves a block in another context than it entered it meets no error, and undoes nothing."""
    scope = bound(user_id="u")
    apart(scope.__enter__)
    with bound(user_id="mine") as mine:
        scope.__exit__(None, None, None)
        assert current() is mine


def test_a_decorated_function_has_a_scope_per_call() -> None:
    """Each call is a span of its own, recursion included; the function keeps its name; errors leave the scope too."""

    @bound(tenant="t")
    def descend(depth: int) -> list[tuple[str | None, str | None]]:
        bind(user_id=depth)
        scope = current()
        assert scope.attributes == {"tenant": "t"}
        return [(scope.span_id, scope.parent_span_id), *(descend(depth - 1) if depth else [])]

    @bound()
    def fail() -> None:
        raise LookupError

    assert descend.__name__ == "descend"
    with bound(trace_id=TRACE) as outer:
        spans = descend(3)
        with pytest.raises(LookupError):
            fail()
        assert current() is outer
    assert [parent for _, parent in spans] == [outer.span_id, *[span for span, _ in spans[:-1]]]
    assert len({span for span, _ in spans}) == 4


def test_a_decorated_generator_has_its_scope_only_while_it_runs() -> None:
    """Between its steps the caller sees its own scope; inside, one scope lasts; send, throw and return work."""

    @bound(user_id="inside")
    def generator() -> Generator[object, str, str]:
        scope = current()
        got = yield scope.user_id
        assert current() is scope
        bind(order=got)
        try:
            yield current().attributes
        except LookupError:
            yield current().attributes
        return "end"

    with bound(user_id="outside") as outside:
        steps = generator()
        assert next(steps) == "inside"
        assert current() is outside
        with bound(user_id="elsewhere"):
            assert steps.send("x") == {"order": "x"}
        assert current() is outside
        assert steps.throw(LookupError()) == {"order": "x"}
        with pytest.raises(StopIteration) as stopped:
            next(steps)
        assert stopped.value.value == "end"
        assert current() is outside


def test_closing_a_decorated_generator_runs_its_cleanup_in_its_scope() -> None:
    """close() reaches the generator's own finally, within its scope."""
    seen: list[str | None] = []

    @bound(user_id="inside")
    def generator() -> Generator[int]:
        try:
            yield 1
        finally:
            seen.append(current().user_id)

    steps = generator()
    next(steps)
    steps.close()
    assert seen == ["inside"]
    assert current().user_id is None


def test_decorated_coroutines_and_async_generators() -> None:
    """A coroutine has its scope across its awaits; an asynchronous generator only while it runs, cleanup included."""
    seen: list[str | None] = []

    @bound(user_id="inside")
    async def coroutine() -> str | None:
        await asyncio.sleep(0)
        return current().user_id

    @bound(user_id="inside")
    async def generator() -> AsyncGenerator[str | None, str | None]:
        try:
            got = yield current().user_id
            await asyncio.sleep(0)
            bind(session_id=got)
            yield current().session_id
        finally:
            seen.append(current().session_id)

    async def main() -> None:
        with bound(user_id="outside") as outside:
            assert await coroutine() == "inside"
            steps = generator()
            assert await anext(steps) == "inside"
            assert current() is outside
            assert await steps.asend("x") == "x"
            assert current() is outside
            await steps.aclose()
            assert [item async for item in generator()] == ["inside", None]
            assert current() is outside

    asyncio.run(main())
    assert seen == ["x", None]


def test_a_coroutine_closed_elsewhere_does_no_harm() -> None:
    """A coroutine nobody awaited to its end is closed in whatever context collects it: no error, nothing undone."""

    class Pause:
        def __await__(self) -> Generator[None]:
            yield

    @bound(user_id="inside")
    async def coroutine() -> None:
        await Pause()

    running = coroutine()
    apart(lambda: running.send(None))
    with bound(user_id="mine") as mine:
        running.close()
        assert current() is mine


def test_a_decorated_function_stays_of_its_kind() -> None:
    """Frameworks look at a function before they call it: what bound returns looks as what it was given."""

    def function() -> None: ...
    def generator() -> Generator[None]:
        yield

    async def coroutine() -> None: ...
    async def async_generator() -> AsyncGenerator[None]:
        yield

    kinds = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    for plain in (function, generator, coroutine, async_generator):
        decorated: Callable[..., Any] = bound()(plain)
        assert [kind(decorated) for kind in kinds] == [kind(plain) for kind in kinds]
        assert inspect.signature(decorated) == inspect.signature(plain)


def test_tasks_see_their_creators_scope_and_keep_their_own() -> None:
    """Of tasks interleaved at every step each sees what it bound, over what was bound when it was created."""

    async def worker(number: int, turn: asyncio.Barrier, shared: bound) -> list[object]:
        seen: list[object] = []
        with bound(user_id=number), shared as mine:
            for step in range(5):
                await turn.wait()
                bind(order=step)
                await turn.wait()
                seen.append((current().user_id, current().trace_id, current().parent_span_id, current().attributes))
            assert current().span_id == mine.span_id
        assert current().user_id is None
        return seen

    async def main() -> None:
        turn, shared = asyncio.Barrier(20), bound(tenant="t", span_id="s", parent_span_id="p")
        with bound(trace_id=TRACE):
            tasks = [asyncio.create_task(worker(number, turn, shared)) for number in range(20)]
        assert current().trace_id is None
        for number, task in enumerate(tasks):
            expected = [(str(number), TRACE, "p", {"tenant": "t", "order": step}) for step in range(5)]
            assert await task == expected

    asyncio.run(main())


def test_to_thread_carries_the_scope_and_nothing_comes_back() -> None:
    """asyncio.to_thread runs with the task's scope; what it binds stays there."""

    async def main() -> None:
        with bound(user_id="u") as scope:
            assert await asyncio.to_thread(lambda: (bind(session_id="s"), current().user_id)[1]) == "u"
            assert current() is scope

    asyncio.run(main())


def test_threads_of_a_pool_do_not_share_scopes() -> None:
    """A pool's threads see neither their caller's scope nor each other's, nor what an earlier job's bound left."""
    meet = threading.Barrier(4, timeout=10)
    shared = bound(tenant="shared")

    def job(number: int) -> tuple[object, ...]:
        before = current().as_dict()
        with bound(user_id=number), shared:
            meet.wait()
            inside = current().as_dict()
            meet.wait()
        return before, inside, current().as_dict()

    with bound(user_id="caller"), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(job, range(40)))
    assert results == [({}, {"user_id": str(number), "tenant": "shared"}, {}) for number in range(40)]


@given(hex32, hex16)
def test_what_is_injected_is_extracted(trace_id: str, span_id: str) -> None:
    """inject and extract are inverse: the other side continues the trace under the span that called it."""
    headers = sent({"trace_id": trace_id, "span_id": span_id}, {"TraceParent": "stale", "accept": "*/*"})
    assert headers == {"traceparent": f"00-{trace_id}-{span_id}-01", "accept": "*/*"}
    with bound(**extract(headers)) as scope:
        assert (scope.trace_id, scope.parent_span_id) == (trace_id, span_id)
        assert scope.span_id not in {span_id, None}


@pytest.mark.parametrize(
    "ids",
    [
        {},
        {"trace_id": TRACE},
        {"span_id": SPAN},
        {"trace_id": TRACE.upper(), "span_id": SPAN},
        {"trace_id": TRACE[1:], "span_id": SPAN},
        {"trace_id": TRACE, "span_id": SPAN + "0"},
        {"trace_id": "0" * 32, "span_id": SPAN},
        {"trace_id": TRACE, "span_id": "0" * 16},
        {"trace_id": uuid.uuid4(), "span_id": SPAN},
        {"trace_id": TRACE, "span_id": f"{SPAN}\r\nx: y"},
        {"trace_id": TRACE, "span_id": f"{SPAN}\n"},
        {"trace_id": TRACE, "span_id": f"{SPAN}-00-{SPAN}"},
    ],
)
def test_only_valid_ids_are_injected(ids: dict[str, Any]) -> None:
    """Ids W3C would refuse, or that would forge a header, leave the headers as they are."""
    assert sent(ids, {"accept": "*/*"}) == {"accept": "*/*"}


VALID = [
    f"00-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-ff",
    f"  00-{TRACE}-{SPAN}-01\t",
    f"01-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    f"fe-{TRACE}-{SPAN}-01-",
]
FLAGGED = {VALID[1]: "00", VALID[2]: "03"}
INVALID = [
    "",
    "00",
    "foo",
    f"ff-{TRACE}-{SPAN}-01",
    f"0-{TRACE}-{SPAN}-01",
    f"000-{TRACE}-{SPAN}-01",
    f".0-{TRACE}-{SPAN}-01",
    f"0G-{TRACE}-{SPAN}-01",
    f"CC-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-01.",
    f"cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like",
    f"cc-{TRACE}-{SPAN}-011",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}-001",
    f"00-{TRACE}-{SPAN}-0G",
    f"00-{TRACE}-{SPAN}-.0",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN.upper()}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE}0-{SPAN}-01",
    f"00-.{TRACE[1:]}-{SPAN}-01",
    f"00-{TRACE}-{SPAN[:-1]}-01",
    f"00-{TRACE}-{SPAN}0-01",
    f"00-{TRACE}-.{SPAN[1:]}-01",
    f"00_{TRACE}_{SPAN}_01",
    f"00-{TRACE}-{SPAN}-01\n",
    f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
    f"00-{TRACE.replace('1', '١')}-{SPAN}-01",
]


@pytest.mark.parametrize("value", VALID)
@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TraceParent", "TRACEPARENT"])
def test_a_valid_traceparent_is_read(name: str, value: str) -> None:
    """W3C's valid headers, in any case of the name; versions and flags as far as they are known."""
    flags = FLAGGED.get(value, "01")
    assert extract({"accept": "*/*", name: value}) == {"trace_id": TRACE, "parent_span_id": SPAN, "trace_flags": flags}


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_traceparent_is_as_none(value: str) -> None:
    """W3C's invalid headers give nothing, so the trace starts anew; never an error."""
    assert extract({"traceparent": value}) == {}


@pytest.mark.parametrize(
    "headers", [{}, {"trace-parent": VALID[0]}, {"traceparent": VALID[0], "Traceparent": VALID[0]}]
)
def test_no_traceparent_or_two_is_as_none(headers: dict[str, str]) -> None:
    """Another name is not read; of two headers neither is trusted."""
    assert extract(headers) == {}


@given(st.text() | st.text("0123456789abcdefF-. ", max_size=60))
def test_extract_never_raises(value: str) -> None:
    """Any header value gives a valid pair of ids or nothing, and what it gives can be injected again."""
    ids = extract({"traceparent": value})
    if ids:
        again = {"trace_id": ids["trace_id"], "span_id": ids["parent_span_id"], "trace_flags": ids["trace_flags"]}
        assert extract(sent(again, {})) == ids


def test_importing_the_context_loads_no_sqlalchemy() -> None:
    """The context is cheap to import: no database library, no dblog room that needs one."""
    code = "import sys, dblog.context; print([m for m in ('sqlalchemy', 'alembic', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
