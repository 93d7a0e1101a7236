"""An RQ worker that goes on with the trace of whoever sent the job: one class of jobs, and no job knows of it.

    python examples/background_jobs_rq.py [--url postgresql://...]

A job's ``meta`` carries ``traceparent``, ``tracestate`` and ``baggage``, as the headers of a request do. Redis is in
memory here, and the worker does not fork; with a real one nothing else changes.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any

from fakeredis import FakeStrictRedis
from rq import Queue, SimpleWorker
from rq.job import Job

import dblog
from dblog import migrate

logger = logging.getLogger("shop")


class TracedJob(Job):
    """Takes the sender's trace along, and runs in it."""

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> Job:
        """Whoever makes a job sends the trace along."""
        job = super().create(*args, **kwargs)
        dblog.inject(job.meta)
        return job

    def perform(self) -> Any:
        """In the worker: in the scope the job came from."""
        with dblog.bound(**dblog.extract(self.meta), task_id=self.id):
            return super().perform()


def send_invoice(order: int) -> str:
    """The job: it passes nothing on."""
    logger.info("sending the invoice of order %d for %s", order, dblog.current().baggage["tenant"])
    return dblog.current().trace_id or ""


def serve(queue: Queue, order: int) -> tuple[str, Job]:
    """A request, which has its own trace, and leaves the rest to the worker."""
    with dblog.bound(user_id="u-17", baggage={"tenant": "north"}):
        trace_id = dblog.new_trace()
        logger.info("order %d paid", order)
        return trace_id, queue.enqueue(f"{Path(__file__).stem}.send_invoice", order)  # a worker imports it by its name


def main(url: str | None) -> None:
    """Two requests, one worker; each trace as the database tells it."""
    with tempfile.TemporaryDirectory(prefix="dblog-jobs-") as folder:
        url = url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        handler = dblog.DatabaseHandler(url, service="shop")
        logging.basicConfig(level=logging.WARNING, handlers=[handler])
        logger.setLevel(logging.INFO)
        redis = FakeStrictRedis()
        queue = Queue(connection=redis, job_class=TracedJob)
        requests = [serve(queue, order) for order in (7, 8)]
        SimpleWorker([queue], connection=redis, job_class=TracedJob).work(burst=True, logging_level="WARNING")
        for trace_id, job in requests:
            assert job.return_value() == trace_id  # noqa: S101 - what the example is about
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
