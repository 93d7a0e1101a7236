"""ClickHouse without ClickHouse: what is sent, how failures are classed, how calls are freed, how clusters are made."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver import exceptions
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import HTTPError

from dblog import migrate
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, ErrorClass
from dblog.grants import grants
from dblog.names import names_for
from dblog.schema import COLUMNS as LOGS
from dblog.schema import DEAD_LETTER_COLUMNS, INSTANCE_COLUMNS, metadata_for
from dblog.sink import Origin
from dblog.store.capabilities import capabilities_of
from dblog.store.clickhouse_line import Line
from dblog.store.clickhouse_rows import MOST_DAYS, Blocks
from dblog.store.errors_clickhouse import clickhouse_error
from dblog.store.rows import COLUMNS, values

if TYPE_CHECKING:
    from dblog.sink import Row

DAY = 86_400_000_000
ORIGIN = Origin(uuid.UUID(int=7), "svc", None, None, "here", 1, 0)


@given(
    days=st.lists(st.integers(0, 400), min_size=1, max_size=60),
    spread=st.sampled_from([1, 3]),
    left_out=st.sets(st.sampled_from(COLUMNS[2:]), max_size=3),
)
def test_blocks_hold_every_row_once_and_no_more_days_than_they_may(
    days: list[int], spread: int, left_out: set[str]
) -> None:
    """In the columns both sides know; the same rows make the same blocks under the same tokens, others do not."""
    rows: list[Row] = [
        (seq, LogEntry(day * spread * DAY + seq, "INFO", 9, "a", f"m{seq}")) for seq, day in enumerate(days * 3, 1)
    ]
    columns = tuple(column for column in COLUMNS if column not in left_out)
    blocks = list(Blocks(ORIGIN, columns).of(rows))
    kept = [COLUMNS.index(column) for column in columns]
    wanted = sorted(tuple(row[index] for index in kept) for row in values(rows, ORIGIN))
    assert sorted(row for _, block in blocks for row in zip(*block, strict=True)) == wanted
    for _, block in blocks:
        assert len({moment // DAY for moment in block[0]}) <= MOST_DAYS  # type: ignore[operator]  # µs
    assert len({token for token, _ in blocks}) == len(blocks)
    assert list(Blocks(ORIGIN, columns).of(rows)) == blocks
    assert {token for token, _ in Blocks(ORIGIN, columns).of(rows[1:])}.isdisjoint({blocks[0][0]}) or len(blocks) > 1


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            exceptions.DatabaseError("secret", code=241, name="MEMORY_LIMIT_EXCEEDED"),
            "WAIT",
            "241 MEMORY_LIMIT_EXCEEDED",
        ),
        (exceptions.DatabaseError("secret", code=159), "RESEND", "159"),
        (exceptions.DatabaseError("secret", code=4242), "UNKNOWN", "4242"),
        (exceptions.DatabaseError("secret"), "RECONNECT", "DatabaseError"),
        (exceptions.OperationalError("secret"), "RECONNECT", "OperationalError"),
        (exceptions.StreamFailureError("secret"), "RECONNECT", "StreamFailureError"),
        (exceptions.DataError("secret"), "POISON", "DataError"),
        (exceptions.ProgrammingError("secret"), "CONFIGURATION", "ProgrammingError"),
        (exceptions.NotSupportedError("secret"), "CONFIGURATION", "NotSupportedError"),
        (exceptions.InternalError("secret"), "UNKNOWN", "InternalError"),
        (UnicodeEncodeError("utf-8", "secret", 0, 1, "secret"), "POISON", "UnicodeEncodeError"),
        (TypeError("secret"), "POISON", "TypeError"),
        (ConnectionResetError("secret"), "RECONNECT", "ConnectionResetError"),
        (HTTPError("secret"), "UNKNOWN", "HTTPError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_the_driver_raises_is_classed_without_its_text(error: Exception, kind: str, code: str) -> None:
    """By the server's code where there is one; after what was sent, only a refused value leaves no doubt."""
    known = clickhouse_error(error, writing=True)
    assert (known.kind, known.code) == (ErrorClass[kind], code)
    assert "secret" not in str(known)
    assert known.ambiguous is (kind != "POISON")
    assert not clickhouse_error(error).ambiguous


