"""``docs/tui.md`` is complete and true: keys, commands, flags and settings are those of the program."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dblog.cli.profiles import COLOURS, Profiles
from dblog_tui import arguments
from dblog_tui.commands import COMMANDS
from dblog_tui.keys import GROUPS, KEYS, bindings, hints, markdown, shown_keys
from dblog_tui.settings import Settings, load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tui.md").read_text()
BETWEEN = re.compile(r"<!-- keys: made by (.*?) -->\n\n(.*?)\n\n<!-- keys end -->", re.DOTALL)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_tables_of_keys_are_up_to_date() -> None:
    """What stands between the marks is what the command named there prints, character for character."""
    found = BETWEEN.search(TEXT)
    assert found is not None
    assert found[1] == "python -m dblog_tui.keys"
    printed = subprocess.run(
        [sys.executable, "-m", "dblog_tui.keys"], capture_output=True, text=True, check=True
    ).stdout
    assert found[2] == printed.strip()
    assert printed.strip() == "\n".join(markdown()).strip()


def test_every_key_has_a_name_of_its_own_and_a_place() -> None:
    """Ids are unique; each group exists; no key means two things in one place; a hint is a word."""
    assert len({key.id for key in KEYS}) == len(KEYS)
    assert {key.where for key in KEYS} == set(GROUPS)
    for where in GROUPS:
        keys = [each for key in KEYS if key.where == where for each in key.keys.split(",")]
        assert sorted(keys) == sorted(set(keys)), where
        assert len(bindings(where)) == sum(key.where == where for key in KEYS)
        assert all(word and shown for shown, word in hints(where))
    assert all(key.says and shown_keys(key) for key in KEYS)


def test_every_command_is_named() -> None:
    """Each has its row, with its arguments, its other names and what it does; no row has another."""
    rows = re.findall(r"^\| (`:[a-z].*?) (?<!\\)\| (.*?) \|$", TEXT, re.MULTILINE)
    assert len(rows) == len(COMMANDS)
    for (names, says), spec in zip(rows, COMMANDS, strict=True):
        words = [spec.name, *spec.aliases]
        assert re.findall(r"`:([a-z]+)", names) == words
        assert says == spec.says
        assert spec.argument in names.replace("\\|", "|")


def test_every_flag_is_named() -> None:
    """The table of flags has exactly those of the program."""
    help_text = subprocess.run(
        [sys.executable, "-m", "dblog_tui", "--help"], capture_output=True, text=True, check=True
    ).stdout
    real = set(re.findall(r"^ +(?:-\w(?: \w+)?, )?(--[a-z-]+)", help_text, re.MULTILINE))
    table = TEXT.partition("| flag | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"--[a-z][a-z-]*", table)) == real
    assert all(f"`{colour}`" in table for colour in COLOURS)


def test_examples_are_command_lines() -> None:
    """Each line of the first block can be read."""
    lines = [line.partition("  #")[0] for line in blocks("sh")[0].splitlines()]
    for line in lines:
        program, *words = re.findall(r"'[^']*'|\S+", line)
        assert program == "dblog-tui"
        arguments.read([word.strip("'") for word in words])


def test_the_example_of_settings_can_be_used(tmp_path: Path) -> None:
    """It names every setting, and the program takes it as it stands."""
    settings, profile = blocks("toml")
    assert set(tomllib.loads(settings)) == {field.name for field in dataclasses.fields(Settings)}
    (tmp_path / "tui.toml").write_text(settings)
    assert dict(load(tmp_path / "tui.toml").checked().keymap)["logs.filter"] == "slash,f"
    (tmp_path / "config.toml").write_text(profile)
    database = Profiles.read(tmp_path / "config.toml").get("prod")
    assert (database.colour, database.admin_url) == ("red", "postgresql://owner@db.example.com/app")


@pytest.mark.parametrize("state", ["● LIVE", "‖ PAUSED", "◌ HISTORY", "✕ DB DOWN"])
def test_every_state_is_explained(state: str) -> None:
    """As the header has it."""
    assert f"`{state}`" in TEXT
