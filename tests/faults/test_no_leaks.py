"""A password and a message appear nowhere but in the database: over 500 errors of every kind we can provoke."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from dblog import DatabaseHandler, diagnostics, migrate
from dblog.errors import DblogError, ErrorClass, StoreError
from dblog.observe import observers
from dblog.testing import FaultProxy, MemorySink
from dblog.url import async_url, safe_url, sync_url
from tests.oracle import QUICK, execute, logging_to, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres import Role

PASSWORD = "Tr0ub4dor"
"""In the password of every URL, perhaps torn apart by what else is in it."""
MESSAGE = "CANARY-MESSAGE"

_PASSWORDS = [
    shape.replace("*", PASSWORD)
    for shape in ("*", "*@x", "a/*", "*?x", "x@*", "x#*", "[*", "a:*", "%zz*", "x&*=1", " *", "é*")
]
_MALFORMED = [
    "postgresql://bob:{}@host/db",
    "postgresql://bob:{}@host:port/db",
    "postgresql://bob:{}@host:99999999/db",
    "postgresql://bob:{}@/db?host=a&sslmode=never",
    "postgresql://bob:{}@h/db?nonsense=1",
    "postgresql://bob:{}@h/db?ssl=true&sslmode=disable",
    "postgresql://h/db?user=bob&password={}",
    "postgresql://h/db?password={}&password={}",
    "mysql://bob:{}@host/db",
    "postgresql:/bob:{}@host/db",
    "bob:{}@host/db",
    "{}",
    "sqlite://bob:{}@host/x.db",
    "sqlite:///:memory:?{}",
    "postgresql+nonsense://bob:{}@host/db",
    "://bob:{}@",
    "postgresql://bob:{}@",
    "oracle+cx://bob:{}@h",
    "postgresql://bob:{}@[::1/db",
]


class Listener:
    """Hears everything an observer is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.failures = 0

    def __getattr__(self, event: str) -> Callable[..., None]:
        if event not in {"tick", "batch", "retry", "bisection"}:
            raise AttributeError(event)

        def hear(*arguments: Any, **keywords: Any) -> None:
            self.heard.append(repr((event, arguments, keywords)))
            self.failures += event == "retry" or (event == "batch" and not keywords.get("stored"))

        return hear


class Leaks:
    """Collects what people get to see, and the number of errors behind it."""

    def __init__(self, stderr: io.StringIO, listener: Listener) -> None:
        self.shown: list[str] = []
        self.stderr = stderr
        self.listener = listener
        self.errors = 0

    def show(self, handler: DatabaseHandler) -> None:
        self.shown += [repr(handler), str(handler), repr(handler.stats()), handler.stats().last_error or ""]

    def raised(self, error: BaseException) -> None:
        """The error, everything it points to, and what a traceback of it would print."""
        self.errors += 1
        self.shown += traceback.format_exception(error)
        chain: list[BaseException | None] = [error]
        while chain:
            one = chain.pop()
            if one is not None:
                self.shown += [str(one), repr(one), repr(one.args)]
                chain += [one.__cause__, one.__context__]

    @contextlib.contextmanager
    def expected(self) -> Iterator[None]:
        try:
            yield
        except (DblogError, OSError, ValueError) as error:
            self.raised(error)


@pytest.fixture
def leaks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leaks]:
    """What was shown until the end of the test; then searched."""
    stderr, listener = io.StringIO(), Listener()
    monkeypatch.setattr(sys, "__stderr__", stderr)
    monkeypatch.setattr(diagnostics, "_EVERY", 0.0)
    observers.append(listener)
    found = Leaks(stderr, listener)
    yield found
    observers.remove(listener)
    shown = "\n".join([*found.shown, *listener.heard, stderr.getvalue()]).splitlines()
    assert [line for line in shown if PASSWORD in line or MESSAGE in line] == []


def test_malformed_urls(leaks: Leaks) -> None:
    """Twelve passwords in twenty shapes of URL, through every door that takes one."""
    for shape in _MALFORMED:
        for password in _PASSWORDS:
            url = shape.replace("{}", password)
            leaks.shown.append(safe_url(url))
            for door in (sync_url, async_url):
                with leaks.expected():
                    leaks.shown.append(safe_url(door(url)))
            with leaks.expected():
                handler = DatabaseHandler(url)
                leaks.show(handler)
                handler.close()
    assert leaks.errors > 250, leaks.errors


