"""One request across three services, and the whole of it told by its id.

    python examples/three_services.py [--url postgresql://...]

A gateway (Starlette under uvicorn), orders (Flask), and a worker that takes jobs from a queue, each a
process of its own with its own handler. Four orders are placed; the third cannot be shipped.
What the customer gets is a 502 and an X-Tracking-ID; `dblog trace` of that id prints the story.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.config
import multiprocessing
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx

import dblog

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

UNLUCKY = 3
_WAIT = 20.0


def log_to(url: str, service: str) -> logging.Logger:
    """Each process configures its own handler, and says which service it is."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"database": {"class": "dblog.DatabaseHandler", "url": url, "service": service}},
            "root": {"level": "INFO", "handlers": ["database"]},
            "loggers": {"httpx": {"level": "WARNING"}, "uvicorn": {"level": "WARNING"}},
        }
    )
    return logging.getLogger(service)


def gateway(url: str, orders: str, told: Connection) -> None:
    """What the customer talks to; it hands the trace on in the headers of its own request."""
    import uvicorn  # noqa: PLC0415 - each process loads what it needs
    from starlette.applications import Starlette  # noqa: PLC0415 - as above
    from starlette.responses import JSONResponse  # noqa: PLC0415 - as above
    from starlette.routing import Route  # noqa: PLC0415 - as above

    from dblog.integrations.asgi import TrackingMiddleware  # noqa: PLC0415 - as above

    logger = log_to(url, "gateway")

    async def checkout(request: Any) -> JSONResponse:
        number = request.path_params["number"]
        logger.info("checkout of order %d", number)
        headers: dict[str, str] = {}
        dblog.inject(headers)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{orders}/orders/{number}", headers=headers, timeout=_WAIT)
        if answer.is_error:
            logger.warning("order %d was not accepted: %d", number, answer.status_code)
        return JSONResponse({"order": number}, status_code=502 if answer.is_error else 200)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            told.send(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}")

        async def main_loop(self) -> None:
            while not told.poll():
                await self.on_tick(1)
                await asyncio.sleep(0.02)

    app = TrackingMiddleware(Starlette(routes=[Route("/checkout/{number:int}", checkout, methods=["POST"])]))
    Server(uvicorn.Config(app, port=0, log_config=None, access_log=False)).run()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Nothing: the middleware logs each request."""


def orders(url: str, jobs: Any, outcomes: Any, told: Connection) -> None:
    """Behind the gateway; it hands the trace on with each job, and waits for what becomes of it."""
    import flask  # noqa: PLC0415 - each process loads what it needs

    from dblog.integrations.wsgi import TrackingMiddleware  # noqa: PLC0415 - as above

    logger = log_to(url, "orders")
    app = flask.Flask("orders")

    @app.post("/orders/<int:number>")
    def accept(number: int) -> tuple[str, int]:
        logger.info("order %d accepted", number)
        job: dict[str, Any] = {"number": number, "headers": {}}
        dblog.inject(job["headers"])
        jobs.put(job)
        shipped = outcomes.get(timeout=_WAIT)
        return ("shipped", 200) if shipped else ("not shipped", 503)

    with make_server("127.0.0.1", 0, TrackingMiddleware(app), handler_class=_Quiet) as server:
        told.send(f"http://127.0.0.1:{server.server_port}")
        server.timeout = 0.02
        while not told.poll():
            server.handle_request()


def worker(url: str, jobs: Any, outcomes: Any) -> None:
    """Takes jobs from a queue; each continues the trace it was put there in."""
    logger = log_to(url, "worker")
    while (job := jobs.get()) is not None:
        with dblog.bound(**dblog.extract(job["headers"]), job="ship"):
            logger.info("shipping order %d", job["number"])
            try:
                _ship(job["number"])
            except ConnectionError:
                logger.exception("order %d cannot be shipped", job["number"])
                outcomes.put(False)
            else:
                outcomes.put(True)


def _ship(number: int) -> None:
    if number == UNLUCKY:
        raise ConnectionError("the carrier does not answer")


def main() -> None:
    """Start the three, be the customer, end them, and ask for the story."""
    from dblog import migrate  # noqa: PLC0415 - only here

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--url", help="where to log; a temporary SQLite file by default")
    with tempfile.TemporaryDirectory() as folder:
        url = parser.parse_args().url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        spawn = multiprocessing.get_context("spawn")
        jobs, outcomes = spawn.Queue(), spawn.Queue()
        to_orders, of_orders = spawn.Pipe()
        to_gateway, of_gateway = spawn.Pipe()
        processes = [
            spawn.Process(target=worker, args=(url, jobs, outcomes)),
            spawn.Process(target=orders, args=(url, jobs, outcomes, of_orders)),
        ]
        for process in processes:
            process.start()
        processes.append(spawn.Process(target=gateway, args=(url, to_orders.recv(), of_gateway)))
        processes[-1].start()
        address = to_gateway.recv()
        failed = ""
        for number in range(1, 5):
            answer = httpx.post(f"{address}/checkout/{number}", timeout=_WAIT, trust_env=False)
            print(f"order {number}: {answer.status_code}")
            if answer.is_error:
                failed = answer.headers["X-Tracking-ID"]
        to_gateway.send(None)
        to_orders.send(None)
        jobs.put(None)
        for process in processes:
            process.join(_WAIT)
        print(f"\n$ dblog trace {failed}", flush=True)
        subprocess.run([sys.executable, "-m", "dblog", "trace", failed, "--text", "--url", url], check=True)  # noqa: S603 - this program's own words


if __name__ == "__main__":
    main()
