"""The demo's ``gateway`` and ``orders``: customers order articles; who pays for them is ``payments``'s."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import dblog
from dblog_tui.demo.service import Service

if TYPE_CHECKING:
    from dblog_tui.demo.wires import Message

__all__ = ["Gateway", "Orders"]

_REQUESTS: Final = 3.2
"""A second, on average."""
_ARTICLES: Final = ("kettle", "lamp", "desk", "chair", "mug", "clock", "shelf", "rug")


class StockError(Exception):
    """There is less of an article than was sold."""


StockError.__module__ = "orders.stock"  # as a service's own program would call it


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
