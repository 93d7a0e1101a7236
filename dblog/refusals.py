"""Why a database cannot be migrated, as a sentence: without a statement, its parameters or a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog.errors import ErrorClass, StoreError
from dblog.reading.failures import driver_error, failure
from dblog.safe_url import safe_url
from dblog.store.errors import postgres_error
from dblog.store.errors_clickhouse import clickhouse_error

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["dialect_name", "explained", "refused"]

_LOOK = 1.0
"""Seconds for an answer that needs no login."""


def dialect_name(engine: sa.Engine) -> str:
    """Dblog's name of its dialect: SQLAlchemy's, but for ``"clickhouse"``."""
    return {"clickhousedb": "clickhouse"}.get(engine.dialect.name, engine.dialect.name)


def refused(error: sa.exc.DBAPIError, engine: sa.Engine) -> StoreError:
    """There is no connection: said as a reader says it."""
    cause = driver_error(error) or error
    dialect = dialect_name(engine)
    if dialect == "sqlite":
        return failure(cause, dialect, str(engine.url.database), connecting=True)
    known = clickhouse_error(error) if dialect == "clickhouse" else postgres_error(cause, answer=_answer(engine))
    return failure(known, dialect, safe_url(engine.url.set(drivername=dialect)), connecting=True)


def explained(error: sa.exc.DBAPIError, engine: sa.Engine) -> StoreError:
    """A statement failed: the driver's first sentence, or ours where that holds statements."""
    if dialect_name(engine) == "clickhouse":
        known = clickhouse_error(error)
        sentence = str(known).removeprefix(f"{known.code}: ")
        return StoreError(known.kind, known.code, f"{sentence} ({safe_url(engine.url)})")
    origin = error.orig
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    sentence = (str(origin).strip().splitlines() or [type(origin).__name__])[0]
    if engine.url.password:
        sentence = sentence.replace(str(engine.url.password), "***")
    passing = type(error).__name__ == "OperationalError" and not str(code or "").startswith(("28", "3D", "42"))
    kind = ErrorClass.RECONNECT if passing else ErrorClass.CONFIGURATION
    return StoreError(kind, str(code or type(origin).__name__), f"{sentence} ({safe_url(engine.url)})")


def _answer(engine: sa.Engine) -> str | None:
    """What the server says to somebody at its door, for libpq keeps its SQLSTATE to itself; see ``probe.ask``."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - an optional extra

    from dblog.store.probe import ask  # noqa: PLC0415 - as above

    _, parameters = engine.url.get_dialect()().create_connect_args(engine.url)
    known = {name: value for name, value in parameters.items() if name not in {"password", "sslpassword"}}
    try:
        return ask(make_conninfo("", **known), _LOOK)
    except Exception:  # noqa: BLE001 - a look, nothing more
        return None
