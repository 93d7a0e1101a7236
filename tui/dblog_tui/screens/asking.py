"""``Ask``, which asks for a line of text; ``Confirm``, which asks whether something is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.text import Text
from textual.containers import Horizontal
from textual.strip import Strip
from textual.widgets import Input, Static

from dblog.errors import ConfigurationError, DblogError
from dblog.visible import visible
from dblog_tui.screens.dialog import Dialog, T
from dblog_tui.widgets.entry import Entry
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.widget import Widget

    from dblog_tui.commands import Completion
    from dblog_tui.present.look import Look

__all__ = ["Ask", "Confirm"]


class Offers(Painted):
    """Lines that may be meant; one of them is in the input."""

    DEFAULT_CSS = "Offers { width: 1fr; height: 0; }"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.offers: Sequence[Completion] = ()
        self.index = -1

    def offer(self, offers: Sequence[Completion], index: int = -1) -> None:
        """Show these."""
        self.offers, self.index = offers, index
        self.styles.height = min(len(offers), 8, max(self.app.size.height // 3, 1))
        self.repaint()

    def drawn(self, width: int, height: int) -> list[Strip]:
        """Those around the one that is taken."""
        styles = self.look.styles
        top = min(max(self.index - height + 1, 0), max(len(self.offers) - height, 0))
        shown = self.offers[top : top + height]
        room = min(max((cell_len(visible(offer.text)) for offer in shown), default=0), width // 2)
        lines = []
        for at, offer in enumerate(shown, top):
            says = visible(offer.says)
            strip = Strip(
                [Segment(f" {set_cell_size(visible(offer.text), room)}  ", styles.text), Segment(says, styles.dim)]
            )
            strip = strip.adjust_cell_length(width, styles.text)
            lines.append(strip.apply_style(styles.selected) if at == self.index else strip)
        return lines


class Ask(Dialog[T]):
    """Asks for a line of text, and hands over what it means.

    Args:
        look: how things look.
        title: what is asked.
        check: what a text means; a ``DblogError`` is a mistake, and said.
        text: to begin with.
        prompt: before the line.
        complete: lines that may be meant by what is typed.
        preview: what a text would do, in a few words, while it is typed; a mistake previews as nothing.
        history: texts given before, the newest first.
        verb: what Enter does.
        example: what could be written, in an empty line.
    """

    def __init__(
        self,
        look: Look,
        title: str,
        check: Callable[[str], T],
        *,
        text: str = "",
        prompt: str = "> ",
        complete: Callable[[str], Sequence[Completion]] | None = None,
        preview: Callable[[str], str] | None = None,
        history: Sequence[str] = (),
        verb: str = "ok",
        example: str = "",
    ) -> None:
        hints = [("Enter", verb)]
        hints += [("Tab", "complete")] if complete else []
        hints += [("Up", "older")] if history else []
        super().__init__(look, title, hints=[*hints, ("Esc", "close")])
        self._check, self._text, self._prompt = check, text, prompt
        self._complete, self._preview, self._example = complete, preview, example
        self._history, self._place = tuple(history), -1
        self._typed = text
        """What was typed; the line may show a suggestion, or an older text."""

    def body(self) -> Iterable[Widget]:
        """The suggestions, and the line."""
        yield Offers(self.look)
        with Horizontal(id="line"):
            prompt = Static(Text(self._prompt, self.look.styles.accent), markup=False)
            prompt.styles.width = len(self._prompt)
            yield prompt
            yield Entry(self._text, placeholder=self._example)

    def ready(self) -> None:
        """Ready to type."""
        self.query_one(Entry).focus()
        self._settle()

    def _settle(self) -> None:
        """What was typed has changed."""
        self._place = -1
        self.query_one(Offers).offer(self._complete(self._typed) if self._complete else ())
        told = ""
        if self._preview is not None and self._typed.strip():
            try:
                told = self._preview(self._typed)
            except DblogError:
                told = ""
        self.tell(told)

    def _put(self, text: str) -> None:
        field = self.query_one(Entry)
        with field.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Somebody typed."""
        event.stop()
        if event.value != self._typed:
            self._typed = event.value
            self._settle()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        """Hand over what the line means, or say why it means nothing."""
        try:
            meant = self._check(self.query_one(Entry).value)
        except DblogError as error:
            self.mistake(error)
        else:
            self.dismiss(meant)

    def action_complete(self, by: int) -> None:
        """Put the next suggestion into the line; the only one is taken, and gone on from."""
        offers = self.query_one(Offers)
        if not offers.offers:
            return
        index = offers.index + by if offers.index >= 0 else (0 if by > 0 else -1)
        index %= len(offers.offers)
        text = offers.offers[index].text
        self._put(text)
        if len(offers.offers) == 1:
            self._typed = text
            self._settle()
        else:
            offers.offer(offers.offers, index)

    def action_cursor_up(self) -> None:
        """An older text."""
        self._older(1)

    def action_cursor_down(self) -> None:
        """A newer one, and at last what was typed."""
        self._older(-1)

    def _older(self, by: int) -> None:
        place = min(max(self._place + by, -1), len(self._history) - 1)
        if place != self._place:
            self._place = place
            self._put(self._typed if place < 0 else self._history[place])


class Confirm(Dialog[bool]):
    """Asks whether something is really meant; True, or None.

    Args:
        look: how things look.
        question: what would happen.
        word: what has to be typed; a single ``y`` where None.
    """

    def __init__(self, look: Look, question: str, *, word: str | None = None) -> None:
        super().__init__(look, "Really?", hints=[("y", "yes") if word is None else ("Enter", "do it"), ("Esc", "no")])
        self._question, self._word = question, word

    def body(self) -> Iterable[Widget]:
        """The question, and where to answer."""
        question = Static(Text(f" {visible(self._question)}", self.look.styles.text), markup=False)
        question.styles.height = "auto"
        yield question
        if self._word is not None:
            yield Entry(placeholder=f"type {self._word} to go on")

    def ready(self) -> None:
        """Ready to answer."""
        for each in self.query(Entry):
            each.focus()

    def on_key(self, event: Any) -> None:
        """Yes, or no."""
        if self._word is None and event.character in ("y", "Y", "n", "N"):
            event.stop()
            event.prevent_default()
            self.dismiss(True if event.character in "yY" else None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only the word counts."""
        event.stop()
        if event.value.strip() == self._word:
            self.dismiss(True)
        else:
            self.mistake(ConfigurationError(f"nothing was done: type {self._word}, or press Esc"))
