"""The end of an ASGI server: what was logged is stored before the shutdown is said to be complete.

uvicorn ends itself with the signal that ended it, whose default action runs no exit code of
Python's: what waited in a queue would be lost. The last moment that is the application's is
ASGI's ``lifespan.shutdown``.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from dblog.integrations.exchange import tell

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from dblog.integrations.asgi_exchange import Message, Receive, Send

__all__ = ["lifespan"]


async def lifespan(app: Any, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """The application's lifespan, or one of ours for an application that has none (it raises before it receives)."""
    asked = False

    async def receiving() -> Message:
        nonlocal asked
        asked = True
        return await receive()

    async def sending(message: Message) -> None:
        if str(message.get("type")).startswith("lifespan.shutdown."):
            await _store()
        await send(message)

    try:
        await app(scope, receiving, sending)
    except Exception:
        if asked:
            raise
        await _alone(receive, sending)


async def _alone(receive: Receive, send: Send) -> None:
    """Nothing to start and nothing to stop, but what was logged."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _store() -> None:
    try:
        await asyncio.to_thread(_flush)
    except Exception as error:  # noqa: BLE001 - the server ends all the same
        tell("shutdown", error)


def _flush() -> None:
    """Wait for every handler of this process, for one ``shutdown_timeout`` in all."""
    from dblog import lifecycle  # noqa: PLC0415 - there is something to flush only where it is loaded

    handlers = list(lifecycle.handlers())
    deadline = time.monotonic() + max((each.options.shutdown_timeout for each in handlers), default=0.0)
    for handler in handlers:
        handler.flush(max(0.0, deadline - time.monotonic()))
