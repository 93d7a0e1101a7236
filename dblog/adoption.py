"""What a dead writer left is stored by whoever comes later, and what it took along is told.

One directory at a time, in the thread of a writer that is well. First a loss row says how many records were in memory
only; then the rest is stored, with the dead writer's origin; then its row in ``log_instances`` says what it came to,
and the directory goes. One that cannot be seen to its end now holds up no other.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dblog.diagnostics import complain
from dblog.errors import DblogError
from dblog.estate import Away, Estate, Later, Terms, origin_of
from dblog.spool import dead

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path
    from uuid import UUID

    from dblog.estate import Tally
    from dblog.sink import Origin, Sink
    from dblog.spool import Dead

__all__ = ["Adopted", "Adoption"]

_AGAIN = 30.0
"""Seconds until a directory is tried again that could not be seen to its end."""


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
    discarded: int = 0
    """Records thrown away because somebody wanted it."""
    lost: int = 0
    """Records that were in memory only, or damaged on disk, or lost before without a word."""
    corrupt: int = 0
    """Stretches of files that were damaged; the files are in quarantine."""
    waiting: bool = False
    """There may be more to do: time was up, or the database did not take it."""
    reasons: Counter[str] = field(default_factory=Counter, compare=False)
    """What was given up and lost, by reason."""
    why: str | None = field(default=None, compare=False)
    """The last reason for which a directory had to wait."""

    @property
    def moved(self) -> bool:
        """Whether anything came of it: it is worth going on."""
        return any((self.directories, self.stored, self.failed, self.expired, self.discarded, self.lost))

    def add(self, tally: Tally) -> None:
        """Count what came of one step."""
        self.reasons.update(tally.lost)
        self.stored += tally.stored
        self.failed += tally.failed
        self.expired += tally.lost.get("spool_expired", 0)
        self.discarded += tally.lost.get("discarded", 0)
        self.lost += sum(count for reason, count in tally.lost.items() if reason not in _GIVEN_UP)


_GIVEN_UP = frozenset({"spool_expired", "discarded"})


class Adoption:
    """Settles the directories of dead writers.

    Args:
        open_sink: makes the sink for another writer's rows; where it is an ``Heir``, one serves many writers.
        folder: of the spools of all writers to the same database.
        mine: the writers of this process, asked at each run.
        terms: how they are settled.
        only: these and no others; None for all.
    """

    def __init__(
        self,
        open_sink: Callable[[Origin], Sink],
        folder: Path,
        *,
        mine: Callable[[], Collection[UUID]],
        terms: Terms,
        only: Collection[UUID] | None = None,
    ) -> None:
        self._open_sink, self._folder, self._mine = open_sink, folder, mine
        self._terms, self._only = terms, only
        self._found: Dead | None = None
        self._sink: Sink | None = None
        self._deadline = 0.0
        self._said = ""
        self._put_off: dict[UUID, float] = {}
        """Directories that could not be seen to their end, and the monotonic time of their next try."""

    def run(self, budget: float) -> Adopted:
        """Settle what can be settled within about ``budget`` seconds; never raises for a database or a disk."""
        now = time.monotonic()
        self._deadline = now + budget
        self._put_off = {each: until for each, until in self._put_off.items() if until > now}
        adopted = Adopted(waiting=bool(self._put_off))
        try:
            self._run(adopted)
        except (DblogError, OSError) as error:
            self._complain(self._folder, error)
            adopted.waiting, adopted.why = True, str(error)
        finally:
            self._found = None
            self._let_go()
        return adopted

    def _run(self, adopted: Adopted) -> None:
        for found in dead(self._folder, {*self._mine(), *self._put_off}):
            if self._only is not None and found.instance_id not in self._only:
                continue
            self._found = found
            try:
                settled = self._settle(found, adopted)
            except Away as error:
                adopted.waiting, adopted.why = True, str(error)
                return
            except (Later, DblogError, OSError) as error:
                adopted.why = str(error)
                if not isinstance(error, Later):
                    self._complain(self._folder / str(found.instance_id), error)
                self._put_off[found.instance_id] = time.monotonic() + _AGAIN
                adopted.waiting, settled = True, True
            finally:
                adopted.corrupt += found.corrupt
            if not settled or time.monotonic() >= self._deadline:
                adopted.waiting = True
                return

    def _settle(self, found: Dead, adopted: Adopted) -> bool:
        """See one directory to its end; False when time was up before."""
        for tally in Estate(found, self._sink_of(origin_of(found)), self._terms).settle():
            adopted.add(tally)
            if (tally.stored or tally.failed or tally.lost) and time.monotonic() >= self._deadline:
                return False
        adopted.directories += 1
        return True

    def abandon(self) -> None:
        """In a forked child: the directory in hand is the parent's, and so is the connection."""
        if self._found is not None:
            self._found.abandon()
        if self._sink is not None:
            self._sink.abandon()

    def _sink_of(self, origin: Origin) -> Sink:
        sink = self._sink
        if sink is not None and hasattr(sink, "turn_to"):
            sink.turn_to(origin)
            return sink
        self._let_go()
        self._sink = sink = self._open_sink(origin)
        return sink

    def _let_go(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - a bug in a sink must not end the writer's thread
                complain("adoption", f"the sink failed with {type(error).__name__}")

    def _complain(self, where: Path, error: Exception) -> None:
        """Say so, once; not at all where that of our own directory was just said, which lies beside theirs."""
        reason = str(error.strerror if isinstance(error, OSError) else error)
        if reason != self._said:
            self._said = reason
            complain("spool", f"what earlier processes left in {str(where)!r} cannot be read: {reason}")
