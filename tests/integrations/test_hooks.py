"""What nobody caught: each last resort of Python logs it, and whoever was there before is still called."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from dblog.diagnostics import _last
from dblog.integrations import hooks
from dblog.integrations.hooks import capture_unhandled
from tests.caught import Caught

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Before:
    """What was hooked before us."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *args: Any, **_: Any) -> None:
        self.calls.append(args)


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Before:
    made = Before()
    for holder, name in (
        (warnings, "showwarning"),
        (sys, "excepthook"),
        (threading, "excepthook"),
        (sys, "unraisablehook"),
    ):
        monkeypatch.setattr(holder, name, made)
    return made


@pytest.fixture
def handler(before: Before) -> Iterator[Caught]:
    """On the root logger, with everything captured."""
    made = Caught()
    logging.root.handlers[:] = [made]
    with capture_unhandled():
        yield made
    made.close()


def fail() -> None:
    raise LookupError("no such order")


def caught(kind: type[BaseException] = LookupError) -> tuple[Any, ...]:
    try:
        raise kind("no such order")
    except BaseException:
        return sys.exc_info()


def warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)


class Doomed:
    def __del__(self) -> None:
        fail()


def in_thread(function: Any, name: str = "worker") -> None:
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join()


def delete() -> None:
    Doomed()
    gc.collect()


def test_warnings(handler: Caught, before: Before) -> None:
    """Logger ``py.warnings`` as logging has it; place, category and text of the warning; printed all the same."""
    warn()
    entry = handler.only()
    assert (entry.logger, entry.level, entry.message) == ("py.warnings", "WARNING", "DeprecationWarning: old")
    assert (entry.pathname, entry.template) == (__file__, "%s: %s")
    assert entry.lineno is not None
    assert entry.attributes == {"category": "DeprecationWarning"}
    assert len(before.calls) == 1


def test_a_warning_meant_for_a_file_goes_there_only(handler: Caught, before: Before) -> None:
    """``showwarning(file=…)`` is printing on purpose."""
    warnings.showwarning("old", UserWarning, "x.py", 1, sys.stderr)
    assert handler.take() == []
    assert len(before.calls) == 1


@pytest.mark.parametrize("first", [True, False])
def test_warnings_that_logging_captures_are_not_logged_twice(first: bool, before: Before) -> None:
    """``logging.captureWarnings``, whether it was called before or after."""
    handler = Caught()
    logging.root.handlers[:] = [handler]
    if first:
        logging.captureWarnings(capture=True)
    with capture_unhandled():
        if not first:
            logging.captureWarnings(capture=True)
        warn()
        assert handler.only().logger == "py.warnings"
        logging.captureWarnings(capture=False)
    handler.close()


def test_the_end_of_a_program(handler: Caught, before: Before) -> None:
    """CRITICAL, with the exception."""
    info = caught()
    sys.excepthook(*info)
    entry = handler.only()
    assert (entry.logger, entry.level, entry.message) == ("dblog.unhandled", "CRITICAL", "unhandled LookupError")
    assert (entry.exc_type, entry.exc_message) == ("LookupError", "no such order")
    assert before.calls == [info]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_being_ended_is_no_error(kind: type[BaseException], handler: Caught, before: Before) -> None:
    """Ctrl-C and ``SystemExit`` are passed on, in the program and in a thread."""
    sys.excepthook(*caught(kind))
    threading.excepthook(threading.ExceptHookArgs((*caught(kind), None)))
    assert handler.take() == []
    assert len(before.calls) == 2


def test_the_end_of_a_thread(handler: Caught, before: Before) -> None:
    """ERROR, with the thread's name and the exception."""
    in_thread(fail)
    entry = handler.only()
    assert (entry.level, entry.message) == ("ERROR", "unhandled LookupError in thread worker")
    assert (entry.exc_type, entry.thread) == ("LookupError", "worker")
    assert entry.attributes == {"thread_name": "worker"}
    assert len(before.calls) == 1


def test_what_cannot_be_raised(handler: Caught, before: Before) -> None:
    """An exception of ``__del__``, with the text of what it was in; the object itself is let go."""
    delete()
    entry = handler.only()
    assert (entry.level, entry.exc_type) == ("ERROR", "LookupError")
    assert entry.message.startswith("Exception ignored in: <function Doomed.__del__")
    assert len(before.calls) == 1


async def test_a_task_nobody_awaited(handler: Caught) -> None:
    """On ``asyncio``, once, with the context's names; the loop's default, which does the same, is not called."""
    with capture_unhandled(warnings=False, exceptions=False, threads=False, unraisable=False):
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        entries = [entry for entry in handler.take() if entry.level == "ERROR"]
    assert len(entries) == 1
    assert (entries[0].logger, entries[0].exc_type) == ("asyncio", "LookupError")
    assert entries[0].message.startswith("Exception in callback fail()")
    assert "asyncio_handle" in entries[0].attributes


