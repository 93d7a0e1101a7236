"""``dblog demo``: three processes log through ``DatabaseHandler`` into one database, as three services would.

A request goes gateway → orders → payments; its trace goes with it in the headers
(``dblog.inject``, ``dblog.extract``). This module runs them; what they do is in
``services``, the figures at the end in ``summary``, and what the screen looks like is
``dblog.cli.demo``'s. It refuses to run for long: after eleven seconds the gateway
takes no more requests.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from dblog.demo.services import PER_REQUEST, REPORT_EVERY, SERVICES, serve
from dblog.demo.summary import Step, Summary, summarize
from dblog.errors import DblogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess

__all__ = ["PER_REQUEST", "SERVICES", "Progress", "Step", "Summary", "run"]

_LIMIT = 19.0
"""Seconds the processes may take in all."""
_PATIENCE = 5.0
"""Seconds a process may be silent after the others have ended."""


class Progress(NamedTuple):
    """Where the demo is."""

    stored: int
    total: int
    seconds: float


def run(url: str, records: int, progress: Callable[[Progress], None] = lambda _: None) -> Summary:
    """Log about ``records`` records from three processes into a migrated database, and look at the result.

    Raises:
        DblogError: one of the processes did not end well.
    """
    # What they keep on disk is nobody's afterwards: they may be interrupted, and no later process of theirs comes.
    with tempfile.TemporaryDirectory(prefix="dblog-demo-spool-", ignore_cleanup_errors=True) as folder:
        began = time.time()
        final = _run({"url": url, "spool_dir": folder}, max(1, records // PER_REQUEST), progress)
    return summarize(url, began, final)


def _run(handler: dict[str, Any], requests: int, progress: Callable[[Progress], None]) -> dict[str, dict[str, Any]]:
    """Start the processes, watch them and end them; their last reports."""
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    pipes = [context.Pipe(duplex=False) for _ in SERVICES[1:]]
    processes: list[BaseProcess] = []
    for index, service in enumerate(SERVICES):
        ends = (pipes[index - 1][0] if index else None, pipes[index][1] if index < len(pipes) else None)
        arguments = (service, handler, requests, ends, reports)
        processes.append(context.Process(target=serve, args=arguments, name=service, daemon=True))
    try:
        with _children_ignore_interrupts():
            for process in processes:
                process.start()
        for reader, writer in pipes:  # theirs now: a process that ends is then seen by its neighbours
            reader.close()
            writer.close()
        final = _watch(processes, reports, requests * PER_REQUEST, progress)
        for process in processes:
            process.join(_PATIENCE)
    finally:
        _end(processes)
        reports.close()
    return final


def _watch(
    processes: Sequence[BaseProcess], reports: Any, total: int, progress: Callable[[Progress], None]
) -> dict[str, dict[str, Any]]:
    """Tell of the progress until each process has sent its last report; those."""
    until = time.monotonic() + _LIMIT
    began, stored = 0.0, dict.fromkeys(SERVICES, 0)
    final: dict[str, dict[str, Any]] = {}
    heard = time.monotonic()
    while len(final) < len(SERVICES):
        try:
            report = reports.get(timeout=REPORT_EVERY)
        except queue.Empty:
            if time.monotonic() > until:
                raise DblogError(f"the demo was not done after {_LIMIT:g} s: is the database there?") from None
            _complain_of_the_dead(processes, final, heard)
            continue
        heard = time.monotonic()
        began = began or heard
        stored[report["service"]] = report["stored"]
        if report["final"]:
            final[report["service"]] = report
        progress(Progress(sum(stored.values()), total, heard - began))
    return final


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.pid is not None:
            process.terminate()
            process.join()


def _complain_of_the_dead(processes: Sequence[BaseProcess], final: dict[str, Any], heard: float) -> None:
    missing = [process for process in processes if process.name not in final and process.exitcode is not None]
    if missing and (missing[0].exitcode or time.monotonic() - heard > _PATIENCE):
        raise DblogError(f"the demo's process {missing[0].name!r} ended early, with exit code {missing[0].exitcode}")


@contextlib.contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal; only the one that started the others answers it."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: nobody interrupts it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
