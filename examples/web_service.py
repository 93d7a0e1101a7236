"""A web service whose own, uvicorn's and SQLAlchemy's records land in one database, each with its request's trace.

    python examples/web_service.py [--url postgresql://...] [--requests 200]

Starlette under uvicorn, an orders table behind SQLAlchemy, and httpx as the crowd.
It prints what was stored and one request as the database tells it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.config
import tempfile
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import dblog
from dblog import migrate
from dblog.integrations.asgi import TrackingMiddleware
from dblog.schema import metadata_for
from dblog.url import sync_url

if TYPE_CHECKING:
    from starlette.requests import Request

logger = logging.getLogger("shop")
UNLUCKY = 49
"""Of fifty orders this one cannot be paid."""


def application(engine: sa.Engine) -> TrackingMiddleware:
    """The shop: one endpoint that stores an order, one that fails."""

    async def order(request: Request) -> Response:
        number = int(request.path_params["number"])
        logger.info("order %d received", number, extra={"items": 1 + number % 5})
        await asyncio.to_thread(_store, engine, number)  # the thread inherits the trace
        if number % 50 == UNLUCKY:
            try:
                _pay()
            except ConnectionError:
                logger.exception("order %d cannot be paid", number)
            return JSONResponse({"order": number}, status_code=502)
        return JSONResponse({"order": number})

    # Outermost: a request continues its caller's trace or starts one, for all that runs and logs below.
    return TrackingMiddleware(Starlette(routes=[Route("/orders/{number:int}", order, methods=["POST"])]))


def _pay() -> None:
    raise ConnectionError("the bank does not answer")


def _store(engine: sa.Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (:number)"), {"number": number})


def configure(url: str) -> None:
    """Everything to the database; SQLAlchemy's statements included."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"db": {"class": "dblog.DatabaseHandler", "url": url, "service": "shop"}},
            "root": {"handlers": ["db"], "level": "INFO"},
            "loggers": {"sqlalchemy.engine": {"level": "INFO"}, "httpx": {"level": "WARNING"}},
        }
    )


async def serve_and_load(app: TrackingMiddleware, requests: int) -> list[int]:
    """Serve on a free port while the crowd, eight at a time, sends its orders; the status codes."""
    # log_config=None: uvicorn's records go where ours go.
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    crowd = asyncio.Semaphore(8)

    async def send(client: httpx.AsyncClient, number: int) -> int:
        async with crowd:
            with dblog.bound():
                dblog.new_trace()
                headers: dict[str, str] = {}
                dblog.inject(headers)
                return (await client.post(f"/orders/{number}", headers=headers)).status_code

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        codes = await asyncio.gather(*(send(client, number) for number in range(requests)))
    server.should_exit = True
    await serving
    return codes


def look(url: str) -> dict[str, Any]:
    """What the database holds: rows by logger, rows of requests without a trace, and one failed request."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    logs = metadata_for(engine.dialect.name).tables["logs"]
    order = (logs.c.timestamp, logs.c.id)
    of_requests = sa.or_(
        logs.c.logger.in_(["shop", "dblog.access", "uvicorn.access"]),
        sa.and_(logs.c.logger.like("sqlalchemy.engine%"), logs.c.message.like("%orders%")),
    )
    with engine.connect() as connection:
        counts = connection.execute(sa.select(logs.c.logger, sa.func.count()).group_by(logs.c.logger)).all()
        untraced = connection.scalar(sa.select(sa.func.count()).where(of_requests, logs.c.trace_id.is_(None)))
        failed = sa.select(logs.c.trace_id).where(logs.c.level == "ERROR").order_by(*order).limit(1)
        trace = connection.execute(
            sa.select(logs.c.logger, logs.c.level, logs.c.message)
            .where(logs.c.trace_id == failed.scalar_subquery())
            .order_by(*order)
        ).all()
    engine.dispose()
    return {
        "rows": dict(map(tuple, counts)),
        "untraced": untraced,
        "trace": [tuple(row) for row in trace],
    }


def main(url: str | None, requests: int) -> None:
    """Migrate, serve, look."""
    with tempfile.TemporaryDirectory(prefix="dblog-web-") as folder:
        url = url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        engine = sa.create_engine(f"sqlite:///{folder}/shop.db")  # the shop's own data
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE orders (number INTEGER PRIMARY KEY)"))
        configure(url)
        codes = asyncio.run(serve_and_load(application(engine), requests))
        logging.getLogger().handlers[0].flush()
        stats = dblog.stats()["db"]
        engine.dispose()
        report(codes, stats, look(url))
        logging.shutdown()


def report(codes: list[int], stats: dblog.Stats, seen: dict[str, Any]) -> None:
    """Say it."""
    print(f"{len(codes)} requests, {codes.count(502)} failed as they should")
    # dropped{self}: what SQLAlchemy logged of dblog's own connection; fed back, it would never end.
    own = stats.dropped_by.get("self", 0)
    lost = stats.dropped - own + stats.failed
    print(f"emitted {stats.emitted}  stored {stats.stored}  dblog's own, not stored {own}  lost {lost}")
    for name, count in sorted(seen["rows"].items()):
        print(f"  {count:>6}  {name}")
    print(f"records of requests without a trace: {seen['untraced']}")
    print("one failed request:")
    for name, level, message in seen["trace"]:
        print(f"  {name:<28} {level:<8} {message.splitlines()[0]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a database for the log; a temporary SQLite file by default")
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    main(arguments.url, arguments.requests)
