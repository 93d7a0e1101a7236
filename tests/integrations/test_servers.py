"""Real servers, several processes: whatever a client was answered is stored, with its own trace and no other."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import gunicorn.config
import pytest

from tests.oracle import rows, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAMS = Path(__file__).parent / "programs"
SYNC: tuple[str, ...] = ("gunicorn", "--workers", "2", "--preload", "--bind", "fd://{fd}")
if hasattr(gunicorn.config, "ControlSocketDisable"):  # from 25.1 on there is one, in the home of whoever runs it
    SYNC = (*SYNC, "--no-control-socket")
GUNICORN = (*SYNC, "--threads", "2")
UVICORN = ("uvicorn", "--fd", "{fd}", "--no-access-log")


class Reply(NamedTuple):
    """What a client was answered."""

    status: int
    tracking_id: str
    body: str


class Shop:
    """One server with its processes, on a port that was open before it: nobody has to wait for its start."""

    def __init__(self, url: str, command: tuple[str, ...], app: str, stderr: Path) -> None:
        self.url = url
        self.stderr = stderr
        with stderr.open("w") as errors, socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            self.port = listening.getsockname()[1]
            fd = listening.fileno()
            listening.set_inheritable(True)
            parts = [part.format(fd=fd) for part in command]
            self.process = subprocess.Popen(
                [sys.executable, "-m", *parts, app],
                cwd=PROGRAMS,
                env={**os.environ, "SHOP_LOGS": url, "PYTHONPATH": str(PROGRAMS)},
                pass_fds=[fd],
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def ask(self, method: str, path: str, trace: str | None = None) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {} if trace is None else {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers["X-Tracking-ID"], answer.read().decode())

    def crowd(self, numbers: Iterator[int], path: str = "/orders/{}") -> dict[int, str]:
        """Many orders at once; the trace of each that was answered, every second one brought by its client."""

        def send(number: int) -> tuple[int, str]:
            trace = None if number % 2 else f"{number + 1:032x}"
            reply = self.ask("POST", path.format(number), trace)
            assert (reply.status, reply.body.strip('"')) == (200, str(number))
            assert trace in {None, reply.tracking_id}
            return number, reply.tracking_id

        with ThreadPoolExecutor(8) as pool:
            return dict(pool.map(send, numbers))

    def stop(self) -> None:
        """Ask it to end, as a supervisor does, and see it done."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.stderr.read_text()

    def stored(self) -> list[tuple[str, str, str, str]]:
        """Logger, trace, message and exception type of every row."""
        return [
            (logger, trace, message, kind)
            for logger, trace, message, kind in rows(self.url, "SELECT logger, trace_id, message, exc_type FROM logs")
        ]

    def check(self, answered: dict[int, str], route: str, elsewhere: Mapping[int, str] = MappingProxyType({})) -> None:
        """Three records of each order that was answered, all with its trace; none of an order has another's.

        Args:
            answered: the trace of each order.
            route: where they were sent.
            elsewhere: orders that were answered at another route.
        """
        found: dict[int, list[str]] = {}
        accesses: list[str] = []
        for logger, trace, message, _ in self.stored():
            if logger == "shop" and (match := re.fullmatch(r"order (\d+) \w+", message)):
                found.setdefault(int(match[1]), []).append(trace)
            elif logger == "dblog.access" and message.startswith(f"POST {route} 200 in "):
                accesses.append(trace)
        assert found == {number: [trace] * 2 for number, trace in {**answered, **elsewhere}.items()}
        assert sorted(accesses) == sorted(answered.values())
        assert len(set(accesses)) == len(accesses)


@pytest.fixture
def serving(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[Shop]]:
    """The servers of a test; those still there at its end are killed."""
    made: list[Shop] = []
    yield made
    for shop in made:
        if shop.process.poll() is None:
            shop.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                shop.process.wait(5)
            shop.process.kill()


@pytest.mark.slow
def test_gunicorn_prefork_over_hup_and_term(database_url: str, tmp_path: Path, serving: list[Shop]) -> None:
    """Flask in two preloaded workers, replaced in the middle of the crowd by HUP and ended by TERM: each order that
    was answered has its records, the error has its exception, and nothing has another request's trace.
    """
    shop = Shop(database_url, GUNICORN, "flask_shop:app", tmp_path / "stderr")
    serving.append(shop)
    answered = shop.crowd(iter(range(60)))
    with ThreadPoolExecutor(1) as pool:
        during = pool.submit(shop.crowd, iter(range(60, 160)))
        shop.process.send_signal(signal.SIGHUP)
        answered |= during.result()
    failed = shop.ask("GET", "/boom/x")
    answered |= shop.crowd(iter(range(160, 200)))
    shop.stop()
    shop.check(answered, "/orders/<int:number>")
    story = [(logger, kind) for logger, trace, _, kind in shop.stored() if trace == failed.tracking_id]
    assert failed.status == 500
    assert sorted(story, key=str) == [("dblog.access", None), ("flask_shop", "ValueError")]


@pytest.mark.slow
def test_a_worker_s_timeout_is_told_and_loses_nothing(sqlite_url: str, tmp_path: Path, serving: list[Shop]) -> None:
    """Gunicorn ends a worker that hangs: what it had logged is stored, and the request's record says where it hung."""
    shop = Shop(sqlite_url, (*SYNC, "--workers", "1", "--timeout", "1"), "flask_shop:app", tmp_path / "stderr")
    serving.append(shop)
    answered = shop.crowd(iter(range(10)))
    with contextlib.suppress(OSError, http.client.HTTPException):
        shop.ask("GET", "/hang")

    def told() -> list[str]:
        return [kind for logger, _, _, kind in shop.stored() if logger == "dblog.access" and kind]

    until(told, 20, shop.stderr.read_text)
    answered |= shop.crowd(iter(range(10, 20)))
    shop.stop()
    shop.check(answered, "/orders/<int:number>")
    (kind,) = told()
    (text,) = [text for (text,) in rows(sqlite_url, "SELECT exc_text FROM logs WHERE exc_type = 'SystemExit'")]
    assert kind == "SystemExit"
    assert "shop_logs.py" in text
    assert [message for logger, _, message, _ in shop.stored() if message == "about to hang"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "app"),
    [(SYNC, "django_shop:app"), (UVICORN, "fastapi_shop:app"), (UVICORN, "django_shop:asgi")],
    ids=["django gunicorn", "fastapi uvicorn", "django uvicorn"],
)
def test_other_frameworks_and_servers(
    command: tuple[str, ...], app: str, sqlite_url: str, tmp_path: Path, serving: list[Shop]
) -> None:
    """Each answers the crowd with its own traces and ends on TERM; an unhandled error carries the header too."""
    shop = Shop(sqlite_url, command, app, tmp_path / "stderr")
    serving.append(shop)
    answered = shop.crowd(iter(range(100)))
    failed = shop.ask("GET", "/boom/x")
    mounted = shop.crowd(iter(range(500, 520)), "/api/v1/orders/{}") if app.startswith("fastapi") else {}
    shop.process.send_signal(signal.SIGTERM)
    shop.process.wait(30)
    if mounted:
        shop.check(answered, "/orders/{number}", mounted)
        shop.check(mounted, "/api/{version}/orders/{number}", answered)
    else:
        shop.check(answered, "/orders/<int:number>")
    assert failed.status == 500
    assert "ValueError" in {kind for _, trace, _, kind in shop.stored() if trace == failed.tracking_id}