def test_options(leaks: Leaks) -> None:
    """An option that is wrong says what is allowed; the URL is not part of it."""
    for options in ({"queue_size": 0}, {"quue_size": 1}, {"engine": object()}, {"sink": MemorySink()}, {"schema": "'"}):
        with leaks.expected():
            DatabaseHandler(f"postgresql://bob:{PASSWORD}@host/db", **options)
    assert leaks.errors == 5


def _through(leaks: Leaks, url: str, state: str, *, errors: int = 8, secret: Any = None, **options: Any) -> None:
    """A handler in trouble: its records hold the canary, and it fails some times."""
    before = leaks.listener.failures
    with logging_to(url, shutdown_timeout=0, password=secret, retry_max=0.02, **options) as (logger, handler):
        for _ in range(3):
            logger.error(MESSAGE, extra={"extra": MESSAGE})
        until(lambda: handler.stats().state == state, say=handler.stats)
        leaks.show(handler)
        until(lambda: leaks.listener.failures >= before + errors, say=handler.stats)
        leaks.show(handler)
    leaks.show(handler)
    leaks.errors += leaks.listener.failures - before


def _with_password(url: str, role: Role) -> tuple[str, str]:
    """The URL with the canary in the role's true password, and the role's own."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role.name}:{PASSWORD}@{parts.hostname}:{parts.port}").geturl(), role.name


def test_postgres(leaks: Leaks, writer_url: str, postgres_url: str, postgres_role: Role) -> None:
    """Refused sessions, missing things, locks, poison with DETAIL and CONTEXT, cut lines: class and code, no more."""
    url, name = _with_password(writer_url, postgres_role)
    _through(leaks, url, "BLOCKED", errors=20)  # the password is wrong
    _through(leaks, url, "BLOCKED", secret=lambda: f"{PASSWORD}2")
    execute(postgres_url, f"ALTER ROLE {name} PASSWORD '{PASSWORD}'")
    _through(leaks, urlsplit(url)._replace(path="/nowhere").geturl(), "BLOCKED", errors=20)
    _through(leaks, f"{url}?options=-c%20work_mem%3D{PASSWORD}", "BLOCKED")
    _through(leaks, urlsplit(url)._replace(netloc=f"{name}:{PASSWORD}@127.0.0.1:1").geturl(), "RETRY", errors=20)
    _through(leaks, url, "BLOCKED", table="elsewhere")
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        _through(leaks, url, "RETRY", errors=3, statement_timeout=0.1)
    with FaultProxy(url) as proxy:
        proxy.limit_bytes(1500)
        _through(leaks, proxy.url, "RETRY", errors=20)
        proxy.reset()
        _through(leaks, proxy.url, "RETRY", errors=20)
    for error in ("check_violation", "22023", "XX000", "53100", "40001", "55006", "P0001"):
        execute(
            postgres_url,
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE 'row % refused', NEW USING ERRCODE = '{error}', DETAIL = NEW.message, HINT = NEW.message; END $$",
            "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        before = leaks.listener.failures
        with logging_to(url, retry_max=0.02, shutdown_timeout=0.3) as (logger, handler):
            for _ in range(10):
                logger.error(MESSAGE, extra={"extra": MESSAGE})
            until(lambda before=before: leaks.listener.failures >= before + 5, say=handler.stats)  # type: ignore[misc]  # mypy infers no type for a default
            leaks.show(handler)
        leaks.errors += leaks.listener.failures - before
    execute(postgres_url, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}", "DROP TRIGGER fail ON logs")
    execute(postgres_url, f"REVOKE INSERT (message, id) ON logs FROM {name}")
    _through(leaks, url, "BLOCKED")
    for action in (migrate.upgrade, migrate.current, migrate.check, migrate.downgrade):
        for wrong in (url, f"{url}x", urlsplit(url)._replace(netloc=f"{name}:{PASSWORD}@127.0.0.1:1").geturl()):
            with leaks.expected():
                action(wrong)
    assert leaks.errors > 130, leaks.errors


def test_sqlite(leaks: Leaks, sqlite_url: str, tmp_path: Path, sqlite_template: Path) -> None:
    """Missing, foreign, full, locked, refusing by trigger with the row in the message: class and code, no more."""
    _through(leaks, f"sqlite:///{tmp_path / 'none.db'}", "BLOCKED", errors=20)
    (tmp_path / "text.db").write_text(MESSAGE * 500)
    _through(leaks, f"sqlite:///{tmp_path / 'text.db'}", "BLOCKED", errors=20)
    (tmp_path / "folder.db").mkdir()
    _through(leaks, f"sqlite:///{tmp_path / 'folder.db'}", "BLOCKED", errors=20)
    _through(leaks, sqlite_url, "BLOCKED", table="elsewhere")
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _through(leaks, sqlite_url, "RETRY", connect_timeout=0.1, errors=3)
    refused = tmp_path / "refused.db"
    shutil.copyfile(sqlite_template, refused)
    url = f"sqlite:///{refused}"
    execute(url, f"CREATE TRIGGER t BEFORE INSERT ON logs BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END")
    execute(url, f"CREATE TRIGGER d BEFORE INSERT ON log_dead_letters BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END")
    with logging_to(url) as (logger, handler):
        for _ in range(40):
            logger.error(MESSAGE)
        until(lambda: handler.stats().failed == 40, say=handler.stats)
        leaks.show(handler)
    leaks.errors += leaks.listener.failures
    with leaks.expected():
        migrate.upgrade(f"sqlite:///{tmp_path / 'text.db'}")
    assert leaks.errors > 100, leaks.errors


def test_hostile_code(leaks: Leaks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raising ``__str__``, filter, formatter, sink, observer; stderr closed, missing or full: nothing is printed."""

    class Hostile:
        def __str__(self) -> str:
            leaks.errors += 1
            raise ValueError(MESSAGE)

        __repr__ = __str__

    class Formatter(logging.Formatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
            raise RuntimeError(MESSAGE, ei)

    class Deaf:
        def __getattr__(self, event: str) -> Any:
            leaks.errors += 1
            raise ValueError(MESSAGE)

    def refuse(_record: logging.LogRecord) -> bool:
        leaks.errors += 1
        raise ValueError(MESSAGE)

    kinds = list(ErrorClass)

    def fail(_rows: object) -> None:
        leaks.errors += 1
        if leaks.errors % 3:
            raise StoreError(kinds[leaks.errors % len(kinds)], "CODE", "a sentence")
        raise ValueError(MESSAGE)

    closed = io.StringIO()
    closed.close()
    deaf = Deaf()
    observers.append(deaf)
    try:
        for stream in (leaks.stderr, None, closed, leaks.stderr):
            monkeypatch.setattr(sys, "__stderr__", stream)
            sink = MemorySink()
            sink.fault = fail
            handler = DatabaseHandler(
                sink=sink, **{**QUICK, "retry_initial": 0.001, "retry_max": 0.005, "shutdown_timeout": 0.3}
            )
            handler.setFormatter(Formatter())
            logger = logging.Logger("hostile")
            logger.addHandler(handler)
            for _ in range(20):
                logger.info(MESSAGE + " %s", Hostile(), extra={"x": Hostile()})
                try:
                    raise ValueError(MESSAGE)
                except ValueError:
                    logger.exception(MESSAGE)
            handler.addFilter(refuse)
            logger.info(MESSAGE)
            leaks.show(handler)
            handler.flush(0.3)
            handler.close()
            logger.info(MESSAGE)
            leaks.show(handler)
    finally:
        observers.remove(deaf)
        monkeypatch.setattr(sys, "__stderr__", leaks.stderr)
    assert leaks.errors > 100, leaks.errors


def test_a_whole_process(empty_sqlite_url: str) -> None:
    """Run as an application runs it: what a blocked handler and a bad call print at exit holds no message."""
    program = """
import logging, sys, dblog
handler = dblog.DatabaseHandler(sys.argv[1], shutdown_timeout=0.3)
logging.basicConfig(handlers=[handler])
for _ in range(20):
    logging.error(sys.argv[2] + " %d", "no number")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, empty_sqlite_url, MESSAGE],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert MESSAGE not in done.stdout + done.stderr
    assert "dblog upgrade" in done.stderr
    assert threading.active_count() < 50
