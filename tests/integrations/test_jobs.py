"""Jobs in the trace of who sent them, by the two examples' own code: what fails in a job is not the next one's."""

from __future__ import annotations

import contextvars
import functools
import importlib.util
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fakeredis import FakeStrictRedis
from hypothesis import given
from hypothesis import strategies as st
from rq import Queue, SimpleWorker

import dblog
from dblog import testing
from tests.oracle import examples

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"
logger = logging.getLogger("job")


@functools.cache
def example(name: str) -> ModuleType:
    """The example's module; once, because Celery's makes an application."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job(number: int, *, fails: bool) -> None:
    """Logs, leaves something bound, and fails if told."""
    logger.warning("job", extra={"number": number})
    dblog.bind(user_id="left behind")
    if fails:
        raise LookupError(number)


orders = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=5)


def sent(send: Any, jobs: list[tuple[bool, bool]]) -> list[str | None]:
    """Send the jobs, some of them within a trace; the trace of each."""
    traces: list[str | None] = []
    for number, (traced, fails) in enumerate(jobs):
        with dblog.bound():
            traces.append(dblog.new_trace() if traced else None)
            send(number, fails=fails)
    return traces


def test_every_rq_job_is_of_its_sender_s_trace() -> None:
    """In whatever order, traced or not, failing or not: each job's records have their sender's trace, or none."""
    traced_job = example("background_jobs_rq").TracedJob

    @examples(10)  # each runs a worker
    @given(orders)
    def holds(jobs: list[tuple[bool, bool]]) -> None:
        recorded.sink.rows.clear()
        redis = FakeStrictRedis()
        queue = Queue(connection=redis, job_class=traced_job)
        traces = sent(lambda number, *, fails: queue.enqueue(job, number, fails=fails), jobs)
        worker = SimpleWorker([queue], connection=redis, job_class=traced_job)
        contextvars.Context().run(worker.work, burst=True, logging_level="CRITICAL")
        entries = recorded.wait(logger="job")
        assert [(entry.trace_id, entry.user_id) for entry in entries] == [(trace, None) for trace in traces]
        assert all(entry.task_id for entry in entries)

    logging.getLogger("rq").setLevel(logging.CRITICAL)
    with testing.recording() as recorded:
        holds()


@given(orders)
def test_every_celery_job_is_of_its_sender_s_trace(jobs: list[tuple[bool, bool]]) -> None:
    """The same of Celery's signals, called as its worker does; after each job the worker's scope is as it was."""
    celery: Any = example("background_jobs_celery")
    seen: list[tuple[str | None, ...]] = []
    messages: list[tuple[str, dict[str, Any]]] = []

    def send(number: int, *, fails: bool) -> None:
        headers: dict[str, Any] = {"lang": "py", "retries": 0}
        celery.hand_over(headers=headers, sender="job")
        messages.append((str(number), headers))

    def work() -> None:
        for task_id, headers in messages:
            task = SimpleNamespace(request=SimpleNamespace(**headers))
            celery.take_over(task_id=task_id, task=task, sender=task)
            scope = dblog.current()
            seen.append((scope.trace_id, scope.task_id, scope.user_id))
            dblog.bind(user_id="left behind")
            celery.leave(task=task, sender=task)
            assert dblog.current().as_dict() == {}

    traces = sent(send, jobs)
    contextvars.Context().run(work)
    assert seen == [(trace, str(number), None) for number, trace in enumerate(traces)]
