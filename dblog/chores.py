"""What a writer does beside storing batches: loss rows, heartbeats, dead letters, retention, adoption, observers.

None of it may fail a batch or keep one waiting: an error here is left for the next
round, and each chore bounds its own time.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import orjson

from dblog.diagnostics import complain
from dblog.entry import LogEntry
from dblog.errors import StoreError
from dblog.observe import tell
from dblog.sink import Status
from dblog.spans import untraced
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.adoption import Adoption
    from dblog.delivery import Delivery
    from dblog.ledger import Ledger, Loss, State, Stats
    from dblog.sink import Origin, Sink

__all__ = ["LOSS_LOGGER", "Chores", "Master"]

LOSS_LOGGER = "dblog.loss"
"""The ``logger`` of loss rows."""

_LOSS_EVERY = 1.0
_HEARTBEAT_EVERY = 10.0
_TICK_EVERY = 1.0
_PRUNE_EVERY = 60.0
_PRUNE_OVERDUE = 60.0
"""A service that is never quiet would otherwise never prune."""
_PRUNE_BUDGET = 0.1
_ADOPT_EVERY = 30.0
_ADOPT_BUDGET = 0.1


class Master(Protocol):
    """What chores ask of the writer they are done for."""

    ledger: Ledger
    origin: Origin
    state: State
    last_error: str | None

    @property
    def name(self) -> str: ...  # noqa: D102 - as the handler's

    def stats(self) -> Stats: ...  # noqa: D102 - one exact snapshot

    def patience(self) -> float: ...  # noqa: D102 - seconds one operation may take now


class Chores:
    """The side work of one writer, called from its thread only."""

    def __init__(self, writer: Master, sink: Sink, delivery: Delivery, adoption: Adoption | None = None) -> None:
        self._writer = writer
        self._sink = sink
        self._delivery = delivery
        self._adoption = adoption
        """Of what dead writers left on disk."""
        self._pending: LogEntry | None = None
        """A loss row that could not be written yet; its id stays, so that a resend is no second row."""
        self._next_loss = self._next_beat = self._next_tick = 0.0
        self._next_prune = time.monotonic()
        self._next_adoption = 0.0 if adoption is not None else float("inf")
        self._behind = False
        """The last look found rows to prune: there may be more."""

    def after_batch(self) -> None:
        """A batch was stored: what is due now."""
        now = time.monotonic()
        if now >= self._next_loss:
            self._next_loss = now + _LOSS_EVERY
            self._write_losses()
        self._post_letters()
        if now >= self._next_beat:
            self._beat(now)
        if now >= self._next_tick:
            self._tick(now)
        if now >= self._next_prune + (0.0 if self._behind else _PRUNE_OVERDUE):
            self._prune(now)
        if now >= self._next_adoption:
            self._adopt(now, 4 * _ADOPT_BUDGET)

    def state_changed(self) -> None:
        """The next batch brings a heartbeat."""
        self._next_beat = 0.0

    def between_attempts(self) -> None:
        """The database is in trouble: observers go on hearing of it."""
        now = time.monotonic()
        if now >= self._next_tick:
            self._tick(now)

    def idle(self) -> float:
        """Nothing waits: chores for a quiet moment; seconds until the next one is due, 0 where one goes on at once."""
        with untraced():
            return self._quiet()

    def _quiet(self) -> float:
        now = time.monotonic()
        if self._writer.state == "STARTING" and self._delivery.last_success is None:
            return _HEARTBEAT_EVERY  # nothing was stored yet: no row to refresh
        self._write_losses()
        self._post_letters()
        self._tick(now)
        if now >= self._next_beat:
            self._beat(now)
        if now >= self._next_prune:
            self._prune(now)
        if now >= self._next_adoption:
            self._adopt(now, 0.0)
        now = time.monotonic()
        if now >= self._next_adoption:
            return 0.0
        return max(0.05, min(self._next_beat, self._next_prune, self._next_adoption) - now)

    def last(self, deadline: float | None) -> None:
        """The writer ends: losses, letters and the final heartbeat, if there is time; then the connection goes.

        Past the deadline a database that was well gets the loss row all the same: it says what the deadline cost.
        """
        with untraced():
            self._end(deadline)

    def _end(self, deadline: float | None) -> None:
        in_time = deadline is None or time.monotonic() < deadline
        if self._delivery.last_success is not None:
            if in_time or self._writer.last_error is None:
                self._write_losses()
            if in_time:
                self._post_letters()
                self._beat(time.monotonic(), state="CLOSED")
        self._tick(time.monotonic(), state="CLOSED")
        self._guarded(self._sink.close)

    def _write_losses(self) -> None:
        ledger = self._writer.ledger
        if self._pending is None and ledger.has_losses():
            self._pending = _loss_entry(ledger.take_losses(), self._writer.origin.instance_id)
        if self._pending is not None:
            row = (None, self._pending)
            if self._guarded(lambda: self._sink.write([row], replay=True)) is not None:
                self._pending = None
                ledger.tell()

    def _beat(self, now: float, state: str | None = None) -> None:
        self._next_beat = now + _HEARTBEAT_EVERY
        stats = self._writer.stats()
        if state is not None:
            from dataclasses import replace  # noqa: PLC0415 - once, at the end

            stats = replace(stats, state=state)
        self._guarded(lambda: self._sink.report(Status(self._writer.origin, time.time_ns() // 1000, stats)))

    def _prune(self, now: float) -> None:
        self._behind = bool(self._guarded(lambda: self._sink.prune(_PRUNE_BUDGET)))
        self._next_prune = now + (4 * _PRUNE_BUDGET if self._behind else _PRUNE_EVERY)

    def _adopt(self, now: float, rest: float) -> None:
        """Store what earlier processes left on disk, a little at a time, with so many seconds' rest in between."""
        if self._adoption is None:
            return
        adopted = self._adoption.run(_ADOPT_BUDGET)
        if adopted.moved:
            outcomes = {**adopted.reasons, "stored": adopted.stored, "failed": adopted.failed}
            tell("adopted", self._writer.name, outcomes)
        self._next_adoption = now + (rest if adopted.waiting and adopted.moved else _ADOPT_EVERY)

    def abandon(self) -> None:
        """In a forked child: what was being adopted is the parent's."""
        if self._adoption is not None:
            self._adoption.abandon()

    def _tick(self, now: float, state: str | None = None) -> None:
        self._next_tick = now + _TICK_EVERY
        writer, last_success = self._writer, self._delivery.last_success
        tell(
            "tick",
            writer.name,
            writer.origin.instance_id,
            writer.ledger.snapshot(),
            state or writer.state,
            last_success,
        )

    def _guarded(self, chore: Callable[[], object]) -> object:
        """The chore's result, True for None; None when the database does not take it now, or the sink has a bug."""
        try:
            with watchdog.limit(self._writer.patience(), self._sink.abort):
                result = chore()
        except StoreError as error:
            self._writer.last_error = str(error)
            return None
        except Exception as error:  # noqa: BLE001 - it must not keep the writer from its work, or from its end
            self._complain(error)
            return None
        return True if result is None else result

    def _post_letters(self) -> None:
        try:
            self._delivery.post_letters()
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        complain("chore", f"{self._writer.name}: the sink failed with {type(error).__name__}")


def _loss_entry(losses: list[Loss], instance_id: UUID) -> LogEntry | None:
    if not losses:
        return None
    count = sum(loss.count for loss in losses)
    reasons = ", ".join(f"{loss.reason}: {loss.count}" for loss in losses)
    details = [
        {
            "reason": loss.reason,
            "count": loss.count,
            "levels": dict(loss.levels),
            "seq_from": loss.first_seq,
            "seq_to": loss.last_seq,
        }
        for loss in losses
    ]
    return LogEntry(
        timestamp=time.time_ns() // 1000,
        level="WARNING",
        severity=13,
        logger=LOSS_LOGGER,
        message=f"{count} records lost ({reasons})",
        metadata=orjson.dumps({"dblog": {"loss": details}}).decode(),
        instance_id=instance_id,
        id=_uuid7(time.time_ns()),
    )


def _uuid7(now_ns: int) -> UUID:
    """A random UUIDv7 (RFC 9562); rows of dblog's own have no ``seq`` to make one of."""
    value = (now_ns // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)  # variant
