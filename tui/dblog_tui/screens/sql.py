"""``Sql``: what is sent to the database for a view, to read and to copy."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

from rich.cells import chop_cells
from rich.segment import Segment

from dblog.visible import visible
from dblog_tui.screens.picking import Picking

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from dblog.reading.values import Statement
    from dblog_tui.present.look import Look

__all__ = ["Sql", "pretty", "spoken"]

_PIECE: Final = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")"""
    r"|\s+(?=(?P<clause>FROM|WHERE|ORDER BY|LIMIT|UNION)\b|(?P<also>AND|OR)\b|)"
)
_LONGEST: Final = 2_000


def pretty(sql: str) -> str:
    """The statement on several lines; nothing but blanks outside of quotes is changed."""
    return _PIECE.sub(_spaced, sql.strip())


def _spaced(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return match[0]
    return "\n" if match["clause"] else "\n  " if match["also"] else " "


def spoken(statement: Statement) -> str:
    """The statement and its parameters, as a text to keep: the latter as comments."""
    lines = [pretty(statement.sql) + ";"]
    lines += [f"-- {number}: {value!r}" for number, value in enumerate(statement.parameters, 1)]
    return "\n".join(lines) + "\n"


def _broken(line: str, width: int) -> Iterator[str]:
    """Lines that fit, broken between words, and within one only where it is longer than a line."""
    options: dict[str, Any] = {"expand_tabs": False, "replace_whitespace": False, "break_on_hyphens": False}
    for part in textwrap.wrap(line, width, subsequent_indent="    ", **options) or [""]:
        yield from chop_cells(part, width) or [""]


class Sql(Picking[None]):
    """The SQL of a view.

    Args:
        look: how things look.
        statement: of ``Source.statement``.
    """

    def __init__(self, look: Look, statement: Statement) -> None:
        super().__init__(look, "The SQL of this view", hints=(("y", "copy"), ("Esc", "close")))
        self._text = spoken(statement)

    def lines(self) -> Iterator[tuple[Hashable, list[Segment]]]:
        """Lines of text, broken where they are too long."""
        styles, width = self.look.styles, max(self.app.size.width - 2, 10)
        number = 0
        for line in self._text.rstrip("\n").split("\n"):
            style = styles.dim if line.startswith("-- ") else styles.text
            for part in _broken(visible(line[:_LONGEST]), width):
                yield number, [Segment(f" {part}", style)]
                number += 1

    def action_copy(self) -> None:
        """Copy it, with the parameters as comments."""
        from dblog_tui.clipboard import copy  # noqa: PLC0415 - only where it is asked for

        self.tell(copy(self.app, self._text))

    def action_choose(self) -> None:
        """Close."""
        self.dismiss(None)
