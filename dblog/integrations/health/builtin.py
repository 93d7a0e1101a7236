"""Checks that most services want: a database answers, dblog's schema is there, its writer stores."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from dblog import lifecycle
from dblog.errors import ConfigurationError
from dblog.integrations.health.results import failed, is_async, passed, result_of, skipped
from dblog.names import DEFAULT_TABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dblog.handler import DatabaseHandler
    from dblog.integrations.health.results import Check, Result

__all__ = ["advisory", "database", "schema", "started", "writer"]

_IN_TROUBLE = frozenset({"RETRY", "BLOCKED", "DETACHED", "SEALED", "DRAINING", "CLOSED"})
_NOT_STARTED = frozenset({"STARTING", "DETACHED"})
_CONNECT_TIMEOUT = 5


def database(target: str | URL | Engine | AsyncEngine, *, query: str = "SELECT 1") -> Check:
    """A database answers a query.

    Args:
        target: the application's engine, whose pool it takes a connection of, so that an exhausted pool is a
            fail; or a URL, to which it connects each time. An ``AsyncEngine`` belongs to its event loop: under
            WSGI give a URL.
        query: what to ask; its answer does not matter.

    Raises:
        ConfigurationError: a URL that cannot be one; the driver it needs is not installed.
    """
    import sqlalchemy as sa  # noqa: PLC0415 - for who asks for it

    from dblog.url import require_driver, sync_url  # noqa: PLC0415 - as above

    statement = sa.text(query)
    if hasattr(target, "sync_engine"):
        asynchronous: Any = target

        async def asks_asynchronously() -> None:
            async with asynchronous.connect() as connection:
                await connection.execute(statement)

        return asks_asynchronously
    if isinstance(target, sa.Engine):
        engine = target
    else:
        url = sync_url(target)
        require_driver(url)
        bounded = url.get_backend_name() != "postgresql" or "connect_timeout" in url.query
        arguments = {} if bounded else {"connect_timeout": _CONNECT_TIMEOUT}
        engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=arguments)

    def asks() -> None:
        with engine.connect() as connection:
            connection.execute(statement)

    return asks


def schema(target: str | URL | Engine | AsyncEngine, *, schema: str | None = None, table: str = DEFAULT_TABLE) -> Check:
    """The tables of dblog are there and not older than this dblog (``dblog.migrate.check``)."""

    def is_at_head() -> Result:
        from dblog import migrate  # noqa: PLC0415 - Alembic takes a second to load

        found = migrate.check(target, schema=schema, table=table)
        return (passed if found.ok else failed)(None if found.ok else str(found), revision=found.current)

    return is_at_head


def writer(handler: DatabaseHandler | None = None, *, backlog: float = 0.8) -> Check:
    """The writer of dblog stores, and its queue is not about to overflow.

    Fails while the database of the logs refuses or is away. A service that can work without
    it says ``advisory(writer())``.

    Args:
        handler: None for all of this process.
        backlog: the share of ``queue_size`` that may wait, 0 to 1.

    Raises:
        ConfigurationError: ``backlog`` is not between 0 and 1.
    """
    if not 0 <= backlog <= 1:
        raise ConfigurationError(f"backlog={backlog!r} is not allowed: give a share of the queue, 0 to 1")

    def is_storing() -> Result:
        return _worst(handler, functools.partial(_storing, backlog=backlog))

    return is_storing


def started(handler: DatabaseHandler | None = None) -> Check:
    """The writer of dblog has its database and is up; one that has had no record yet starts with the first.

    Args:
        handler: None for all of this process.
    """

    def has_started() -> Result:
        return _worst(handler, _has_started)

    return has_started


def advisory(check: Check) -> Check:
    """The check, whose failure is shown as ``skip`` and makes nothing unready."""

    def softened(said: object) -> Result:
        result = result_of(said)
        if result.status != "fail":
            return result
        return skipped(f"not required: {result.message or 'fail'}", **result.details)

    async def awaited(said: Awaitable[object]) -> Result:
        try:
            return softened(await said)
        except Exception as error:  # noqa: BLE001 - as a fail is
            return softened(failed(type(error).__name__))

    def asks() -> Result | Awaitable[Result]:
        try:
            said = check()
        except Exception as error:  # noqa: BLE001 - as a fail is
            return softened(failed(type(error).__name__))
        return awaited(said) if inspect.isawaitable(said) else softened(said)

    async def asks_asynchronously() -> Result:
        return await awaited(check())

    return asks_asynchronously if is_async(check) else asks


def _worst(handler: DatabaseHandler | None, look: Any) -> Result:
    """The first fail among the handlers, else the first of them."""
    handlers = [handler] if handler is not None else [each for each in lifecycle.handlers() if not each.closed]
    if not handlers:
        return skipped("no DatabaseHandler in this process")
    results: list[Result] = [look(each) for each in handlers]
    return next((result for result in results if result.status == "fail"), results[0])


def _storing(handler: DatabaseHandler, *, backlog: float) -> Result:
    stats = handler.stats()
    figures = {"state": stats.state, "queued": stats.queued, "dropped": stats.dropped, "failed": stats.failed}
    if stats.state in _IN_TROUBLE:
        return failed("the writer does not store", **figures)
    if stats.queued > backlog * handler.options.queue_size:
        return failed(f"more than {backlog:.0%} of the queue waits", **figures)
    return passed(None, **figures)


def _has_started(handler: DatabaseHandler) -> Result:
    state = handler.stats().state
    if state in _NOT_STARTED or state in _IN_TROUBLE:
        return failed("the writer is not up", state=state)
    return passed("it starts with the first record" if state == "NEW" else None, state=state)
