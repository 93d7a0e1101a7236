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
from dblog.concluding import Concluding
from dblog.delivery import Delivery
from dblog.diagnostics import complain
from dblog.errors import ConfigurationError
from dblog.estate import Terms
from dblog.guard import OWN, here
from dblog.ledger import REASON
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["Writer"]

_CLOSED = REASON["closed"]


class Writer(Concluding):
    """Stores what its buffer receives.

    Args:
        name: the handler's name, for stats, metrics and the thread.
        options: sizes, times, policies.
        origin: what is the same for every row.
        sink: where rows go; None until ``attach``.
    """

    def __init__(self, name: str, options: Options, origin: Origin, sink: Sink | None = None) -> None:
        super().__init__(name, options, origin)
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
                terms=Terms(
                    max_age=self.options.spool_max_age,
                    patience=self.patience,
                    batch_size=self.options.batch_size,
                    batch_bytes=self.options.batch_bytes,
                ),
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
