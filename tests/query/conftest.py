"""Every database, once per module."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from dblog.query.sql import install_functions
from tests import embedded_clickhouse, querytrees
from tests.postgres import database
from tests.querystores import Clicks, Stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def stores(sqlite_template: Path, postgres_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Every database, empty, with a partition for the entries' day."""
    path = tmp_path_factory.mktemp("agreement") / "logs.db"
    shutil.copyfile(sqlite_template, path)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(database(*postgres_template))
        engines = sa.create_engine(f"sqlite:///{path}"), sa.create_engine(url.replace("://", "+psycopg://"))
        sa.event.listen(engines[0], "connect", lambda raw, _: install_functions(raw, regex=True))
        for engine in engines:
            stack.callback(engine.dispose)
        sqlite, postgres = (stack.enter_context(engine.connect()) for engine in engines)
        first, last = querytrees.DAYS
        with postgres.begin():
            postgres.exec_driver_sql(f"CREATE TABLE day PARTITION OF logs FOR VALUES FROM ('{first}') TO ('{last}')")
        yield Stores(sqlite, postgres, _clickhouse(stack) if embedded_clickhouse.WANTED else None)


def _clickhouse(stack: contextlib.ExitStack) -> Clicks:
    client = embedded_clickhouse.client(embedded_clickhouse.database())
    stack.callback(client.close)
    return Clicks(client)
