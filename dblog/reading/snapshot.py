"""PostgreSQL's snapshots as sets of transactions, and what lies between two of them.

Transactions get their numbers when they first write, and commit in another order. So "what is new" is no range of
numbers: it is the transactions that are over in a later snapshot and were not in an earlier one.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Difference", "Snapshot"]


class Difference(NamedTuple):
    """The transactions that one snapshot knows to be over and an earlier one did not."""

    singles: tuple[int, ...]
    """Below ``low``: they were running then."""
    low: int
    high: int
    """From ``low`` up to here, itself excluded …"""
    running: tuple[int, ...]
    """… but not these."""

    @property
    def empty(self) -> bool:
        """No transaction at all."""
        return not self.singles and self.high - self.low <= len(self.running)

    @property
    def first(self) -> int:
        """The lowest number that may be one of them."""
        return self.singles[0] if self.singles else self.low

    def below(self, number: int) -> Difference:
        """Those of them with a number less than this."""
        high = max(self.low, min(self.high, number))
        return Difference(
            tuple(xid for xid in self.singles if xid < number),
            self.low,
            high,
            tuple(xid for xid in self.running if xid < high),
        )

    def also(self, number: int) -> Difference:
        """With the transaction of this number, too."""
        if number in self.singles or self.low <= number < self.high:
            return self
        return self._replace(singles=(*self.singles, number))


class Snapshot(NamedTuple):
    """The transactions that are over: those with a number below ``end`` but the ``running`` ones.

    Aborted ones are over, too; their rows nobody sees.
    """

    end: int
    """PostgreSQL's ``xmax``."""
    running: frozenset[int] = frozenset()
    """PostgreSQL's ``xip_list``; all of them are below ``end``."""

    @classmethod
    def parse(cls, text: str, *, standby: bool = False) -> Snapshot:
        """What ``pg_current_snapshot()::text`` says.

        Args:
            text: ``xmin:xmax:xip,xip,…``.
            standby: the server is replaying another's log. There the list of running transactions is empty whatever
                runs (GetSnapshotData keeps them among the subtransactions), so only what is below ``xmin`` is
                known to be over.
        """
        xmin, xmax, running = text.split(":")
        if standby:
            return cls(int(xmin))
        return cls(int(xmax), frozenset(map(int, running.split(","))) if running else frozenset())

    def __contains__(self, xid: object) -> bool:
        return isinstance(xid, int) and xid < self.end and xid not in self.running

    def since(self, earlier: Snapshot) -> Difference:
        """The transactions that are over here and were not in ``earlier``."""
        singles = sorted(xid for xid in earlier.running if xid in self)
        running = sorted(xid for xid in self.running if xid >= earlier.end)
        return Difference(tuple(singles), earlier.end, max(self.end, earlier.end), tuple(running))

    def joined(self, later: Snapshot, before: int | None = None) -> Snapshot:
        """What is over here, or is over in ``later`` and has a number less than ``before``.

        So reading may stop between any two transactions, in order of their numbers, and go on from there.
        """
        border = later.end if before is None else min(before, later.end)
        end = max(self.end, border)
        still = {xid for xid in self.running if xid >= border or xid in later.running}
        return Snapshot(end, frozenset(still | {xid for xid in later.running if self.end <= xid < end}))

    def over(self, number: int) -> Snapshot:
        """What is over here, and the transaction of this number."""
        if number < self.end:
            return Snapshot(self.end, self.running - {number})
        return Snapshot(number + 1, self.running | set(range(self.end, number)))

    def met(self, other: Snapshot) -> Snapshot:
        """What is over here and in ``other``."""
        end = min(self.end, other.end)
        return Snapshot(end, frozenset(xid for xid in self.running | other.running if xid < end))
