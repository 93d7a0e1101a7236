"""The background thread from the buffer to the sink: one per handler and process.

Started by the first record, never in a fork hook and never at exit, woken by the
next one after it parked. It never dies: an exception in its own code is counted and
the batch in hand resent. What it does is in ``dblog.rounds``.

States: NEW → STARTING → RUNNING ⇄ RETRY | BLOCKED → (SEALED) → DRAINING → CLOSED;
DETACHED until a sink is attached; SYNC while no thread can be had.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

from dblog import lifecycle
from dblog.adoption import Adoption
from dblog.chores import Chores
from dblog.delivery import Delivery
from dblog.diagnostics import complain
from dblog.errors import ConfigurationError
from dblog.guard import OWN, here, own_thread
from dblog.ledger import REASON
from dblog.rounds import Later, Rounds
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["Writer"]

_CLOSED = REASON["closed"]


class Writer(Rounds):
    """Stores what its buffer receives.

    Args:
        name: the handler's name, for stats, metrics and the thread.
        options: sizes, times, policies.
        origin: what is the same for every row.
        sink: where rows go; None until ``attach``.
    """

    def __init__(self, name: str, options: Options, origin: Origin, sink: Sink | None = None) -> None:
        super().__init__(name, options, origin)
        self.restarts = 0
        """How often the thread's own code failed and was started again."""
        self._working = allocate_lock()
        """Held by whoever delivers: the thread, or a caller where no thread can be had."""
        self._start_lock = allocate_lock()
        self._no_thread_until = 0.0
        if sink is not None:
            self.attach(sink)

    # -- for any thread ---------------------------------------------------------------------------------------

    def attach(self, sink: Sink, folder: Path | None = None, open_sink: Callable[[Origin], Sink] | None = None) -> None:
        """Give the writer its sink, and its place on disk; what waits in the buffer is stored from now on.

        Args:
            sink: where its rows go.
            folder: of the spools of all writers to this database; None for none.
            open_sink: makes a sink for the rows of writers that died.

        Raises:
            ConfigurationError: the writer is closed.
        """
        if self.buffer.closed:
            raise ConfigurationError("this handler is closed: make another one for this database")
        self.spooling.folder = folder
        self._delivery = Delivery(
            sink,
            self.ledger,
            name=self.name,
            instance_id=self.origin.instance_id,
            timeout=self.patience,
            pause=self._pause,
            keep=self.spooling.keep,
        )
        adoption = None
        if folder is not None and open_sink is not None:
            adoption = Adoption(
                open_sink,
                folder,
                mine=lambda: (self.origin.instance_id,),
                max_age=self.options.spool_max_age,
                patience=self.patience,
                batch_size=self.options.batch_size,
                batch_bytes=self.options.batch_bytes,
            )
        self._chores = Chores(self, sink, self._delivery, adoption)
        self._sink = sink
        self.state = "NEW"
        if len(self.buffer):
            self.wake()

    def wake(self) -> None:
        """See that somebody stores what waits: the thread, a new thread, or this caller."""
        if self._sink is None or here.depth >= OWN:
            return
        if lifecycle.exiting() and not self._alive():
            self._deliver_here(lifecycle.exit_deadline(self.options.shutdown_timeout))
        elif self._alive() or self._start():
            self.buffer.notify()
        else:
            lifecycle.remember(self)
            self._deliver_here(None)

    def flush(self, timeout: float) -> bool:
        """True iff every record emitted before the call is settled within ``timeout`` seconds.

        While the database takes them, those on disk are waited for as well.
        """
        deadline = time.monotonic() + timeout
        target = self._settling.emitted()
        if not self._wait_until(lambda: self._settling.reached(target), deadline):
            return False
        written = self.spooling.written
        self._wait_until(lambda: self.spooling.is_stored(written) or not self._takes_back(), deadline)
        return True

    def _takes_back(self) -> bool:
        """What is on disk is stored soon."""
        return self.last_error is None and self.state != "CLOSED" and self._alive()

    def _wait_until(self, settled: Callable[[], bool], deadline: float) -> bool:
        while not settled():
            if time.monotonic() >= deadline or self._sink is None or here.depth >= OWN:
                self._flush_wanted = True  # soon, then
                self.buffer.notify()
                return False
            self._settling.wait(settled, deadline, self._hurry)
        return True

    def _hurry(self) -> None:
        self._flush_wanted = True
        self.wake()

    def seal(self) -> None:
        """Hand over without waiting: the thread stores what waits and ends.

        A record that comes all the same is stored too, by a thread of its own: ``dictConfig`` closes the old handlers
        first and takes them off their loggers later, while other threads go on logging.
        """
        if self.state == "CLOSED":
            return
        self._stop = True
        if self._sink is None:  # nowhere to go
            self.buffer.close()
            self.buffer.discard(_CLOSED)
            self._conclude()
            return
        self.state = "SEALED"
        if self._alive() or len(self.buffer):
            lifecycle.remember(self)
            self.buffer.notify()

    def close(self, deadline: float) -> None:
        """Store what waits until ``deadline`` (monotonic), count the rest as dropped{deadline}, end the thread."""
        if here.depth >= OWN:  # in a thread of dblog's own: it cannot wait for itself
            self.seal()
            return
        self.buffer.close()
        lifecycle.finish([self], deadline)
        if self._sink is None:
            self.buffer.discard(_CLOSED)
        else:
            self._let_go()
        if self.state != "CLOSED":
            self._conclude()

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

    def abandon(self) -> None:
        """In a forked child: the parent's connection is the parent's."""
        if self._sink is not None:
            self._sink.abandon()
        self.spooling.abandon()
        if self._chores is not None:
            self._chores.abandon()

    # -- the thread -------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Start the thread; False where none can be had, which is tried again a second later."""
        if time.monotonic() < self._no_thread_until:
            return self._alive()
        if not self._start_lock.acquire(blocking=False):
            return True  # another thread, or the frame this one interrupted, is about to
        try:
            if self._alive():
                return True
            self._thread = threading.Thread(target=self._main, name=f"dblog-{self.name}", daemon=True)
            lifecycle.remember(self)
            self.spooling.make()
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self._no_thread_until = time.monotonic() + 1.0
            if "shutdown" not in str(error):  # Python 3.12 and later, at exit: expected, and nothing is lost by it
                complain("thread", "no thread can be started: records are stored by their callers")
            return False
        finally:
            self._start_lock.release()
        # Whoever came while the lock was held left without a thread, and the one begun may have ended already.
        return self._alive() or not len(self.buffer) or self._start()

    def _main(self) -> None:
        here.depth = OWN
        with self._working:
            ended = False
            while not ended:
                with suppress(BaseException):  # struck again while getting up
                    ended = self._survive()
            self._thread = None
        if len(self.buffer):  # put while this thread was on its way out
            here.depth = 0
            self.wake()
        elif lifecycle.orphaned():
            watchdog.retire()

    def _survive(self) -> bool:
        """Run the loop; False when its own code failed and it has to be run again."""
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - MemoryError, an exception thrown in from outside, a bug
            self._failed(error)
            if self.restarts > 3:  # noqa: PLR2004 - then slowly: the cause may stay
                self.buffer.wait(1.0)
            return False
        return True

    def _failed(self, error: BaseException) -> None:
        self.restarts += 1
        complain("writer", f"writer {self.name!r} failed with {type(error).__name__} and goes on")

    def _loop(self) -> None:
        self.state = "DRAINING" if self._stop else "STARTING"
        self._recover()
        while True:
            ending = self._await_work()
            if not self._round():
                self._let_go()
            if ending and not len(self.buffer) and not self._reads_back(self._deadline):
                break
        self._conclude()

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
            self.spooling.hung()
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
