"""One record at a time from its caller to the sink: no queue, no thread, and an error for what is not committed.

What becomes of a row is ``dblog.delivery``'s business as ever: resent after an unknown outcome, repaired, made a dead
letter. Here the caller waits for it, until a deadline.
"""

from __future__ import annotations

import threading
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, Final

from dblog.backoff import Backoff
from dblog.chores import Chores
from dblog.delivery import Delivery
from dblog.errors import ErrorClass, StoreError, StoreUnavailable
from dblog.guard import OWN, here, own_thread
from dblog.item import ITEM_SITE
from dblog.ledger import BY_BAND, EMITTED, FAILED, IN_FLIGHT, REASON, Ledger
from dblog.levels import BAND
from dblog.spans import resource, untraced

if TYPE_CHECKING:
    from dblog.item import Item
    from dblog.ledger import State, Stats
    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["Synchronous"]

_LEAST: Final = 0.1
"""Seconds one operation gets, however near the deadline is."""
_PAUSE: Final = 0.5
"""Seconds between two attempts at most: somebody waits."""
_DEADLINE, _CLOSED, _CAPTURE = (REASON[reason] for reason in ("deadline", "closed", "capture"))


class _Told(Delivery):
    """A delivery that remembers why it made a row a dead letter."""

    code = "POISON"
    """What the database said."""

    def _bury(self, group: object, error: StoreError) -> None:
        self.code = error.code
        super()._bury(group, error)  # type: ignore[arg-type]  # its own groups


class Synchronous:
    """Stores what its callers bring; what a writer is to chores.

    Args:
        name: for metrics.
        options: of records and connections.
        origin: what is the same for every row.
        sink: where rows go.
    """

    def __init__(self, name: str, options: Options, origin: Origin, sink: Sink) -> None:
        self.name = name
        self.options = options
        self.origin = origin
        self.ledger = Ledger()
        self.state: State = "SYNC"
        self.last_error: str | None = None
        self.closed = False
        self._sink = sink
        self._delivery = _Told(
            sink, self.ledger, name=name, instance_id=origin.instance_id, timeout=self.patience, pause=self._pause
        )
        self._chores = Chores(self, sink, self._delivery)
        self._backoff = Backoff(options.retry_initial, options.retry_max)
        self._working = allocate_lock()
        """Held by whoever stores."""
        self._waiting = threading.Event()
        """Never set: for a wait that a signal's handler may interrupt."""
        self._deadline = 0.0
        self._named = False
        self._unsure = False
        """A COMMIT was sent for the row in hand, and no answer came."""
        self._failure: StoreError | None = None

    def stats(self) -> Stats:
        """One exact snapshot."""
        last_success, lag = self._delivery.last_success, self._delivery.lag
        return self.ledger.stats(state=self.state, last_error=self.last_error, last_success=last_success, lag=lag)

    def patience(self) -> float:
        """Seconds an operation that begins now may take."""
        return min(self.options.operation_timeout, max(_LEAST, self._deadline - time.monotonic()))

    def store(self, item: Item, deadline: float) -> None:
        """Return when the item's row is committed.

        Args:
            item: as captured.
            deadline: monotonic time.

        Raises:
            StoreUnavailable: it is not known to be until then.
            StoreError: the database refuses its content.
        """
        band = BAND[item[ITEM_SITE][1]]
        if not self._working.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self.ledger.refuse(_DEADLINE, band)
            sentence = "other threads' records were being stored all the time: it is not stored"
            raise StoreUnavailable(ErrorClass.WAIT, "TIMEOUT", sentence)
        try:
            if self.closed:
                self.ledger.refuse(_CLOSED, band)
                raise StoreUnavailable(ErrorClass.CONFIGURATION, "CLOSED", "the handler is closed: it is not stored")
            self._deadline = deadline
            with own_thread(), untraced():
                self._see_through(item, band)
        finally:
            self._release()

    def _release(self) -> None:
        if self.closed:  # meanwhile, by somebody who could not wait
            self._let_go()
        self._working.release()

    def _see_through(self, item: Item, band: int) -> None:
        if not self._named:
            self._named = True
            self.origin.complete(resource())
        self._failure, self._unsure = None, False
        if self._delivery and not self._run():  # left by a caller who was interrupted
            self.ledger.refuse(_DEADLINE, band)
            raise self._late()
        failed = self.ledger.cells[FAILED]
        self._take(item, band)
        if not self._run():
            raise self._late()
        self.last_error = None
        self._backoff.reset()
        self._chores.after_batch()
        if self.ledger.cells[FAILED] != failed:
            sentence = "the database refuses the record for its content: see dblog dead-letters"
            raise StoreError(ErrorClass.POISON, self._delivery.code, sentence)

    def _take(self, item: Item, band: int) -> None:
        """Count the record and take it in hand."""
        cells = self.ledger.cells
        try:
            with self.ledger.lock:
                cells[EMITTED] = item[0] = cells[EMITTED] + 1
                cells[BY_BAND + band] += 1
                cells[IN_FLIGHT] += 1
            self._delivery.load([item])
        except BaseException:  # Ctrl-C
            if cells[IN_FLIGHT] > len(self._delivery.in_hand()):
                self.ledger.lose(IN_FLIGHT, item[0], _CAPTURE, band)
            raise

    def _run(self) -> bool:
        """Until nothing is in hand; what is when the caller is interrupted, the next one stores first."""
        try:
            return self._delivery.run()
        except BaseException:  # Ctrl-C, at an unknown place
            self._delivery.suspect()
            self._sink.close()
            raise

    def _pause(self, error: StoreError) -> bool:
        """Between two attempts. What somebody has to mend first is not waited for."""
        self._failure, self.last_error = error, str(error)
        self._unsure |= error.ambiguous
        left = self._deadline - time.monotonic()
        if error.kind is ErrorClass.CONFIGURATION or left <= 0:
            return False
        self._waiting.wait(min(self._backoff.next(), _PAUSE, left))
        return time.monotonic() < self._deadline

    def _late(self) -> StoreUnavailable:
        error = self._failure or StoreError(ErrorClass.WAIT, "TIMEOUT", "there was no time left")
        sentence = str(error).removeprefix(f"{error.code}: ")
        doubt = "it may be stored all the same" if self._unsure else "it is not stored"
        return StoreUnavailable(error.kind, error.code, f"{sentence}: {doubt}", ambiguous=self._unsure)

    def close(self, deadline: float) -> None:
        """Refuse what comes later; say what is to be said until ``deadline``, and let go of the connection."""
        self.closed = True
        if self.state == "CLOSED":
            return
        patience = 0.0 if here.depth >= OWN else max(0.0, deadline - time.monotonic())
        if not self._working.acquire(timeout=patience):
            return  # whoever stores lets go afterwards
        try:
            self._deadline = deadline
            if time.monotonic() < deadline:
                with own_thread(), untraced():
                    if self._delivery:
                        self._run()
                    self._chores.last(deadline)
            self._let_go()
        finally:
            self._working.release()

    def _let_go(self) -> None:
        self.state = "CLOSED"
        self._sink.close()

    def abandon(self) -> None:
        """In a forked child: the parent's connection is the parent's."""
        self._sink.abandon()
