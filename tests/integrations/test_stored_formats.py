"""By way of a real database: other loggers' events side by side, and shipped lines imported to the same rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import structlog
from loguru import logger as loguru_logger
from typer.testing import CliRunner

import dblog
from dblog import DatabaseHandler, SyncLogReader
from dblog.cli import app
from dblog.integrations.ecs import EcsFormatter
from dblog.integrations.jsonlines import JsonFormatter
from dblog.integrations.loguru import LoguruSink
from dblog.integrations.structlog import DatabaseLoggerFactory

if TYPE_CHECKING:
    from pathlib import Path

    from dblog import LogEntry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def everything(url: str) -> list[LogEntry]:
    """The rows, the oldest first."""
    with SyncLogReader(url) as reader:
        return list(reader.search("").entries[::-1])


def log_by_all(handler: DatabaseHandler) -> None:
    """One event each, by structlog in two ways, loguru and logging, all within one scope."""
    stdlib: Any = structlog.stdlib
    native = structlog.wrap_logger(DatabaseLoggerFactory(handler)("native"), processors=[])
    wrapped = structlog.wrap_logger(
        stdlib.LoggerFactory()("wrapped"),
        processors=[stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=stdlib.BoundLogger,
    )
    loguru_logger.remove()
    loguru_logger.add(LoguruSink(handler))
    with dblog.bound(trace_id=TRACE, user_id="u-17", tenant="blue"):
        native.info("paid", order=1, name="Ada")
        wrapped.info("paid", order=2, name="Ada")
        loguru_logger.bind(order=3, name="Ada").info("paid")
        logging.getLogger("plain").info("paid", extra={"order": 4})
    loguru_logger.remove()


def test_one_trace_by_every_logger(database_url: str) -> None:
    """A query for the trace finds them all, in order, each with its key-values."""
    handler = DatabaseHandler(database_url, service="shop")
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)
    log_by_all(handler)
    assert handler.flush(20)
    rows = everything(database_url)
    assert [row.attributes.pop("order", None) for row in rows] == [1, 2, 3, 4]
    assert {(row.trace_id, row.user_id, row.message, row.service) for row in rows} == {(TRACE, "u-17", "paid", "shop")}
    assert [row.attributes.get("name") for row in rows] == ["Ada", "Ada", "Ada", None]
    with SyncLogReader(database_url) as reader:
        assert len(reader.search(f"trace_id:{TRACE} metadata.name:Ada metadata.tenant:blue").entries) == 3
    handler.close()


def test_shipped_lines_can_be_imported(database_url: str, tmp_path: Path) -> None:
    """``dblog import`` makes rows of JSON lines and of ECS that say what was logged, once however often it is run."""
    lines = tmp_path / "shipped.ndjson"
    logger = logging.getLogger("shipped")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for formatter in (JsonFormatter(service="shop"), EcsFormatter(service="shop", namespace="extra")):
        file = logging.FileHandler(lines)
        file.setFormatter(formatter)
        logger.addHandler(file)
    with dblog.bound(trace_id=TRACE):
        try:
            raise LookupError("no such order\nat all")
        except LookupError:
            logger.exception("order %d failed", 7, extra={"order": 7})
    for handler in logger.handlers[:]:
        handler.close()
        logger.removeHandler(handler)
    for _ in range(2):
        done = CliRunner().invoke(app, ["import", str(lines), "--url", database_url])
        assert done.exit_code == 0, done.output
    rows = everything(database_url)
    assert len(rows) == 2
    for row in rows:
        assert (row.message, row.level, row.logger, row.trace_id) == ("order 7 failed", "ERROR", "shipped", TRACE)
        assert (row.exc_type, row.exc_message, row.service) == ("LookupError", "no such order\nat all", "shop")
        assert "7" in str(row.metadata)
