"""A terminal as strict as a test wants it: what it is sent, what it shows, and what it should never have been sent.

It knows the sequences Textual writes, and no other. Whatever else comes (another sequence, a control character, a
character that ``visible`` takes away) is kept in ``foreign``, and has no effect.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections import Counter
from typing import Final

from rich.cells import get_character_cell_size

from tests.hostile import DANGEROUS

__all__ = ["Screen"]

_TOKEN: Final = re.compile(
    r"\x1b\[(?P<prefix>[<=>?]?)(?P<numbers>[0-9;:]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<string>[^\x07\x1b\x9c]*)(?:\x07|\x1b\\)"
    r"|(?P<other>\x1b(?![\[\]])[ -/]*[0-~])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
)
_MODES: Final = frozenset(
    ("7", "25", "1000", "1002", "1003", "1004", "1006", "1015", "1016", "1049", "2004", "2026", "2048")
)
_QUESTIONS: Final = frozenset(("?2026$p", "?2048$p"))
_SHAPES: Final = frozenset(("22;default", "22;pointer", "22;text"))
"""Of the mouse's pointer."""
_ODD_STYLES: Final = frozenset(("5", "6", "8"))
"""Blinking and hidden: nobody here asks for them."""
_LONGEST: Final = 200_000
"""Characters of a sequence that has not ended."""


class Screen:
    """What a terminal of so many cells shows.

    Args:
        columns: cells of a line.
        rows: lines.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.x = self.y = 0
        self.modes = {"7", "25"}
        """Which are set: 25 shows the cursor, 1049 is the other screen, and so on."""
        self.keyboard = 0
        """How many times the reports of the kitty protocol were asked for, and not given back."""
        self.styles: Counter[str] = Counter()
        """Numbers of SGR sequences."""
        self.bells = 0
        self.clipboard: list[str] = []
        self.questions: list[str] = []
        """Which the terminal has to answer."""
        self.foreign: list[str] = []
        """What nobody should have sent."""
        self.ever: set[str] = set()
        """Every text that has been written, as it was written."""
        self._cells: list[list[str]] = []
        self._main: list[list[str]] = []
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._clear()

    @property
    def lines(self) -> list[str]:
        """From the top, without the blanks at the ends."""
        return ["".join(cells).rstrip() for cells in self._cells]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)

    def line_with(self, needle: str) -> int | None:
        """The first line that holds a text."""
        return next((number for number, line in enumerate(self.lines) if needle in line), None)

    def resize(self, columns: int, rows: int) -> None:
        """Another size; what was there goes, as it may."""
        self.columns, self.rows = columns, rows
        self._clear()

    def feed(self, data: bytes) -> None:
        """What the program has written."""
        self._rest += self._decoder.decode(data)
        at = 0
        while at < len(self._rest):
            found = _TOKEN.match(self._rest, at)
            if found is None:
                if len(self._rest) - at > _LONGEST:
                    self.foreign.append(self._rest[at : at + 80])
                    at += 1
                    continue
                break  # the rest of the sequence is on its way
            at = found.end()
            self._take(found)
        self._rest = self._rest[at:]

    def _take(self, found: re.Match[str]) -> None:
        if (text := found["text"]) is not None:
            self._write(text)
        elif (control := found["control"]) is not None:
            self._control(control)
        elif (string := found["string"]) is not None:
            self._string(string, found[0])
        elif found["final"] is None or not self._sequence(*found.group("prefix", "numbers", "between", "final")):
            self.foreign.append(found[0])

    def _write(self, text: str) -> None:
        self.ever.add(text)
        if odd := DANGEROUS.intersection(text):
            self.foreign.append(f"{sorted(odd)!a} in {text!a}")
        for char in text:
            width = get_character_cell_size(char)
            if not width:
                if self.x:
                    self._cells[self.y][self.x - 1] += char
                continue
            if self.x + width > self.columns and "7" in self.modes:
                self.x = 0
                self._down()
            at = min(self.x, self.columns - width)
            self._cells[self.y][at : at + width] = [char, *[""] * (width - 1)]
            self.x = at + width

    def _down(self) -> None:
        if self.y == self.rows - 1:
            self._cells = [*self._cells[1:], [" "] * self.columns]
        else:
            self.y += 1

    def _control(self, control: str) -> None:
        if control == "\n":
            self._down()
        elif control == "\r":
            self.x = 0
        elif control == "\a":
            self.bells += 1
        else:
            self.foreign.append(control)

    def _string(self, string: str, whole: str) -> None:
        if string in _SHAPES:
            return
        name, _, rest = string.partition(";")
        kind, _, content = rest.partition(";")
        if name != "52" or kind != "c":
            self.foreign.append(whole)
            return
        self.clipboard.append(base64.b64decode(content, validate=True).decode())

    def _sequence(self, prefix: str, numbers: str, between: str, final: str) -> bool:
        """Whether it is one of ours."""
        whole = f"{prefix}{numbers}{between}{final}"
        if between or prefix in ("<", ">"):
            return self._asked(whole)
        if prefix == "?":
            return final in "hl" and self._mode(numbers, on=final == "h")
        if final == "m":
            self.styles.update(numbers.split(";"))
            return not _ODD_STYLES & _attributes(numbers)
        if final == "H" and not prefix:
            row, _, column = numbers.partition(";")
            self.y, self.x = min(int(row or 1), self.rows) - 1, min(int(column or 1), self.columns) - 1
            return True
        return False

    def _asked(self, whole: str) -> bool:
        if whole in _QUESTIONS:
            self.questions.append(whole)
        elif re.fullmatch(r">\d+u", whole):
            self.keyboard += 1
        elif whole == "<u":
            self.keyboard -= 1
        else:
            return False
        return True

    def _mode(self, number: str, *, on: bool) -> bool:
        if number == "1049" and on != (number in self.modes):
            if on:
                self._main = self._cells
                self._clear()
            else:
                self._cells = self._main
        (self.modes.add if on else self.modes.discard)(number)
        return number in _MODES

    def _clear(self) -> None:
        self.x = self.y = 0
        self._cells = [[" "] * self.columns for _ in range(self.rows)]


def _attributes(numbers: str) -> set[str]:
    """The numbers of an SGR sequence that are no part of a colour."""
    parts, found = iter(numbers.split(";")), set()
    for part in parts:
        if part in ("38", "48", "58"):
            for _ in range(1 if next(parts, "") == "5" else 3):
                next(parts, "")
        else:
            found.add(part)
    return found
