"""A node of a cluster: laid out, found again, and never told that rows are stored which only wait to be sent."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from dblog import migrate
from dblog.admin.clickhouse import ClickHouseConnection
from dblog.admin.indexes import indexes
from dblog.entry import LogEntry
from dblog.errors import ErrorClass, StoreError
from dblog.opening import new_origin
from dblog.options import Options
from dblog.schema_clickhouse import SKIP_INDEXES
from dblog.store import opener
from tests.clickhouse.front import Front

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = time.time_ns() // 1000
UNREPLICATED = ("logs_local has no deduplication window: a resent batch is not recognised",)
"""The one difference: this node has no Keeper, so its tables are not replicated."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a node, in a database that is not there before ``init``."""
    with Front(tmp_path_factory.mktemp("node") / "data", cluster="prod") as front:
        url = front.url.removesuffix("default") + "logsdb"
        migrate.init_cluster(url, cluster="prod")
        yield url


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with ClickHouseConnection(url) as connection:
        return connection.rows(sql)


def test_a_cluster_is_laid_out_and_found_again(node: str) -> None:
    """``upgrade``, ``check`` and ``index`` need not be told its name any more."""
    assert migrate.current(node) == "0001"
    assert migrate.check(node).differences == UNREPLICATED
    migrate.upgrade(node)
    found = dict(rows(node, "SELECT name, engine FROM system.tables WHERE database = 'logsdb'"))
    assert found == {
        "logs": "Distributed",
        "logs_local": "ReplacingMergeTree",
        "log_instances": "ReplacingMergeTree",
        "log_dead_letters": "ReplacingMergeTree",
        "dblog_version": "ReplacingMergeTree",
    }
    with ClickHouseConnection(node) as connection:
        assert connection.clustered
        assert {each.kind for each in indexes(connection) if each.state == "ready"} == set(SKIP_INDEXES)


def test_what_goes_again_goes_from_the_whole_cluster(node: str) -> None:
    """The version table as well."""
    migrate.init_cluster(node, cluster="prod", table="events")
    assert migrate.check(node, table="events").current == "0001"
    migrate.downgrade(node, table="events")
    assert rows(node, "SELECT name FROM system.tables WHERE database = 'logsdb' AND name LIKE 'events%'") == []


def test_rows_for_a_shard_that_is_away_are_not_stored(node: str) -> None:
    """The node would take them, answer at once and send them later, or never."""
    options = Options.of()
    sink = opener(node, options)(new_origin(options))
    with contextlib.closing(sink), pytest.raises(StoreError) as caught:
        sink.write([(seq, LogEntry(NOW + seq, "INFO", 9, "a", "m")) for seq in range(1, 4)])
    assert caught.value.kind is ErrorClass.RECONNECT
    assert caught.value.ambiguous
    assert rows(node, "SELECT sum(data_files) FROM system.distribution_queue WHERE database = 'logsdb'") == [(0,)]


def test_one_servers_layout_is_refused_on_a_cluster_s_node(node: str) -> None:
    """So that this test's node can tell: what is not ON CLUSTER fails there."""
    with pytest.raises(StoreError):
        migrate.upgrade(node, table="alone")
