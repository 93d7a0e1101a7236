"""Which entries a tail of ClickHouse has had, of those that came lately; small, and to be written into a token.

An entry is its writer and its number there, and of a writer they come nearly in order: so they are kept as runs. One
without is its id.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Key", "Seen"]

_PART: Final = re.compile(r"([0-9a-f]{32})((?:-\d{1,19}\+\d{1,19})*)")
_RUN: Final = re.compile(r"-(\d{1,19})\+(\d{1,19})")


class Key(NamedTuple):
    """What tells an entry from all others."""

    id: UUID
    writer: UUID | None
    seq: int | None


class _Runs:
    """A set of numbers: where each run begins, and where it ends."""

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.firsts, number) - 1
        return index >= 0 and number <= self.lasts[index]

    def add(self, number: int) -> None:
        index = bisect_right(self.firsts, number)
        if index and number <= self.lasts[index - 1]:
            return
        before = index and self.lasts[index - 1] == number - 1
        behind = index < len(self.firsts) and self.firsts[index] == number + 1
        if before and behind:
            del self.firsts[index]
            self.lasts[index - 1] = self.lasts.pop(index)
        elif before:
            self.lasts[index - 1] = number
        elif behind:
            self.firsts[index] = number
        else:
            self.firsts.insert(index, number)
            self.lasts.insert(index, number)


class _Bucket:
    """What was stored within one span of time."""

    def __init__(self) -> None:
        self.runs: dict[UUID, _Runs] = {}
        self.ids: set[UUID] = set()

    def __contains__(self, key: Key) -> bool:
        if key.writer is None or key.seq is None:
            return key.id in self.ids
        return key.writer in self.runs and key.seq in self.runs[key.writer]

    def add(self, key: Key) -> None:
        if key.writer is None or key.seq is None:
            self.ids.add(key.id)
        else:
            self.runs.setdefault(key.writer, _Runs()).add(key.seq)


class Seen:
    """The entries that were stored since a moment that moves on.

    Args:
        span: µs of one bucket; what is older than the moment is forgotten by whole buckets.
    """

    def __init__(self, span: int) -> None:
        self._span = span
        self._buckets: dict[int, _Bucket] = {}

    def __contains__(self, key: Key) -> bool:
        return any(key in bucket for bucket in self._buckets.values())

    def add(self, key: Key, stored: int) -> None:
        """Remember an entry that the database took at ``stored``, in µs."""
        self._buckets.setdefault(stored // self._span, _Bucket()).add(key)

    def forget(self, before: int) -> None:
        """Forget what was stored before a moment, in µs, or not long after it."""
        for number in [number for number in self._buckets if (number + 1) * self._span <= before]:
            del self._buckets[number]

    def text(self) -> str:
        """All of it, without a dot; each part begins with ``_``."""
        return "".join(self._parts())

    def _parts(self) -> Iterator[str]:
        for number, bucket in sorted(self._buckets.items()):
            yield f"_{number}"
            for identity in sorted(bucket.ids):
                yield f"_{identity.hex}"
            for writer, runs in sorted(bucket.runs.items()):
                spelt = (f"-{first}+{last - first}" for first, last in zip(runs.firsts, runs.lasts, strict=True))
                yield f"_{writer.hex}{''.join(spelt)}"

    def read(self, text: str) -> bool:
        """Take in what ``text`` gave; False where it is something else."""
        bucket: _Bucket | None = None
        for part in text.split("_")[1:]:
            if part.isdecimal() and len(part) < 20:  # noqa: PLR2004 - shorter than any id
                bucket = self._buckets.setdefault(int(part), _Bucket())
                continue
            match = _PART.fullmatch(part)
            if match is None or bucket is None:
                return False
            found = [(int(first), int(first) + int(more)) for first, more in _RUN.findall(match[2])]
            if not found:
                bucket.ids.add(UUID(match[1]))
                continue
            runs = bucket.runs.setdefault(UUID(match[1]), _Runs())
            runs.firsts, runs.lasts = [first for first, _ in found], [last for _, last in found]
        return not text or text.startswith("_")
