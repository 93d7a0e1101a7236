"""The ways a program can end: ``python ways_out.py <way> <url>`` logs 100 records in its last moments.

It never flushes, never closes, never waits for its log. Where a way has a child, the
parent logs the first twenty just before it is born.
"""

from __future__ import annotations

import asyncio
import atexit
import faulthandler
import logging
import logging.config
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

# Not dump_traceback_later: a forked child that inherits it hangs in its finalisation.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(30)
os.register_at_fork(after_in_child=lambda: signal.alarm(20))

RECORDS = 100
log = logging.getLogger(sys.argv[1])


def configure(url: str) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"db": {"class": "dblog.DatabaseHandler", "url": url}},
            "root": {"handlers": ["db"], "level": "INFO"},
        }
    )


def speak(first: int = 0, last: int = RECORDS) -> None:
    for number in range(first, last):
        log.info("record %d", number)


def end_of_main(url: str) -> None:
    configure(url)
    speak()


def sys_exit(url: str) -> None:
    configure(url)
    speak()
    sys.exit(3)


def unhandled_exception(url: str) -> None:
    configure(url)
    speak()
    raise LookupError("the program's own trouble")


def sigint(url: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with `&` ignores it
    configure(url)
    speak()
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()


def sigterm_handled(url: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the remedy the documents give
    configure(url)
    speak()
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


def asyncio_run(url: str) -> None:
    async def task(first: int) -> None:
        for number in range(first, first + 10):
            await asyncio.sleep(0)
            speak(number, number + 1)

    async def main() -> None:
        await asyncio.gather(*(task(first) for first in range(0, RECORDS, 10)))

    configure(url)
    asyncio.run(main())


def executor_still_running(url: str) -> None:
    def work() -> None:
        for number in range(RECORDS):
            time.sleep(0.001)
            speak(number, number + 1)

    configure(url)
    ThreadPoolExecutor().submit(work)


def thread_after_main(url: str) -> None:
    def work() -> None:
        threading.main_thread().join()
        speak()

    configure(url)
    threading.Thread(target=work).start()


def atexit_callbacks(url: str) -> None:
    atexit.register(speak, 0, 40)  # before dblog is imported: it runs after dblog's own
    configure(url)
    atexit.register(speak, 40, 70)
    speak(70, RECORDS)


def first_record_at_exit(url: str) -> None:
    """No thread was started before, and Python 3.12 starts none any more."""
    atexit.register(speak, 0, 50)
    configure(url)
    atexit.register(speak, 50, RECORDS)


def fork_and_sys_exit(url: str) -> None:
    configure(url)
    speak(0, 20)
    child = os.fork()
    if not child:
        speak(20)
        sys.exit(0)
    os.waitpid(child, 0)


def fork_in_a_thread(url: str) -> None:
    def work() -> None:
        child = os.fork()
        if not child:
            speak(20)
            sys.exit(0)
        os.waitpid(child, 0)

    configure(url)
    speak(0, 20)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def fork_in_a_child(url: str) -> None:
    """A child of multiprocessing forks by hand: neither of the two runs atexit."""
    configure(url)
    speak(0, 20)
    child = multiprocessing.get_context("fork").Process(target=fork_again)
    child.start()
    child.join()


def fork_again() -> None:
    speak(20, 60)
    child = os.fork()
    if not child:
        speak(60)
        sys.exit(0)
    os.waitpid(child, 0)


def multiprocessing_fork(url: str) -> None:
    configure(url)
    speak(0, 20)
    child = multiprocessing.get_context("fork").Process(target=speak, args=(20,))
    child.start()
    child.join()


def configure_and_speak(url: str) -> None:
    configure(url)
    speak(20)


def multiprocessing_spawn(url: str) -> None:
    configure(url)
    speak(0, 20)
    child = multiprocessing.get_context("spawn").Process(target=configure_and_speak, args=(url,))
    child.start()
    child.join()


def multiprocessing_forkserver(url: str) -> None:
    configure(url)
    speak(0, 20)
    child = multiprocessing.get_context("forkserver").Process(target=configure_and_speak, args=(url,))
    child.start()
    child.join()


def one(number: int) -> None:
    speak(number, number + 1)


def pool_close_and_join(url: str) -> None:
    configure(url)
    speak(0, 20)
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map_async(one, range(20, RECORDS))
    pool.close()
    pool.join()


def process_pool_executor(url: str) -> None:
    configure(url)
    speak(0, 20)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        executor.map(one, range(20, RECORDS))


def dict_config_again(url: str) -> None:
    configure(url)
    speak(0, 30)
    configure(url)
    speak(30, 60)
    configure(url)
    speak(60)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
    print(time.monotonic(), flush=True)
