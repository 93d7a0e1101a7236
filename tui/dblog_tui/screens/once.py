"""``Once``: a screen that is closed once, however many keys that close it were on their way.

Textual's ``dismiss`` takes away whichever screen is in front: a second Enter, pressed before the first was done with,
would take away the rows below the dialog, and a third one ends the application with an error.
"""

from __future__ import annotations

from typing import Any

from textual.await_complete import AwaitComplete

__all__ = ["Once"]


class Once:
    """A mixin of screens; stands before Textual's class."""

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close, where it is in front."""
        if not self.is_current:  # type: ignore[attr-defined]  # Textual's class has it
            return AwaitComplete()
        closing: AwaitComplete = super().dismiss(result)  # type: ignore[misc]  # as above
        return closing
