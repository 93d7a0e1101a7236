"""``dblog index`` on ClickHouse tells which indexes are there from the start, and changes none."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from dblog.admin import indexes
from dblog.admin.clickhouse import ClickHouseConnection
from dblog.cli import main
from dblog.errors import ConfigurationError
from dblog.schema_clickhouse import SKIP_INDEXES
from tests.administered import entry, fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clickhouse.stores import Store

    Dblog = Callable[..., tuple[int, str, str]]

REFUSED = "ClickHouse has its indexes from the start: there is none to add or to drop"


@pytest.fixture
def dblog(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command in this process, for the engine is in it: exit code, stdout, stderr."""
    monkeypatch.setenv("DBLOG_CONFIG", "/nonexistent/config.toml")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dblog", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


def found(store: Store) -> dict[str, indexes.Index]:
    with ClickHouseConnection(store.url) as connection:
        return {each.kind: each for each in indexes.indexes(connection)}


def test_each_is_there_and_grows(store: Store) -> None:
    """Whatever skips granules is listed, ready, empty at first, with the bytes it takes once there are entries."""
    before = found(store)
    assert before.keys() == {*SKIP_INDEXES, *indexes.KINDS}
    assert {kind for kind, each in before.items() if each.state == "ready"} == set(SKIP_INDEXES)
    assert (before["logger"].state, before["logger"].bytes) == ("unavailable", None)
    assert {before[kind].bytes for kind in SKIP_INDEXES} == {0}
    fill(store.url, [entry(number) for number in range(300)])
    after = found(store)
    assert all((after[kind].bytes or 0) > 0 for kind in SKIP_INDEXES)
    assert {each.name for each in after.values()} >= {f"logs_{kind}_idx" for kind in SKIP_INDEXES}


def test_one_that_somebody_dropped_is_absent(own_store: Store) -> None:
    """And the others are as they were."""
    own_store.client.command("ALTER TABLE logs DROP INDEX logs_message_idx")
    states = {kind: each.state for kind, each in found(own_store).items()}
    assert states.pop("message") == "absent"
    assert states == {"metadata": "ready", "trace": "ready", "ingested": "ready", "logger": "unavailable"}


def test_the_command_lists_them(store: Store, dblog: Dblog) -> None:
    """A line for each with its size, then that nothing is to be added; as JSON, the same without that line."""
    fill(store.url, [entry(number) for number in range(300)])
    code, said, _ = dblog("index", "list", "--url", store.url)
    *lines, last = said.splitlines()
    assert (code, last) == (0, REFUSED)
    kinds = {line.split()[0]: line.split()[1:] for line in lines}
    assert list(kinds) == ["message", "metadata", "logger", "trace", "ingested"]
    assert kinds["logger"] == ["unavailable"]
    assert all((kinds[kind][0], kinds[kind][2]) == ("ready", "bytes") for kind in SKIP_INDEXES)
    code, said, _ = dblog("index", "--json", "--url", store.url)
    shown = [json.loads(line) for line in said.splitlines()]
    assert (code, [each["kind"] for each in shown]) == (0, list(kinds))
    assert all(each["bytes"] > 0 for each in shown if each["kind"] in SKIP_INDEXES)


@pytest.mark.parametrize("arguments", [("add",), ("add", "message"), ("drop",), ("drop", "trace"), ("drop", "host")])
def test_none_is_added_or_dropped(store: Store, dblog: Dblog, arguments: tuple[str, ...]) -> None:
    """Whichever is named, or none: one sentence says so before anybody is asked, and all of them stay."""
    assert dblog("index", *arguments, "--url", store.url) == (2, "", f"dblog: {REFUSED}\n")
    assert {each.state for each in found(store).values()} == {"ready", "unavailable"}


def test_the_functions_refuse_too(store: Store) -> None:
    """As the command does."""
    with ClickHouseConnection(store.url) as connection:
        for change in (indexes.add, indexes.drop, indexes.price):
            with pytest.raises(ConfigurationError, match=f"^{REFUSED}$"):
                change(connection, "message")
