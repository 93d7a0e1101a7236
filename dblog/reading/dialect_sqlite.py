"""SQLAlchemy's aiosqlite dialect, asking nothing of a new connection; see ``dblog.reading.dialects``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

__all__ = ["AiosqliteDialect"]


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


def _nothing(_connection: object) -> None:
    """What there is to do with a new connection."""
