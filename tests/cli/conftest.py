"""Running the command line in this process, with a reader of our own or a database's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dblog.cli import main
from tests.fake_reader import FakeReader
from tests.logged import log_some

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRONMENT = ("DBLOG_URL", "DBLOG_PROFILE", "NO_COLOR", "COLUMNS", "TERM")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of stdout."""
        return self.out.splitlines()


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No database, profile or terminal of whoever runs the tests."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DBLOG_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def dblog(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run a command as the console script would."""
    at_a_terminal = "terminal" in request.fixturenames

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["dblog", *arguments])
        # Here, for what captures stdout is another object while fixtures are made.
        monkeypatch.setattr(sys.stdout, "isatty", lambda: at_a_terminal)
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    """What commands read instead of a database."""
    reader = FakeReader()
    monkeypatch.setattr("dblog.reader.LogReader", reader)
    monkeypatch.setenv("DBLOG_URL", "sqlite:////nowhere/logs.db")
    return reader


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def stored(sqlite_url: str) -> str:
    """A database with some entries, logged by a handler: two traces, one with an error."""
    log_some(sqlite_url)
    return sqlite_url
