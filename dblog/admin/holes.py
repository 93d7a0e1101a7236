"""Numbers that are missing, and what claims to explain them: pure functions over ranges, however long those are.

A claim says that so many of the numbers in a range are missing, not which. So numbers and claims are matched: each
number takes one place of one claim whose range holds it. Taking the numbers in order, and of the claims that hold a
number the one that ends first, matches as many as can be; what is left over is missing without a reason.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Claim", "Hole", "Island", "ends_of", "holes_between", "matched", "merged"]


class Island(NamedTuple):
    """Numbers that are there, without a gap."""

    first: int
    last: int
    low: int
    """µs since 1970 UTC; the oldest."""
    high: int


class Hole(NamedTuple):
    """Numbers that are not there."""

    first: int
    last: int
    low: int | None
    """µs since 1970 UTC: about when the numbers before them were given, or their writer began; None is unknown."""
    high: int | None
    """When those after them were, or their writer was last seen."""

    @property
    def size(self) -> int:
        """How many."""
        return self.last - self.first + 1

    def part(self, first: int, last: int) -> Hole:
        """The numbers from ``first`` to ``last``."""
        return Hole(first, last, self.low, self.high)


class Claim(NamedTuple):
    """So many of these numbers are missing for this reason."""

    first: int
    last: int
    places: int
    reason: str


def merged(islands: Iterable[Island]) -> list[Island]:
    """The islands in order, those that touch or overlap as one."""
    found: list[Island] = []
    for island in sorted(islands):
        if found and island.first <= found[-1].last + 1:
            before = found[-1]
            found[-1] = Island(
                before.first, max(before.last, island.last), min(before.low, island.low), max(before.high, island.high)
            )
        else:
            found.append(island)
    return found


def holes_between(islands: list[Island]) -> Iterator[Hole]:
    """What is missing between merged islands."""
    for before, after in itertools.pairwise(islands):
        yield Hole(before.last + 1, after.first - 1, min(before.high, after.low), max(before.high, after.low))


def ends_of(
    islands: list[Island], last: int, began: int | None, seen: int | None, *, base: int = 0
) -> tuple[Hole | None, Hole | None]:
    """What is missing before the first island and after the last one, up to the number ``last``.

    Args:
        islands: merged; may be none.
        last: the highest number that was given, as far as is known.
        began: when the writer did, in µs.
        seen: when it was last seen.
        base: numbers up to this one are not looked at.
    """
    if not islands:
        return (Hole(base + 1, last, began, seen) if last > base else None), None
    first, end = islands[0], islands[-1]
    before = Hole(base + 1, first.first - 1, began, first.low) if first.first > base + 1 else None
    return before, (Hole(end.last + 1, last, end.high, seen) if last > end.last else None)


def matched(holes: Iterable[Hole], claims: Iterable[Claim]) -> tuple[list[Hole], Counter[str]]:
    """What of the holes (in order) no claim explains, and how many numbers each reason does."""
    left: list[Hole] = []
    used: Counter[str] = Counter()
    waiting = sorted(claims, key=lambda claim: claim.first, reverse=True)
    at_hand: list[list[int]] = []  # heap of [last number, order, places]; the order finds the reason
    reasons: list[str] = []
    for hole in holes:
        number = hole.first
        while number <= hole.last:
            while waiting and waiting[-1].first <= number:
                claim = waiting.pop()
                heapq.heappush(at_hand, [claim.last, len(reasons), claim.places])
                reasons.append(claim.reason)
            while at_hand and (at_hand[0][0] < number or at_hand[0][2] <= 0):
                heapq.heappop(at_hand)
            until = min(hole.last, waiting[-1].first - 1) if waiting else hole.last
            if at_hand:
                best = at_hand[0]
                until = min(until, best[0], number + best[2] - 1)
                best[2] -= until - number + 1
                used[reasons[best[1]]] += until - number + 1
            else:
                _leave(left, hole.part(number, until))
            number = until + 1
    return left, used


def _leave(left: list[Hole], hole: Hole) -> None:
    if left and left[-1].last == hole.first - 1 and left[-1][2:] == hole[2:]:
        hole = hole.part(left.pop().first, hole.last)
    left.append(hole)
