"""What the demo's services have in common: a clock, chances, loggers, and calls that carry their trace."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

import dblog

if TYPE_CHECKING:
    from dblog_tui.demo.incident import Incidents
    from dblog_tui.demo.wires import Message, Peer

__all__ = ["Service"]


class Service:
    """What the three have in common.

    Args:
        incidents: when things go wrong.
        peer: the service it asks.
        seed: of its chances.
    """

    name: str

    def __init__(self, incidents: Incidents, peer: Peer | None, seed: float) -> None:
        self.incidents = incidents
        self.peer = peer
        self.chance = random.Random(f"{self.name}{seed}")  # noqa: S311 - a story
        self.log = logging.getLogger(self.name)

    def now(self) -> float:
        """Seconds; of the loop, whose clock may be a virtual one."""
        return asyncio.get_running_loop().time()

    def child(self, name: str) -> logging.Logger:
        """A logger of a part of it."""
        return self.log.getChild(name)

    async def spend(self, typical: float) -> None:
        """Work for about so many seconds."""
        await asyncio.sleep(typical * self.chance.lognormvariate(0, 0.35))

    async def ask(self, message: Message) -> Message:
        """What the next service answers; the call is a span of its own, whose id goes with it."""
        assert self.peer is not None  # noqa: S101 - for the type checker: payments asks nobody
        headers: dict[str, str] = {}
        dblog.inject(headers)
        return await self.peer.call({"headers": headers, **message})

    async def handle(self, message: Message) -> Message:
        """Answer a call from the service before."""
        with dblog.bound(**dblog.extract(message["headers"])):
            reply: Message = await getattr(self, message["do"])(message)
            return reply

    async def background(self) -> None:
        """What it does without being asked."""

    def took(self, began: float, **more: Any) -> dict[str, Any]:
        """The extras of a span's last record."""
        return {"duration_ms": round((self.now() - began) * 1000, 1), **more}
