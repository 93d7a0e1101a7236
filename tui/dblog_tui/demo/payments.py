"""The demo's ``payments``, which charges cards at the bank, and what a deploy does to it every minute.

The story: a deploy reloads the configuration with a pool of 2 connections to the bank, not 20, and with 3 s of
patience, not 30. Settlements hold a connection for seconds, as they always have; now charges wait for them in silence,
are tried again, and time out: an exception here, stock released in ``orders``, a 502 in ``gateway``. Then the deploy is
rolled back. Nothing of this is written down as a script of records: it is what the code does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import dblog
from dblog_tui.demo.pool import Pool
from dblog_tui.demo.service import Service

if TYPE_CHECKING:
    from dblog_tui.demo.incident import Incidents
    from dblog_tui.demo.wires import Message, Peer

__all__ = ["Payments"]


class CardDeclinedError(Exception):
    """The bank says no; nothing is broken."""


class BankTimeoutError(Exception):
    """The bank has not answered in time."""


# As a service's own program would call them.
CardDeclinedError.__module__ = BankTimeoutError.__module__ = "payments.bank"


class Payments(Service):
    """Charges cards at the bank."""

    name = "payments"

    def __init__(self, incidents: Incidents, peer: Peer | None, seed: float) -> None:
        super().__init__(incidents, peer, seed)
        self.pool = Pool(20)
        self.timeout = 30.0
        self.failed: deque[float] = deque(maxlen=200)
        self.batch = self.chance.randrange(100, 900)

    async def background(self) -> None:
        """Settlements, the deploys, and somebody who looks at failures."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle())
            group.create_task(self._deploys())
            group.create_task(self._watch())

    async def charge(self, message: Message) -> Message:
        """Charge a card."""
        began, number, amount = self.now(), message["number"], message["amount"]
        self.log.info("charging %.2f EUR for order %d", amount, number, extra={"order": number, "amount": amount})
        try:
            attempts = await self._tried(number)
        except CardDeclinedError:
            self.log.warning("card declined for order %d", number, extra=self.took(began, order=number))
            return {"status": 402}
        except BankTimeoutError:
            self.failed.append(self.now())
            seconds = self.now() - began
            extra = self.took(began, order=number, amount=amount)
            self.log.exception("payment of order %d failed after %.1f s", number, seconds, extra=extra)
            return {"status": 504}
        extra = self.took(began, order=number, attempts=attempts)
        slow = extra["duration_ms"] > 1000  # noqa: PLR2004 - slow
        self.log.log(logging.WARNING if slow else logging.INFO, "order %d paid%s", number, ", slowly" if slow else "",
                     extra=extra)  # fmt: skip
        return {"status": 200}

    async def _tried(self, number: int, attempts: int = 2) -> int:
        """The number of attempts it took.

        Raises:
            BankTimeoutError: the last one timed out, too.
        """
        patience = self.timeout / attempts
        for attempt in range(1, attempts + 1):
            with dblog.bound(attempt=attempt):
                began = self.now()
                try:
                    async with asyncio.timeout(patience):
                        await self._bank(number)
                except TimeoutError as error:
                    what = f"retry {attempt} of {attempts - 1}" if attempt < attempts else "giving up"
                    extra = self.took(began, order=number)
                    log = self.child("bank")
                    log.warning("no answer from the bank within %.0f ms, %s", patience * 1000, what, extra=extra)
                    if attempt == attempts:
                        raise BankTimeoutError(f"no answer within {self.timeout:g} s") from error
                else:
                    return attempt
        raise AssertionError

    async def _bank(self, number: int) -> None:
        """One attempt.

        Raises:
            CardDeclinedError: the answer is no.
        """
        began = self.now()
        async with self.pool.connection() as waited:
            await self.spend(0.11)
            declined = self.chance.random() < 0.012  # noqa: PLR2004 - seldom
            extra = self.took(began, code=51 if declined else 0, waited_ms=round(waited * 1000, 1))
            self.child("bank").debug("bank answered %02d for order %d", extra["code"], number, extra=extra)
            if declined:
                raise CardDeclinedError

    async def _settle(self) -> None:
        """Every few seconds a batch of payments is settled, which takes a connection for as long."""
        running: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(self.chance.uniform(1.2, 2.0))
            self.batch += 1
            task = asyncio.get_running_loop().create_task(self._settled(self.batch))
            running.add(task)
            task.add_done_callback(running.discard)

    async def _settled(self, batch: int) -> None:
        dblog.new_trace()
        began, count = self.now(), self.chance.randrange(40, 400)
        async with self.pool.connection():
            self.child("settlement").debug("batch %d: settling %d payments", batch, count)
            await self.spend(4.6)
            extra = self.took(began, batch=batch, payments=count)
            self.child("settlement").info("batch %d settled: %d payments", batch, count, extra=extra)

    async def _deploys(self) -> None:
        while True:
            begins, ends, revision = self.incidents.next(self.now())
            await asyncio.sleep(max(0.0, begins - self.now()))
            self._reload(3.0, 2, f"deploy {revision}")
            await asyncio.sleep(max(0.0, ends - self.now()))
            self._reload(30.0, 20, f"rollback of {revision}")

    def _reload(self, timeout: float, size: int, why: str) -> None:
        self.child("config").warning(
            "configuration reloaded: bank.timeout %.0fs -> %.0fs, pool %d -> %d (%s)",
            self.timeout, timeout, self.pool.size, size, why,
            extra={"bank": {"timeout_s": timeout, "pool": size}, "why": why},
        )  # fmt: skip
        self.timeout = timeout
        self.pool.resize(size)

    async def _watch(self) -> None:
        said = 0.0
        while True:
            await asyncio.sleep(1.0)
            if (waiting := self.pool.waiting) > 1:
                extra = {"size": self.pool.size, "waiting": waiting}
                logger = self.child("pool")
                logger.warning("all %d bank connections are in use, %d wait", self.pool.size, waiting, extra=extra)
            recent = sum(at > self.now() - 8 for at in self.failed)
            if recent >= 5 and self.now() - said > 30:  # noqa: PLR2004 - an alarm's thresholds
                said = self.now()
                self.child("alarm").critical("%d payments failed within 8 s: paging on-call", recent)
