"""Every record counted in exactly one place, always.

::

    emitted = stored + dropped + failed + queued + in_flight + spooled

The cells are one flat list of integers guarded by one re-entrant lock. A move
between cells is straight-line code without a call, so neither another thread nor
a signal handler nor a finaliser of the same thread can see half of it: CPython
looks at signals and runs the collector only at calls and backward jumps. No cell
is derived from another.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from dblog.levels import BAND_NAMES, BANDS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping

    from dblog.item import Item

__all__ = ["DROP_REASONS", "FAIL_REASONS", "STATES", "Ledger", "Loss", "State", "Stats"]

State: TypeAlias = Literal[
    "NEW", "STARTING", "RUNNING", "RETRY", "BLOCKED", "SYNC", "SEALED", "DRAINING", "CLOSED", "DETACHED"
]
"""What a writer is at; ``dblog.writer`` says how one follows another."""
STATES: Final[tuple[State, ...]] = get_args(State)

DROP_REASONS = (
    "queue_full",
    "evicted",
    "closed",
    "deadline",
    "reentrant",
    "self",
    "rate_limited",
    "spool_full",
    "spool_expired",
    "damaged",
    "killed",
    "discarded",
)
"""Why policy let a record go, or why it is gone. The last two are told of a writer after its death, by who finds what
it left (``dblog.adoption``), or throws it away (``dblog spool drop``)."""

FAIL_REASONS = ("poison", "capture", "unroutable")
"""Why a record could not be stored."""

REASONS = DROP_REASONS + FAIL_REASONS
REASON = {reason: index for index, reason in enumerate(REASONS)}

# The cells. BYTES belongs to the queue, UNSAVED to a promise; the rest is the identity, then what splits it.
EMITTED, STORED, DROPPED, FAILED, QUEUED, IN_FLIGHT, SPOOLED, BYTES, UNSAVED = range(9)
BY_BAND = 9
LOST = BY_BAND + BANDS
"""``cells[LOST + reason * BANDS + band]``: records lost, by reason and severity band."""
RANGE = LOST + len(REASONS) * BANDS
"""``cells[RANGE + 2 * reason]``, ``+ 1``: first and last ``seq`` lost since the last loss row."""
_CELLS = RANGE + 2 * len(REASONS)
_SELF = REASON["self"] * BANDS
_NO_RANGES = [0] * (2 * len(REASONS))


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of one handler. The integers always satisfy the ledger's identity."""

    emitted: int
    """Records that reached ``handle()`` and passed the filters."""
    stored: int
    """Committed to the database."""
    dropped: int
    """Let go by policy; ``dropped_by`` says why."""
    failed: int
    """Could not be stored; ``failed_by`` says why."""
    queued: int
    in_flight: int
    spooled: int
    dropped_by: Mapping[str, int]
    failed_by: Mapping[str, int]
    state: str
    """One of ``STATES``."""
    last_error: str | None
    """Error code and sentence, never a row; None once a batch was stored again."""
    last_success: float | None
    """Unix time of the last commit, in seconds."""
    lag: float | None
    """Seconds from the oldest record of the last batch to its commit."""
    unsaved: int = 0
    """With ``durable``: records whose call returned although the disk took them not; each is in its place as well."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost for one reason since the last loss row."""

    reason: str
    count: int
    first_seq: int
    last_seq: int
    levels: Mapping[str, int]
    """Severity band name → count."""


