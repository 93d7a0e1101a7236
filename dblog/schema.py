"""The tables: one column list, and their SQLAlchemy metadata per dialect.

Alembic's revisions are the only author of the tables in a database; this module
describes what they have built, for sinks, the reader and ``compare_metadata``.
It refuses to create anything: there is no ``create_all`` anywhere in dblog.

The dialects share names and meaning, not types: Postgres has ``timestamptz``,
``uuid`` and ``jsonb``; SQLite keeps the same values as INTEGER µs since 1970 UTC,
BLOB (16 bytes) and JSON text; ClickHouse's are in ``dblog.schema_clickhouse``. Text
has no length limit and no CHECK anywhere: a limit would make a row poison on one
database only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.names import DEFAULT_TABLE, Names, names_for
from dblog.schema_clickhouse import add_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COLUMNS", "DEFAULT_TABLE", "DIALECTS", "XID8", "Column", "Names", "metadata_for", "names_for"]

DIALECTS: Final = ("postgresql", "sqlite", "clickhouse")


class XID8(sa.types.UserDefinedType[str]):
    """Postgres' 64-bit transaction id, for the exact tail."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "XID8"


_PLAIN: Final[dict[str, Any]] = {
    "text": sa.Text(),
    "token": sa.Text(),
    "small": sa.SmallInteger(),
    "int": sa.Integer(),
    "big": sa.BigInteger(),
    "float": sa.Double(),
}
_SQLITE: Final[dict[str, Any]] = {
    "time": sa.Integer(),
    "uuid": sa.LargeBinary(),
    "json": sa.Text(),
    "text": sa.Text(),
    "token": sa.Integer(),
    "small": sa.Integer(),
    "int": sa.Integer(),
    "big": sa.Integer(),
    "float": sa.Float(),
}


@cache
def _types(dialect: str) -> dict[str, Any]:
    """Kinds of columns → types; what is PostgreSQL's own is loaded for those who have one."""
    if dialect == "sqlite":
        return _SQLITE
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - see above
    from sqlalchemy.dialects.postgresql.base import ischema_names  # noqa: PLC0415 - see above

    # Without this, reflection warns about an unknown type and compares nothing.
    ischema_names["xid8"] = XID8
    own = {
        "time": postgresql.TIMESTAMP(timezone=True),
        "uuid": postgresql.UUID(as_uuid=True),
        "json": postgresql.JSONB(),
    }
    return {**_PLAIN, **own}


# now(), not clock_timestamp(): with a volatile default COPY inserts row by row, at 0.8 of the speed.
_NOW: Final = {
    "postgresql": "now()",
    # julianday() is exact to the millisecond, and older than unixepoch('subsec') (SQLite 3.42).
    "sqlite": "(CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000)",
}


class Column(NamedTuple):
    """One column of a table, said once for all dialects."""

    name: str
    kind: str
    """A key of the type tables: time, uuid, json, text, token, small, int, big or float."""
    required: bool = False
    default: str | None = None
    """SQL of the default; ``"now"`` stands for the dialect's own."""


COLUMNS: Final = (
    Column("timestamp", "time", required=True),
    Column("id", "uuid", required=True),
    Column("ingested_at", "time", required=True, default="now"),
    Column("level", "text", required=True),
    Column("severity", "small", required=True),
    Column("logger", "text", required=True),
    Column("module", "text"),
    Column("function", "text"),
    Column("pathname", "text"),
    Column("lineno", "int"),
    Column("message", "text", required=True),
    Column("template", "text"),
    Column("metadata", "json"),
    Column("user_id", "text"),
    Column("session_id", "text"),
    Column("task_id", "text"),
    Column("trace_id", "text"),
    Column("span_id", "text"),
    Column("parent_span_id", "text"),
    Column("context_id", "text"),
    Column("client_id", "text"),
    Column("exc_type", "text"),
    Column("exc_message", "text"),
    Column("exc_text", "text"),
    Column("service", "text"),
    Column("host", "text"),
    Column("pid", "int"),
    Column("thread", "text"),
    Column("async_task", "text"),
    Column("instance_id", "uuid"),
    Column("seq", "big"),
)
"""The columns of ``logs`` on every dialect, in order; each dialect adds one for its tail."""

_COUNTERS: Final = ("emitted", "stored", "dropped", "failed", "queued", "in_flight", "spooled")

INSTANCE_COLUMNS: Final = (
    Column("instance_id", "uuid", required=True),
    Column("service", "text"),
    Column("service_version", "text"),
    Column("environment", "text"),
    Column("host", "text"),
    Column("pid", "int"),
    Column("container", "text"),
    Column("started_at", "time", required=True),
    Column("last_seen", "time", required=True),
    Column("state", "text", required=True),
    *(Column(name, "big", required=True, default="0") for name in _COUNTERS),
    Column("dropped_by", "json"),
    Column("failed_by", "json"),
    Column("lag", "float"),
    Column("last_success", "time"),
    Column("last_error", "text"),
    Column("dblog_version", "text"),
)
"""The columns of ``log_instances``: one row per writer, with its ledger."""

DEAD_LETTER_COLUMNS: Final = (
    Column("id", "uuid", required=True),
    Column("failed_at", "time", required=True),
    Column("instance_id", "uuid", required=True),
    Column("seq", "big"),
    Column("error_class", "text", required=True),
    Column("code", "text", required=True),
    Column("attempts", "int", required=True),
    Column("payload", "text", required=True),
)
"""The columns of ``log_dead_letters``: rows refused for their content, as ASCII JSON."""

