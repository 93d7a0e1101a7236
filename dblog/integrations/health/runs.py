"""Running checks: at once, each within its time, never twice at the same time.

A check that waits runs in a daemon thread of its own, a coroutine function in the
server's event loop (in a thread where there is none). One that does not come back
fails at its timeout; until it does come back, asking again starts no second run and
fails at once. What a check gave is kept for a moment, so that several probes are one query.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dblog.integrations.health.results import Result, failed, is_async, result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from dblog.integrations.health.results import Check

__all__ = ["Running", "run_all", "run_all_async"]

_logger = logging.getLogger("dblog.health")


class _Run:
    """One run of a check; ``future`` is done when it has come back, however late."""

    def __init__(self, timeout: float, loop: asyncio.AbstractEventLoop | None) -> None:
        self.since = time.monotonic()
        self.deadline = self.since + timeout
        self.future: Future[Result] = Future()
        self.loop = loop
        self.task: asyncio.Task[None] | None = None

    @property
    def lost(self) -> bool:
        """Its event loop is closed: it will never come back."""
        return not self.future.done() and self.loop is not None and self.loop.is_closed()

    def end(self, result: Result) -> None:
        took = round((time.monotonic() - self.since) * 1000, 1)
        self.future.set_result(replace(result, latency_ms=took))


class Running:
    """A named check, its timeout, its run under way and its last result.

    Args:
        name: as shown.
        check: what to run.
        timeout: seconds.
        keep: seconds for which a result is given again.
    """

    def __init__(self, name: str, check: Check, timeout: float, keep: float) -> None:
        self.name = name
        self.timeout = timeout
        self._check = check
        self._keep = keep
        self._is_async = is_async(check)
        self._fails = False
        self.after_fork()
        _alive.add(self)

    def after_fork(self) -> None:
        """In a forked child: the run under way is the parent's."""
        self._lock = threading.Lock()
        self._run: _Run | None = None

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> _Run:
        """The run to wait for: a new one, the one under way, or the last one while its result is fresh."""
        with self._lock:
            run = self._run
            if run is not None and not run.lost and (not run.future.done() or self._is_fresh(run)):
                return run
            in_loop = loop if self._is_async else None
            run = self._run = _Run(self.timeout, in_loop)
        if in_loop is not None:
            run.task = in_loop.create_task(self._work_async(run))
        else:
            try:
                threading.Thread(target=self._work, args=(run,), name=f"health {self.name}", daemon=True).start()
            except RuntimeError:  # no more threads can be had
                run.end(failed("could not be started"))
        return run

    def result(self, run: _Run) -> Result:
        """What it has come to by now; a fail where it has not come back."""
        if run.future.done():
            result = run.future.result()
        else:
            if run.task is not None and run.loop is not None:
                with suppress(RuntimeError):  # its loop is closed
                    run.loop.call_soon_threadsafe(run.task.cancel)
            result = replace(failed(f"no answer within {self.timeout:g} s"), latency_ms=round(self.timeout * 1000, 1))
        if self._fails != (result.status == "fail"):
            self._fails = not self._fails
            say = _logger.warning if self._fails else _logger.info
            say("health check %s: %s", self.name, result.status, extra={"check": self.name, "health": result.as_dict()})
        return result

    def _is_fresh(self, run: _Run) -> bool:
        ended = run.since + (run.future.result().latency_ms or 0.0) / 1000
        return ended <= run.deadline and time.monotonic() < ended + self._keep

    def _work(self, run: _Run) -> None:
        try:
            said = self._check()
            if inspect.isawaitable(said):
                said = asyncio.run(_awaited(said))
            run.end(result_of(said))
        except BaseException as error:  # noqa: BLE001 - the end of a thread: whatever came is the result
            run.end(self._raised(error))

    async def _work_async(self, run: _Run) -> None:
        try:
            run.end(result_of(await self._check()))
        except BaseException as error:
            run.end(self._raised(error))
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise

    def _raised(self, error: BaseException) -> Result:
        if not self._fails:  # the text is for the log alone
            _logger.warning("health check %s raised", self.name, exc_info=error, extra={"check": self.name})
        return failed(type(error).__name__)


async def _awaited(said: Awaitable[object]) -> object:
    return await said


def run_all(checks: Iterable[Running]) -> dict[str, Result]:
    """Run them at once and wait for all, in the calling thread."""
    runs = [(check, check.start()) for check in checks]
    for _, run in runs:
        with suppress(TimeoutError):
            run.future.exception(max(0.0, run.deadline - time.monotonic()))
    return {check.name: check.result(run) for check, run in runs}


async def run_all_async(checks: Iterable[Running]) -> dict[str, Result]:
    """Run them at once and wait for all, without holding the event loop."""
    loop = asyncio.get_running_loop()
    runs = [(check, check.start(loop)) for check in checks]
    await asyncio.gather(*(_wait(run, loop) for _, run in runs))
    return {check.name: check.result(run) for check, run in runs}


async def _wait(run: _Run, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until it has come back or its time is up; a waiter that is cancelled leaves the run to the others."""
    remaining = run.deadline - time.monotonic()
    if run.future.done() or remaining <= 0:
        return
    came = asyncio.Event()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(came.set)

    run.future.add_done_callback(tell)
    with suppress(TimeoutError):
        await asyncio.wait_for(came.wait(), remaining)


_alive: weakref.WeakSet[Running] = weakref.WeakSet()


def _in_child() -> None:
    for running in list(_alive):
        running.after_fork()


os.register_at_fork(after_in_child=_in_child)
