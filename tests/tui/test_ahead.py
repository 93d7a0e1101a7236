"""Rows that are fetched ahead: a key's own paint comes first, and the number of loaded rows with the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog_tui.screens import logs
from tests.administered import entry, fill
from tests.tui.driving import at_home, driving

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _rows(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path / "home", monkeypatch)
    fill(url, [entry(number) for number in range(500)])


async def test_the_number_is_painted_with_the_next_key(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by itself behind the key that asked for more; the rows themselves are there at once."""
    monkeypatch.setattr(logs, "_LATER", 3600.0)
    _rows(sqlite_url, tmp_path, monkeypatch)
    async with driving(sqlite_url) as driver:
        await driver.press("up")
        await driver.press("pageup", "pageup", "pageup")
        await driver.until(lambda: len(driver.logs.browser.window) == 500)
        await driver.quiet()
        assert "200 loaded" in driver.text
        await driver.press("up")
        assert "500 loaded" in driver.text


async def test_the_number_is_painted_without_a_key(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever presses nothing more is told after a moment."""
    monkeypatch.setattr(logs, "_LATER", 0.01)
    _rows(sqlite_url, tmp_path, monkeypatch)
    async with driving(sqlite_url) as driver:
        await driver.press("up", "pageup", "pageup", "pageup")
        await driver.until(lambda: "500 loaded" in driver.text)
