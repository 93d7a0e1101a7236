"""``Watched``: work beside the screen whose unexpected errors are not lost.

Textual either ends the application when a worker fails, or says nothing at all. Here the application is told: it goes
on, writes a report, and says where that is; under test it fails.

A screen that is taken down loses its widgets first and its work last. What such work no longer finds is no error.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from textual.css.query import NoMatches

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["Watched", "told"]


def told(node: Any, error: Exception) -> None:
    """Tell a node's application of an error nobody has thought of; raises it where the application does not listen."""
    if isinstance(error, NoMatches) and not node.display:  # taken down, or about to be
        return
    listen = getattr(node.app, "unexpected", None)
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
        told(node, error)
