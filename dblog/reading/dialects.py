"""SQLAlchemy's asyncpg and aiosqlite dialects, asking nothing of a new connection, beginning and ending nothing.

Every read says BEGIN and COMMIT itself (``dblog.reading.session``), so SQLAlchemy runs in AUTOCOMMIT. What it would ask
at connect (version, schema, codecs) is known or not needed: behind a transaction pooler such questions could
meet another server process, and each is a round trip before the first answer.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

__all__ = ["DRIVERS", "AiosqliteDialect", "AsyncpgDialect", "compiler"]

DRIVERS: Final = {"postgresql": "postgresql+dblog_asyncpg", "sqlite": "sqlite+dblog_aiosqlite"}
"""Dialect → the drivername of a URL that takes these."""


class AsyncpgDialect(PGDialect_asyncpg):
    """JSON comes as text, which is how ``LogEntry`` has it, and how asyncpg gives it by itself."""

    supports_statement_cache = True

    def on_connect(self) -> Callable[[Any], None] | None:
        """No codecs: each would look its type up in the catalog."""
        return None

    def initialize(self, connection: sa.Connection) -> None:
        """Take from the driver what the compiler wants to know; asks the server nothing."""
        driver: Any = connection.connection.driver_connection
        version = driver.get_server_version()
        self.server_version_info = (version.major, version.minor)
        self.default_schema_name = None
        self._backslash_escapes = False  # no literal of ours holds a backslash

    def do_rollback(self, dbapi_connection: Any) -> None:
        """SQLAlchemy has begun nothing."""


class AiosqliteDialect(SQLiteDialect_aiosqlite):
    """Without a REGEXP made of Python's ``re``: ``dblog.query.sql.install_functions`` has a linear one."""

    supports_statement_cache = True

    def on_connect(self) -> Callable[[Any], None]:
        """Nothing: the connection was prepared by who opened it."""
        return _nothing

    def initialize(self, connection: sa.Connection) -> None:
        """Ask nothing."""
        self.server_version_info = self._get_server_version_info(connection)
        self.default_schema_name = "main"

    def do_rollback(self, dbapi_connection: Any) -> None:
        """SQLAlchemy has begun nothing."""


@cache
def compiler(dialect: str) -> sa.Dialect:
    """What makes SQL of statements for a driver, without a connection."""
    made: Any = AiosqliteDialect if dialect == "sqlite" else AsyncpgDialect
    return made()  # type: ignore[no-any-return]  # SQLAlchemy's constructors have no types


def _nothing(_connection: object) -> None:
    """What there is to do with a new connection."""


for _name, _class in (("postgresql.dblog_asyncpg", "AsyncpgDialect"), ("sqlite.dblog_aiosqlite", "AiosqliteDialect")):
    registry.register(_name, __name__, _class)
