"""Matching numbers that are missing with claims on ranges: as many as can be, however the ranges lie."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dblog.admin.holes import Claim, Hole, Island, ends_of, holes_between, matched, merged

NUMBERS = st.integers(1, 30)
CLAIMS = st.lists(
    st.builds(
        lambda first, size, places, reason: Claim(first, first + size, places, reason),
        NUMBERS,
        st.integers(0, 12),
        st.integers(0, 4),
        st.sampled_from("abc"),
    ),
    max_size=8,
)


def holes_of(numbers: set[int]) -> list[Hole]:
    """These numbers as holes."""
    return list(holes_between(islands_of(set(range(32)) - numbers)))


def islands_of(numbers: set[int]) -> list[Island]:
    return merged(Island(number, number, number, number) for number in numbers)


def most(numbers: set[int], claims: list[Claim]) -> int:
    """How many numbers can be given a place at most, by augmenting paths."""
    places = [claim for claim in claims for _ in range(claim.places)]
    taken: dict[int, int] = {}

    def give(number: int, seen: set[int]) -> bool:
        for place, claim in enumerate(places):
            if claim.first <= number <= claim.last and place not in seen:
                seen.add(place)
                if place not in taken or give(taken[place], seen):
                    taken[place] = number
                    return True
        return False

    return sum(give(number, set()) for number in sorted(numbers))


@given(st.sets(NUMBERS), CLAIMS)
def test_as_many_as_can_be_are_explained(numbers: set[int], claims: list[Claim]) -> None:
    """What is left is what a maximum matching leaves, by reason no more than the claims have places, and in order."""
    left, used = matched(holes_of(numbers), claims)
    rest = [number for hole in left for number in range(hole.first, hole.last + 1)]
    assert rest == sorted(set(rest) & numbers)
    assert used.total() == len(numbers) - len(rest) == most(numbers, claims)
    places: Counter[str] = Counter()
    for claim in claims:
        places[claim.reason] += claim.places
    assert all(count <= places[reason] for reason, count in used.items())
    covered = {number for claim in claims if claim.places for number in range(claim.first, claim.last + 1)}
    assert numbers - covered <= set(rest)


def test_the_size_of_a_range_costs_nothing() -> None:
    """Ranges of 2**60 numbers are matched as such."""
    far = 1 << 60
    left, used = matched([Hole(1, far, 0, 0)], [Claim(5, far - 1, far, "a"), Claim(2, 10, 3, "b")])
    assert left == [Hole(1, 1, 0, 0), Hole(far, far, 0, 0)]
    assert used == {"a": far - 2 - 3, "b": 3}


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 5)), max_size=12), st.integers(0, 40))
def test_islands_and_holes_are_all_numbers(pieces: list[tuple[int, int]], beyond: int) -> None:
    """Whatever pieces came, in whatever order, overlapping or not: each number is in an island or a hole, once."""
    there = {number for first, size in pieces for number in range(first, first + size + 1)}
    islands = merged(Island(first, first + size, 0, 0) for first, size in pieces)
    last = max(there, default=0) + beyond
    before, after = ends_of(islands, last, None, None)
    ends = [hole for hole in (before, after) if hole is not None]
    ranges: list[Island | Hole] = [*islands, *holes_between(islands), *ends]
    everything = sorted(number for each in ranges for number in range(each.first, each.last + 1))
    assert everything == list(range(1, last + 1))
    assert {number for each in islands for number in range(each.first, each.last + 1)} == there


def test_a_hole_knows_about_when_it_was() -> None:
    """Between its neighbours' times; before the first, since the writer began, after the last, until it was seen."""
    islands = merged([Island(8, 9, 80, 90), Island(3, 4, 30, 40)])
    assert list(holes_between(islands)) == [Hole(5, 7, 40, 80)]
    assert ends_of(islands, 12, 5, 200) == (Hole(1, 2, 5, 30), Hole(10, 12, 90, 200))
    assert ends_of(islands, 9, 5, 200, base=2) == (None, None)
    assert ends_of([], 3, 5, 200) == (Hole(1, 3, 5, 200), None)
    assert ends_of([], 3, 5, 200, base=3) == (None, None)
