"""Functions of every kind, each call of which runs with a context variable of its own.

A generator has it only while it runs: between its steps its caller sees the
caller's, which neither a ``with`` in its body nor ``contextvars`` alone can do.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from contextvars import ContextVar

__all__ = ["scoped"]

_T = TypeVar("_T")


def scoped(function: Callable[..., Any], variable: ContextVar[_T], scope: Callable[[], _T]) -> Callable[..., Any]:
    """The function with ``variable`` set to ``scope()`` in each call; of the same kind as ``inspect`` sees it."""

    def within() -> _Within[_T]:
        return _Within(variable, scope())

    if inspect.isasyncgenfunction(function):
        return _async_generator(function, within)
    if inspect.isgeneratorfunction(function):
        return _generator(function, within)
    return _coroutine(function, within) if inspect.iscoroutinefunction(function) else _function(function, within)


class _Within(Generic[_T]):
    """One call's value, set for each of its steps; what a step sets is still there in the next."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[_T], value: _T) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> Self:
        self._token = self._variable.set(self._value)
        return self

    def __exit__(self, *_: object) -> None:
        self._value = self._variable.get()
        try:
            self._variable.reset(self._token)
        except ValueError:
            # A coroutine nobody awaited to its end is closed wherever it is collected: nothing was set there.
            return


def _function(function: Callable[..., Any], within: Callable[[], _Within[_T]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with within():
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Awaitable[Any]], within: Callable[[], _Within[_T]]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with within():
            return await function(*args, **kwargs)

    return call


def _generator(
    function: Callable[..., Generator[Any, Any, Any]], within: Callable[[], _Within[_T]]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator, inside = function(*args, **kwargs), within()
        step: Callable[[], Any] = functools.partial(generator.send, None)
        while True:
            try:
                with inside:
                    item = step()
            except StopIteration as stop:
                return stop.value
            try:
                step = functools.partial(generator.send, (yield item))
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller: the generator's to handle
                step = functools.partial(generator.throw, error)

    return steps


def _async_generator(
    function: Callable[..., AsyncGenerator[Any, Any]], within: Callable[[], _Within[_T]]
) -> Callable[..., Any]:
    @functools.wraps(function)
    async def steps(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator, inside = function(*args, **kwargs), within()
        step: Callable[[], Awaitable[Any]] = functools.partial(generator.asend, None)
        while True:
            try:
                with inside:
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                step = functools.partial(generator.asend, (yield item))
            except BaseException as error:  # noqa: BLE001 - thrown in by the caller: the generator's to handle
                step = functools.partial(generator.athrow, error)

    return steps
