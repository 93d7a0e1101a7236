"""What a writer does where there is no thread, or will be none any more: a caller stands in, and the end is said.

Whoever stores holds ``_working``: the thread, or a caller where no thread can be had.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

from dblog import lifecycle
from dblog.diagnostics import complain
from dblog.guard import OWN, here, own_thread
from dblog.ledger import REASON
from dblog.rounds import Later, Rounds

if TYPE_CHECKING:
    from dblog.options import Options
    from dblog.sink import Origin

__all__ = ["Concluding"]

_DEADLINE = REASON["deadline"]


class Concluding(Rounds):
    """A writer's rounds in any thread, and their end.

    Args:
        name: the handler's name, for stats and metrics.
        options: sizes, times, policies.
        origin: what is the same for every row.
    """

    def __init__(self, name: str, options: Options, origin: Origin) -> None:
        super().__init__(name, options, origin)
        self.restarts = 0
        """How often the thread's own code failed and was started again."""
        self._working = allocate_lock()
        """Held by whoever delivers: the thread, or a caller where no thread can be had."""

    def _deliver_here(self, deadline: float | None, *, wait: bool = False) -> None:
        """Store what waits in the calling thread; whoever finds another at it leaves it to that one, or waits.

        Args:
            deadline: monotonic time to give up at; None to keep what the database does not take now.
            wait: until ``deadline`` for another who is at it.
        """
        while len(self.buffer) or self._delivery or (self._stop and self._reads_back(deadline)):
            now = time.monotonic()
            if deadline is None and now < self._not_before:
                return
            if not self._working.acquire(timeout=0 if deadline is None or not wait else max(0.0, deadline - now)):
                return
            before, self._deadline = self._deadline, deadline
            try:
                with own_thread():
                    self._drain()
            except Later:
                return
            except Exception as error:  # noqa: BLE001 - a bug, here or in a sink: nothing for the application
                self._recover()
                self._failed(error)
                return
            except BaseException:
                self._recover()
                raise
            finally:
                self._deadline = before
                self._working.release()

    def join(self, until: float) -> bool:
        """Wait for the thread, or store what waits in its place; False when it is still at it at ``until``."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join(max(0.0, until - time.monotonic()))
            return not thread.is_alive()
        if self._sink is not None:
            self._deliver_here(until, wait=True)
        return True

    def abort(self) -> None:
        """Free the thread from a call that hangs."""
        if self._sink is not None:
            with suppress(Exception):  # a bug in a sink must not keep the other writers from their end
                self._sink.abort()

    def secure(self) -> None:
        """The thread hangs for good: on disk, where that is wanted, its records outlive the process."""
        with suppress(Exception):  # as above
            if self._delivery is not None:
                self.spooling.secure(self._delivery)
            self.spooling.keep_queue()

    def _drain(self) -> None:
        """Until nothing waits. Past the deadline a database that was well gets one attempt more, another none."""
        if self.state == "CLOSED":
            self.state = "DRAINING"
        while len(self.buffer) or self._delivery or (self._stop and self._reads_back(self._deadline)):
            late = self._deadline is not None and time.monotonic() >= self._deadline
            if (late and self.last_error is not None and not self._delivery) or not self._round():
                self._let_go()
        if self._deadline is None and self.last_error is None and self.spooling.waiting:
            self._round()  # a batch: this is somebody's logging call

    def _let_go(self) -> None:
        """There is no time left: what waits is kept on disk, or counted as dropped{deadline}."""
        self.spooling.keep_queue()
        self.buffer.discard(_DEADLINE)

    def _failed(self, error: BaseException) -> None:
        self.restarts += 1
        complain("writer", f"writer {self.name!r} failed with {type(error).__name__} and goes on")

    def _conclude(self) -> None:
        """Nothing waits: let go of the connection, tell the observers and people."""
        hung = here.depth < OWN and self._alive()  # the thread has the sink and the files still
        if self._chores is not None and not hung:
            with own_thread():
                self._chores.last(self._deadline)
        self.state = "CLOSED"
        self.buffer.parked = True
        self._settle()
        if hung:
            self.spooling.recount()
        else:
            self.spooling.close(None if self._delivery else self._settling.up_to)
        lifecycle.forget(self)
        self._say_what_is_left()

    def _say_what_is_left(self) -> None:
        stats = self.stats()
        secured = 0 if self._delivery is None else self.spooling.secured(self._delivery)
        if kept := stats.spooled + secured:
            then = "the next process that logs to this database stores them, or dblog spool does"
            complain(f"{self.name}:spooled", f"{self.name}: {kept} records are kept on disk: {then}")
        late = stats.in_flight - secured + stats.dropped_by.get("deadline", 0)
        reason = "the database did not take them in time"
        if self._sink is None:
            late, reason = stats.dropped_by.get("closed", 0), "no database was ever attached"
        if late:
            complain(f"{self.name}:deadline", f"{self.name}: {late} records are not known to be stored: {reason}")
