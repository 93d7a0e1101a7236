"""An asyncio worker: each job is a trace, each step a span, and concurrent jobs do not mix.

    python examples/asyncio_worker.py [--url postgresql://...]

``@dblog.bound`` decorates coroutines; a task starts with a copy of its creator's scope.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile

import sqlalchemy as sa

import dblog
from dblog import migrate
from dblog.url import sync_url

logger = logging.getLogger("worker")
SUSPICIOUS = 20


@dblog.bound(step="fetch")
async def fetch(job: int) -> int:
    """A span of its own: its parent is the job's."""
    logger.info("fetching")
    await asyncio.sleep(0)  # other jobs run meanwhile, each in its own scope
    return job * 10


@dblog.bound(step="transform")
async def transform(value: int) -> int:
    """Another span of the same trace."""
    if value > SUSPICIOUS:
        logger.warning("%d is suspicious", value)
    await asyncio.sleep(0)
    logger.info("transformed")
    return value + 1


async def run_job(job: int) -> None:
    """One job: everything below carries its trace and its ``task_id``."""
    with dblog.bound():
        dblog.new_trace(task_id=f"job-{job}")
        logger.info("started")
        value = await transform(await fetch(job))
        logger.info("done: %d", value)


async def work(jobs: int) -> None:
    """All at once."""
    async with asyncio.TaskGroup() as group:
        for job in range(jobs):
            group.create_task(run_job(job), name=f"worker-{job}")


def main(url: str | None) -> None:
    """Work, and print each job as the database tells it."""
    with tempfile.TemporaryDirectory(prefix="dblog-worker-") as folder:
        url = url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        handler = dblog.DatabaseHandler(url, service="worker")
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        logging.getLogger("asyncio").setLevel(logging.WARNING)
        asyncio.run(work(4))
        handler.close()

        engine = sa.create_engine(sync_url(url))
        rows = "SELECT task_id, trace_id, span_id, parent_span_id, async_task, message FROM logs ORDER BY timestamp, id"
        jobs: dict[str, list[sa.Row[tuple[str, ...]]]] = {}
        with engine.connect() as connection:
            for row in connection.execute(sa.text(rows)):
                jobs.setdefault(row.task_id, []).append(row)
        engine.dispose()
        for job, steps in sorted(jobs.items()):
            traces, tasks = {step.trace_id for step in steps}, {step.async_task for step in steps}
            print(f"{job}: {len(steps)} records, {len(traces)} trace, {', '.join(sorted(tasks))}")
            root = steps[0].span_id
            for step in steps:
                print(f"  {'' if step.span_id == root else '  '}{step.message}")
                assert root in {step.span_id, step.parent_span_id}  # noqa: S101 - what the example is about


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a temporary SQLite file by default")
    main(parser.parse_args().url)