def test_a_blocked_call_is_freed_and_no_other_begins_until_the_line_is_mended() -> None:
    """A server that takes a request and says nothing; the driver would send everything again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = Line()
        pool = line.pool({"host": "127.0.0.1", "port": server.getsockname()[1]})
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        raised: list[type[BaseException]] = []

        def ask() -> None:
            try:
                pool.request("POST", url, body=b"x", retries=False, timeout=30)
            except Exception as error:
                raised.append(type(error))

        thread = threading.Thread(target=ask)
        thread.start()
        taken, _ = server.accept()
        with taken:
            assert taken.recv(10)
            since = time.monotonic()
            line.cut()
            thread.join(10)
            assert time.monotonic() - since < 2
        ask()
        assert len(raised) == 2
        line.mend()
        thread = threading.Thread(target=ask)
        thread.start()
        taken, _ = server.accept()
        with taken:
            assert taken.recv(10)
        thread.join(10)
        pool.clear()


@pytest.mark.parametrize(
    ("given_as", "scheme", "options"),
    [
        ({}, "http", {}),
        ({"secure": "true", "verify": "false"}, "https", {"cert_reqs": "CERT_NONE"}),
        ({"port": 8443, "ca_cert": "/ca.pem"}, "https", {"ca_certs": "/ca.pem", "cert_reqs": "CERT_REQUIRED"}),
        (
            {"secure": "true", "server_host_name": "inner", "client_cert": "/c.pem"},
            "https",
            {"assert_hostname": "inner", "server_hostname": "inner", "cert_file": "/c.pem"},
        ),
    ],
)
def test_a_pool_of_ours_speaks_tls_as_the_drivers_would(
    given_as: dict[str, Any], scheme: str, options: dict[str, str]
) -> None:
    """A pool that is handed over is used as it is: what the URL says of certificates would be lost."""
    pool = Line().pool({"host": "h"} | given_as)
    assert options.items() <= pool.connection_pool_kw.items()
    assert pool.pool_classes_by_scheme[scheme].__name__ == ("_SecurePool" if scheme == "https" else "_PlainPool")


def test_the_tables_have_the_columns_of_the_others() -> None:
    """The same names, in the same order, absent where they may be absent; each column has a type of ClickHouse's."""
    tables = metadata_for("clickhouse").tables
    for name, columns in (
        ("logs", LOGS),
        ("log_instances", INSTANCE_COLUMNS),
        ("log_dead_letters", DEAD_LETTER_COLUMNS),
    ):
        assert [column.name for column in tables[name].columns] == [column.name for column in columns]
        for column in columns:
            kind: Any = tables[name].columns[column.name].type
            # An index of SQLAlchemy's would make every CREATE fail, a Map cannot be asked for a key.
            assert not tables[name].indexes
            assert "Map(" not in kind.name
            assert kind.nullable is not column.required, (name, column.name)


@given(
    cluster=st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True),
    schema=st.none() | st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
    table=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
)
@settings(max_examples=20)
def test_a_cluster_has_every_table_on_every_node(cluster: str, schema: str | None, table: str) -> None:
    """Whatever its name: no statement forgets where it is to run."""
    sql = migrate.cluster_sql("clickhouse://h/", cluster=cluster, schema=schema, table=table)
    names = names_for(schema, table, dialect="clickhouse")
    created = [line for line in sql.splitlines() if line.startswith("CREATE TABLE")]
    wanted = (names.version, names.local, names.logs, names.instances, names.dead_letters)
    assert [line.partition(f" ON CLUSTER '{cluster}'")[0].split()[-1] for line in created] == [
        names.qualified(name) for name in wanted
    ]
    assert (f"CREATE DATABASE IF NOT EXISTS \"{schema}\" ON CLUSTER '{cluster}'" in sql) is (schema is not None)


@pytest.mark.parametrize("cluster", ["", "a b", "x'", "ü", "a" * 65])
def test_a_name_that_can_be_no_clusters_is_refused(cluster: str) -> None:
    """It is written into SQL."""
    with pytest.raises(ConfigurationError, match="cluster"):
        migrate.cluster_sql("clickhouse://h/", cluster=cluster)


def test_only_clickhouse_has_clusters() -> None:
    """Another database is refused before anything is looked at."""
    with pytest.raises(ConfigurationError, match="only ClickHouse"):
        migrate.cluster_sql("sqlite:///x.db", cluster="c")


def test_grants_name_what_was_asked_for() -> None:
    """Users and tables, quoted."""
    sql = grants("clickhouse", writer='w"x', reader="r", admin="a", schema="obs", table="events")
    assert 'TO "w""x"' in sql
    assert 'GRANT SELECT ON "obs"."events_instances" TO "r"' in sql


def test_capabilities_are_declared() -> None:
    """For each database, and for no other."""
    assert {capabilities_of(name).tail for name in ("sqlite", "postgresql", "clickhouse")} == {
        "sequence",
        "snapshot",
        "overlap",
    }
    with pytest.raises(ConfigurationError, match="sqlite, postgresql, clickhouse"):
        capabilities_of("oracle")
