"""A service on ClickHouse that forks, without and with multiprocessing; each process logs, and ends well."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys

import dblog


def work(name: str) -> None:
    for number in range(50):
        logging.getLogger(name).info("%s %d", name, number)


def main(url: str) -> None:
    handler = dblog.DatabaseHandler(url=url, service="forking", flush_interval=0.05)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    work("before")
    assert handler.flush(20)
    child = os.fork()
    if not child:
        work("forked")
        os._exit(0 if handler.flush(20) else 1)
    work("parent")
    _, status = os.waitpid(child, 0)
    assert status == 0
    process = multiprocessing.get_context("fork").Process(target=work, args=("multi",))
    process.start()
    process.join()
    assert process.exitcode == 0
    work("after")


if __name__ == "__main__":
    main(sys.argv[1])
