"""The question before refused rows are stored again: what is meant has to be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from dblog_tui.screens.once import Once

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from dblog_tui.present.look import Look

__all__ = ["ALL", "ONE", "Retrying"]

ONE: Final = "retry"
ALL: Final = "retry all"


class Retrying(Once, ModalScreen[str | None]):
    """Asks; gives ``ONE``, ``ALL``, or None.

    Args:
        look: styles.
        letter: the dead letter under the cursor, in visible words.
        count: how many there are in all, in words.
        where: the database, without a password.
    """

    DEFAULT_CSS = """
    Retrying { align: center middle; }
    Retrying > Vertical { width: 72; max-width: 100%; height: auto; padding: 0 1; border: ascii $warning; }
    Retrying Static { width: 1fr; height: auto; }
    Retrying Input, Retrying Input:focus { border: none; height: 1; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "change nothing", id="lists.leave")]

    def __init__(self, look: Look, letter: str, count: str, where: str) -> None:
        super().__init__()
        self._look = look
        self._letter, self._count, self._where = letter, count, where

    def compose(self) -> ComposeResult:
        """A sentence, what to type, and where to type it."""
        asked = Text.assemble(("Store refused rows again?  ", "bold"), self._where, "\n", self._letter)
        how = Text.assemble("Type ", (ONE, "bold"), " for this one, or ", (ALL, "bold"), f" for {self._count}.")
        how.append(" Esc changes nothing.")
        with Vertical():
            yield Static(asked, markup=False)
            yield Static(how, markup=False)
            yield Input(select_on_focus=False)
            yield Static("", id="told", markup=False)

    def on_mount(self) -> None:
        """Nothing blinks."""
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only what was asked for counts."""
        event.stop()
        typed = event.value.strip().lower()
        if typed in (ONE, ALL):
            self.dismiss(typed)
        else:
            told = f"nothing was done: type {ONE} or {ALL}, or press Esc"
            self.query_one("#told", Static).update(Text(told, self._look.styles.warning))
