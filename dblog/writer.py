"""The background thread from the buffer to the sink: one per handler and process.

Started by the first record, never in a fork hook and never at exit. It looks every
50 ms, parks after a second without a record, and is woken by the next one. It
never dies: an exception in its own code is counted and the batch in hand resent.

States: NEW → STARTING → RUNNING ⇄ RETRY | BLOCKED → (SEALED) → DRAINING → CLOSED;
DETACHED until a sink is attached; SYNC while no thread can be had.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dblog import lifecycle
from dblog.backoff import Backoff
from dblog.buffer import Buffer
from dblog.chores import Chores
from dblog.delivery import Delivery
from dblog.diagnostics import complain
from dblog.errors import ErrorClass
from dblog.guard import OWN, here, own_thread
from dblog.ledger import BYTES, DROPPED, EMITTED, FAILED, IN_FLIGHT, QUEUED, REASON, Ledger, Stats
from dblog.levels import severity_of
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from dblog.errors import StoreError
    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["Writer"]

_TICK = 0.05
_PARK_AFTER = 1.0
_PROBE_EVERY = 0.5
_REACHABLE_RETRY = 5.0
"""Seconds between two attempts at most while the database answers: no cheaper look would tell that it is mended."""
_LAST_PATIENCE = 1.0
"""Seconds the last operation gets although its deadline is over: a database that is well needs less."""
_DEADLINE, _CLOSED = REASON["deadline"], REASON["closed"]


class _Later(Exception):  # noqa: N818 - not an error
    """A caller that stores in the thread's place does not wait for a database: what it has in hand stays there."""


