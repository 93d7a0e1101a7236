"""SQLAlchemy's asyncpg and aiosqlite dialects, asking nothing of a new connection, beginning and ending nothing.

Every read says BEGIN and COMMIT itself (``dblog.reading.session``), so SQLAlchemy runs in AUTOCOMMIT. What it would ask
at connect (version, schema, codecs) is known or not needed: behind a transaction pooler such questions could
meet another server process, and each is a round trip before the first answer. Each dialect has a module of its own, so
that only the one in use is loaded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import registry

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["DRIVERS", "compiler"]

DRIVERS: Final = {"postgresql": "postgresql+dblog_asyncpg", "sqlite": "sqlite+dblog_aiosqlite"}
"""Dialect → the drivername of a URL that takes these."""

registry.register("postgresql.dblog_asyncpg", "dblog.reading.dialect_postgres", "AsyncpgDialect")
registry.register("sqlite.dblog_aiosqlite", "dblog.reading.dialect_sqlite", "AiosqliteDialect")


@cache
def compiler(dialect: str) -> sa.Dialect:
    """What makes SQL of statements for a driver, without a connection."""
    if dialect == "sqlite":
        from dblog.reading.dialect_sqlite import AiosqliteDialect  # noqa: PLC0415 - one of three

        return AiosqliteDialect()
    if dialect == "clickhouse":
        from dblog.reading.dialect_clickhouse import ReadingDialect  # noqa: PLC0415 - one of three

        return ReadingDialect()
    from dblog.reading.dialect_postgres import AsyncpgDialect  # noqa: PLC0415 - one of three

    return AsyncpgDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's constructors have no types
