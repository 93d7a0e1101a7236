"""The reading commands with a real database of either kind, as its SELECT-only role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.administered import entry, fill
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
def test_a_tail_now_and_then(dblog: Callable[..., Any], database_url: str) -> None:
    """``--no-follow --after`` is all since the last time, of several batches too, and ends; the token moves on."""
    first = dblog("tail", "-n", "2", "--no-follow", "--token")
    assert (first.code, len(first.lines)) == (0, 2)
    fill(database_url, [entry(number) for number in range(1100)])
    second = dblog("tail", "--no-follow", "--token", "--after", first.err.strip(), "lineno<1050")
    assert second.code == 0
    assert sorted(json.loads(each)["lineno"] for each in second.lines) == [*range(1050)]
    third = dblog("tail", "--no-follow", "--token", "--after", second.err.strip())
    assert (third.code, third.out) == (0, "")
    assert third.err.count("\n") == 1
    fill(database_url, [entry(2000)])
    (line,) = dblog("tail", "--no-follow", "--after", third.err.strip()).lines
    assert json.loads(line)["lineno"] == 2000


def test_a_tail_now_and_then_waits_for_no_database(dblog: Callable[..., Any], sqlite_url: str) -> None:
    """Where nothing is followed, a database that is away is an error at once, ``--after`` or not."""
    token = dblog("tail", "--no-follow", "--token", "--url", sqlite_url).err.strip()
    Path(sqlite_url.removeprefix("sqlite:///")).unlink()
    done = dblog("tail", "--no-follow", "--after", token, "--url", sqlite_url)
    assert done.code == 3
    assert "does not exist" in done.err


@pytest.mark.usefixtures("ten")
def test_what_is_shown_of_an_error(dblog: Callable[..., Any]) -> None:
    """The exception in the line, and with ``--full`` its traceback below."""
    (_, line) = dblog("search", "level:error", "trace:00000001*", "--text").lines
    assert "order 0 failed  ValueError: no card" in line
    assert "trace=00000001" in line
    full = dblog("search", "level:error", "trace:00000001*", "--text", "--full").lines
    assert full[2].strip() == "Traceback (most recent call last):"
    assert full[-1].strip() == "ValueError: no card"
