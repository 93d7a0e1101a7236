"""``Notices``: what the application says in passing takes the place of the line of keys, and covers no row.

A sentence stays for some seconds; the next key takes it away, and so does the next sentence. What went wrong stays for
all of its time, or until Esc.
"""

from __future__ import annotations

from textual import events
from textual.app import App

from dblog_tui.present.look import Look

__all__ = ["NOTICES_CSS", "Notices"]

NOTICES_CSS = """
ToastRack { margin-bottom: 0; overflow-y: hidden; }
Toast { width: 1fr; max-width: 100%; margin-top: 0; padding: 0 1; background: $background; text-style: bold; }
Toast.-information, Toast.-warning, Toast.-error { border-left: none; }
Toast.-information { color: $success; }
Toast.-warning { color: $warning; }
Toast.-error { color: $error; }
"""


class Notices(App[None]):
    """The part of the application that says things in passing."""

    look = Look()
    """How things look."""

    def notify(self, message: str, **keywords: object) -> None:
        """As Textual's; the sentence before goes, for there is one line."""
        if len(self._notifications):
            self.clear_notifications()
        super().notify(self.look.ours(message), **keywords)  # type: ignore[arg-type]  # handed through as they are

    async def on_event(self, event: events.Event) -> None:
        """A key takes away what was said before it."""
        if isinstance(event, events.Key) and not event.is_forwarded and len(self._notifications):
            kept = event.key != "escape" and any(each.severity == "error" for each in self._notifications)
            if not kept:
                self.clear_notifications()
        await super().on_event(event)
