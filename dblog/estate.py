"""The directory of one dead writer, seen to its end: what is missing is told, the rest stored, its counts closed.

Every step is written down in the directory once it is stored, so that whoever is killed in between is followed by
somebody who goes on; rows have their ids, loss rows too. It decides nothing about other directories.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from dblog.delivery import Delivery
from dblog.diagnostics import complain
from dblog.errors import ErrorClass, StoreError
from dblog.item import compact, expand
from dblog.ledger import EMITTED, FAILED, IN_FLIGHT, STORED, Ledger
from dblog.missing import counted, detail, final, loss_row, missing
from dblog.repair import PAST, clamp
from dblog.sink import Origin, Status
from dblog.spool import band_of_body, decode
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from dblog.item import Item
    from dblog.sink import Sink
    from dblog.spool import Dead, Left

__all__ = ["Away", "Estate", "Later", "Tally", "Terms", "origin_of"]

_PAUSES = 8
"""How often a batch is tried again before the directory is left for later."""
_PASSING = frozenset({ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT})


class Later(Exception):  # noqa: N818 - not an error
    """This directory cannot be seen to its end now; the others may. Its text says why, and holds no record's."""


class Away(Later):
    """Nor can any other: the database cannot be reached."""


class Terms(NamedTuple):
    """How directories are settled."""

    max_age: float
    """Seconds after which a record is given up."""
    patience: Callable[[], float]
    """Seconds one operation may take now."""
    wait: Callable[[float], object] = time.sleep
    """Between two attempts."""
    batch_size: int = 1000
    batch_bytes: int = 4 * 1024 * 1024
    discard: bool = False
    """Nothing is stored: all of it is thrown away, and told."""


class Tally(NamedTuple):
    """What came of one directory, or of one batch."""

    stored: int = 0
    failed: int = 0
    lost: dict[str, int] = {}  # noqa: RUF012 - nobody changes it


def origin_of(found: Dead) -> Origin:
    """Whose it is, as far as that is known."""
    return found.origin or Origin(found.instance_id, None, None, None, host="", pid=0, started_at=0)


class _Replay(Delivery):
    """The delivery of what was found."""

    @property
    def aborted(self) -> bool:
        """The statement that failed took too long."""
        return self._aborted

    @property
    def letters(self) -> int:
        """Dead letters that are not stored yet."""
        return len(self._letters)


