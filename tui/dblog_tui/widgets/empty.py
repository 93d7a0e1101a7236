"""``EmptyPane``: where no row matches, why that is, and which key changes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dblog_tui.present.empty import advice_lines
from dblog_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

    from dblog_tui.present.look import Look
    from dblog_tui.source.advice import Advice
    from dblog_tui.view import View

__all__ = ["EmptyPane"]


class EmptyPane(Painted):
    """Advice, line by line as it is found. It takes no keys: ``view_for`` says what one of them would show.

    Args:
        look: how it looks.
    """

    DEFAULT_CSS = "EmptyPane { width: 1fr; height: 1fr; }"

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(look, id=id)
        self._view: View | None = None
        self._now = 0
        self._found: list[Advice] = []
        self._done = False
        self._lines: Sequence[Strip] | None = None

    def begin(self, view: View, now: int | None = None) -> None:
        """Nothing matches this; the advice is being looked for."""
        self._view, self._found, self._done, self._lines = view, [], False, None
        self._now = time.time_ns() // 1000 if now is None else now
        self.repaint()

    def add(self, advice: Advice) -> None:
        """One more line."""
        self._found.append(advice)
        self.repaint()

    def done(self) -> None:
        """There is no more."""
        self._done = True
        self.repaint()

    def say(self, lines: Sequence[Strip]) -> None:
        """Other lines (``present.empty``), instead of advice."""
        self._view, self._found, self._lines = None, [], lines
        self.repaint()

    def view_for(self, key: str) -> View | None:
        """What a key would show instead; None of a key beside which nothing stands."""
        return next((each.view for each in self._found if each.key == key), None)

    @property
    def keys(self) -> str:
        """The keys beside which something stands, in order."""
        return "".join(each.key for each in self._found)

    def drawn(self, width: int, height: int) -> Sequence[Strip]:  # noqa: ARG002 - from the top on
        """The lines."""
        if self._lines is not None:
            return self._lines
        if self._view is None:
            return []
        return advice_lines(self._view, self._found, self.look, width, now=self._now, done=self._done)