class Ledger:
    """The cells, their lock and the moves that are not on the hot path (``Buffer.put`` has its own)."""

    __slots__ = ("_reported", "_told", "cells", "lock", "on_told")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.cells = [0] * _CELLS
        self._reported = self._told = [0] * (len(REASONS) * BANDS)
        """What was taken for a loss row, and what a loss row says that is stored."""
        self.on_told: Callable[[], object] | None = None
        """Writes ``told`` where it outlives the process."""

    def refuse(self, reason: int, band: int) -> None:
        """Count a record that never entered the queue."""
        cells, kind = self.cells, DROPPED if reason < len(DROP_REASONS) else FAILED
        cell, span = LOST + reason * BANDS + band, RANGE + 2 * reason
        with self.lock:
            cells[EMITTED] = seq = cells[EMITTED] + 1
            cells[BY_BAND + band] += 1
            cells[kind] += 1
            cells[cell] += 1
            if not cells[span]:
                cells[span] = seq
            cells[span + 1] = seq

    def lose(
        self,
        source: int,
        seq: int,
        reason: int,
        band: int,
        size: int = 0,
        *,
        waiting: deque[Item] | None = None,
    ) -> None:
        """Move one record from ``source`` (QUEUED or IN_FLIGHT) to dropped or failed.

        Args:
            source: the cell it is counted in.
            seq: its number.
            reason: index of one of ``REASONS``.
            band: its severity band.
            size: bytes it frees in the queue.
            waiting: the queue it is the first of, to be taken off in the same step; where it is not any more, nothing
                happens.
        """
        cells, kind = self.cells, DROPPED if reason < len(DROP_REASONS) else FAILED
        cell, span = LOST + reason * BANDS + band, RANGE + 2 * reason
        with self.lock:
            if waiting is not None:
                if not waiting or waiting[0][0] != seq:
                    return
                del waiting[0]  # not popleft(): no call between here and the count
            cells[source] -= 1
            cells[BYTES] -= size
            cells[kind] += 1
            cells[cell] += 1
            if not cells[span] or seq < cells[span]:
                cells[span] = seq
            cells[span + 1] = max(cells[span + 1], seq)

    def miss(self, count: int, reason: int) -> None:
        """So many of those on disk are nowhere; which of all the numbers given is not known, nor how severe."""
        cells, cell, span = self.cells, LOST + reason * BANDS, RANGE + 2 * reason
        with self.lock:
            cells[SPOOLED] -= count
            cells[DROPPED] += count
            cells[cell] += count
            cells[span], cells[span + 1] = 1, cells[EMITTED]

    def snapshot(self) -> list[int]:
        """All cells at one moment."""
        with self.lock:
            return self.cells.copy()

    def take_losses(self) -> list[Loss]:
        """What was lost since the last call, one ``Loss`` per reason; nothing is reported twice."""
        cells = self.cells
        with self.lock:
            now = cells[:]  # a slice, not copy(): no call between here and the reset
            cells[RANGE:] = _NO_RANGES
        losses = []
        for reason, name in enumerate(REASONS):
            counts = now[LOST + reason * BANDS : LOST + (reason + 1) * BANDS]
            before = self._reported[reason * BANDS : (reason + 1) * BANDS]
            levels = {BAND_NAMES[band]: counts[band] - before[band] for band in range(BANDS)}
            levels = {level: count for level, count in levels.items() if count}
            if levels:
                first, last = now[RANGE + 2 * reason], now[RANGE + 2 * reason + 1]
                losses.append(Loss(name, sum(levels.values()), first, last, levels))
        self._reported = now[LOST:RANGE]
        return losses

    def has_losses(self) -> bool:
        """Whether a loss row is due: never for dblog's own records alone, which nobody asked to store."""
        now, own = self.cells[LOST:RANGE], slice(_SELF, _SELF + BANDS)
        now[own] = self._reported[own]
        return now != self._reported

    def tell(self) -> None:
        """The loss row is stored of what was taken last."""
        self._told = self._reported
        if self.on_told is not None:
            self.on_told()

    def owes(self) -> bool:
        """Whether something is lost that no loss row says, though one should."""
        return self.has_losses() or self._told != self._reported

    def lost(self) -> list[int]:
        """How many are lost, by reason in the order of ``REASONS``."""
        return _by_reason(self.cells[LOST:RANGE])

    def told(self) -> list[int]:
        """Of these, of how many loss rows say so that are stored."""
        return _by_reason(self._told)

    def stats(
        self, *, state: str, last_error: str | None = None, last_success: float | None = None, lag: float | None = None
    ) -> Stats:
        """One exact snapshot as ``Stats``."""
        cells = self.snapshot()
        by = dict(zip(REASONS, _by_reason(cells[LOST:RANGE]), strict=True))
        emitted, stored, dropped, failed, queued, in_flight, spooled = cells[:BYTES]
        return Stats(
            emitted,
            stored,
            dropped,
            failed,
            queued,
            in_flight,
            spooled,
            dropped_by={name: by[name] for name in DROP_REASONS if by[name]},
            failed_by={name: by[name] for name in FAIL_REASONS if by[name]},
            state=state,
            last_error=last_error,
            last_success=last_success,
            lag=lag,
            unsaved=cells[UNSAVED],
        )


def _by_reason(cells: list[int]) -> list[int]:
    return [sum(cells[start : start + BANDS]) for start in range(0, len(cells), BANDS)]