class Estate:
    """One dead writer's directory.

    Args:
        found: the directory, held by us.
        sink: for its rows; where it can say what is stored (``dblog.sink.Heir``), it is asked.
        terms: how it is settled.
    """

    def __init__(self, found: Dead, sink: Sink, terms: Terms) -> None:
        self._found, self._sink, self._terms = found, sink, terms
        self._ledger = Ledger()
        self._delivery = _Replay(
            sink,
            self._ledger,
            name="adoption",
            instance_id=found.instance_id,
            timeout=terms.patience,
            pause=self._pause,
        )
        self._pauses = 0
        self._aborted = False
        self._refused: StoreError | None = None
        """Why a batch was not taken."""

    def settle(self) -> Iterator[Tally]:
        """Step by step, with what came of each; at its end the directory is gone.

        Raises:
            Later: it waits for another time; ``Away``: because the database cannot be reached.
            DblogError: a newer dblog wrote it.
            OSError: a file cannot be read now.
        """
        found = self._found
        if not found.settled.reported:
            yield Tally(lost=self._tell_what_is_missing())
        horizon = float("inf") if self._terms.discard else (time.time() - self._terms.max_age) * 1e6
        seen: set[int] = set()
        """A record may be there twice: it waited in memory as well when it was put on disk."""
        for batch in self._batches(found.frames()):
            items, given_up = self._sorted([left for left in batch if left.seq not in seen], horizon)
            seen.update([left.seq for left in batch])
            yield self._take(batch[-1], items, given_up)
        self._close_the_books()
        found.remove()

    def _tell_what_is_missing(self) -> dict[str, int]:
        found = self._found
        if not found.settled.adopted:
            found.note(found.settled._replace(adopted=time.time_ns() // 1000))
        told = missing(found, self._present)
        if details := told.gone + told.untold:
            self._write(details, "killed")
        found.note(found.settled._replace(reported=1, emitted=told.emitted).losing(counted(told.gone)))
        return counted(details)

    def _take(self, last: Left, items: list[Item], given_up: list[dict[str, Any]]) -> Tally:
        """See one batch to its end: stored, refused or given up, and then written down."""
        found, cells = self._found, self._ledger.cells
        if given_up:
            self._write(given_up, f"{last.number}:{last.end}")
        if items:
            self._deliver(items)
        tally = Tally(cells[STORED], cells[FAILED], counted(given_up))
        cells[STORED] = cells[FAILED] = 0
        reached = found.settled._replace(reached=last.place)
        found.note(reached.losing(tally.lost | ({"poison": tally.failed} if tally.failed else {})))
        found.acknowledge(last)
        return tally

    def _close_the_books(self) -> None:
        """The writer's row in ``log_instances`` says what it came to; one that cannot be had holds nothing up."""
        stats, found = final(self._found), self._found
        if stats is None:
            return
        status = Status(origin_of(found), found.settled.adopted, stats, posthumous=True)
        error = self._attempt(lambda: self._sink.report(status))
        if error is not None and error.kind in _PASSING:
            raise self._later(error, aborted=self._aborted)

    # -- replay -----------------------------------------------------------------------------------------------

    def _deliver(self, items: list[Item]) -> None:
        delivery, cells = self._delivery, self._ledger.cells
        self._pauses = 0
        cells[EMITTED] += len(items)
        cells[IN_FLIGHT] += len(items)
        delivery.load(items, replay=True)
        if not delivery.run():
            raise self._later(self._refused, aborted=delivery.aborted)
        self._must(delivery.post_letters)
        if delivery.letters:
            raise Later("the database does not take dead letters now")

    def _batches(self, lefts: Iterator[Left]) -> Iterator[list[Left]]:
        """Bounded in records and bytes, but one record at least."""
        batch: list[Left] = []
        room = self._terms.batch_bytes
        for left in lefts:
            if batch and (len(batch) >= self._terms.batch_size or room < len(left.body)):
                yield batch
                batch, room = [], self._terms.batch_bytes
            batch.append(left)
            room -= len(left.body)
        if batch:
            yield batch

    def _pause(self, error: StoreError) -> bool:
        """Whether the batch is tried again: for a passing trouble a few times, else the directory waits."""
        self._pauses += 1
        self._refused = error
        if error.kind not in {ErrorClass.RESEND, ErrorClass.UNKNOWN} or self._pauses > _PAUSES:
            return False
        self._terms.wait(0.05 * self._pauses)
        return True

    def _sorted(self, batch: list[Left], horizon: float) -> tuple[list[Item], list[dict[str, Any]]]:
        """The items to store, each once, and what is told of those that are given up."""
        items: list[Item] = []
        old = "discarded" if self._terms.discard else "spool_expired"
        lost: dict[str, list[Left]] = {old: [], "damaged": []}
        for left in {left.seq: left for left in batch}.values():
            try:
                item = decode(left.body, left.seq)
            except ValueError:  # written by another version
                lost["damaged"].append(left)
                continue
            if left.appended_at < horizon:
                lost[old].append(left)
            else:
                items.append(_timely(item, left.appended_at))
        return items, [told for reason, lefts in lost.items() if (told := self._told(reason, lefts))]

    def _told(self, reason: str, given_up: list[Left]) -> dict[str, Any] | None:
        """What is told of these; None where they are all stored, as what was on its way may be."""
        doubtful = [left.seq for left in given_up if self._found.doubtful(left)]
        since = min((left.appended_at for left in given_up), default=0) - PAST
        there = self._present(min(doubtful), max(doubtful), max(0, since)) if doubtful else ()
        gone = given_up if there is None else [left for left in given_up if left.seq not in there]
        if not gone:
            return None
        told = detail(reason, [(left.seq, band_of_body(left.body)) for left in gone])
        return told if there is not None else told | {"in_doubt": len(doubtful)}

    # -- the database -----------------------------------------------------------------------------------------

    def _present(self, first: int, last: int, since: int) -> Collection[int] | None:
        """Which of these numbers are stored; None where that cannot be asked."""
        ask = getattr(self._sink, "present", None)
        if ask is None:
            return None
        answer: list[Collection[int] | None] = []
        error = self._attempt(lambda: answer.append(ask(first, last, since)))
        if error is not None and error.kind is ErrorClass.RECONNECT:
            raise self._later(error, aborted=self._aborted)
        return answer[0] if answer else None

    def _write(self, details: list[dict[str, Any]], what: str) -> None:
        row = loss_row(self._found.instance_id, details, self._found.settled.adopted, what)
        self._must(lambda: self._sink.write([(None, row)], replay=True))

    def _must(self, operation: Callable[[], object]) -> None:
        error = self._attempt(operation)
        if error is not None:
            raise self._later(error, aborted=self._aborted)

    def _attempt(self, operation: Callable[[], object]) -> StoreError | None:
        """What went wrong, out of time included."""
        self._aborted = False
        try:
            with watchdog.limit(self._terms.patience(), self._abort):
                operation()
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a bug in a sink must not end the writer's thread
            complain("adoption", f"the sink failed with {type(error).__name__}")
            return StoreError(ErrorClass.UNKNOWN, type(error).__name__, "the sink failed")
        return None

    def _abort(self) -> None:
        self._aborted = True
        self._sink.abort()

    @staticmethod
    def _later(error: StoreError | None, *, aborted: bool) -> Later:
        """Too slow is this directory's fault, or may be."""
        if error is None:
            return Later("the database does not take it")
        return (Away if error.kind is ErrorClass.RECONNECT and not aborted else Later)(str(error))


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
