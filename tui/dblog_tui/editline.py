"""A line of text that is being edited: a text, a cursor, and what keys do to them. No widget, no terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EditLine", "one_line"]

_WORD: Final = re.compile(r"[\w*?%-]+|[^\w\s*?%-]+")
"""What ctrl+left jumps over: ``service``, ``:``, ``web-1``."""
_BLANK_WORD: Final = re.compile(r"\S+\s*\Z")
_MOST_UNDONE: Final = 200


def one_line(text: str) -> str:
    """Pasted text as it can stand on the line: what cannot be seen becomes a blank."""
    shown = "".join(char if char.isprintable() else " " for char in text.strip("\r\n"))
    return shown.encode("utf-8", "replace").decode()


@dataclass(slots=True)
class EditLine:
    """The text and the cursor, which stands before the character of its number."""

    text: str = ""
    cursor: int = 0
    _before: list[tuple[str, int]] = field(default_factory=list)
    _typing: bool = False
    """The last change was a letter: the next one belongs to the same word."""

    @property
    def can_undo(self) -> bool:
        """Something has been changed."""
        return bool(self._before)

    def put(self, text: str, cursor: int | None = None) -> None:
        """Another text; the cursor at its end, if nothing else is said. It can be undone."""
        self._remember()
        self.text = text
        self.cursor = len(text) if cursor is None else min(max(cursor, 0), len(text))

    def start(self, text: str) -> None:
        """Begin with a text; there is nothing to undo."""
        self.text, self.cursor, self._typing = text, len(text), False
        self._before.clear()

    def insert(self, text: str) -> None:
        """Write at the cursor."""
        at = self.cursor
        typing = len(text) == 1 and not text.isspace()
        if not (typing and self._typing):
            self._remember()
        self._typing = typing
        self.text = f"{self.text[:at]}{text}{self.text[at:]}"
        self.cursor = at + len(text)

    def move(self, by: int) -> None:
        """One character to a side; marks that combine belong to the character before."""
        self._typing = False
        self.cursor = self._beside(self.cursor, by)

    def to(self, at: int) -> None:
        """To a place."""
        self._typing = False
        self.cursor = min(max(at, 0), len(self.text))

    def jump(self, by: int) -> None:
        """One word to a side."""
        self._typing = False
        self.cursor = self._word(by)

    def edge(self, by: int) -> None:
        """To the beginning (-1) or the end (1)."""
        self._typing = False
        self.cursor = len(self.text) if by > 0 else 0

    def erase(self, by: int) -> None:
        """The character before the cursor, or behind it."""
        # Only the mark is taken back, as one types it anew more easily than letter and mark.
        self._cut(self.cursor + by if by < 0 else self._beside(self.cursor, by))

    def erase_word(self) -> None:
        """What stands between the cursor and the blank before it."""
        match = _BLANK_WORD.search(self.text[: self.cursor])
        self._cut(match.start() if match else 0)

    def erase_side(self, by: int) -> None:
        """Everything before (-1) or behind (1) the cursor."""
        self._cut(len(self.text) if by > 0 else 0)

    def undo(self) -> None:
        """As it was before the last change."""
        self._typing = False
        if self._before:
            self.text, self.cursor = self._before.pop()

    def _cut(self, to: int) -> None:
        low, high = sorted((self.cursor, min(max(to, 0), len(self.text))))
        if low < high:
            self._remember()
            self.text, self.cursor = self.text[:low] + self.text[high:], low

    def _beside(self, at: int, by: int) -> int:
        at += by
        while 0 < at < len(self.text) and not cell_len(self.text[at]):
            at += by
        return min(max(at, 0), len(self.text))

    def _word(self, by: int) -> int:
        if by > 0:
            return next((end for _, end in self._words() if end > self.cursor), len(self.text))
        return max((start for start, _ in self._words() if start < self.cursor), default=0)

    def _words(self) -> Iterator[tuple[int, int]]:
        return (match.span() for match in _WORD.finditer(self.text))

    def _remember(self) -> None:
        self._typing = False
        self._before.append((self.text, self.cursor))
        del self._before[:-_MOST_UNDONE]
