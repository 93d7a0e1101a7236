"""A function that takes the scope of whoever hands it over along: into a pool's threads, and into other processes."""

from __future__ import annotations

import contextvars
import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dblog.errors import ConfigurationError
from dblog.scoped import scoped
from dblog.scopes import Context, effective, scope_var

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["carry"]

_F = TypeVar("_F", bound="Callable[..., Any]")


def carry(function: _F) -> _F:
    """The function, to be called by other threads or processes, in the scope of whoever calls ``carry``.

    ::

        pool.submit(dblog.carry(send_mail), address)   # logs with the caller's ids

    Each call runs in a copy of the caller's ``contextvars`` as they are now, OpenTelemetry's span included: it may be
    called any number of times, by several threads at once, and what it binds does not stay. It can be pickled where
    the function can; in another process it runs in dblog's scope, of which the ids of an active span are part.
    A coroutine function or a generator, which runs when somebody else drives it, runs in dblog's scope too.

    Not a decorator: the scope is that of the moment ``carry`` is called.

    Args:
        function: anything that can be called.

    Raises:
        ConfigurationError: it cannot be called.
    """
    if not callable(cast("object", function)):
        msg = f"carry({type(function).__name__}) is not allowed: give a function, or another callable"
        raise ConfigurationError(msg)
    scope = effective(scope_var.get())
    driven = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(kind(function) for kind in driven):
        return cast("_F", scoped(function, scope_var, lambda: scope))
    return cast("_F", _Carrier(function, scope, contextvars.copy_context()))


class _Carrier:
    """A function and where it runs: in a copy of ``context``, or where that is not to be had in ``scope``."""

    def __init__(
        self, function: Callable[..., Any], scope: Context, context: contextvars.Context | None = None
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._scope, self._context = function, scope, context

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._context is not None:
            return self._context.copy().run(self._function, *args, **kwargs)
        return contextvars.copy_context().run(self._arrived, args, kwargs)

    def _arrived(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        scope_var.set(self._scope)
        return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        scope = self._scope
        if scope.carried is not None:  # a span is no luggage: there it is not the active one
            scope = scope._replace(carried=scope.carried._replace(under=None))
        return _Carrier, (self._function, scope)
