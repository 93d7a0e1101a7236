"""``Watched``: work beside the screen whose unexpected errors are not lost.

Textual either ends the application when a worker fails, or says nothing at all. Here the application is told: it goes
on, writes a report, and says where that is; under test it fails.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["Watched", "told"]


def told(app: Any, error: Exception) -> None:
    """Tell the application of an error nobody has thought of; raises it where the application does not listen."""
    listen = getattr(app, "unexpected", None)
    if listen is None:
        raise error
    listen(error)


class Watched:
    """A mixin of screens and widgets; stands before Textual's class."""

    def run_worker(self, work: Any, *arguments: Any, **keywords: Any) -> Any:
        """As Textual's; an error out of ``work`` is told to the application."""
        if inspect.iscoroutine(work):
            work = _watched(self, work)
        return super().run_worker(work, *arguments, **keywords)  # type: ignore[misc]  # Textual's class has it


async def _watched(node: Any, work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - all there are
        told(node.app, error)
