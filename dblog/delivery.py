"""One batch on its way to the database: resent, bisected, dead-lettered, until every row is accounted for.

``taken → sent → stored | unknown | refused``: only *stored* frees the rows; *unknown*
(a COMMIT was sent, its reply did not come) is resent through the conflict-tolerant
path; *refused* is bisected to the bad row in at most 2·log₂n + 1 statements, while the
rest is stored; what is too slow as a whole goes on in halves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dblog.errors import ErrorClass, StoreError
from dblog.item import ITEM_SITE, expand
from dblog.ledger import IN_FLIGHT, REASON, SPOOLED, STORED
from dblog.letters import Letters
from dblog.levels import band_of
from dblog.observe import tell
from dblog.repair import DAY_US, FUTURE, PAST, clamp, repair
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from dblog.item import Item
    from dblog.ledger import Ledger
    from dblog.sink import Row, Sink

__all__ = ["Delivery"]

_POISON, _DEADLINE = REASON["poison"], REASON["deadline"]
_TRIES = 3
"""How often an error that patience may mend is met with it before the batch is bisected."""
_NO_LIMIT = 1 << 30
_TIMEOUTS = 2
"""How often a group may be too slow as a whole."""
_TOO_SLOW = ("57014", "SQLITE_INTERRUPT", "159 ")
"""How a code begins that says a statement ran out of time."""
_PASSING = frozenset({ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.UNKNOWN})
_NO_TODAY = "the database makes no partition for today: do the clocks agree?"


@dataclass(slots=True, eq=False)
class _Group:
    rows: list[Row]
    replay: bool = False
    attempts: int = 0
    """Statements these rows were part of."""
    tries: int = 0
    """Patience spent on them; a half inherits what its whole has learnt."""
    timeouts: int = 0
    """How often they took longer than they may."""
    done: bool = False
    copied: bool = False
    """On disk as well."""


class Delivery:
    """What one writer has in hand.

    Args:
        sink: where rows go.
        ledger: counts what becomes of them.
        name: the handler's name, for observers.
        instance_id: names the writer in dead letters.
        timeout: seconds one operation may take now, enforced from outside the driver.
        pause: waits before the next attempt; False when there is no time left for one.
        keep: whether a row for which there is no time left is on disk, or can be put there.
    """

    def __init__(
        self,
        sink: Sink,
        ledger: Ledger,
        *,
        name: str,
        instance_id: UUID,
        timeout: Callable[[], float],
        pause: Callable[[StoreError], bool],
        keep: Callable[[Row], bool] = lambda _row: False,
    ) -> None:
        self._sink = sink
        self._ledger = ledger
        self.name = name
        self._timeout = timeout
        self._pause = pause
        self._keep = keep
        self._groups: list[_Group] = []
        self._letters = Letters(sink, instance_id, timeout)
        self._aborted = False
        """The watchdog ended the statement under way."""
        self._most = _NO_LIMIT
        """Rows in one statement at most: halved when that was too slow, one more with each that was not."""
        self.last_success: float | None = None
        """Unix time of the last commit."""
        self.lag: float | None = None

    def __bool__(self) -> bool:
        return bool(self._groups)

    def load(self, items: list[Item], *, replay: bool = False) -> None:
        """Take a batch in hand; a record that cannot even be made a row is counted as failed.

        Args:
            items: the batch.
            replay: some of it may be stored already.
        """
        now = time.time_ns() // 1000
        try:
            rows: list[Row] = [(item[0], expand(item)) for item in items]
            if not all(now - PAST <= item[1] <= now + FUTURE for item in items):
                rows = [(seq, clamp(entry, now)) for seq, entry in rows]
        except Exception:  # noqa: BLE001 - one of them is to blame, and must not keep the others back
            rows = self._sound(items, now)
        if rows:
            self._groups.append(_Group(rows, replay, copied=replay))

    def uncopied(self) -> Iterator[Row]:
        """Rows in hand that this has not given before."""
        for group in self._groups:
            if not (group.done or group.copied):
                group.copied = True
                yield from group.rows

    def _sound(self, items: list[Item], now: int) -> list[Row]:
        """The rows of those items that make one; the others are lost."""
        rows: list[Row] = []
        for item in items:
            try:
                rows.append((item[0], clamp(expand(item), now)))
            except Exception:  # noqa: BLE001 - whatever is wrong with it
                self._ledger.lose(IN_FLIGHT, item[0], _POISON, _band(item[ITEM_SITE][1]))
        return rows

    def in_hand(self) -> set[int]:
        """The ``seq`` of every row that is to be stored yet."""
        return {seq for group in self._groups if not group.done for seq, _ in group.rows if seq is not None}

    def suspect(self) -> None:
        """The thread was interrupted at an unknown place: anything in hand may be stored already."""
        for group in self._groups:
            group.replay = True

    def run(self) -> bool:
        """Until nothing is in hand; False when the deadline came first and the rest was dropped."""
        while self._groups:
            group = self._groups[-1]
            if group.done:
                self._groups.pop()
                continue
            if len(group.rows) > self._most:
                self._halve(group)
                continue
            error = self._attempt(group)
            if error is not None and not self._answer(group, error):
                self._give_up()
                return False
        return True

    def _attempt(self, group: _Group) -> StoreError | None:
        group.attempts += 1
        self._aborted = False
        started = time.perf_counter()
        try:
            with watchdog.limit(self._timeout(), self._abort):
                self._sink.write(group.rows, replay=group.replay)
        except StoreError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not lose a batch
            failure = StoreError(ErrorClass.UNKNOWN, type(error).__name__, "the sink failed", ambiguous=True)
        else:
            self._stored(group)
            tell("batch", self.name, len(group.rows), time.perf_counter() - started, self.lag, stored=True)
            return None
        tell("batch", self.name, len(group.rows), time.perf_counter() - started, None, stored=False)
        group.replay |= failure.ambiguous
        return failure

    def _abort(self) -> None:
        self._aborted = True
        self._sink.abort()

    def _stored(self, group: _Group) -> None:
        count = sum(seq is not None for seq, _ in group.rows)
        cells = self._ledger.cells
        with self._ledger.lock:
            # Straight-line: an asynchronous exception finds either both or neither done.
            cells[IN_FLIGHT] -= count
            cells[STORED] += count
            group.done = True
        self._most = min(self._most + 1, _NO_LIMIT)
        self.last_success = now = time.time()
        self.lag = max(0.0, now - group.rows[0][1].timestamp / 1e6)

    def _answer(self, group: _Group, error: StoreError) -> bool:
        """Do what the error's class asks for; False when there is no time left."""
        kind = error.kind
        if kind is ErrorClass.STORED and not group.replay:
            group.replay = True
            return True
        if kind in _PASSING and (self._aborted or error.code.startswith(_TOO_SLOW)):
            self._shorten(group)
            tell("retry", self.name, kind)
            return self._pause(error)
        if kind is ErrorClass.NO_PARTITION and group.tries < _TRIES:
            return self._make_days(group)
        if kind is ErrorClass.UNKNOWN or kind is ErrorClass.STORED:
            group.tries += 1
        if kind in {ErrorClass.POISON, ErrorClass.NO_PARTITION} or group.tries > _TRIES:
            self._split(group, error)
            return True
        tell("retry", self.name, kind)
        return self._pause(error)

    def _make_days(self, group: _Group) -> bool:
        """Have the days made that these rows lack; rows of a day the database refuses move to now."""
        now = time.time_ns() // 1000
        try:
            with watchdog.limit(self._timeout(), self._sink.abort):
                refused = set(self._sink.refused_days(group.rows))
        except StoreError as error:
            return self._pause(error)
        if any(group.rows[index][1].timestamp // DAY_US == now // DAY_US for index in refused):
            return self._pause(StoreError(ErrorClass.CONFIGURATION, "23514", _NO_TODAY))
        group.tries += 1
        group.rows = [
            (seq, clamp(entry, now, force=True)) if index in refused else (seq, entry)
            for index, (seq, entry) in enumerate(group.rows)
        ]
        return True

    def _split(self, group: _Group, error: StoreError) -> None:
        if len(group.rows) == 1:
            ((seq, entry),) = group.rows
            fixed = repair(entry)
            if fixed is entry:
                self._bury(group, error)
            else:  # a last try before a dead letter
                group.rows = [(seq, fixed)]
            return
        tell("bisection", self.name)
        for half in self._halve(group):
            if len(half.rows) == 1:  # the last try, without another statement
                ((seq, entry),) = half.rows
                half.rows = [(seq, repair(entry))]

    def _shorten(self, group: _Group) -> None:
        """Too slow is no row's fault: what met a timeout twice goes on in halves, and none is buried for it."""
        group.timeouts += 1
        if group.timeouts >= _TIMEOUTS and len(group.rows) > 1:
            tell("bisection", self.name)
            self._most = len(self._halve(group)[0].rows)

    def _halve(self, group: _Group) -> list[_Group]:
        middle = len(group.rows) // 2
        halves = [
            _Group(half, group.replay, group.attempts, group.tries, copied=group.copied)
            for half in (group.rows[middle:], group.rows[:middle])
        ]
        index = self._groups.index(group)
        self._groups[index : index + 1] = halves
        return halves

    def _bury(self, group: _Group, error: StoreError) -> None:
        """The single row of this group becomes a dead letter."""
        seq, entry = group.rows[0]
        letter = self._letters.written(group.rows[0], error, group.attempts)
        with self._ledger.lock:
            if seq is not None:
                self._ledger.lose(IN_FLIGHT, seq, _POISON, band_of(entry.severity))
            group.done = True
        self._letters.keep(letter)

    def post_letters(self) -> None:
        """Store the dead letters at hand; those the database does not take now are kept for the next time."""
        self._letters.post()

    def _give_up(self) -> None:
        for group in self._groups:
            for seq, entry in () if group.done else group.rows:
                if seq is not None and not self._kept((seq, entry)):
                    self._ledger.lose(IN_FLIGHT, seq, _DEADLINE, band_of(entry.severity))
        self._groups.clear()

    def _kept(self, row: Row) -> bool:
        kept, cells = self._keep(row), self._ledger.cells
        if kept:
            with self._ledger.lock:
                cells[IN_FLIGHT] -= 1
                cells[SPOOLED] += 1
        return kept


def _band(severity: Any) -> int:
    """The band of a severity that may be anything: the entry it belongs to is broken."""
    return band_of(severity) if type(severity) is int else 0
