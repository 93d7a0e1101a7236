"""A Celery worker that goes on with the trace of whoever sent the job: three signals, and no task knows of it.

    python examples/background_jobs_celery.py [--url postgresql://...]

The headers of a message carry ``traceparent``, ``tracestate`` and ``baggage``, as those of a request do. Broker and
worker are in memory here; with a real broker nothing else changes.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from typing import Any

from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

import dblog
from dblog import migrate

logger = logging.getLogger("shop")
app = Celery("shop", broker="memory://localhost/", backend="cache+memory://", broker_connection_retry_on_startup=False)
app.conf.broker_transport_options = {"polling_interval": 0.02}  # the memory broker looks once a second otherwise


@before_task_publish.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def hand_over(headers: dict[str, Any], **_: Any) -> None:
    """Whoever sends a job sends the trace along."""
    dblog.inject(headers)


@task_prerun.connect  # type: ignore[untyped-decorator]  # as above
def take_over(task_id: str, task: Any, **_: Any) -> None:
    """Celery keeps the headers of a message on the task's request."""
    names = ("traceparent", "tracestate", "baggage")
    headers = {name: value for name in names if isinstance(value := getattr(task.request, name, None), str)}
    task.request.dblog_scope = scope = dblog.bound(**dblog.extract(headers), task_id=task_id)
    scope.__enter__()


@task_postrun.connect  # type: ignore[untyped-decorator]  # as above
def leave(task: Any, **_: Any) -> None:
    """The next job of this worker is somebody else's."""
    task.request.dblog_scope.__exit__(None, None, None)


@setup_logging.connect  # type: ignore[untyped-decorator]  # as above
def leave_logging_alone(**_: Any) -> None:
    """Celery would put its own handlers in the place of ours."""


@app.task  # type: ignore[untyped-decorator]  # as above
def send_invoice(order: int) -> str:
    """The job: it passes nothing on, and a job it sends is of the same trace."""
    logger.info("sending the invoice of order %d for %s", order, dblog.current().baggage["tenant"])
    return str(archive.delay(order).id)


@app.task  # type: ignore[untyped-decorator]  # as above
def archive(order: int) -> str:
    """A job's job."""
    logger.info("archiving order %d", order)
    return dblog.current().trace_id or ""


def serve(order: int) -> tuple[str, Any]:
    """A request, which has its own trace, and leaves the rest to the worker."""
    with dblog.bound(user_id="u-17", baggage={"tenant": "north"}):
        trace_id = dblog.new_trace()
        logger.info("order %d paid", order)
        return trace_id, send_invoice.delay(order)


def main(url: str | None) -> None:
    """Two requests, one worker; each trace as the database tells it."""
    with tempfile.TemporaryDirectory(prefix="dblog-jobs-") as folder:
        url = url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        handler = dblog.DatabaseHandler(url, service="shop")
        logging.basicConfig(level=logging.WARNING, handlers=[handler])
        logger.setLevel(logging.INFO)
        requests = [serve(order) for order in (7, 8)]
        with start_worker(app, perform_ping_check=False, concurrency=1):
            for trace_id, job in requests:
                assert app.AsyncResult(job.get(timeout=20)).get(timeout=20) == trace_id  # noqa: S101 - its point
        handler.close()
        with dblog.SyncLogReader(url) as reader:
            for trace_id, _ in requests:
                print(f"trace {trace_id}")
                for entry in reader.trace(trace_id).entries:
                    print(f"  {entry.message}{f' (task {entry.task_id})' if entry.task_id else ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a temporary SQLite file by default")
    main(parser.parse_args().url)
