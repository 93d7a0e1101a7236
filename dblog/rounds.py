"""One round after another: wait until a batch is due, take it, see it through; in whatever thread.

It looks every 50 ms, gives a burst that has just begun one tick's grace, and parks
after a second without a record. Which thread does so, and how it begins and ends,
is ``dblog.writer``'s business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dblog import lifecycle
from dblog.backoff import Backoff
from dblog.diagnostics import complain
from dblog.errors import ErrorClass
from dblog.ledger import BYTES, DROPPED, FAILED, IN_FLIGHT, QUEUED, REASON, Ledger, Stats
from dblog.settling import Settling
from dblog.spans import resource, untraced
from dblog.spooling import Spooling
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager

    from dblog.chores import Chores
    from dblog.delivery import Delivery
    from dblog.errors import StoreError
    from dblog.ledger import State
    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["Later", "Rounds"]

_TICK = 0.05
_PARK_AFTER = 1.0
_PROBE_EVERY = 0.5
_REACHABLE_RETRY = 5.0
"""Seconds between two attempts at most while the database answers: no cheaper look would tell that it is mended."""
_LAST_PATIENCE = 1.0
"""Seconds the last operation gets although its deadline is over: a database that is well needs less."""
_TROUBLE = 1.0
"""Seconds after which whoever hangs in the database is helped."""
_PACE = 0.005
"""Seconds between two batches from disk: the application wants the GIL too."""
_DEADLINE = REASON["deadline"]


class Later(Exception):  # noqa: N818 - not an error
    """A caller that stores in the thread's place does not wait for a database: what it has in hand stays there."""


