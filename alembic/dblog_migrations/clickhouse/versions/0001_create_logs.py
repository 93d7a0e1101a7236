"""Create logs, log_instances and log_dead_letters.

On a cluster ``logs`` is Distributed over ``logs_local``, and the other two are on every
node. The columns are spelled out on purpose: this revision must build the same tables
for ever, whatever ``dblog.schema_clickhouse`` says later; there stands why they are so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context, op

from dblog.errors import ConfigurationError
from dblog_migrations.clickhouse.running import current_place, drop_table

if TYPE_CHECKING:
    from dblog_migrations.clickhouse.place import Place

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LOGS = """
    timestamp DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1)),
    id UUID CODEC(ZSTD(1)),
    ingested_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta(8), ZSTD(1)),
    level LowCardinality(String),
    severity UInt8,
    logger LowCardinality(String),
    module LowCardinality(Nullable(String)),
    function LowCardinality(Nullable(String)),
    pathname LowCardinality(Nullable(String)),
    lineno Nullable(Int32) CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    template LowCardinality(Nullable(String)),
    metadata Nullable(String) CODEC(ZSTD(1)),
    user_id Nullable(String) CODEC(ZSTD(1)),
    session_id Nullable(String) CODEC(ZSTD(1)),
    task_id Nullable(String) CODEC(ZSTD(1)),
    trace_id Nullable(String) CODEC(ZSTD(1)),
    span_id Nullable(String) CODEC(ZSTD(1)),
    parent_span_id Nullable(String) CODEC(ZSTD(1)),
    context_id Nullable(String) CODEC(ZSTD(1)),
    client_id Nullable(String) CODEC(ZSTD(1)),
    exc_type LowCardinality(Nullable(String)),
    exc_message Nullable(String) CODEC(ZSTD(1)),
    exc_text Nullable(String) CODEC(ZSTD(1)),
    service LowCardinality(Nullable(String)),
    host LowCardinality(Nullable(String)),
    pid Nullable(Int32) CODEC(ZSTD(1)),
    thread LowCardinality(Nullable(String)),
    async_task Nullable(String) CODEC(ZSTD(1)),
    instance_id Nullable(UUID) CODEC(ZSTD(1)),
    seq Nullable(Int64) CODEC(Delta(8), ZSTD(1)),
    INDEX {logs}_trace_idx trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX {logs}_ingested_idx ingested_at TYPE minmax GRANULARITY 1,
    INDEX {logs}_message_idx lower(message) TYPE ngrambf_v1(4, 8192, 3, 0) GRANULARITY 1,
    INDEX {logs}_metadata_idx lower(ifNull(metadata, '')) TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 1
"""

_INSTANCES = """
    instance_id UUID,
    service Nullable(String),
    service_version Nullable(String),
    environment Nullable(String),
    host Nullable(String),
    pid Nullable(Int32),
    container Nullable(String),
    started_at DateTime64(6, 'UTC'),
    last_seen DateTime64(6, 'UTC'),
    state String,
    emitted Int64 DEFAULT 0,
    stored Int64 DEFAULT 0,
    dropped Int64 DEFAULT 0,
    failed Int64 DEFAULT 0,
    queued Int64 DEFAULT 0,
    in_flight Int64 DEFAULT 0,
    spooled Int64 DEFAULT 0,
    dropped_by Nullable(String),
    failed_by Nullable(String),
    lag Nullable(Float64),
    last_success Nullable(DateTime64(6, 'UTC')),
    last_error Nullable(String),
    dblog_version Nullable(String)
"""

_DEAD_LETTERS = """
    id UUID,
    failed_at DateTime64(6, 'UTC'),
    instance_id UUID,
    seq Nullable(Int64),
    error_class String,
    code String,
    attempts Int32,
    payload String
"""


def upgrade() -> None:
    place = current_place()
    names = place.names
    if not context.is_offline_mode():
        _refuse_foreign(place)
    _create(
        place,
        place.rows,
        _LOGS.format(logs=names.logs),
        f"{place.engine()} PARTITION BY toDate32(timestamp) ORDER BY (timestamp, toUInt128(id))"
        f" SETTINGS index_granularity = 2048{place.dedup}",
    )
    if place.cluster is not None:
        _create_distributed(place)
    instances = f"{place.engine('last_seen', everywhere=True)} ORDER BY instance_id"
    _create(place, names.qualified(names.instances), _INSTANCES, instances)
    letters = f"{place.engine(everywhere=True)} ORDER BY id"
    _create(place, names.qualified(names.dead_letters), _DEAD_LETTERS, letters)


def downgrade() -> None:
    place = current_place()
    names = place.names
    tables = names.tables if place.cluster is None else (*names.tables, names.local)
    for table in tables:
        if context.is_offline_mode():
            op.execute(f"DROP TABLE IF EXISTS {names.qualified(table)}{place.on_cluster} SYNC")
        else:
            drop_table(op.get_bind(), place, table)


def _create(place: Place, table: str, columns: str, engine: str) -> None:
    op.execute(
        f"CREATE TABLE IF NOT EXISTS {table}{place.on_cluster} ({columns}) ENGINE = {engine} COMMENT 'made by dblog'"
    )


def _create_distributed(place: Place) -> None:
    names = place.names
    database = "currentDatabase()" if names.schema is None else f"'{names.schema}'"
    op.execute(
        f"CREATE TABLE IF NOT EXISTS {names.qualified(names.logs)}{place.on_cluster} AS {place.rows}"
        f" ENGINE = Distributed('{place.cluster}', {database}, '{names.local}', cityHash64(id))"
        " COMMENT 'made by dblog'"
    )


def _refuse_foreign(place: Place) -> None:
    """A table of one of our names that dblog did not make; its own may be there, of a run that did not finish."""
    names = place.names
    database = "currentDatabase()" if names.schema is None else f"'{names.schema}'"
    ours = ", ".join(f"'{name}'" for name in (*names.tables, names.local))
    foreign = (
        op.get_bind()
        .exec_driver_sql(
            f"SELECT name FROM system.tables WHERE database = {database} AND name IN ({ours})"
            " AND comment != 'made by dblog' ORDER BY name"
        )
        .scalar()
    )
    if foreign:
        where = f" in database {names.schema}" if names.schema else ""
        message = f"a table {foreign} that is not dblog's exists{where}: give another table name or schema"
        raise ConfigurationError(message)
