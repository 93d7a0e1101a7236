"""What a dead writer left is stored by whoever comes later, and what it took along is told.

One directory at a time, in the thread of a writer that is well. First a loss row says how many records were in memory
only; then the rest is stored, with the dead writer's origin; then the directory goes. Killed at any point, the next one
goes on: rows have their ids, the loss row too, and nothing is acknowledged before it is stored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dblog.delivery import Delivery
from dblog.diagnostics import complain
from dblog.errors import DblogError, ErrorClass, StoreError
from dblog.item import compact, expand
from dblog.ledger import EMITTED, FAILED, IN_FLIGHT, STORED, Ledger
from dblog.missing import detail, loss_row, missing
from dblog.repair import clamp
from dblog.sink import Origin
from dblog.spool import band_of_body, dead, decode
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from uuid import UUID

    from dblog.entry import LogEntry
    from dblog.item import Item
    from dblog.sink import Sink
    from dblog.spool import Dead, Left

__all__ = ["Adopted", "Adoption"]

_PAUSES = 8
"""How often a batch is tried again before the directory is left for later."""


@dataclass(slots=True)
class Adopted:
    """What came of one call of ``Adoption.run``."""

    directories: int = 0
    """Settled for good."""
    stored: int = 0
    """Records stored now, or found to be stored already."""
    failed: int = 0
    """Records the database refuses; they are dead letters."""
    expired: int = 0
    """Records given up for their age."""
    lost: int = 0
    """Records that were in memory only, or damaged on disk."""
    corrupt: int = 0
    """Stretches of files that were damaged; the files are in quarantine."""
    waiting: bool = False
    """There may be more to do: time was up, or the database did not take it."""


class _Replay(Delivery):
    """The delivery of what was found."""

    @property
    def sink(self) -> Sink:
        """Where it goes."""
        return self._sink

    @property
    def letters(self) -> int:
        """Dead letters that are not stored yet."""
        return len(self._letters)


class Adoption:
    """Settles the directories of dead writers.

    Args:
        open_sink: makes the sink for another writer's rows. Where it has a method ``present(first, last)``, that says
            which ``seq`` between the two are stored, or None where that cannot be asked.
        folder: of the spools of all writers to the same database.
        mine: the writers of this process, asked at each run.
        max_age: seconds after which a record is given up.
        patience: seconds one operation may take now.
        wait: sleeps between two attempts.
        batch_size: records in one transaction.
        batch_bytes: bytes in one transaction.
    """

    def __init__(
        self,
        open_sink: Callable[[Origin], Sink],
        folder: Path,
        *,
        mine: Callable[[], Collection[UUID]],
        max_age: float,
        patience: Callable[[], float],
        wait: Callable[[float], object] = time.sleep,
        batch_size: int = 1000,
        batch_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self._open_sink, self._folder, self._mine = open_sink, folder, mine
        self._max_age, self._patience, self._wait = max_age, patience, wait
        self._batch_size, self._batch_bytes = batch_size, batch_bytes
        self._found: Dead | None = None
        self._deadline = 0.0
        self._pauses = 0
        self._said = ""

    def run(self, budget: float) -> Adopted:
        """Settle what can be settled within about ``budget`` seconds; never raises for a database or a disk."""
        self._deadline = time.monotonic() + budget
        adopted = Adopted()
        try:
            for found in dead(self._folder, self._mine()):
                self._found = found
                try:
                    settled = self._settle(found, adopted)
                except (DblogError, OSError) as error:  # this one cannot be read now; the others may
                    self._complain(error)
                    adopted.waiting = True
                    continue
                finally:
                    adopted.corrupt += found.corrupt
                if not settled or time.monotonic() >= self._deadline:
                    adopted.waiting = True
                    break
        except (DblogError, OSError) as error:
            self._complain(error)
            adopted.waiting = True
        finally:
            self._found = None
        return adopted

    def abandon(self) -> None:
        """In a forked child: the directory in hand is the parent's."""
        if self._found is not None:
            self._found.abandon()

    def _complain(self, error: Exception) -> None:
        """Say so, once; not at all where that of our own directory was just said, which lies beside theirs."""
        reason = str(error.strerror if isinstance(error, OSError) else error)
        if reason != self._said:
            self._said = reason
            complain("spool", f"what earlier processes left in {str(self._folder)!r} cannot be read: {reason}")

    def _settle(self, found: Dead, adopted: Adopted) -> bool:
        """See one directory to its end; False when there is more to do."""
        origin = found.origin or Origin(found.instance_id, None, None, None, host="", pid=0, started_at=0)
        sink = self._open_sink(origin)
        try:
            if found.page is None or not found.page.reported:
                details = missing(found, lambda first, last: self._present(sink, first, last))
                if details:
                    row = loss_row(found.instance_id, details, found.adopt(time.time_ns() // 1000), "killed")
                    if not self._write(sink, row):
                        return False
                    adopted.lost += sum(each["count"] for each in details)
                found.adopt(time.time_ns() // 1000, reported=True)
            if not self._replay(found, sink, adopted):
                return False
            found.remove()
            adopted.directories += 1
            return True
        finally:
            self._guarded(sink, sink.close)

    # -- replay -----------------------------------------------------------------------------------------------

    def _replay(self, found: Dead, sink: Sink, adopted: Adopted) -> bool:
        ledger = Ledger()
        delivery = _Replay(
            sink,
            ledger,
            name="adoption",
            instance_id=found.instance_id,
            timeout=self._patience,
            pause=self._pause,
        )
        horizon = (time.time() - self._max_age) * 1e6
        seen: set[int] = set()
        """A record may be there twice: it waited in memory as well when it was put on disk."""
        for batch in self._batches(found.frames()):
            items, given_up = _sorted([left for left in batch if left.seq not in seen], horizon)
            seen.update([left.seq for left in batch])
            if given_up:
                place = f"{batch[0].number}:{batch[0].end}"
                row = loss_row(found.instance_id, given_up, found.adopt(time.time_ns() // 1000), place)
                if not self._write(sink, row):
                    return False
                adopted.expired += sum(each["count"] for each in given_up)
            if not self._deliver(delivery, ledger, items):
                return False
            found.acknowledge(batch[-1])
            adopted.stored += ledger.cells[STORED]
            adopted.failed += ledger.cells[FAILED]
            ledger.cells[STORED] = ledger.cells[FAILED] = 0
            if time.monotonic() >= self._deadline:
                return False
        return True

    def _deliver(self, delivery: _Replay, ledger: Ledger, items: list[Item]) -> bool:
        self._pauses = 0
        ledger.cells[EMITTED] += len(items)
        ledger.cells[IN_FLIGHT] += len(items)
        delivery.load(items, replay=True)
        if not delivery.run():
            return False
        return self._guarded(delivery.sink, delivery.post_letters) and not delivery.letters

    def _batches(self, lefts: Iterator[Left]) -> Iterator[list[Left]]:
        """Bounded in records and bytes, but one record at least."""
        batch: list[Left] = []
        room = self._batch_bytes
        for left in lefts:
            if batch and (len(batch) >= self._batch_size or room < len(left.body)):
                yield batch
                batch, room = [], self._batch_bytes
            batch.append(left)
            room -= len(left.body)
        if batch:
            yield batch

    def _pause(self, error: StoreError) -> bool:
        """Whether the batch is tried again: for a passing trouble a few times, else the directory waits."""
        self._pauses += 1
        if error.kind not in {ErrorClass.RESEND, ErrorClass.UNKNOWN} or self._pauses > _PAUSES:
            return False
        self._wait(0.05 * self._pauses)
        return True

    # -- the database -----------------------------------------------------------------------------------------

    def _present(self, sink: Sink, first: int, last: int) -> Collection[int] | None:
        """Which of these numbers are stored; None where that cannot be asked."""
        ask = getattr(sink, "present", None)
        if ask is None:
            return None
        answer: list[Collection[int] | None] = []
        self._guarded(sink, lambda: answer.append(ask(first, last)))
        return answer[0] if answer else None

    def _write(self, sink: Sink, row: LogEntry) -> bool:
        return self._guarded(sink, lambda: sink.write([(None, row)], replay=True))

    def _guarded(self, sink: Sink, operation: Callable[[], object]) -> bool:
        """Whether it succeeded, in time."""
        try:
            with watchdog.limit(self._patience(), sink.abort):
                operation()
        except StoreError:
            return False
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not end the writer's thread
            complain("adoption", f"the sink failed with {type(error).__name__}")
            return False
        return True


def _sorted(batch: list[Left], horizon: float) -> tuple[list[Item], list[dict[str, Any]]]:
    """The items to store, each once, and what is told of those that are given up."""
    items: list[Item] = []
    lost: dict[str, list[tuple[int, int]]] = {"spool_expired": [], "damaged": []}
    for left in {left.seq: left for left in batch}.values():
        try:
            item = decode(left.body, left.seq)
        except ValueError:  # written by another version
            lost["damaged"].append((left.seq, 0))
            continue
        if left.appended_at < horizon:
            lost["spool_expired"].append((left.seq, band_of_body(left.body)))
        else:
            items.append(_timely(item, left.appended_at))
    return items, [detail(reason, each) for reason, each in lost.items() if each]


def _timely(item: Item, appended_at: int) -> Item:
    """The item with the time that a wrong clock's gets: that of its arrival, and the same at every replay."""
    try:
        entry = expand(item)
        fixed = clamp(entry, appended_at)
    except Exception:  # noqa: BLE001 - no row can be made of it: the delivery counts that
        return item
    if fixed is entry:
        return item
    changed = compact(fixed)
    changed[0] = item[0]
    return changed
