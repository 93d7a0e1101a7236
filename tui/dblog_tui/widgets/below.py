"""``Below``: lines that lie over what is under them, and move nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from dblog_tui.present.look import Look

__all__ = ["Below"]


class Below(Painted):
    """Finished lines, right under its parent.

    Args:
        look: for blanks.
    """

    DEFAULT_CSS = """
    Below { overlay: screen; offset: 0 1; width: 100%; height: 1; display: none; }
    """

    class Picked(Message):
        """A line was clicked."""

        def __init__(self, line: int) -> None:
            super().__init__()
            self.line = line

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._lines: Sequence[Strip] = ()
        self._height = 1

    @property
    def text(self) -> str:
        """What it says."""
        return "\n".join(strip.text.rstrip() for strip in self._lines)

    def drawn(self, width: int, height: int) -> Sequence[Strip]:  # noqa: ARG002 - they are finished
        """The lines."""
        return self._lines

    def show(self, lines: Sequence[Strip]) -> None:
        """These from now on; without any it is not there."""
        self._lines = lines
        if lines and self._height != len(lines):
            self.styles.height = self._height = len(lines)
        self.display = bool(lines)
        if lines:
            self.repaint()

    def on_click(self, event: events.Click) -> None:
        """Say which line."""
        event.stop()
        self.post_message(self.Picked(event.y))
