"""``carry``: a scope goes along into a pool's threads and into other processes, and nothing comes back."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import dblog
from dblog import testing
from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from dblog.context import Context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
other: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="unset")
tracer = TracerProvider().get_tracer("shop")


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """The function's result, run in a context of its own."""
    return contextvars.Context().run(function, *args)


def seen(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """What a job sees; what it binds shall stay its own."""
    scope = dblog.current()
    told = (scope.as_dict(), dict(scope.baggage), scope.tracestate, scope.trace_flags, args, kwargs)
    dblog.bind(user_id="left behind", trash=1, baggage={"trash": "1"})
    return told


def failing(error: BaseException) -> None:
    raise error


json = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3) | st.lists(st.integers(0, 9), max_size=2)
)
fields = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.text("abc", max_size=3) for name in ID_FIELDS},
        "order": json,
        "tracestate": st.just("a=1"),
        "trace_flags": st.sampled_from(["00", "01"]),
        "baggage": st.dictionaries(st.sampled_from("xyz"), st.text(max_size=3)),
    },
)


@given(fields)
def test_a_scope_goes_through_threads_and_pickles(bound: dict[str, Any]) -> None:
    """Whatever is bound, a thread, and a pickle opened elsewhere, see all of it, at every call; arguments pass."""

    def carried() -> tuple[Any, tuple[Any, ...]]:
        with dblog.bound(**bound):
            return dblog.carry(seen), contextvars.copy_context().run(seen, 1, key=2)

    function, expected = apart(carried)
    parcel = pickle.loads(pickle.dumps(function))
    for each in (function, function, parcel, parcel, pickle.loads(pickle.dumps(parcel))):
        assert apart(each, 1, *())[:4] == expected[:4]
        assert apart(functools.partial(each, 1, key=2)) == expected
    assert dblog.current().as_dict() == {}


def test_jobs_of_a_pool_each_have_their_submitter_s_scope() -> None:
    """Of many jobs in a few threads none sees another's scope, nor what an earlier one left; other variables go too."""
    meet = threading.Barrier(4, timeout=10)

    def job(number: int) -> tuple[Any, ...]:
        meet.wait()
        return dblog.current().user_id, other.get(), seen()[4], dblog.current().attributes

    with ThreadPoolExecutor(4) as pool:
        waiting = []
        for number in range(40):
            token = other.set(f"o{number}")
            with dblog.bound(user_id=number):
                waiting.append(pool.submit(dblog.carry(job), number))
            other.reset(token)
        results = [each.result() for each in waiting]
        assert set(pool.map(lambda _: dblog.current().user_id, range(20))) == {None}
    assert results == [(str(number), f"o{number}", (), {"trash": 1}) for number in range(40)]


def test_one_carried_function_runs_in_many_threads_at_once() -> None:
    """Each call in a copy of its own: what one binds is not seen by another under way."""
    meet = threading.Barrier(8, timeout=10)

    def job(number: int) -> tuple[Any, ...]:
        dblog.bind(order=number)
        meet.wait()
        return dblog.current().user_id, dblog.current().attributes

    with dblog.bound(user_id="u"), ThreadPoolExecutor(8) as pool:
        results = list(pool.map(dblog.carry(job), range(64)))
    assert results == [("u", {"order": number}) for number in range(64)]


def test_the_scope_is_that_of_the_moment_it_is_carried() -> None:
    """What is bound between ``carry`` and the call is not in it."""
    with dblog.bound(user_id="then"):
        function = dblog.carry(seen)
        dblog.bind(user_id="now")
        assert function()[0] == {"user_id": "then"}


