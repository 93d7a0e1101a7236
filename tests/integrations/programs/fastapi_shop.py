"""FastAPI, with an application of Starlette's mounted on it; the middleware is around both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import shop_logs  # type: ignore[import-not-found]  # beside it: the server is told to look here
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dblog.integrations.asgi import TrackingMiddleware

if TYPE_CHECKING:
    from starlette.requests import Request

shop_logs.configure()
shop = FastAPI()


@shop.post("/orders/{number}")
async def order(number: int) -> str:
    """An order, with others in between."""
    await asyncio.sleep(0)
    return str(await asyncio.to_thread(shop_logs.order, number))


@shop.get("/boom/{name}")
def boom(name: str) -> str:
    """An error, in a thread of the pool."""
    raise ValueError(name)


async def mounted(request: Request) -> Response:
    """An order of Starlette's."""
    return PlainTextResponse(shop_logs.order(int(request.path_params["number"])))


shop.mount("/api/{version}", Starlette(routes=[Route("/orders/{number}", mounted, methods=["POST"])]))
app = TrackingMiddleware(shop)
