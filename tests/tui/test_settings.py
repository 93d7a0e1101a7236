"""The settings file: what it may hold, and what is said about anything else."""

from __future__ import annotations

import datetime as dt
import json
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.theme import BUILTIN_THEMES

from dblog.errors import ConfigurationError
from dblog_tui.keymap import key_of, resolved
from dblog_tui.keys import KEYS
from dblog_tui.settings import DEFAULT_COLUMNS, GLYPHS, Settings, checked_columns, load, settings_path, zone_of

if TYPE_CHECKING:
    from pathlib import Path

names = st.text(string.ascii_letters + string.digits + "_.- `é", min_size=1, max_size=20).filter(str.strip)
values = st.fixed_dictionaries(
    {},
    optional={
        "theme": st.sampled_from(sorted(BUILTIN_THEMES)),
        "glyphs": st.sampled_from(GLYPHS),
        "timezone": st.sampled_from(("", "UTC", "local", "Europe/Berlin")),
        "columns": st.lists(names, min_size=1, max_size=20, unique=True),
        "mouse": st.booleans(),
        "slow": st.booleans(),
        "wrap": st.booleans(),
        "keymap": st.dictionaries(st.sampled_from([key.id for key in KEYS]), st.sampled_from(("x", "ctrl+x", "?"))),
    },
)


def toml(document: dict[str, Any]) -> str:
    """As somebody would write it: JSON's scalars and lists are TOML's."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in document.items() if name != "keymap"]
    lines += ["[keymap]"] if document.get("keymap") else []
    lines += [f"{json.dumps(name)} = {json.dumps(keys)}" for name, keys in document.get("keymap", {}).items()]
    return "\n".join(lines)


@given(document=values)
def test_what_is_set_is_what_one_has(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every allowed document is read as it is written; what is left out keeps its default."""
    path = tmp_path_factory.mktemp("settings") / "tui.toml"
    path.write_text(toml(document), encoding="utf-8")
    settings, default = load(path), Settings()
    for name in ("theme", "glyphs", "timezone", "mouse", "slow", "wrap"):
        assert getattr(settings, name) == document.get(name, getattr(default, name))
    assert settings.columns == tuple(document.get("columns", DEFAULT_COLUMNS))
    assert dict(settings.keymap) == document.get("keymap", {})


def test_without_a_file(tmp_path: Path) -> None:
    """The defaults; the environment may name another file than the user's own."""
    assert load(tmp_path / "none.toml") == Settings()
    assert settings_path({"DBLOG_TUI_CONFIG": "/x/y.toml"}).as_posix() == "/x/y.toml"
    assert settings_path({}).parts[-2:] == ("dblog", "tui.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "is not TOML"),
        ("\x00", "is not TOML"),
        ("colour = 'red'", "'colour' is not allowed: use theme, glyphs"),
        ("mouse = 1", "mouse=1 is not allowed: give true or false"),
        ("theme = 5", "theme=5 is not allowed: give a text"),
        ("glyphs = 'nerd'", "glyphs='nerd' is not allowed: use auto, unicode, ascii"),
        ("timezone = 'Mars/Crater'", "timezone='Mars/Crater' is not known"),
        ("timezone = '../../etc/passwd'", "is not known"),
        ("columns = 'time'", "columns='time' is not allowed: give a list of texts"),
        ("columns = []", "columns: give 1 to 20 names"),
        ("columns = ['time', 'time']", "columns: 'time' is there twice"),
        ('columns = ["a\\u001b"]', "is neither a column nor a key"),
        ("keymap = 5", "keymap=5 is not allowed: give a table"),
        ("[keymap]\n'logs.find' = 5", "keymap.logs.find=5 is not allowed: give a key"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, says: str) -> None:
    """Each names the file and what is wrong in it, and says what is allowed."""
    path = tmp_path / "tui.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(theme="beige"), "theme='beige' is not one of ansi-dark"),
        (Settings(keymap={"logs.fnd": "x"}), "there is no 'logs.fnd': did you mean logs.find?"),
        (Settings(keymap={"zzz": "x"}), "docs/tui.md lists the ids"),
        (Settings(keymap={"logs.find": "pgdown"}), "keymap.logs.find: 'pgdown' is no key, did you mean pagedown?"),
        (Settings(keymap={"logs.find": "ctr+x"}), "'ctr+x' is no key"),
        (Settings(keymap={"logs.find": ""}), "'' is no key"),
        (Settings(keymap={"logs.find": "x", "logs.copy": "y,x"}), "logs.find and logs.copy have the same key 'x'"),
    ],
)
def test_what_textual_would_not_know(settings: Settings, says: str) -> None:
    """A theme, an id or a key that does not exist is said, with the nearest that does."""
    with pytest.raises(ConfigurationError) as caught:
        settings.checked()
    assert says in str(caught.value)


