"""The demo's three services, gateway → orders → payments, and what goes wrong with them every minute.

The story: a deploy reloads the configuration of ``payments`` with a pool of 2 connections to the bank, not 20, and with
3 s of patience, not 30. Settlements hold a connection for seconds, as they always have; now charges wait for them in
silence, are tried again, and time out: an exception in ``payments``, stock released in ``orders``, 502 in ``gateway``.
Then the deploy is rolled back. Nothing of this is written down as a script of records: it is what the code does.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import dblog
from dblog_tui.demo.pool import Pool

if TYPE_CHECKING:
    from dblog_tui.demo.incident import Incidents
    from dblog_tui.demo.wires import Message, Peer

__all__ = ["Gateway", "Orders", "Payments", "Service"]

_REQUESTS: Final = 3.2
"""A second, on average."""
_ARTICLES: Final = ("kettle", "lamp", "desk", "chair", "mug", "clock", "shelf", "rug")


class CardDeclinedError(Exception):
    """The bank says no; nothing is broken."""


class BankTimeoutError(Exception):
    """The bank has not answered in time."""


class StockError(Exception):
    """There is less of an article than was sold."""


# As a service's own program would call them.
CardDeclinedError.__module__ = BankTimeoutError.__module__ = "payments.bank"
StockError.__module__ = "orders.stock"


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


class Gateway(Service):
    """Takes requests from outside."""

    name = "gateway"

    async def background(self) -> None:
        """Customers come as they please."""
        running: set[asyncio.Task[None]] = set()
        number = 48000 + int(self.now()) % 1000
        while True:
            await asyncio.sleep(min(self.chance.expovariate(_REQUESTS), 2.0))
            number += 1
            task = asyncio.get_running_loop().create_task(self._request(number))
            running.add(task)
            task.add_done_callback(running.discard)

    async def _request(self, number: int) -> None:
        user = f"u-{self.chance.randrange(400)}"
        dblog.new_trace(user_id=user, client_id=self.chance.choice(("web", "web", "ios", "android")))
        kind = self.chance.random()
        if kind < 0.62:  # noqa: PLR2004 - the share of orders
            await self._answered("POST", "/orders", {"do": "order", "number": number, "amount": self._amount()})
        elif kind < 0.86:  # noqa: PLR2004 - the share of looks at one
            number -= self.chance.randrange(1, 60)
            await self._answered("GET", f"/orders/{number}", {"do": "look", "number": number})
        else:
            await self._products()

    def _amount(self) -> float:
        return round(self.chance.lognormvariate(3.4, 0.8), 2)

    async def _answered(self, method: str, path: str, call: Message) -> None:
        began, http = self.now(), self.child("http")
        http.info("%s %s", method, path, extra={"method": method, "path": path})
        await self.spend(0.003)
        http.getChild("auth").debug("token of %s is valid", dblog.current().user_id)
        reply = await self.ask(call)
        status = int(reply["status"])
        extra = self.took(began, method=method, path=path, status=status)
        level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO  # noqa: PLR2004 - HTTP's
        http.log(level, "%s %s %d in %.0f ms", method, path, status, extra["duration_ms"], extra=extra)

    async def _products(self) -> None:
        began, http = self.now(), self.child("http")
        article = self.chance.choice(_ARTICLES)
        await self.spend(0.004)
        hit = self.chance.random() < 0.9  # noqa: PLR2004 - of a warm cache
        self.child("cache").debug("cache %s for %s", "hit" if hit else "miss", article)
        await self.spend(0.004 if hit else 0.06)
        extra = self.took(began, method="GET", path="/products", status=200, cached=hit)
        http.info("GET /products?q=%s 200 in %.0f ms", article, extra["duration_ms"], extra=extra)


class Orders(Service):
    """Reserves stock and asks for the money."""

    name = "orders"

    async def background(self) -> None:
        """Now and then an article is counted."""
        while True:
            await asyncio.sleep(self.chance.uniform(6, 10))
            article = self.chance.choice(_ARTICLES)
            left = self.chance.randrange(3, 80)
            if left < 9:  # noqa: PLR2004 - few
                self.child("stock").warning("stock of %s is low: %d left", article, left, extra={"article": article})
            else:
                self.child("stock").debug("stock of %s: %d", article, left, extra={"article": article})

    async def order(self, message: Message) -> Message:
        """An order, reserved, paid and confirmed."""
        began, number = self.now(), message["number"]
        cart = {"items": self.chance.randrange(1, 6), "skus": self.chance.sample(_ARTICLES, 2), "currency": "EUR"}
        self.log.info("order %d received", number, extra={"order": number, "cart": cart})
        await self.spend(0.012)
        try:
            await self._reserve(number)
        except StockError:
            self.log.exception("order %d is put on hold", number, extra=self.took(began, order=number))
            return {"status": 409}
        reply = await self._pay(number, message["amount"])
        if reply["status"] != 200:  # noqa: PLR2004 - HTTP's OK
            self.child("stock").warning("order %d: payment failed (%d), stock released", number, reply["status"])
            declined = reply["status"] == 402  # noqa: PLR2004 - HTTP's
            self.log.info("order %d cancelled", number, extra=self.took(began, order=number))
            return {"status": 402 if declined else 502}
        await self.spend(0.006)
        self.log.info("order %d confirmed", number, extra=self.took(began, order=number))
        return {"status": 201}

    async def _reserve(self, number: int) -> None:
        with dblog.bound():
            began = self.now()
            await self.spend(0.009)
            if self.chance.random() < 0.004:  # noqa: PLR2004 - seldom
                article = self.chance.choice(_ARTICLES)
                raise StockError(f"{article}: 2 wanted, 1 left")
            self.child("stock").debug("order %d: stock reserved", number, extra=self.took(began, warehouse="north"))

    async def _pay(self, number: int, amount: float) -> Message:
        with dblog.bound():
            began = self.now()
            reply = await self.ask({"do": "charge", "number": number, "amount": amount})
            extra = self.took(began, status=reply["status"])
            self.child("client").debug("payments answered %d", reply["status"], extra=extra)
            return reply

    async def look(self, message: Message) -> Message:
        """An order, as it is."""
        began, number = self.now(), message["number"]
        await self.spend(0.008)
        slow = self.chance.random() < 0.02  # noqa: PLR2004 - seldom
        if slow:
            await self.spend(0.7)
        extra = self.took(began, rows=1)
        log = self.child("db").warning if slow else self.child("db").debug
        log("SELECT orders took %.0f ms", extra["duration_ms"], extra=extra)
        found = self.chance.random() < 0.97  # noqa: PLR2004 - mostly
        if not found:
            self.log.info("order %d does not exist", number)
        return {"status": 200 if found else 404}


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
            self.child("bank").debug("bank answered %d for order %d", extra["code"], number, extra=extra)
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
