"""Suggestions as a list somebody goes through: which are offered, which is chosen, and when the list is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog_tui.complete import Candidate, Place, Slot, names_at, place_at, times_at, values_at
from dblog_tui.keywords import keywords_at

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Known", "Offer"]

_LEVELS: Final = ("level", "lvl")


@dataclass(slots=True)
class Known:
    """What suggestions are made of."""

    names: Collection[str] = ()
    """Of columns; none before the grammar is loaded, and then nothing is suggested."""
    uses: Mapping[str, int] = field(default_factory=dict)
    paths: Collection[str] = ()
    values: dict[str, Sequence[tuple[str, int]]] = field(default_factory=dict)
    """By field, as typed."""
    said: dict[str, str] = field(default_factory=dict)
    """Why a field's values could not be had, in a sentence."""


class Offer:
    """The list for one place; closed as long as nobody wants it."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self.found: list[Candidate] = []
        self.chosen = -1
        """An index into ``found``; -1 while no arrow key has chosen any."""
        self.asked = False
        """Somebody has opened it, so it is open even where nothing was typed."""
        self._first = 0

    @property
    def is_open(self) -> bool:
        """There is something to take."""
        return bool(self.found)

    @property
    def missing(self) -> str:
        """The field whose values are wanted; empty where none are."""
        return self.place.field if self.place is not None and self.place.slot is Slot.VALUE else ""

    def close(self) -> None:
        """Offer nothing."""
        self.place, self.found, self.chosen, self.asked, self._first = None, [], -1, False, 0

    def look(self, text: str, cursor: int, known: Known, *, asked: bool = False) -> None:
        """Offer what may stand at the cursor. What was chosen stays chosen if it is still there."""
        before = self.found[self.chosen] if 0 <= self.chosen < len(self.found) else None
        self.close()
        if not known.names:
            return
        self.asked = asked
        self.place = place = place_at(text, cursor, known.names)
        found = self._candidates(place, known)
        if place.slot is Slot.FIELD and (place.typed or asked):
            found = _with_keywords(found, text, place, known)
        # What is there already need not be offered.
        self.found = [] if [each.insert for each in found] == [text[place.start : place.end]] else found
        if before in self.found:
            self.chosen = self.found.index(before)

    def _candidates(self, place: Place, known: Known) -> list[Candidate]:
        match place.slot:
            case Slot.FIELD | Slot.NAME if place.typed or self.asked or place.slot is Slot.NAME:
                return names_at(place, known.uses, known.paths)
            case Slot.VALUE if place.field in known.values or place.field in _LEVELS:
                return values_at(place, known.values.get(place.field, ()))
            case Slot.TIME:
                return times_at(place)
            case _:
                return []

    def move(self, by: int) -> bool:
        """Choose another one; False where that leaves the list at its top."""
        if by < 0 and self.chosen <= 0:
            left = self.chosen < 0
            self.chosen = -1
            return not left
        self.chosen = min(max(self.chosen + by, 0), len(self.found) - 1)
        return True

    def taken(self) -> Candidate:
        """The chosen one, or the first."""
        return self.found[max(self.chosen, 0)]

    def ghost(self, text: str, cursor: int) -> str:
        """How what is typed would go on; empty where the suggestion is spelled otherwise."""
        place = self.place
        if not self.found or place is None or cursor != len(text) or place.end != cursor or not place.typed:
            return ""
        insert, typed = self.taken().insert, text[place.start :]
        return insert[len(typed) :] if insert.startswith(typed) else ""

    def window(self, room: int) -> tuple[int, list[Candidate]]:
        """The suggestions that fit into so many lines, the chosen one among them, and the number of the first."""
        at = max(self.chosen, 0)
        self._first = min(max(self._first, at - room + 1), at, max(len(self.found) - room, 0))
        return self._first, self.found[self._first : self._first + room]


def _with_keywords(found: list[Candidate], text: str, place: Place, known: Known) -> list[Candidate]:
    """Behind the names that begin with what was typed, before those that only have it within."""
    typed = place.typed.lower()
    begin = sum(each.shown.lower().startswith(typed) for each in found)
    return [
        *found[:begin],
        *keywords_at(text[: place.start], place.typed, {*known.names, *known.paths}),
        *found[begin:],
    ]
