"""dblog's own work makes no span, whatever instruments the driver and SQLAlchemy: a traced writer would feed itself."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import context as otel
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import dblog
from dblog import DatabaseHandler, spans
from dblog.memory_sink import MemorySink

PROGRAM = """
import asyncio, logging, sys
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
SQLAlchemyInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)  # it names versions below 2.1

import sqlalchemy as sa
import dblog
from dblog import migrate
from dblog.admin.connection import AdminConnection
from dblog.integrations.opentelemetry import DblogSpanProcessor
from dblog.url import sync_url

url = sys.argv[1]
app = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
provider.add_span_processor(DblogSpanProcessor())
tracer = provider.get_tracer("app")

def spans():
    names = [span.name for span in exporter.get_finished_spans()]
    exporter.clear()
    return names

with tracer.start_as_current_span("request"):
    with app.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
mine = spans()
assert len(mine) == 3 and mine[-1] == "request", mine  # the instrumentation is at work

with tracer.start_as_current_span("request") as span:
    migrate.upgrade(url)
    assert migrate.check(app).ok
    handlers = dblog.DatabaseHandler(url), dblog.DatabaseHandler(engine=app)
    for handler in handlers:
        logging.root.addHandler(handler)
    logging.error("x")
    for handler in handlers:
        assert handler.flush(20)
    trace_id = format(span.get_span_context().trace_id, "032x")

    async def read():
        async with dblog.LogReader(url) as reader:
            entries = await reader.trace(trace_id)
            assert await reader.count("") is not None
        return entries

    asyncio.run(read())
    with dblog.SyncLogReader(url) as reader:
        found = reader.search("")
    with AdminConnection(url) as admin:
        assert admin.value("SELECT count(*) FROM " + admin.logs) == 2
    for handler in handlers:
        handler.flush(20)
        handler.close()
    assert spans() == [], spans()
assert spans() == ["request"]
with app.connect() as connection:  # and is so still
    rows = connection.execute(sa.text("SELECT message, trace_id FROM logs")).all()
assert [tuple(row) for row in rows] == [("x", trace_id)] * 2, rows
assert len(spans()) == 2
print("untraced")
"""


def test_neither_writer_nor_reader_nor_administration_is_traced(database_url: str) -> None:
    """With the SDK's instrumentation of SQLAlchemy from the beginning: the application's statements are spans.

    Of migrations, writers (one on the application's own engine), readers and an administrator's connection there is
    none, and what they wrote carries the trace of who logged it.
    """
    command = [sys.executable, "-Werror", "-c", PROGRAM, database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "untraced\n", "")


def test_whatever_a_writer_asks_of_its_database_is_suppressed() -> None:
    """Batches, heartbeats, dead letters, looks at a database in trouble, and the end: instrumentations are told so.

    In the writer's thread as in a caller's where there is none; the caller's own context is as it was.
    """
    asked: dict[str, set[bool]] = {}

    class Watched:
        """The sink, and whether each of its methods was called unseen."""

        def __init__(self, sink: MemorySink) -> None:
            self.sink = sink

        def __getattr__(self, name: str) -> Any:
            method = getattr(self.sink, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                asked.setdefault(name, set()).add(is_instrumentation_enabled())
                return method(*args, **kwargs)

            return call

    sink = MemorySink()
    handler = DatabaseHandler(sink=Watched(sink), retry_initial=0.001, retry_max=0.01)
    logger = logging.Logger("x")
    logger.addHandler(handler)
    sink.fail(2)
    logger.error("x")
    assert handler.flush(20)
    sink.refuse("bad")
    logger.error("bad")
    assert handler.flush(20)
    assert is_instrumentation_enabled()
    handler.close()
    logger.error("late")  # stored here, by a thread that ends
    handler.flush(20)
    handler.close()
    chores = handler._writer._chores
    assert chores is not None
    chores.idle()  # as in a quiet second
    assert asked.keys() >= {"write", "report", "dead_letter", "prune", "close"}
    assert set().union(*asked.values()) == {False}


def test_suppression_is_left_as_it_was_found() -> None:
    """Nested, and where somebody else suppresses: what was current before is current again."""
    before = otel.get_current()
    with spans.untraced():
        inside = otel.get_current()
        with spans.untraced():
            assert otel.get_current() is inside
        assert not is_instrumentation_enabled()
    assert otel.get_current() is before


@pytest.mark.parametrize("sampler", [None, ALWAYS_ON])
def test_what_ignores_the_switch_is_not_sampled(sampler: Sampler | None) -> None:
    """Within, spans of a provider that samples by the parent are not recorded; ids of records are as outside."""
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    tracer = provider.get_tracer("asyncpg")

    def attempt() -> tuple[bool, str | None]:
        with spans.untraced():
            trace_id = dblog.current().trace_id
            with tracer.start_as_current_span("SELECT") as span:
                return span.is_recording(), trace_id

    with tracer.start_as_current_span("request") as outer:
        assert attempt() == (sampler is not None, f"{outer.get_span_context().trace_id:032x}")
    assert attempt() == (sampler is not None, None)
    with dblog.bound(trace_id="1" * 32):
        assert attempt() == (sampler is not None, "1" * 32)
