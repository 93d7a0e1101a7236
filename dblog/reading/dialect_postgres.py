"""SQLAlchemy's asyncpg dialect, asking nothing of a new connection; see ``dblog.reading.dialects``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

__all__ = ["AsyncpgDialect"]


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
