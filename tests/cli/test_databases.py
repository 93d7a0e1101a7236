"""The reading commands with a real database of either kind, as its SELECT-only role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.logged import log_some

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = "00000001" + "0" * 24


@pytest.fixture
def ten(database_url: str, reading_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten entries, and the variable that names their database."""
    log_some(database_url)
    monkeypatch.setenv("DBLOG_URL", reading_url)


@pytest.mark.usefixtures("ten")
def test_every_reading_command(dblog: Callable[..., Any]) -> None:
    """Each answers for what was logged, with exit code 0 and without a word on stderr."""

    def rows(*arguments: str) -> list[Any]:
        done = dblog(*arguments)
        assert (done.code, done.err) == (0, "")
        return [json.loads(each) for each in done.lines]

    entries = rows("search", "trace:00000001*")
    assert [each["message"] for each in entries] == [*(f"step {step} of 0" for step in range(4)), "order 0 failed"]
    assert rows("tail", "--no-follow", "trace:00000001*") == entries
    assert rows("trace", FIRST) == rows("trace", FIRST[:8]) == entries
    assert rows("show", entries[-1]["id"]) == [entries[-1]]
    assert rows("show", entries[-1]["id"], "--context", "1")[0] == entries[-2]
    assert rows("search", "-level:error", "--count") == [{"value": 8, "exact": True}]
    assert rows("stats")[0]["rows"] == 10
    assert rows("facets", "step", "level:info")[0]["count"] == 2
    assert sum(each["total"] for each in rows("histogram", "--bucket", "1s", "--since", "1h")) == 10
    assert [(each["service"], each["stored"]) for each in rows("instances")] == [("shop", 10)]


@pytest.mark.usefixtures("ten")
def test_what_is_shown_of_an_error(dblog: Callable[..., Any]) -> None:
    """The exception in the line, and with ``--full`` its traceback below."""
    (_, line) = dblog("search", "level:error", "trace:00000001*", "--text").lines
    assert "order 0 failed  ValueError: no card" in line
    assert "trace=00000001" in line
    full = dblog("search", "level:error", "trace:00000001*", "--text", "--full").lines
    assert full[2].strip() == "Traceback (most recent call last):"
    assert full[-1].strip() == "ValueError: no card"
