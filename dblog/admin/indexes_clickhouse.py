"""Indexes on ClickHouse: those that skip granules. The revisions make them with the table; none is added or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dblog.schema_clickhouse import SKIP_INDEXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection

__all__ = ["states"]


def states(connection: AdminConnection, kinds: Sequence[str]) -> dict[str, tuple[str, int | None]]:
    """Each one's state and bytes, which are those of the server that was asked; the schema's own follow ``kinds``."""
    names = connection.names
    database = cast("ClickHouseConnection", connection).database
    found = dict(
        connection.rows(
            "SELECT name, sum(data_compressed_bytes + marks_bytes) FROM system.data_skipping_indices"  # noqa: S608 - a checked name
            f" WHERE database = {database} AND table IN (?, ?) GROUP BY name",
            names.logs,
            names.local,
        )
    )
    told: dict[str, tuple[str, int | None]] = {}
    for kind in dict.fromkeys((*kinds, *SKIP_INDEXES)):
        size = found.get(names.index_on(kind))
        missing = "absent" if kind in SKIP_INDEXES else "unavailable"
        told[kind] = (missing, None) if size is None else ("ready", int(size))
    return told