@pytest.mark.parametrize("parcel", [False, True])
@pytest.mark.parametrize("error", [LookupError("x"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_a_function_raises_comes_out(parcel: bool, error: BaseException) -> None:
    """The very exception; the caller's scope is untouched."""
    function = dblog.carry(failing)
    if parcel:
        function = pickle.loads(pickle.dumps(function))
    with pytest.raises(type(error)) as caught:
        function(error)
    assert caught.value is error
    assert dblog.current().as_dict() == {}


def logs(number: int) -> tuple[list[tuple[Any, ...]], str]:
    """In another process: what a job logs there, and what it sends on."""
    import logging

    headers: dict[str, str] = {}
    with testing.recording() as recorded:
        logging.getLogger("job").warning("%d", number)
        dblog.inject(headers)
        with dblog.bound():
            logging.getLogger("job").warning("%d", number)
        entries = recorded.wait()
    told = [(entry.user_id, entry.trace_id, entry.span_id, entry.parent_span_id) for entry in entries]
    return told, headers["baggage"]


def test_processes_log_with_the_scope_of_who_sent_the_job() -> None:
    """A job's records in another process carry the ids, those of an active span too; a scope within is a child."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with dblog.bound(user_id="u", trace_id=TRACE, span_id=SPAN, baggage={"a": "1"}):
            own = pool.submit(dblog.carry(logs), 1)
            with tracer.start_as_current_span("s") as span:
                theirs = pool.submit(dblog.carry(logs), 2)
        ((outer, inner), baggage), ((foreign, child), _) = own.result(40), theirs.result(40)
    context = span.get_span_context()
    assert outer == ("u", TRACE, SPAN, None)
    assert (inner[1], inner[3]) == (TRACE, SPAN)
    assert foreign == ("u", f"{context.trace_id:032x}", f"{context.span_id:016x}", None)
    assert (child[1], child[3]) == foreign[1:3]
    assert baggage == "a=1"


def test_a_thread_s_span_is_the_submitter_s() -> None:
    """OpenTelemetry's context goes along into a thread: its span is active there, and the parent of scopes."""

    def job() -> tuple[Any, Context]:
        with dblog.bound() as scope:
            return trace.get_current_span(), scope

    with tracer.start_as_current_span("s") as span, ThreadPoolExecutor(1) as pool:
        there, scope = pool.submit(dblog.carry(job)).result()
    assert there is span
    assert scope.parent_span_id == f"{span.get_span_context().span_id:016x}"


def test_what_runs_step_by_step_has_the_scope_at_each_step() -> None:
    """Coroutine functions and generators stay of their kind, and are in the scope while they run."""

    async def coroutine() -> str | None:
        await asyncio.sleep(0)
        return dblog.current().user_id

    def generator() -> Generator[str | None]:
        yield dblog.current().user_id
        yield dblog.current().user_id

    async def async_generator() -> AsyncGenerator[str | None]:
        yield dblog.current().user_id

    with dblog.bound(user_id="u"):
        carried: list[Any] = [dblog.carry(each) for each in (coroutine, generator, async_generator)]

    async def drive() -> list[Any]:
        return [await carried[0](), list(carried[1]()), [each async for each in carried[2]()], dblog.current().user_id]

    assert apart(asyncio.run, drive()) == ["u", ["u", "u"], ["u"], None]
    assert inspect.iscoroutinefunction(carried[0])


class Job:
    """A callable that is no function."""

    def __call__(self) -> str | None:
        return dblog.current().user_id


def test_any_callable_can_be_carried() -> None:
    """Methods, partials, classes and callables; a function keeps its name. What is none is refused."""
    with dblog.bound(user_id="u"):
        assert pickle.loads(pickle.dumps(dblog.carry(Job())))() == "u"
        assert dblog.carry(Job().__call__)() == "u"
        assert dblog.carry(functools.partial(seen, 7))()[4] == (7,)
        assert isinstance(dblog.carry(Job)(), Job)
    assert dblog.carry(seen).__name__ == "seen"
    with pytest.raises(ConfigurationError, match=r"carry\(int\) is not allowed: give a function"):
        dblog.carry(7)  # type: ignore[type-var]  # it is what is tested


def test_a_carried_function_can_be_carried_on() -> None:
    """The scope of the inner ``carry`` is the one it runs in: it is the nearer one."""
    with dblog.bound(user_id="first"):
        function = dblog.carry(seen)
    with dblog.bound(user_id="second", order=7):
        assert dblog.carry(function)()[0] == {"user_id": "first"}