ROLLUP_COLUMNS: Final = (
    Column("width", "small", required=True),
    Column("start", "time", required=True),
    Column("severity", "small", required=True),
    Column("service", "text", required=True),
    Column("has_service", "small", required=True),
    Column("entries", "big", required=True),
)
"""The columns of ``log_rollup``: how many entries a stretch of 60 or 3600 seconds (``width``) has, by severity and
service. Absent is 0 in ``has_service``, and "" in ``service``, which may be a service's name, too."""

ROLLUP_KEY: Final = ("width", "start", "severity", "service", "has_service")

ROLLUP_STATE_COLUMNS: Final = (
    Column("id", "small", required=True),
    Column("token", "token", required=True),
    Column("floor", "time"),
    Column("system", "big"),
    Column("generation", "big", required=True, default="0"),
    Column("refreshed_at", "time"),
)
"""The columns of ``log_rollup_state``, one row, whose ``id`` is 1. ``token``: which entries are counted: Postgres'
snapshot, SQLite's last ``ingest_seq``; but none from before ``floor``. ``system`` names the Postgres cluster whose
transactions the token numbers, and ``generation`` is another each time counting begins anew."""


def metadata_for(dialect: str, *, schema: str | None = None, table: str = DEFAULT_TABLE) -> sa.MetaData:
    """The tables as Alembic builds them at head.

    Args:
        dialect: ``"postgresql"``, ``"sqlite"`` or ``"clickhouse"``.
        schema: the Postgres schema, None is the first of the search path; on ClickHouse the database.
        table: the name of the log table; the other names follow from it (``names_for``).

    Raises:
        ConfigurationError: another dialect, a schema on SQLite, or a name that cannot be one.
    """
    if dialect not in DIALECTS:
        msg = f"dialect={dialect!r} is not one of {', '.join(DIALECTS)}"
        raise ConfigurationError(msg)
    names = names_for(schema, table, dialect=dialect)
    metadata = sa.MetaData()
    if dialect == "clickhouse":
        add_tables(metadata, names)
        return metadata
    if dialect == "postgresql":
        _postgres_logs(metadata, names)
    else:
        _sqlite_logs(metadata, names)
    _keyed(metadata, names, names.instances, INSTANCE_COLUMNS, dialect)
    _keyed(metadata, names, names.dead_letters, DEAD_LETTER_COLUMNS, dialect)
    _rollup(metadata, names, dialect)
    _keyed(metadata, names, names.rollup_state, ROLLUP_STATE_COLUMNS, dialect)
    return metadata


def _columns(dialect: str, columns: tuple[Column, ...]) -> Iterator[sa.Column[Any]]:
    for column in columns:
        default = _NOW[dialect] if column.default == "now" else column.default
        yield sa.Column(
            column.name,
            _types(dialect)[column.kind],
            nullable=not column.required,
            server_default=None if default is None else sa.text(default),
        )


def _postgres_logs(metadata: sa.MetaData, names: Names) -> None:
    logs = sa.Table(
        names.logs,
        metadata,
        *_columns("postgresql", COLUMNS),
        sa.Column("xid", XID8(), nullable=False, server_default=sa.text("pg_current_xact_id()")),
        sa.PrimaryKeyConstraint("timestamp", "id", name=f"{names.logs}_pkey"),
        schema=names.schema,
        postgresql_partition_by="RANGE (timestamp)",
    )
    _shared_indexes(logs, names, "postgresql")
    sa.Index(f"{names.logs}_xid_idx", logs.c.xid)


def _sqlite_logs(metadata: sa.MetaData, names: Names) -> None:
    logs = sa.Table(
        names.logs,
        metadata,
        # AUTOINCREMENT, so that a number is never used again: the tail is `ingest_seq > :last`.
        sa.Column("ingest_seq", sa.Integer(), primary_key=True, autoincrement=True),
        *_columns("sqlite", COLUMNS),
        sqlite_autoincrement=True,
    )
    sa.Index(f"{names.logs}_timestamp_id_idx", logs.c.timestamp, logs.c.id, unique=True)
    _shared_indexes(logs, names, "sqlite")


def _shared_indexes(logs: sa.Table, names: Names, dialect: str) -> None:
    # An option named after a dialect loads that dialect, so the other one's is not named.
    where = f"{dialect}_where"
    traced: dict[str, Any] = {where: logs.c.trace_id.is_not(None)}
    warned: dict[str, Any] = {where: sa.text("severity >= 13")}
    sa.Index(f"{names.logs}_trace_idx", logs.c.trace_id, logs.c.timestamp, **traced)
    sa.Index(f"{names.logs}_warning_idx", logs.c.timestamp, logs.c.id, **warned)


def _keyed(metadata: sa.MetaData, names: Names, name: str, columns: tuple[Column, ...], dialect: str) -> None:
    sa.Table(
        name,
        metadata,
        *_columns(dialect, columns),
        sa.PrimaryKeyConstraint(columns[0].name, name=f"{name}_pkey"),
        schema=names.schema,
    )


def _rollup(metadata: sa.MetaData, names: Names, dialect: str) -> None:
    # An option named after a dialect loads that dialect.
    options: dict[str, Any] = {"sqlite_with_rowid": False} if dialect == "sqlite" else {}
    sa.Table(
        names.rollup,
        metadata,
        *_columns(dialect, ROLLUP_COLUMNS),
        sa.PrimaryKeyConstraint(*ROLLUP_KEY, name=f"{names.rollup}_pkey"),
        schema=names.schema,
        **options,
    )
