"""``Room``: an application that says in one line that the terminal is too small for it, instead of rubbish.

What is below stays as it is, laid out and with the focus where it was: a terminal that is enlarged shows it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App
from textual.strip import Strip
from textual.widget import Widget

from dblog_tui.present.look import Look

if TYPE_CHECKING:
    from textual import events
    from textual.geometry import Size
    from textual.screen import Screen

__all__ = ["LEAST", "ROOM_CSS", "Room", "TooSmall"]

LEAST: Final = (40, 10)
"""Cells, and lines."""
ROOM_CSS = """
Screen { layers: default room; }
Screen.-too-small { overflow: hidden hidden; }
CommandPalette.-too-small #--results { display: none; }
"""
"""Above everything else, and no bar beside it."""


class TooSmall(Widget):
    """Covers a screen with the size that is needed, and the one there is."""

    DEFAULT_CSS = "TooSmall { layer: room; overlay: screen; width: 100%; height: 100%; }"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def render_line(self, y: int) -> Strip:
        """The words in the middle of the middle line, as many as there is room for."""
        width, height = self.size
        needs = "×".join(map(str, LEAST))
        texts = (f"needs {needs}, this is {width}×{height}", f"needs {needs}", needs, "")
        said = next(text for text in map(self.look.ours, texts) if cell_len(text) <= width) if y == height // 2 else ""
        return Strip([Segment(f"{said:^{width}}", self.look.styles.warning)], width)


class Room(App[None]):
    """The part of the application that knows how much room it needs."""

    look = Look()
    """How things look."""

    def on_mount(self) -> None:
        """A screen that comes may have no room either."""
        self.screen_change_signal.subscribe(self, self._fit)

    def on_resize(self, event: events.Resize) -> None:
        """Cover what has no room; uncover it."""
        if self.screen_stack:
            self._cover(self.screen, event.size)

    def _fit(self, screen: Screen[Any]) -> None:
        self._cover(screen, self.size)

    def _cover(self, screen: Screen[Any], size: Size) -> None:
        small = any(has < needs for has, needs in zip(size, LEAST, strict=True))
        covers = screen.query(TooSmall)
        screen.set_class(small, "-too-small")
        if small and not covers:
            screen.mount(TooSmall(self.look))
        elif not small:
            covers.remove()
