"""The demo's processes: ``python -m dblog_tui.demo.conductor FOLDER PAST``, and ``--service`` for each of the three.

The conductor migrates the database, lets the services live through the past on a virtual clock, starts one process for
each, and waits for the end of its stdin. Each service waits for the end of *its* stdin, which the conductor holds: who
loses the one above ends, however that came about.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dblog
from dblog_tui.demo import READY
from dblog_tui.demo.incident import Incidents
from dblog_tui.demo.payments import Payments
from dblog_tui.demo.shop import Gateway, Orders
from dblog_tui.demo.wires import Here, There, VirtualLoop, answer, stamped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog_tui.demo.service import Service

__all__ = ["live_through", "main"]

_FIRST: Final = 20.0
"""Seconds until the first deploy that one sees happen."""
_SERVICES: Final[dict[str, type[Service]]] = {each.name: each for each in (Gateway, Orders, Payments)}
_STEP: Final = 60.0
"""Seconds of past between two reports."""
_CLOSE: Final = 0.2
"""Seconds from the present that are close enough to it: the present goes on meanwhile."""
_PATIENCE: Final = 3.0


def main(words: Sequence[str] | None = None) -> None:
    """Be the conductor, or a service."""
    parser = argparse.ArgumentParser(prog="dblog_tui.demo.conductor")
    parser.add_argument("folder", type=Path)
    parser.add_argument("past", type=float, help="seconds; of a service: when the first deploy is")
    parser.add_argument("--service", choices=_SERVICES)
    parser.add_argument("--sockets", type=int, nargs=2, default=(-1, -1), help="to who asks, to who is asked")
    given = parser.parse_args(words)
    url = f"sqlite:///{given.folder / 'logs.db'}"
    os.environ["DBLOG_SPOOL_DIR"] = str(given.folder / "spool")  # goes with the folder
    if given.service:
        asyncio.run(_serve(_SERVICES[given.service], url, given.past, given.sockets))
        return
    try:
        _conduct(given.folder, url, given.past)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


def _conduct(folder: Path, url: str, past: float) -> None:
    from dblog import migrate  # noqa: PLC0415 - loads Alembic, which the services do without

    migrate.upgrade(url)
    anchor = time.time() + _FIRST
    if past:
        live_through(url, past, Incidents(anchor), _tell)
    processes = _started(folder, anchor)
    _tell(READY)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    for process in processes:
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
    for process in processes:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _tell(word: object) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more; the end of stdin says so, too
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()


def _started(folder: Path, anchor: float) -> list[subprocess.Popen[bytes]]:
    """The services, wired up."""
    asked, asking = zip(*(socket.socketpair() for _ in _SERVICES), strict=True)
    processes = []
    for number, name in enumerate(_SERVICES):
        # Its own end of the pair to whoever asks it, and the asking end of the next one's; -1: there is none.
        up = asked[number].fileno() if number else -1
        down = asking[number + 1].fileno() if number + 1 < len(_SERVICES) else -1
        words = [sys.executable, "-P", "-m", __spec__.name, str(folder), str(anchor), "--service", name]
        processes.append(
            subprocess.Popen(  # noqa: S603 - this interpreter, with our own words
                [*words, "--sockets", str(up), str(down)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[each for each in (up, down) if each >= 0],
            )
        )
    for each in (*asked, *asking):
        each.close()
    return processes


@contextlib.contextmanager
def _handlers(url: str, *names: str, **options: Any) -> Iterator[None]:
    """A handler for each service, on the logger of its name."""
    made = {}
    for name in names:
        made[name] = dblog.DatabaseHandler(url, service=name, service_version="2.14.1", environment="demo", **options)
        logger = logging.getLogger(name)
        logger.addHandler(made[name])
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    try:
        yield
    finally:
        for name, handler in made.items():
            logger = logging.getLogger(name)
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
            handler.close()


def live_through(url: str, past: float, incidents: Incidents, tell: Any = lambda _: None) -> None:
    """Let all three live through the last so many seconds, as fast as their records can be stored."""
    since = time.time() - past
    loop = VirtualLoop(since)

    async def lives() -> None:
        payments = Payments(incidents, None, since)
        orders = Orders(incidents, Here(payments.handle), since)
        gateway = Gateway(incidents, Here(orders.handle), since)
        tasks = [asyncio.create_task(each.background()) for each in (payments, orders, gateway)]
        while (left := time.time() - loop.time()) > _CLOSE:
            tell(f"{max(0.0, 1 - left / past):.3f}")
            await asyncio.sleep(min(_STEP, left))
        for task in tasks:
            task.cancel()

    with _handlers(url, *_SERVICES, overflow="block", block_timeout=5.0), stamped(loop.time):
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(lives())
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _serve(kind: type[Service], url: str, anchor: float, sockets: Sequence[int]) -> None:
    """Be a service until stdin ends."""
    loop = asyncio.get_running_loop()
    incidents = Incidents(anchor - time.time() + loop.time())
    above, below = [await _stream(number) if number >= 0 else None for number in sockets]
    peer = There(*below) if below else None
    service = kind(incidents, peer, anchor)
    with _handlers(url, kind.name, flush_interval=0.2, max_bytes=256 * 2**20):
        tasks = [asyncio.create_task(service.background())]
        if peer is not None:
            tasks.append(asyncio.create_task(peer.listen()))
        if above is not None:
            tasks.append(asyncio.create_task(answer(*above, service.handle)))
        await _end_of_stdin()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(sock=socket.socket(fileno=number))


async def _end_of_stdin() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    await reader.read()


if __name__ == "__main__":
    main()
