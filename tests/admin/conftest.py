"""The command line, run in the test's own process."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dblog.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Typed(io.StringIO):
    """A terminal somebody types into."""

    buffer = io.BytesIO()

    def isatty(self) -> bool:
        return True


@pytest.fixture
def dblog(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command as the console script would; ``typed`` is what a person types, None without a terminal."""
    for name in ("DBLOG_URL", "DBLOG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DBLOG_CONFIG", "/nonexistent/config.toml")

    def run(*arguments: object, typed: str | None = None, stdin: bytes = b"") -> Done:
        stream: Any = io.TextIOWrapper(io.BytesIO(stdin)) if typed is None else Typed(typed)
        monkeypatch.setattr(sys, "stdin", stream)
        monkeypatch.setattr(sys, "argv", ["dblog", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capfd.readouterr())

    return run
