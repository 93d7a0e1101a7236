"""What a terminal would show, as text, and waiting for it without sleeping a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import App
    from textual.pilot import Pilot
    from textual.strip import Strip

__all__ = ["PATIENCE", "lines_of", "strips_of", "text_of", "wait_for"]

PATIENCE: Final = 30.0
"""Seconds until something that does not come is a failure, on a machine that does much else."""


def lines_of(app: App[Any]) -> list[str]:
    """The screen's lines, the top one first, without the blanks at their ends; what lies in front hides the rest."""
    return [strip.text.rstrip() for strip in strips_of(app)]


def strips_of(app: App[Any]) -> list[Strip]:
    """The screen's lines as they are painted: below a dialog, what it is about."""
    from textual._context import visible_screen_stack

    token = visible_screen_stack.set([*app._background_screens])
    try:
        return app.screen._compositor.render_strips()
    finally:
        visible_screen_stack.reset(token)


def text_of(app: App[Any]) -> str:
    """The screen as one text: ``lines_of`` joined by line feeds, as many lines as the terminal has."""
    return "\n".join(lines_of(app))


async def wait_for(pilot: Pilot[Any], condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Let the application run until a condition holds.

    What another task does a moment later belongs into the condition, or is waited for as well: only what is done in
    the same turn may be asserted afterwards.

    Args:
        pilot: of the running application.
        condition: asked after every turn of the application; an exception of a node not there yet is "not yet".

    Raises:
        AssertionError: it never held; the message shows the screen.
    """
    from textual.css.query import NoMatches

    deadline = time.monotonic() + PATIENCE
    while True:
        await pilot.pause()
        try:
            held = condition()
            if inspect.isawaitable(held):
                held = await held
        except NoMatches:
            held = False
        if held:
            return
        assert time.monotonic() < deadline, f"not within {PATIENCE} s; the screen:\n{text_of(pilot.app)}"
        await asyncio.sleep(0.01)