class Rounds:
    """What a writer knows and does in its thread, or in a caller's where there is no thread.

    Args:
        name: the handler's name, for stats and metrics.
        options: sizes, times, policies.
        origin: what is the same for every row.
    """

    def __init__(self, name: str, options: Options, origin: Origin) -> None:
        self._name = name
        self.options = options
        self.origin = origin
        self.ledger = Ledger()
        self.spooling = Spooling(options, origin, self.ledger)
        self.buffer = self.spooling.buffer
        self._settling = Settling(self.ledger, self.buffer)
        self.state: State = "DETACHED"
        self.last_error: str | None = None
        self._sink: Sink | None = None
        self._delivery: Delivery | None = None
        self._chores: Chores | None = None
        self._backoff = Backoff(options.retry_initial, options.retry_max)
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        """Monotonic time of a caller's next attempt, after one that failed."""
        self._deadline: float | None = None
        """Monotonic time by which to stop retrying; set by close and exit."""
        self._stop = False
        self._flush_wanted = False
        self._named = False
        """A row is written, or about to be: whose it is does not change any more."""
        self._last_flush = 0.0
        self._noticed = 0.0
        """Monotonic time since when something waits, 0 when nothing does."""

    @property
    def name(self) -> str:
        """The handler's name, which comes after its construction: ``dictConfig`` sets it then."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        if self._delivery is not None:
            self._delivery.name = name

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

    def _alive(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def end(self, deadline: float) -> None:
        """Announce the end: the thread stores what waits until ``deadline``; whoever comes later stores it himself."""
        self._deadline = deadline
        self._stop = True
        self.buffer.notify()

    # -- rounds -----------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Begin, or go on after being struck at an unknown place: what is in hand may be stored already."""
        if self._delivery is not None:
            self._delivery.suspect()
            in_hand = self._delivery.in_hand()
            self.spooling.recover(in_hand)
            self.buffer.recover(in_hand)

    def _round(self) -> bool:
        """Take one batch and see it through, unseen by tracers; False when the deadline came first."""
        if not self._named:
            self._named = True
            self.origin.complete(resource())
        with untraced(), self._watched():
            return self._store()

    def _store(self) -> bool:
        delivery, chores = self._delivery, self._chores
        if delivery is None or chores is None:
            return True
        if not delivery:
            urgent, self.buffer.urgent = self.buffer.urgent, False
            items = self.buffer.take(self.options.batch_size, self.options.batch_bytes)
            if items:
                delivery.load(items)
                self.buffer.taken = []
                self.spooling.taken(self._settling.up_to, items)
            if urgent and len(self.buffer):  # it may be among those that did not fit into the batch
                self.buffer.urgent = True
            if not delivery and self._reads_back(self._deadline):
                self.spooling.load_back(delivery)
        if delivery:
            if not delivery.run():
                return False
            self._backoff.reset()
            self._healthy()
        self._last_flush = time.monotonic()
        self._settle()
        if self.last_error is None:  # else the batch was given up: the end waits for no statement more
            chores.after_batch()
        return True

    def _watched(self) -> AbstractContextManager[None]:
        """While a call of the block hangs, somebody puts on disk what would be lost with the process."""
        return watchdog.limit(_TROUBLE, self._put_aside)

    def _put_aside(self) -> None:
        delivery = self._delivery
        if delivery is not None and (delivery or len(self.buffer)):
            self.spooling.put_aside(delivery)

    def _reads_back(self, deadline: float | None) -> bool:
        """Something on disk is to be stored; at the end only while the database takes it, and there is time."""
        if not self.spooling.waiting or not self._stop:
            return self.spooling.waiting
        return self.last_error is None and (deadline is None or time.monotonic() < deadline)

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
            if self.spooling.waiting:
                buffer.wait(_PACE)
                return False
            if waiting:
                idle_since = now
                self._noticed = self._noticed or now
                crowded = buffer.half_full()
                full = crowded or waiting >= options.batch_size or self.ledger.cells[BYTES] >= options.batch_bytes
                due = full or buffer.urgent or now - self._last_flush >= options.flush_interval
                # A tick's grace: at work at once, it would compete for the GIL with the burst that has just begun.
                if due and (crowded or now - self._noticed >= linger):
                    return False
                buffer.wait(linger)
            elif now - idle_since >= _PARK_AFTER and not lifecycle.can_be_orphaned():
                if self._park():
                    idle_since = time.monotonic()
            else:
                self._noticed = 0.0
                buffer.wait(_TICK)

    def _notice_orphanhood(self) -> None:
        if lifecycle.orphaned() and not self._stop:
            self.end(time.monotonic() + self.options.shutdown_timeout)

    def _park(self) -> bool:
        """Sleep until a record comes or a chore is due; False, and no sleep, where one goes on at once."""
        chores = self._chores
        with self._watched():
            timeout = 10.0 if chores is None else chores.idle()
        if not timeout:
            return False
        self.buffer.parked = True
        if not len(self.buffer) and not self._stop and not self._flush_wanted:
            self.buffer.wait(timeout)
        self.buffer.parked = False
        return True

    # -- outcomes ---------------------------------------------------------------------------------------------

    def _healthy(self) -> None:
        self.spooling.well()
        recovered, self.last_error = self.last_error is not None, None
        if self.state not in {"RUNNING", "CLOSED"}:
            self.state = "DRAINING" if self._stop else "RUNNING" if self._alive() else "SYNC"
            if recovered and self._chores is not None:
                self._chores.state_changed()

    def _pause(self, error: StoreError) -> bool:
        """Between two attempts: backoff with jitter, ended early when the database answers again or at the end.

        Raises:
            Later: in a caller that stores in the thread's place; the next caller after the backoff tries again.
        """
        state: State = "BLOCKED" if error.kind is ErrorClass.CONFIGURATION else "RETRY"
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
            raise Later
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
            if self._delivery is not None:
                self.spooling.in_trouble(self._delivery)
            self.buffer.wait(min(_TICK, until - now))
            if not reachable and now >= next_probe and self._sink is not None:
                next_probe = now + _PROBE_EVERY
                if self._sink.reachable():
                    self._backoff.reset()
                    break
        return self._deadline is None or time.monotonic() < self._deadline

    def _settle(self) -> None:
        """Nothing is in hand: everything before the oldest waiting record is accounted for."""
        settled = self._settling.look()
        if not self._delivery:
            self.spooling.settled(settled)
        self._settling.open_gates()
