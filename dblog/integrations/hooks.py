"""What nobody caught, as log records: one call for Python's last resorts.

::

    dblog.integrations.hooks.capture_unhandled()

| hook | logger | level |
|---|---|---|
| ``warnings`` | ``py.warnings``, as ``logging.captureWarnings`` has it | WARNING |
| ``sys.excepthook`` | ``dblog.unhandled`` | CRITICAL |
| ``threading.excepthook`` | ``dblog.unhandled`` | ERROR |
| ``sys.unraisablehook`` | ``dblog.unhandled`` | ERROR |
| the running event loop's exception handler | ``asyncio``, as its default has it | ERROR |

Whoever was hooked before is called as if dblog were not there: warnings and tracebacks are still printed. The one
exception is an event loop without a handler, whose default does nothing but log to ``asyncio``: here that record is
made with the context's names as extras, once. Ctrl-C and ``SystemExit`` are no errors, and are passed on only.

The hooks log through ``logging``, so the records go where the configuration sends them. An error on this way is told
once on stderr; the hook before is called all the same.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings as python_warnings
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from dblog.diagnostics import complain
from dblog.texts import text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Captured", "capture_unhandled"]

_UNHANDLED: Final = "dblog.unhandled"
_SHOWN: Final = 1024
"""Characters of an object's text."""


class _Hook:
    """A function of ours in the place of another; inactive, it only passes on."""

    def __init__(self, holder: Any, name: str, record: Callable[..., None]) -> None:
        self._holder, self._name, self._record = holder, name, record
        self._before = getattr(holder, name)
        self._active = True
        setattr(holder, name, self)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if self._active:
            _guarded(self._name, self._record, *args, **keywords)
        return self._before(*args, **keywords)

    def undo(self) -> None:
        """Put the other back; where somebody hooked in after us, stay in the chain and only pass on."""
        self._active = False
        if getattr(self._holder, self._name) is self:
            setattr(self._holder, self._name, self._before)

    @classmethod
    def of(cls, holder: Any, name: str, record: Callable[..., None]) -> _Hook | None:
        """None where an active one is in place already."""
        there = getattr(holder, name)
        return None if isinstance(there, cls) and there._active else cls(holder, name, record)  # noqa: SLF001 - its own


class _LoopHook:
    """As ``_Hook``, of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._before, self.active = loop, loop.get_exception_handler(), True
        loop.set_exception_handler(self)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        recorded = self.active and _guarded("asyncio", _of_loop, context)
        if self._before is not None:
            self._before(loop, context)
        elif not recorded:
            loop.default_exception_handler(context)

    def undo(self) -> None:
        """See ``_Hook.undo``."""
        self.active = False
        if self._loop.get_exception_handler() is self:
            self._loop.set_exception_handler(self._before)


class _Undone(Protocol):
    def undo(self) -> None: ...


class Captured:
    """What ``capture_unhandled`` did; ``undo()`` ends it, and so does the end of a ``with`` block."""

    def __init__(self, hooks: list[_Undone]) -> None:
        self._hooks = hooks

    def undo(self) -> None:
        """Put back what was there before; any number of times."""
        while self._hooks:
            self._hooks.pop().undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


def capture_unhandled(
    *,
    warnings: bool = True,
    exceptions: bool = True,
    threads: bool = True,
    unraisable: bool = True,
    loop: bool | asyncio.AbstractEventLoop = True,
) -> Captured:
    """Log what nobody caught, from now on; a hook that is in place already is not put there twice.

    Args:
        warnings: ``warnings.showwarning``; left alone where ``logging.captureWarnings`` logs them already.
        exceptions: ``sys.excepthook``: what ends the program.
        threads: ``threading.excepthook``: what ends a thread.
        unraisable: ``sys.unraisablehook``: what happened in ``__del__`` and the like.
        loop: an event loop, or True for the one that runs now, if any: call it within ``asyncio.run`` for that. Loops
            without it log on ``asyncio`` by themselves, with the exception, but without the context's names.

    Returns:
        What undoes it.
    """
    hooks: list[_Undone | None] = []
    if warnings and python_warnings.showwarning is not getattr(logging, "_showwarning", None):
        hooks.append(_Hook.of(python_warnings, "showwarning", _of_warning))
    if exceptions:
        hooks.append(_Hook.of(sys, "excepthook", _of_exception))
    if threads:
        hooks.append(_Hook.of(threading, "excepthook", _of_thread))
    if unraisable:
        hooks.append(_Hook.of(sys, "unraisablehook", _of_unraisable))
    chosen = _running() if loop is True else loop or None
    if chosen is not None:
        there = chosen.get_exception_handler()
        if not (isinstance(there, _LoopHook) and there.active):
            hooks.append(_LoopHook(chosen))
    return Captured([hook for hook in hooks if hook is not None])


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _guarded(name: str, record: Callable[..., None], *args: Any, **keywords: Any) -> bool:
    try:
        record(*args, **keywords)
    except Exception as error:  # noqa: BLE001 - the hook before must be called
        complain("hooks", f"{name}: what was not caught could not be logged: {type(error).__name__}")
        return False
    return True


def _of_warning(  # noqa: PLR0917 - the hook's signature
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,  # noqa: ARG001 - as above
) -> None:
    logger = logging.getLogger("py.warnings")
    if file is not None or not logger.isEnabledFor(logging.WARNING):
        return
    extra = {"category": category.__name__}
    args = (category.__name__, text(message))
    logger.handle(logger.makeRecord(logger.name, logging.WARNING, filename, lineno, "%s: %s", args, None, extra=extra))


def _of_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger(_UNHANDLED).critical("unhandled %s", kind.__qualname__, exc_info=(kind, error, trace))


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if issubclass(args.exc_type, SystemExit | KeyboardInterrupt):
        return
    error = args.exc_value or args.exc_type()
    name = args.thread.name if args.thread is not None else "?"
    extra = {"thread_name": name}
    info = (args.exc_type, error, args.exc_traceback)
    logging.getLogger(_UNHANDLED).error(
        "unhandled %s in thread %s", args.exc_type.__qualname__, name, exc_info=info, extra=extra
    )


def _of_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    # Its text, never the object: that is perhaps being deleted, and would be kept alive.
    where = text(unraisable.object, _SHOWN)
    error = unraisable.exc_value
    info = None if error is None else (unraisable.exc_type, error, unraisable.exc_traceback)
    what = unraisable.err_msg or "Exception ignored in"
    logging.getLogger(_UNHANDLED).error("%s: %s", what, where, exc_info=info)


def _of_loop(context: dict[str, Any]) -> None:
    error = context.get("exception")
    info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    extra = {f"asyncio_{key}": text(value, _SHOWN) for key, value in context.items() if key not in _CONTEXT}
    message = context.get("message") or "Unhandled exception in event loop"
    logging.getLogger("asyncio").error("%s", message, exc_info=info, extra=extra)


_CONTEXT: Final = frozenset({"message", "exception"})