def test_one_key_in_two_places_is_none_too_many() -> None:
    """The panes have their own keys; only two things in one place cannot share one."""
    assert resolved({"logs.find": "x", "detail.copy": "x"}) == {"logs.find": "x", "detail.copy": "x"}


@given(st.sampled_from([each for key in KEYS for each in key.keys.split(",")]))
def test_keys_of_the_table_are_keys(key: str) -> None:
    """What the table binds could be written in the file, and stays as it is."""
    assert key_of(key) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [("?", "question_mark"), ("+", "plus"), ("-", "minus"), ("Ctrl+X", "ctrl+x"), ("shift+a", "A"), ("F5", "f5"),
     ("PageDown", "pagedown"), ("ö", "ö"), (";", "semicolon")],
)  # fmt: skip
def test_keys_as_people_write_them(text: str, key: str) -> None:
    """A character is its own name, and case does not matter where there is no other key."""
    assert key_of(text) == key


@given(st.text(max_size=12))
def test_a_key_is_a_key_or_a_mistake(text: str) -> None:
    """Anything at all is one or the other; what is a key is so again in Textual's name."""
    try:
        key = key_of(text)
    except ValueError:
        return
    assert key_of(key) == key


@given(st.lists(st.text(max_size=30), max_size=25))
def test_columns_are_names(texts: list[str]) -> None:
    """Whatever passes can be shown in a header, and each once."""
    try:
        found = checked_columns(tuple(texts))
    except ConfigurationError:
        return
    assert all(name.isprintable() and name.strip() for name in found)
    assert len(set(found)) == len(found) > 0


def test_zones() -> None:
    """The machine's own, UTC in any spelling, and those of the time zone database."""
    assert zone_of("") is zone_of("local") is None
    assert zone_of("utc") is zone_of("Z") is dt.UTC
    assert str(zone_of("Europe/Berlin")) == "Europe/Berlin"
    with pytest.raises(ConfigurationError):
        zone_of("nowhere")


@pytest.mark.parametrize(
    ("environment", "encoding", "theme", "glyphs"),
    [
        ({"TERM": "xterm-256color"}, "utf-8", "ansi-dark", "unicode"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "UTF-8", "ansi-light", "unicode"),
        ({"TERM": "linux"}, "utf-8", "ansi-dark", "ascii"),
        ({"TERM": "xterm"}, "ascii", "ansi-dark", "ascii"),
        ({}, None, "ansi-dark", "ascii"),
    ],
)
def test_what_is_left_to_the_terminal(
    environment: dict[str, str], encoding: str | None, theme: str, glyphs: str
) -> None:
    """Its own colours, and only glyphs it can show; what is set stays as it is set."""
    found = Settings().for_terminal(environment, encoding)
    assert (found.theme, found.glyphs) == (theme, glyphs)
    given_ones = Settings(theme="nord", glyphs="unicode").for_terminal(environment, encoding)
    assert (given_ones.theme, given_ones.glyphs) == ("nord", "unicode")


def test_reading_loads_no_textual() -> None:
    """Textual reads its environment when it is imported, and what it shall find depends on the settings."""
    code = "import sys, dblog_tui.cli as c; c.load(); print({'textual', 'typer', 'lark', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