async def test_a_loop_s_own_handler_is_called_too(handler: Caught) -> None:
    """It comes after the record; undone, it is back in its place."""
    loop, own = asyncio.get_running_loop(), Before()
    loop.set_exception_handler(own)
    captured = capture_unhandled(loop=loop)
    loop.call_exception_handler({"message": "odd", "exception": None, "task": 3})
    assert handler.take()[-1].message == "odd"
    assert len(own.calls) == 1
    captured.undo()
    assert loop.get_exception_handler() is own
    loop.set_exception_handler(None)


def test_twice_is_once(handler: Caught, before: Before) -> None:
    """What is in place is not put there again, and undoing the second leaves the first."""
    capture_unhandled().undo()
    sys.excepthook(*caught())
    in_thread(fail)
    assert len(handler.take()) == 2
    assert len(before.calls) == 2


def test_undo_puts_everything_back(before: Before) -> None:
    """Any number of times; and in the right order with whoever hooked in later."""
    captured = capture_unhandled()
    ours = sys.excepthook
    assert {type(hook).__name__ for hook in (warnings.showwarning, threading.excepthook, sys.unraisablehook)} == {
        "_Hook"
    }
    later = Before()
    sys.excepthook = later
    captured.undo()
    captured.undo()
    assert sys.excepthook is later
    there: list[Any] = [warnings.showwarning, threading.excepthook, sys.unraisablehook]
    assert there == [before] * 3
    handler = Caught()
    logging.root.handlers[:] = [handler]
    ours(*caught())  # which the later one may have kept, to call it
    assert handler.take() == []
    assert len(before.calls) == 1
    handler.close()


@pytest.mark.parametrize("part", ["warnings", "exceptions", "threads", "unraisable"])
def test_each_part_can_be_left_out(part: str, before: Before) -> None:
    """What is not wanted is not touched."""
    hooked: dict[str, Callable[[], Any]] = {
        "warnings": lambda: warnings.showwarning,
        "exceptions": lambda: sys.excepthook,
        "threads": lambda: threading.excepthook,
        "unraisable": lambda: sys.unraisablehook,
    }
    with capture_unhandled(**{part: False}):
        assert {name for name, hook in hooked.items() if hook() is before} == {part}


CASES = {
    "_of_warning": warn,
    "_of_exception": lambda: sys.excepthook(*caught()),
    "_of_thread": lambda: in_thread(fail),
    "_of_unraisable": delete,
}


@pytest.mark.parametrize("part", CASES)
def test_what_raises_here_keeps_nobody_from_being_called(
    part: str, before: Before, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once on stderr, and the hook before us is called each time."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(hooks, part, broken)
    _last.pop("hooks", None)
    with capture_unhandled():
        CASES[part]()
        CASES[part]()
    assert capsys.readouterr().err.count("could not be logged: RuntimeError") == 1
    assert len(before.calls) == 2


async def test_a_loop_s_default_steps_in_where_we_fail(
    handler: Caught, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a handler of its own the loop's default makes the record then."""

    def broken(_context: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(hooks, "_of_loop", broken)
    _last.pop("hooks", None)
    with capture_unhandled():
        asyncio.get_running_loop().call_exception_handler({"message": "odd"})
    assert handler.take()[-1].message == "odd"
    assert "could not be logged" in capsys.readouterr().err


def test_a_program_that_dies_has_its_last_words_stored(sqlite_url: str) -> None:
    """In a real process: the exception that ends it, a thread's and a warning are rows, and are printed as ever."""
    code = (
        "import sys, logging, threading, warnings, dblog\n"
        "from dblog.integrations.hooks import capture_unhandled\n"
        "logging.root.addHandler(dblog.DatabaseHandler(sys.argv[1]))\n"
        "capture_unhandled()\n"
        "warnings.warn('old', DeprecationWarning)\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='worker'); thread.start(); thread.join()\n"
        "raise LookupError('the end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, sqlite_url], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for printed in ("DeprecationWarning: old", "Exception in thread worker", "LookupError: the end"):
        assert printed in done.stderr
    from dblog import SyncLogReader

    with SyncLogReader(sqlite_url) as reader:
        rows = {entry.message: entry.exc_type for entry in reader.search("").entries}
    assert rows == {
        "DeprecationWarning: old": None,
        "unhandled ZeroDivisionError in thread worker": "ZeroDivisionError",
        "unhandled LookupError": "LookupError",
    }
