"""Cancelled work is seen to its end: what a driver leaves half done is a leak, or a statement that goes on."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["finished", "see_end"]

_T = TypeVar("_T")


async def finished(work: Awaitable[_T]) -> _T:
    """Await something that has to come to its end; a cancellation is raised when it has."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await see_end(task)
        raise


async def see_end(
    task: asyncio.Future[Any],
    urge: Callable[[], None] | None = None,
    every: float | None = None,
    at_most: float = math.inf,
) -> None:
    """Wait for a task to end, however often the awaiting one is cancelled meanwhile; its result is dropped.

    Args:
        task: the task.
        urge: called before each wait, to make it end.
        every: seconds of one wait.
        at_most: seconds of all waits.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + at_most
    while not task.done() and (left := until - clock()) > 0:
        if urge is not None:
            urge()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=min(left, every or math.inf))
    task.add_done_callback(_look_at)


def _look_at(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # nobody else asks for it
