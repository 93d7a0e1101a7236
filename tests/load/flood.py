"""Four threads log as fast as they can; prints what became of it, and the memory it took, as JSON.

Usage: ``python flood.py URL RECORDS OVERFLOW DURABILITY``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import resource
import sys
import threading

import dblog

THREADS = 4


def main(url: str, records: int, overflow: str, durability: str) -> None:
    """Log, close, print."""
    handler = dblog.DatabaseHandler(
        url, overflow=overflow, durability=durability, block_timeout=120.0, shutdown_timeout=120.0
    )
    log = logging.getLogger("flood")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)

    def work(count: int) -> None:
        for number in range(count):
            log.log(logging.DEBUG + 10 * (number % 3), "record %d of %d", number, count, extra={"number": number})

    work(2000)
    handler.flush(60)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    threads = [threading.Thread(target=work, args=((records - 2000) // THREADS,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    json.dump({"grown_kib": grown, **dataclasses.asdict(handler.stats())}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
