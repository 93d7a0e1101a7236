"""``Entry``: an input of one line that holds nothing a terminal could act on, whatever is pasted into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from dblog_tui.editline import one_line

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Entry"]


class Entry(Input):
    """As Textual's input, which paints escape sequences as they are; without a border, and nothing blinks."""

    DEFAULT_CSS = """
    Entry, Entry:focus {
        border: none; height: 1; padding: 0; width: 1fr; background: $background; background-tint: transparent 0%;
    }
    """

    def __init__(self, value: str = "", **further: Any) -> None:
        super().__init__(value, select_on_focus=False, **further)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        """What cannot be seen becomes a blank."""
        return one_line(value)
