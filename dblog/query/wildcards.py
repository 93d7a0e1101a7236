"""Patterns with ``*`` and ``?`` against one text, without backtracking: each piece is found once, from the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dblog.query.tree import Pattern, Wild

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["matcher"]


class _Segment(NamedTuple):
    """What stands between two ``*``: of fixed length."""

    length: int
    pieces: tuple[tuple[int, str], ...]
    """Offset and text of each literal piece, the longest first."""

    def is_at(self, text: str, start: int) -> bool:
        """Whether it stands there; there must be room for it."""
        return all(text.startswith(piece, start + offset) for offset, piece in self.pieces)

    def find(self, text: str, start: int, end: int) -> int:
        """Where it first stands within these bounds; -1 where it does not."""
        last = end - self.length
        if not self.pieces:
            return start if start <= last else -1
        offset, piece = self.pieces[0]
        while start <= last:
            found = text.find(piece, start + offset, last + offset + len(piece))
            if found < 0:
                return -1
            start = found - offset
            if self.is_at(text, start):
                return start
            start += 1
        return -1


def matcher(pattern: Pattern) -> Callable[[str], bool]:
    """A function that says whether a whole text fits the pattern, case mattering."""
    match pattern:
        case (Wild.ANY, str(wanted), Wild.ANY):
            return lambda text: wanted in text
        case _:
            return _in_segments(_segments(pattern))


def _in_segments(segments: list[_Segment]) -> Callable[[str], bool]:
    head, tail = segments[0], segments[-1]
    if len(segments) == 1:
        return lambda text: len(text) == head.length and head.is_at(text, 0)
    middle = segments[1:-1]
    least = head.length + tail.length

    def fits(text: str) -> bool:
        start, end = head.length, len(text) - tail.length
        if len(text) < least or not head.is_at(text, 0) or not tail.is_at(text, end):
            return False
        for segment in middle:
            start = segment.find(text, start, end)
            if start < 0:
                return False
            start += segment.length
        return True

    return fits


def _segments(pattern: Pattern) -> list[_Segment]:
    """The pattern cut at each ``*``; one more than there are of those."""
    segments: list[_Segment] = []
    length = 0
    pieces: list[tuple[int, str]] = []
    for part in (*pattern, Wild.ANY):
        if part is Wild.ANY:
            pieces.sort(key=lambda piece: -len(piece[1]))
            segments.append(_Segment(length, tuple(pieces)))
            length, pieces = 0, []
        elif part is Wild.ONE:
            length += 1
        else:
            pieces.append((length, part))
            length += len(part)
    return segments
