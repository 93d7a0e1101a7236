"""``Dialog``: what all dialogs have in common.

They lie at the bottom of the screen; one that is about a row lies at the top where the row is in the lower half, and
is never so high that it covers it. Esc closes them, and a mistake is a sentence, after which one goes on. What was
given is handed over by ``dismiss``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.text import Text
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from dblog.visible import visible
from dblog_tui.keys import bindings
from dblog_tui.screens.once import Once
from dblog_tui.widgets.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widget import Widget

    from dblog.errors import DblogError
    from dblog_tui.present.look import Look

__all__ = ["Dialog", "T"]

T = TypeVar("T")


class Dialog(Once, ModalScreen[T | None], Generic[T]):
    """A title, what a subclass puts below it, a sentence if need be, and a line of keys.

    Args:
        look: how things look.
        title: a few words, visible.
        hints: keys and what they do.
    """

    KEYS = "lists"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("lists")]
    DEFAULT_CSS = """
    Dialog { background: transparent; align: left bottom; }
    Dialog.-top { align: left top; }
    Dialog > #dialog { width: 1fr; height: auto; background: $background; }
    Dialog #told { width: 1fr; height: auto; display: none; }
    Dialog #line { height: 1; width: 1fr; }
    """

    about: Callable[[], tuple[int, int] | None] | None = None
    """The first and the last line of the screen of what it is about; it is asked for whenever the size changes."""
    _about: tuple[int, int] | None = None

    def __init__(self, look: Look, title: str, *, hints: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        self.look, self._title, self._hints = look, title, tuple(hints)

    def body(self) -> Iterable[Widget]:
        """What lies between the title and the sentence."""
        return ()

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        with Vertical(id="dialog"):
            yield Line(self.look, id="title")
            yield from self.body()
            yield Static("", id="told", markup=False)
            yield Line(self.look, id="hints")

    @property
    def room(self) -> int:
        """Lines it may take."""
        height = self.app.size.height
        if self._about is None:
            return height
        first, last = self._about
        return first if self.has_class("-top") else height - last - 1

    def place(self) -> None:
        """Where it covers nothing of what it is about."""
        self._about = self.about() if self.about is not None else None
        self.set_class(self._about is not None and sum(self._about) >= self.app.size.height, "-top")

    def on_mount(self) -> None:
        """Say what it is about."""
        self.place()
        self.entitle(self._title)
        self.hint(self._hints)
        self.ready()

    def ready(self) -> None:
        """Everything is in its place: for subclasses, as Textual calls ``on_mount`` of every class, theirs first."""

    def on_resize(self) -> None:
        """What it is about is elsewhere, once the screen below has been laid out."""
        if self.about is not None:
            self.call_after_refresh(self.place)

    def entitle(self, title: str) -> None:
        """Another title."""
        styles, rule = self.look.styles, self.look.glyphs.rule
        said = [Segment(f"{rule * 2} ", styles.dim), Segment(title, styles.strong), Segment(" ", styles.dim)]
        self.query_one("#title", Line).say([*said, Segment(rule * self.app.size.width, styles.dim)])

    def hint(self, hints: Iterable[tuple[str, str]]) -> None:
        """Other keys."""
        styles = self.look.styles
        said = [Segment(" ", styles.dim)]
        for key, word in hints:
            said += [Segment(key, styles.accent), Segment(f" {word}  ", styles.dim)]
        self.query_one("#hints", Line).say(said)

    def tell(self, sentence: str, *, bad: bool = False) -> None:
        """A sentence below; empty takes it away."""
        told = self.query_one("#told", Static)
        style = self.look.styles.error if bad else self.look.styles.dim
        told.update(Text(f" {visible(sentence)}", style))
        told.display = bool(sentence)

    def mistake(self, error: DblogError) -> None:
        """What is wrong, in a sentence."""
        self.tell(str(getattr(error, "reason", error)), bad=True)

    def action_leave(self) -> None:
        """Close, and change nothing."""
        self.dismiss(None)