class Writer:
    """Stores what its buffer receives.

    Args:
        name: the handler's name, for stats, metrics and the thread.
        options: sizes, times, policies.
        origin: what is the same for every row.
        sink: where rows go; None until ``attach``.
    """

    def __init__(self, name: str, options: Options, origin: Origin, sink: Sink | None = None) -> None:
        self._name = name
        self.options = options
        self.origin = origin
        self.ledger = Ledger()
        self.buffer = Buffer(
            self.ledger,
            size=options.queue_size,
            size_bytes=options.queue_bytes,
            overflow=options.overflow,
            block_timeout=options.block_timeout,
            high_water=options.queue_size // 2,
            urgent_from=severity_of(options.flush_level),
        )
        self.state = "DETACHED"
        self.last_error: str | None = None
        self.restarts = 0
        """How often the thread's own code failed and was started again."""
        self._sink: Sink | None = None
        self._delivery: Delivery | None = None
        self._chores: Chores | None = None
        self._backoff = Backoff(options.retry_initial, options.retry_max)
        self._thread: threading.Thread | None = None
        self._working = allocate_lock()
        """Held by whoever delivers: the thread, or a caller where no thread can be had."""
        self._start_lock = allocate_lock()
        self._no_thread_until = 0.0
        self._not_before = 0.0
        """Monotonic time of a caller's next attempt, after one that failed."""
        self._deadline: float | None = None
        """Monotonic time by which to stop retrying; set by close and exit."""
        self._stop = False
        self._flush_wanted = False
        self._settled = 0
        """Every record up to this ``seq`` is stored, dropped or failed."""
        self._gates: deque[Any] = deque()
        self._last_flush = 0.0
        self._noticed = 0.0
        """Monotonic time since when something waits, 0 when nothing does."""
        if sink is not None:
            self.attach(sink)

    # -- for any thread ---------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The handler's name, which comes after its construction: ``dictConfig`` sets it then."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        if self._delivery is not None:
            self._delivery.name = name

    def attach(self, sink: Sink) -> None:
        """Give the writer its sink; what waits in the buffer is stored from now on."""
        self._delivery = Delivery(
            sink,
            self.ledger,
            name=self.name,
            instance_id=self.origin.instance_id,
            timeout=self.patience,
            pause=self._pause,
        )
        self._chores = Chores(self, sink, self._delivery)
        self._sink = sink
        self.state = "NEW"
        if len(self.buffer):
            self.wake()

    def patience(self) -> float:
        """Seconds an operation that begins now may take: no longer than until the end, if that is near."""
        patience = self.options.operation_timeout
        if self._deadline is None:
            return patience
        return min(patience, max(self._deadline - time.monotonic(), _LAST_PATIENCE))

    def stats(self) -> Stats:
        """One exact snapshot."""
        delivery = self._delivery
        return self.ledger.stats(
            state=self.state,
            last_error=self.last_error,
            last_success=None if delivery is None else delivery.last_success,
            lag=None if delivery is None else delivery.lag,
        )

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
        """True iff every record emitted before the call is stored, dropped or failed within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self.ledger.lock:
            target = self.ledger.cells[EMITTED]
        while not self._is_settled(target):
            if time.monotonic() >= deadline or self._sink is None or here.depth >= OWN:
                self._flush_wanted = True  # soon, then
                self.buffer.notify()
                return False
            gate = allocate_lock()
            gate.acquire()
            self._gates.append(gate)
            self._flush_wanted = True
            self.wake()
            if not self._is_settled(target):
                gate.acquire(timeout=max(0.0, min(deadline - time.monotonic(), 0.5)))
        return True

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
        self.buffer.discard(_CLOSED if self._sink is None else _DEADLINE)
        if self.state != "CLOSED":
            self._conclude()

    def end(self, deadline: float) -> None:
        """Announce the end: the thread stores what waits until ``deadline``; whoever comes later stores it himself."""
        self._deadline = deadline
        self._stop = True
        self.buffer.notify()

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
            self._sink.abort()

    def abandon(self) -> None:
        """In a forked child: the parent's connection is the parent's."""
        if self._sink is not None:
            self._sink.abandon()

    # -- ending -----------------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """Nothing waits: let go of the connection, tell the observers and people."""
        if self._chores is not None and (here.depth >= OWN or not self._alive()):  # else a stuck thread has the sink
            with own_thread():
                self._chores.last(self._deadline)
        self.state = "CLOSED"
        self.buffer.parked = True
        self._settle()
        lifecycle.forget(self)
        stats = self.stats()
        late = stats.in_flight + stats.dropped_by.get("deadline", 0)
        if late:
            line = f"{self.name}: {late} records are not known to be stored: the database did not take them in time"
            complain(f"{self.name}:deadline", line)

    # -- the thread -------------------------------------------------------------------------------------------

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

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
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self._no_thread_until = time.monotonic() + 1.0
            if "shutdown" not in str(error):  # Python 3.12 and later, at exit: expected, and nothing is lost by it
                complain("thread", "no thread can be started: records are stored by their callers")
            return False
        finally:
            self._start_lock.release()
        return True

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
            self.restarts += 1
            complain("writer", f"writer {self.name!r} failed with {type(error).__name__} and goes on")
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
                self.buffer.discard(_DEADLINE)
            if ending and not len(self.buffer):
                break
        self._conclude()

    def _recover(self) -> None:
        """Begin, or go on after being struck at an unknown place: what is in hand may be stored already."""
        if self._delivery is not None:
            self._delivery.suspect()
            self.buffer.recover(self._delivery.in_hand())

    def _round(self) -> bool:
        """Take one batch and see it through; False when the deadline came first."""
        delivery, chores = self._delivery, self._chores
        if delivery is None or chores is None:
            return True
        self.buffer.urgent = False
        if not delivery:
            items = self.buffer.take(self.options.batch_size, self.options.batch_bytes)
            if items:
                delivery.load(items)
                self.buffer.taken = []
        if delivery:
            if not delivery.run():
                return False
            self._backoff.reset()
            self._healthy()
        self._last_flush = time.monotonic()
        self._settle()
        chores.after_batch()
        return True

    def _await_work(self) -> bool:
        """Sleep until a batch is due; True when the writer shall end."""
        options, buffer = self.options, self.buffer
        buffer.parked = False
        linger = min(_TICK, options.flush_interval)
        idle_since = time.monotonic()
        while True:
            now = time.monotonic()
            waiting = len(buffer)
            self._notice_orphanhood()
            if self._stop or self._delivery:
                return self._stop
            if self._flush_wanted:
                self._flush_wanted = False
                return False
            if waiting:
                idle_since = now
                self._noticed = self._noticed or now
                full = waiting >= options.batch_size or self.ledger.cells[BYTES] >= options.batch_bytes
                due = full or buffer.urgent or now - self._last_flush >= options.flush_interval
                # A tick's grace: at work at once, it would compete for the GIL with the burst that has just begun.
                if due and (now - self._noticed >= linger or buffer.half_full()):
                    return False
                buffer.wait(linger)
            elif now - idle_since >= _PARK_AFTER and not lifecycle.can_be_orphaned():
                self._park()
                idle_since = time.monotonic()
            else:
                self._noticed = 0.0
                buffer.wait(_TICK)

    def _notice_orphanhood(self) -> None:
        if lifecycle.orphaned() and not self._stop:
            self.end(time.monotonic() + self.options.shutdown_timeout)

    def _park(self) -> None:
        """Sleep until a record comes or a chore is due."""
        chores = self._chores
        timeout = 10.0 if chores is None else chores.idle()
        self.buffer.parked = True
        if not len(self.buffer) and not self._stop and not self._flush_wanted:
            self.buffer.wait(timeout)
        self.buffer.parked = False

    # -- outcomes ---------------------------------------------------------------------------------------------

    def _healthy(self) -> None:
        recovered, self.last_error = self.last_error is not None, None
        if self.state not in {"RUNNING", "CLOSED"}:
            self.state = "DRAINING" if self._stop else "RUNNING" if self._alive() else "SYNC"
            if recovered and self._chores is not None:
                self._chores.state_changed()

    def _pause(self, error: StoreError) -> bool:
        """Between two attempts: backoff with jitter, ended early when the database answers again or at the end.

        Raises:
            _Later: in a caller that stores in the thread's place; the next caller after the backoff tries again.
        """
        state = "BLOCKED" if error.kind is ErrorClass.CONFIGURATION else "RETRY"
        if state != self.state:
            self._backoff.reset()  # another trouble: perhaps the last step on the way out
        self.state = state
        self.last_error = str(error)
        cells = self.ledger.snapshot()
        waiting, lost = cells[QUEUED] + cells[IN_FLIGHT], cells[DROPPED] + cells[FAILED]
        complain(f"{self.name}:{error.code}", f"{self.name}: {error}; {waiting} records wait, {lost} are lost")
        deadline = self._deadline
        if deadline is None and not self._alive():
            self._not_before = time.monotonic() + self._backoff.next()
            raise _Later
        reachable = error.kind is not ErrorClass.RECONNECT
        until = time.monotonic() + min(self._backoff.next(), _REACHABLE_RETRY if reachable else float("inf"))
        next_probe = time.monotonic() + _PROBE_EVERY
        while (now := time.monotonic()) < until:
            self._notice_orphanhood()
            if self._deadline is not None and now >= self._deadline:
                return False
            if self._deadline is not deadline:  # the end was announced meanwhile: one try at once
                deadline = self._deadline
                break
            if self._chores is not None:
                self._chores.between_attempts()
            self.buffer.wait(min(_TICK, until - now))
            if not reachable and now >= next_probe and self._sink is not None:
                next_probe = now + _PROBE_EVERY
                if self._sink.reachable():
                    self._backoff.reset()
                    break
        return self._deadline is None or time.monotonic() < self._deadline

    def _is_settled(self, target: int) -> bool:
        cells = self.ledger.cells
        with self.ledger.lock:
            return self._settled >= target or not (cells[QUEUED] or cells[IN_FLIGHT])

    def _settle(self) -> None:
        """Nothing is in hand: everything before the oldest waiting record is accounted for."""
        cells = self.ledger.cells
        with self.ledger.lock:
            if not cells[IN_FLIGHT]:  # else a thread is stuck with them
                oldest = self.buffer.oldest_seq()
                self._settled = cells[EMITTED] if oldest is None else oldest - 1
        while self._gates:
            try:
                self._gates.popleft().release()
            except (IndexError, RuntimeError):
                continue

    # -- without a thread -------------------------------------------------------------------------------------

    def _deliver_here(self, deadline: float | None, *, wait: bool = False) -> None:
        """Store what waits in the calling thread; whoever finds another at it leaves it to that one, or waits.

        Args:
            deadline: monotonic time to give up at; None to keep what the database does not take now.
            wait: until ``deadline`` for another who is at it.
        """
        while len(self.buffer) or self._delivery:
            now = time.monotonic()
            if deadline is None and now < self._not_before:
                return
            if not self._working.acquire(timeout=0 if deadline is None or not wait else max(0.0, deadline - now)):
                return
            before, self._deadline = self._deadline, deadline
            try:
                with own_thread():
                    self._drain()
            except _Later:
                return
            except BaseException:
                self._recover()
                raise
            finally:
                self._deadline = before
                self._working.release()

    def _drain(self) -> None:
        """Until nothing waits. Past the deadline a database that was well gets one attempt more, another none."""
        if self.state == "CLOSED":
            self.state = "DRAINING"
        while len(self.buffer) or self._delivery:
            late = self._deadline is not None and time.monotonic() >= self._deadline
            if (late and self.last_error is not None and not self._delivery) or not self._round():
                self.buffer.discard(_DEADLINE)
