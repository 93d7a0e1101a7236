"""``HelpScreen``: every key and command there is, those of where one came from first; and what signs mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.containers import Vertical
from textual.screen import ModalScreen

from dblog_tui.commands import COMMANDS
from dblog_tui.keys import bindings
from dblog_tui.present.help import help_lines
from dblog_tui.present.look import Look
from dblog_tui.screens.once import Once
from dblog_tui.widgets.line import Line
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.strip import Strip

__all__ = ["HelpScreen"]


class _Lines(Painted):
    """The lines from one on."""

    DEFAULT_CSS = "_Lines { width: 1fr; height: 1fr; }"

    def __init__(self, look: Look, group: str, keymap: Mapping[str, str]) -> None:
        super().__init__(look)
        self._group, self._keymap = group, keymap
        self._lines: list[Strip] = []
        self.top = 0

    def drawn(self, width: int, height: int) -> list[Strip]:
        """As many as there is room for."""
        if not self._lines or self._lines[0].cell_length != width:
            commands = [(f":{each.name} {each.argument}".rstrip(), each.says) for each in COMMANDS]
            self._lines = help_lines(self._group, self.look, width, self._keymap, commands)
        self.top = min(self.top, self.last(height))
        return self._lines[self.top : self.top + height]

    def last(self, height: int) -> int:
        """The first line of the last page."""
        return max(0, len(self._lines) - height)

    def go(self, top: float) -> None:
        """Show the lines from this one on."""
        top = int(min(max(top, 0), self.last(self.size.height)))
        if top != self.top:
            self.top = top
            self.repaint()

    @property
    def place(self) -> str:
        """Which lines of how many."""
        return f"{self.top + 1}-{min(len(self._lines), self.top + self.size.height)} of {len(self._lines)}"


class HelpScreen(Once, ModalScreen[None]):
    """The keys.

    Args:
        group: a key of ``keys.GROUPS``: where one came from.
        keymap: keys as somebody has set them.
        look: how things look; the application's where None.
    """

    KEYS = "help"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]
    DEFAULT_CSS = "HelpScreen { background: $background; }"

    def __init__(self, group: str, keymap: Mapping[str, str] | None = None, look: Look | None = None) -> None:
        super().__init__()
        self.group, self._keymap, self._look = group, keymap or {}, look

    def compose(self) -> ComposeResult:
        """The lines, and a line below."""
        look = self._look or getattr(self.app, "look", None) or Look()
        self._look = look
        with Vertical():
            yield _Lines(look, self.group, self._keymap)
            yield Line(look, id="hints")

    def on_mount(self) -> None:
        """Say how one leaves."""
        self.call_after_refresh(self._hint)

    def _hint(self) -> None:
        styles = (self._look or Look()).styles
        words = (("j k", "scroll"), ("Space", "page"), ("Esc", "close"))
        said = [Segment(" ", styles.dim)]
        for key, word in words:
            said += [Segment(key, styles.accent), Segment(f" {word}  ", styles.dim)]
        self.query_one("#hints", Line).say(said, [Segment(f"{self.query_one(_Lines).place} ", styles.dim)])

    def _go(self, top: float) -> None:
        self.query_one(_Lines).go(top)
        self._hint()

    def action_move(self, lines: int) -> None:
        """Lines down (negative: up)."""
        self._go(self.query_one(_Lines).top + lines)

    def action_page(self, pages: int) -> None:
        """Pages down."""
        lines = self.query_one(_Lines)
        self._go(lines.top + pages * max(1, lines.size.height - 1))

    def action_edge(self, direction: int) -> None:
        """To the beginning, or the end."""
        self._go(1e9 if direction > 0 else 0)

    def on_mouse_scroll_down(self) -> None:
        """Three lines, as terminals do."""
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        """Three lines."""
        self.action_move(-3)

    def action_help(self) -> None:
        """One is there."""

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
