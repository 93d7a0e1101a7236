"""From ``logger.info`` to the last commit: records per second, all stored, nothing dropped."""

from __future__ import annotations

import gc
import logging
import time
from typing import TYPE_CHECKING

from benchmarks.databases import count_rows
from benchmarks.peers import PEERS, SLOW
from benchmarks.report import Report
from benchmarks.workload import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.databases import Databases

__all__ = ["run"]

REFERENCE = "QueueHandler + batching QueueListener"


def run(databases: Databases, dialect: str, rounds: int, records: int = 100_000) -> list[Report]:
    """One report: ratio to the batching QueueListener."""
    report = Report(f"end to end, rich records, {dialect}", "records/s", REFERENCE, more_is_better=True)
    log = logging.getLogger("bench")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    workload = WORKLOADS["rich"]
    for _ in range(rounds):
        for name, attach in PEERS.items():
            count = records // SLOW.get(name, 1)
            with databases.fresh(dialect) as url:
                with attach(log, url) as drain:
                    workload(log, 100)
                    drain()
                    gc.collect()
                    started = time.perf_counter()
                    workload(log, count)
                    drain()
                    seconds = time.perf_counter() - started
                stored = count_rows(url)
                if stored != count + 100:
                    raise RuntimeError(f"{name}: {stored} of {count + 100} records stored")
            report.add(name, count / seconds)
    return [report]
