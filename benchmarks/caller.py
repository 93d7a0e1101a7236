"""What one logging call costs its caller, above ``NullHandler``, with a live writer behind it.

*Burst*: as many records as fit every queue, logged from idle; what they left is
stored outside of the clock. CPU time of the calling thread and wall time are
separate figures: the wall also holds what the writer's thread took of the GIL
meanwhile. *Paced*: 1,000 records a second, each call timed alone, as in a service;
here a handler that wakes its thread for every record pays for it.
"""

from __future__ import annotations

import gc
import logging
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS, SLOW, Contestant, null_handler
from benchmarks.report import Report
from benchmarks.workload import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.databases import Databases

__all__ = ["run"]

REFERENCE = "QueueHandler + batching QueueListener"
BURST = 5000
PACED = 300
INTERVAL = 0.001


def run(databases: Databases, dialect: str, rounds: int) -> list[Report]:
    """Two reports per workload for bursts, CPU and wall, and one for paced calls."""
    contestants: dict[str, Contestant] = {"NullHandler": null_handler, **PEERS}
    reports = []
    for name, workload in WORKLOADS.items():
        cpu = Report(f"caller, {name} record, {dialect}: CPU above NullHandler", "ns/record", REFERENCE)
        wall = Report(f"caller, {name} record, {dialect}: wall above NullHandler", "ns/record", REFERENCE)
        raw: dict[str, list[tuple[float, float]]] = {}
        with databases.fresh(dialect) as url:
            for _ in range(rounds):
                for contestant, attach in contestants.items():
                    raw.setdefault(contestant, []).append(_measure(attach, workload, url, contestant))
        base = sorted(raw.pop("NullHandler"))[rounds // 2]
        for contestant, samples in raw.items():
            for wall_ns, cpu_ns in samples:
                wall.add(contestant, wall_ns - base[0])
                cpu.add(contestant, cpu_ns - base[1])
        note = f"NullHandler: {base[0]:,.0f} ns wall, {base[1]:,.0f} ns CPU; bursts of {BURST:,}"
        for report in (cpu, wall):
            report.notes.append(note)
            reports.append(report)
    return [*reports, _paced(databases, dialect, rounds)]


def _paced(databases: Databases, dialect: str, rounds: int) -> Report:
    """The median call of each round, above ``NullHandler``'s."""
    contestants: dict[str, Contestant] = {"NullHandler": null_handler, **PEERS}
    report = Report(f"caller, plain record, {dialect}, paced: wall above NullHandler", "ns/record", REFERENCE)
    medians: dict[str, list[float]] = {}
    with databases.fresh(dialect) as url:
        for _ in range(rounds):
            for contestant, attach in contestants.items():
                medians.setdefault(contestant, []).append(_median_call(attach, url))
    base = statistics.median(medians.pop("NullHandler"))
    for contestant, values in medians.items():
        for value in values:
            report.add(contestant, value - base)
    report.notes.append(f"NullHandler: {base:,.0f} ns; {1 / INTERVAL:,.0f} calls a second")
    return report


def _median_call(attach: Contestant, url: str) -> float:
    log, clock = _logger(), time.perf_counter
    taken = []
    with attach(log, url) as drain:
        WORKLOADS["plain"](log, 200)
        drain()
        due = clock()
        for number in range(PACED):
            due += INTERVAL
            time.sleep(max(0.0, due - clock()))
            started = clock()
            log.info("user %s bought %d items", "bob", number)
            taken.append(clock() - started)
        drain()
    return statistics.median(taken) * 1e9


def _logger() -> logging.Logger:
    log = logging.getLogger("bench")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    return log


def _measure(
    attach: Contestant, workload: Callable[[logging.Logger, int], None], url: str, name: str
) -> tuple[float, float]:
    log = _logger()
    count = BURST // SLOW.get(name, 1)
    with attach(log, url) as drain:
        workload(log, 200)  # its threads run, its connections are open
        drain()
        gc.collect()
        time.sleep(0.15)  # heartbeats and the like are over, for everybody
        wall, cpu = time.perf_counter(), time.thread_time()
        workload(log, count)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        drain()
    return wall / count * 1e9, cpu / count * 1e9
