"""Where a revision's tables are made: on one server, or on every node of a cluster.

``Place`` fills in the parts of a statement in which the two differ: ON CLUSTER, the
engine, the path in Keeper. A revision says everything else itself. Tables of a cluster
are named by Keeper's macros, so ``{shard}`` and ``{replica}`` have to be defined on its
nodes; ``{database}`` and ``{table}`` are the server's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from clickhouse_connect.cc_sqlalchemy.alembic import ClickHouseImpl

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from dblog.names import Names

__all__ = ["Impl", "Place", "current_cluster"]

_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DISTRIBUTED = re.compile(r"Distributed\('((?:[^'\\]|\\.)*)'")


@dataclass(frozen=True, slots=True)
class Place:
    """One server (``cluster`` is None), or a cluster."""

    names: Names
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.cluster is not None and _CLUSTER.fullmatch(self.cluster) is None:
            msg = f"cluster={self.cluster!r} cannot name a cluster: use letters, digits, _, . and -, at most 64"
            raise ConfigurationError(msg)

    @property
    def on_cluster(self) -> str:
        """What follows a table's name in DDL."""
        return "" if self.cluster is None else f" ON CLUSTER '{self.cluster}'"

    @property
    def rows(self) -> str:
        """The table that holds the entries themselves, quoted."""
        return self.names.qualified(self.names.logs if self.cluster is None else self.names.local)

    def engine(self, arguments: str = "", *, everywhere: bool = False) -> str:
        """A ReplacingMergeTree; on a cluster replicated within each shard, or as one table on every node."""
        if self.cluster is None:
            return f"ReplacingMergeTree({arguments})"
        shard, replica = ("all", "{shard}_{replica}") if everywhere else ("{shard}", "{replica}")
        path = f"'/clickhouse/tables/{shard}/{{database}}/{{table}}', '{replica}'"
        return f"ReplicatedReplacingMergeTree({path}{arguments and ', '}{arguments})"

    @property
    def dedup(self) -> str:
        """One more setting, by which a resent batch is recognised; a replicated table does so by default."""
        return "" if self.cluster is not None else ", non_replicated_deduplication_window = 10000"

    def version_table(self) -> str:
        """CREATE of the version table: on every node alike, and read with FINAL, for two upgrades may run at once."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self.names.qualified(self.names.version)}{self.on_cluster}"
            f" (version_num String) ENGINE = {self.engine(everywhere=True)} ORDER BY version_num"
        )


def current_cluster(connection: sa.Connection, names: Names) -> str | None:
    """The cluster that the tables were made on; None of one server, or where they are not there."""
    found = connection.exec_driver_sql(
        "SELECT engine_full FROM system.tables WHERE database = "
        f"{_database(names)} AND name = '{names.logs}' AND engine = 'Distributed'"
    ).scalar()
    match = _DISTRIBUTED.match(found or "")
    return match[1] if match else None


def _database(names: Names) -> str:
    return "currentDatabase()" if names.schema is None else f"'{names.schema}'"


class Impl(ClickHouseImpl):
    """clickhouse-connect's, but for the version table of a run that names its ``dblog_place``."""

    __dialect__ = "clickhousedb"

    def version_table_impl(
        self, *, version_table: str, version_table_schema: str | None, version_table_pk: bool, **kw: Any
    ) -> sa.Table:
        """The version table; its own DDL knows neither ON CLUSTER nor replicas."""
        place: Place | None = self.context_opts.get("dblog_place")
        if place is None:
            return super().version_table_impl(
                version_table=version_table,
                version_table_schema=version_table_schema,
                version_table_pk=version_table_pk,
                **kw,
            )
        table = sa.Table(
            version_table, sa.MetaData(), sa.Column("version_num", sa.String(32)), schema=version_table_schema
        )

        def create(_bind: Any, checkfirst: Any = False) -> None:  # noqa: ARG001 - as Table's
            self._exec(sa.text(place.version_table()))

        table.create = create  # type: ignore[method-assign,assignment]  # the one method of it that writes
        return table
