"""The names dblog gives to what it owns in a database; knows no SQLAlchemy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dblog.errors import ConfigurationError

__all__ = ["DEFAULT_TABLE", "Names", "names_for"]

DEFAULT_TABLE: Final = "logs"

# 40 leaves room for the longest suffix (_timestamp_id_idx) within Postgres' 63 bytes.
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
# No quote, dollar, percent or colon: a schema's name is written into DDL.
_SCHEMA: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Names:
    """The names that follow from ``schema`` and ``table``, none of them quoted."""

    schema: str | None
    """On ClickHouse the database; None is the one connected to."""
    logs: str
    instances: str
    dead_letters: str
    version: str
    """Alembic's version table: ours alone, so an application's own can share the database."""
    ensure_day: str
    """The function that makes a day's partition (Postgres)."""

    @property
    def tables(self) -> tuple[str, str, str]:
        """The tables that hold data."""
        return self.logs, self.instances, self.dead_letters

    @property
    def rollup(self) -> str:
        """The table of counts by minute and hour."""
        return "log_rollup" if self.logs == DEFAULT_TABLE else f"{self.logs}_rollup"

    @property
    def rollup_state(self) -> str:
        """The table of one row that says which entries ``rollup`` has counted."""
        return f"{self.rollup}_state"

    @property
    def rollups(self) -> tuple[str, str]:
        """The tables that are made of the others' rows."""
        return self.rollup, self.rollup_state

    @property
    def uncount(self) -> str:
        """What takes entries that are deleted out of ``rollup``: a trigger, and on Postgres its function."""
        return "dblog_uncount" if self.logs == DEFAULT_TABLE else f"{self.logs}_uncount"

    def index_on(self, column: str) -> str:
        """An index of ``dblog index``; in an SQLite file the one on ``message`` is a table."""
        return f"{self.logs}_{column}_idx"

    @property
    def fts_state(self) -> str:
        """SQLite: the table that says which entries the full-text index has."""
        return f"{self.index_on('message')}_state"

    @property
    def local(self) -> str:
        """On a cluster of ClickHouse the rows of one shard; ``logs`` then holds none itself."""
        return f"{self.logs}_local"

    def partition(self, day: str) -> str:
        """The partition of a day given as ``YYYYMMDD``."""
        return f"{self.logs}_{day}"

    def owns(self, relation: str) -> bool:
        """Whether a table of this name is dblog's, partitions, version table and a shard's rows included.

        For the ``include_name`` of an application's own Alembic environment, so that its
        autogenerate leaves dblog's tables alone.
        """
        if relation in {*self.tables, *self.rollups, self.version, self.local}:
            return True
        fts = rf"{self.index_on('message')}(_state|_data|_idx|_docsize|_config)?"
        return re.fullmatch(rf"{self.logs}_\d{{8}}|{fts}", relation) is not None

    def qualified(self, name: str) -> str:
        """``name`` quoted for SQL, with the schema where there is one; all dialects quote alike."""
        quoted = f'"{name}"'
        return quoted if self.schema is None else f'"{self.schema}".{quoted}'


@lru_cache(maxsize=64)
def names_for(schema: str | None = None, table: str = DEFAULT_TABLE, *, dialect: str = "postgresql") -> Names:
    """The names that go with an option ``schema`` and an option ``table``.

    ``logs`` gives ``log_instances``, ``log_dead_letters``, ``dblog_version`` and
    ``dblog_ensure_day``; any other ``x`` gives ``x_instances``, ``x_dead_letters``,
    ``x_dblog_version`` and ``x_ensure_day``, so two log tables can share a schema.

    Raises:
        ConfigurationError: a name that cannot be one, or a schema on SQLite.
    """
    if _TABLE.fullmatch(table) is None:
        msg = f"table={table!r} cannot name a log table: use letters, digits and _, at most 40"
        raise ConfigurationError(msg)
    if schema is not None and _SCHEMA.fullmatch(schema) is None:
        msg = f"schema={schema!r} cannot name a schema: use letters, digits, _ and -, at most 63"
        raise ConfigurationError(msg)
    if schema is not None and dialect == "sqlite":
        msg = f"schema={schema!r} is for Postgres: an SQLite file has no schemas, use table= to tell tables apart"
        raise ConfigurationError(msg)
    if table == DEFAULT_TABLE:
        return Names(schema, table, "log_instances", "log_dead_letters", "dblog_version", "dblog_ensure_day")
    return Names(
        schema, table, f"{table}_instances", f"{table}_dead_letters", f"{table}_dblog_version", f"{table}_ensure_day"
    )
