"""Create logs, log_instances and log_dead_letters.

On Postgres ``logs`` is partitioned by UTC day, and ``dblog_ensure_day`` makes a day's
partition for whoever may execute it. The columns are spelled out on purpose: this
revision must build the same tables for ever, whatever ``dblog.schema`` says later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from dblog.errors import ConfigurationError
from dblog.schema import XID8
from dblog_migrations.partitions import drop_ensure_day, install_ensure_day
from dblog_migrations.running import current_names

if TYPE_CHECKING:
    from dblog.names import Names

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_NOW = "(CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000)"


class _Types:
    """The types of one dialect, by what they hold."""

    def __init__(self, *, postgres: bool) -> None:
        self.time: Any = postgresql.TIMESTAMP(timezone=True) if postgres else sa.Integer()
        self.uuid: Any = postgresql.UUID() if postgres else sa.LargeBinary()
        self.json: Any = postgresql.JSONB() if postgres else sa.Text()
        self.small: Any = sa.SmallInteger() if postgres else sa.Integer()
        self.big: Any = sa.BigInteger() if postgres else sa.Integer()
        self.real: Any = sa.Double() if postgres else sa.Float()
        self.now = sa.text("now()" if postgres else _SQLITE_NOW)


def upgrade() -> None:
    postgres, names = _target()
    if not context.is_offline_mode():
        _refuse_foreign(names)
    types = _Types(postgres=postgres)
    if postgres:
        _postgres_logs(names, types)
    else:
        _sqlite_logs(names, types)
    _indexes(names)
    _instances(names, types)
    _dead_letters(names, types)
    if postgres:
        install_ensure_day(names)


def downgrade() -> None:
    postgres, names = _target()
    if postgres:
        drop_ensure_day(names)
    for table in reversed(names.tables):
        op.drop_table(table, schema=names.schema)


def _target() -> tuple[bool, Names]:
    dialect = context.get_context().dialect.name
    return dialect == "postgresql", current_names(dialect)


def _refuse_foreign(names: Names) -> None:
    """No revision is recorded, so a table of one of our names was made by somebody else."""
    existing = sa.inspect(op.get_bind()).get_table_names(schema=names.schema)
    foreign = sorted(set(existing) & set(names.tables))
    if foreign:
        where = f" in schema {names.schema}" if names.schema else ""
        message = f"a table {foreign[0]} that is not dblog's exists{where}: give another table name or schema"
        raise ConfigurationError(message)


def _columns(types: _Types) -> list[sa.Column[Any]]:
    text = sa.Text()
    return [
        sa.Column("timestamp", types.time, nullable=False),
        sa.Column("id", types.uuid, nullable=False),
        sa.Column("ingested_at", types.time, nullable=False, server_default=types.now),
        sa.Column("level", text, nullable=False),
        sa.Column("severity", types.small, nullable=False),
        sa.Column("logger", text, nullable=False),
        sa.Column("module", text),
        sa.Column("function", text),
        sa.Column("pathname", text),
        sa.Column("lineno", sa.Integer()),
        sa.Column("message", text, nullable=False),
        sa.Column("template", text),
        sa.Column("metadata", types.json),
        sa.Column("user_id", text),
        sa.Column("session_id", text),
        sa.Column("task_id", text),
        sa.Column("trace_id", text),
        sa.Column("span_id", text),
        sa.Column("parent_span_id", text),
        sa.Column("context_id", text),
        sa.Column("client_id", text),
        sa.Column("exc_type", text),
        sa.Column("exc_message", text),
        sa.Column("exc_text", text),
        sa.Column("service", text),
        sa.Column("host", text),
        sa.Column("pid", sa.Integer()),
        sa.Column("thread", text),
        sa.Column("async_task", text),
        sa.Column("instance_id", types.uuid),
        sa.Column("seq", types.big),
    ]


def _postgres_logs(names: Names, types: _Types) -> None:
    op.create_table(
        names.logs,
        *_columns(types),
        sa.Column("xid", XID8(), nullable=False, server_default=sa.text("pg_current_xact_id()")),
        sa.PrimaryKeyConstraint("timestamp", "id", name=f"{names.logs}_pkey"),
        schema=names.schema,
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_index(f"{names.logs}_xid_idx", names.logs, ["xid"], schema=names.schema)


def _sqlite_logs(names: Names, types: _Types) -> None:
    op.create_table(
        names.logs,
        sa.Column("ingest_seq", sa.Integer(), primary_key=True, autoincrement=True),
        *_columns(types),
        sqlite_autoincrement=True,
    )
    op.create_index(f"{names.logs}_timestamp_id_idx", names.logs, ["timestamp", "id"], unique=True)


def _indexes(names: Names) -> None:
    for name, columns, where in (
        ("trace", ["trace_id", "timestamp"], "trace_id IS NOT NULL"),
        ("warning", ["timestamp", "id"], "severity >= 13"),
    ):
        op.create_index(
            f"{names.logs}_{name}_idx",
            names.logs,
            columns,
            schema=names.schema,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )


def _instances(names: Names, types: _Types) -> None:
    text = sa.Text()
    counters = ("emitted", "stored", "dropped", "failed", "queued", "in_flight", "spooled")
    op.create_table(
        names.instances,
        sa.Column("instance_id", types.uuid, nullable=False),
        sa.Column("service", text),
        sa.Column("service_version", text),
        sa.Column("environment", text),
        sa.Column("host", text),
        sa.Column("pid", sa.Integer()),
        sa.Column("container", text),
        sa.Column("started_at", types.time, nullable=False),
        sa.Column("last_seen", types.time, nullable=False),
        sa.Column("state", text, nullable=False),
        *(sa.Column(name, types.big, nullable=False, server_default=sa.text("0")) for name in counters),
        sa.Column("dropped_by", types.json),
        sa.Column("failed_by", types.json),
        sa.Column("lag", types.real),
        sa.Column("last_success", types.time),
        sa.Column("last_error", text),
        sa.Column("dblog_version", text),
        sa.PrimaryKeyConstraint("instance_id", name=f"{names.instances}_pkey"),
        schema=names.schema,
    )


def _dead_letters(names: Names, types: _Types) -> None:
    op.create_table(
        names.dead_letters,
        sa.Column("id", types.uuid, nullable=False),
        sa.Column("failed_at", types.time, nullable=False),
        sa.Column("instance_id", types.uuid, nullable=False),
        sa.Column("seq", types.big),
        sa.Column("error_class", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{names.dead_letters}_pkey"),
        schema=names.schema,
    )
