"""The start screen and the help, as one sees and uses them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.widgets import Input

from dblog.cli.profiles import Database
from dblog.errors import DblogError
from dblog.query import parse
from dblog_tui.commands import COMMANDS
from dblog_tui.keymap import key_of, resolved
from dblog_tui.keys import GROUPS, KEYS, bindings, shown_keys
from dblog_tui.nearby import Found
from dblog_tui.present.help import _FILTERS, help_lines
from dblog_tui.present.look import ASCII, Look
from dblog_tui.present.start import start_lines
from dblog_tui.screens.help import HelpScreen
from dblog_tui.screens.start import DemoScreen, StartScreen, paths
from tests.hostile import DANGEROUS
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from textual.binding import BindingType
    from textual.screen import Screen

NOW = 1_780_000_000_000_000
FOUND = [
    Found(Database("sqlite:////x/logs/app.db"), "logs/app.db", "SQLite", 50_331_648, NOW - 130_000_000, looked=True),
    Found(Database("sqlite:////x/new.db"), "new.db", "SQLite", 98_304, None, looked=True),
    Found(Database("postgresql://app@db/app"), "$DATABASE_URL", "PostgreSQL  postgresql://app@db/app"),
]
SHOWN = {key.id: key.keys.split(",") for key in KEYS}


class Host(App[Any]):
    """Shows one screen and keeps what it was left with."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere")]

    def __init__(self, screen: Callable[[], Screen[Any]], keymap: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._first = screen
        self.set_keymap(dict(keymap or {}))
        self.look = Look()
        self.left: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._first(), self.left.append)


# -- start ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [Look(), Look(glyphs=ASCII)], ids=["unicode", "ascii"])
async def test_what_one_can_do_is_on_the_screen(look: Look) -> None:
    """Every key of the start screen is there at 80 columns, and what was found, with its age and size."""
    app = Host(lambda: StartScreen(look, lambda: FOUND))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "$DATABASE_URL" in text_of(app))
        said = text_of(app)
    assert "d   Demo" in said
    assert "1   logs/app.db     SQLite  48.0 MiB  newest entry" in said
    assert "2   new.db          SQLite  96.0 KiB  no entry yet" in said
    assert "3   $DATABASE_URL   PostgreSQL  postgresql://app@db/app" in said
    assert "d demo  o open  p postgres  1-3 pick  q quit  ? help" in said
    assert not look.glyphs.rule.isascii() or said.isascii()


@pytest.mark.parametrize(
    ("keys", "left"),
    [("d", "demo"), ("1", FOUND[0].database), ("3", FOUND[2].database), ("q", None), ("escape", None)],
)
async def test_one_key_chooses(keys: str, left: Any) -> None:
    """The demo, one of what was found, or to leave."""
    app = Host(lambda: StartScreen(Look(), lambda: FOUND))
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: "pick" in text_of(app))
        await pilot.press("9")
        assert app.left == []
        await pilot.press(keys)
        await wait_for(pilot, lambda: app.left == [left])


@pytest.mark.parametrize(
    ("keymap", "shown", "picks"),
    [
        ({"start.pick": "f5,question_mark,g"}, ["F5 ? g pick", " F5   logs/app.db", " ?    new.db"], ["f5", "?", "g"]),
        ({"start.pick": "x"}, ["x pick", " x   logs/app.db", "     new.db"], ["x", None, None]),
        ({"start.demo": "2"}, ["2 demo", "1 3 pick", " 1   logs/app.db", "     new.db"], ["1", None, "3"]),
        ({"start.open": "f", "start.copy": "c"}, ["f open", "1-3 pick", " f   Open an SQLite"], ["1", "2", "3"]),
    ],
)
async def test_keys_of_one_s_own_choose(keymap: dict[str, str], shown: list[str], picks: list[str | None]) -> None:
    """What the settings say picks what was found, in its order, and stands beside it; the keys before do nothing."""
    keymap = resolved(keymap)
    for number, key in enumerate(picks):
        app = Host(lambda: StartScreen(Look(), lambda: FOUND, keymap), keymap)
        async with app.run_test() as pilot:
            await wait_for(pilot, lambda: "pick" in text_of(app))  # noqa: B023 - called in this turn
            for text in shown:
                assert text in text_of(app)
            if "start.pick" in keymap:
                await pilot.press("1", "2", "3")
                assert app.left == []
            if key is not None:
                await pilot.press(key_of(key))
                await wait_for(pilot, lambda: app.left == [FOUND[number].database])  # noqa: B023 - as above


async def test_looking_around_makes_nobody_wait() -> None:
    """The screen is there while folders are still looked through, and says so; then it says that there is nothing."""
    seen, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> list[Found]:
        loop.call_soon_threadsafe(seen.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
        return []

    app = Host(lambda: StartScreen(Look(), slow))
    async with app.run_test() as pilot:
        await seen.wait()
        await wait_for(pilot, lambda: "looking" in text_of(app))
        go_on.set()
        await wait_for(pilot, lambda: "nothing" in text_of(app))
        assert "pick" not in text_of(app)


async def test_the_lines_of_a_program() -> None:
    """They are shown and hidden by the same key; leaving them does not leave the screen."""
    app = Host(lambda: StartScreen(Look(), list))
    async with app.run_test() as pilot:
        await pilot.press("i")
        await wait_for(pilot, lambda: "dblog upgrade --url sqlite:///logs.db" in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: "Demo: three services" in text_of(app))
        assert app.left == []


async def test_a_file_by_its_name(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no file, or has no log, is said and asked again; a path can be completed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.db").write_text("hello")
    path = sqlite_url.removeprefix("sqlite:///")
    app = Host(lambda: StartScreen(Look(), list))
    async with app.run_test() as pilot:
        await pilot.press("o")
        await wait_for(pilot, lambda: bool(app.screen.query(Input)))
        field = app.screen.query_one(Input)
        for text, says in (("./none.db", "there is no file none.db"), ("./notes.db", "is no SQLite database")):
            field.value = text
            await pilot.press("enter")
            await wait_for(pilot, lambda says=says: says in text_of(app))  # type: ignore[misc]  # a lambda's default
        field.value = f"./{path}"  # it was there, and the whole path typed behind it
        await pilot.press("enter")
        await wait_for(pilot, lambda: bool(app.left))
    assert app.left == [Database(f"sqlite:///{path}")]


async def test_a_server_by_its_url() -> None:
    """What is no URL is said; one that is leads there."""
    app = Host(lambda: StartScreen(Look(), list))
    async with app.run_test(size=(110, 24)) as pilot:
        await pilot.press("p")
        await wait_for(pilot, lambda: bool(app.screen.query(Input)))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "write postgresql://user@host/database" in text_of(app))
        app.screen.query_one(Input).value = "mysql://x/y"
        await pilot.press("enter")
        await wait_for(pilot, lambda: "stores in Postgres, SQLite or ClickHouse only" in text_of(app))
        app.screen.query_one(Input).value = "postgresql://postgresql://reader@db/app"  # pasted behind what was there
        await pilot.press("enter")
        await wait_for(pilot, lambda: bool(app.left))
    assert app.left == [Database("postgresql://reader@db/app")]


def test_paths_that_may_be_meant(tmp_path: Path) -> None:
    """Folders first, then what looks like a database; hidden ones only where a dot was typed."""
    for name in ("b.db", "a.sqlite", "text.txt", ".hidden.db"):
        (tmp_path / name).touch()
    (tmp_path / "logs").mkdir()
    assert [each.text for each in paths(f"{tmp_path}/")] == [f"{tmp_path}/{x}" for x in ("logs/", "a.sqlite", "b.db")]
    assert [each.text for each in paths(f"{tmp_path}/.")] == [f"{tmp_path}/.hidden.db"]
    assert [each.text for each in paths(f"{tmp_path}/b")] == [f"{tmp_path}/b.db"]
    assert paths(f"{tmp_path}/none/x") == []


@given(st.text(max_size=60), st.text(max_size=60), st.integers(20, 200))
def test_names_of_files_cannot_act_on_the_terminal(name: str, kind: str, width: int) -> None:
    """Whatever a file is called, the screen's lines hold no control character, and each name takes one line."""
    found = [Found(Database("sqlite:////x"), name, kind, 1, None, looked=True)]
    lines = start_lines("1", found, NOW, Look(), width, keys=SHOWN)
    assert not DANGEROUS & set("".join(line.text for line in lines))
    assert len(lines) == len(start_lines("1", FOUND[:1], NOW, Look(), width, keys=SHOWN))


# -- the demo's past -------------------------------------------------------------------------------------------------


class Past:
    """Stands for a demo."""

    def __init__(self, error: DblogError | None = None) -> None:
        self.error = error
        self.go_on = asyncio.Event()

    async def ready(self, progress: Callable[[float], None]) -> None:
        progress(0.5)
        await self.go_on.wait()
        if self.error is not None:
            raise self.error


async def test_the_demo_s_past() -> None:
    """It is seen how far it is; then the screen leaves by itself."""
    past = Past()
    app = Host(lambda: DemoScreen(Look(), past))  # type: ignore[arg-type]  # as much of a demo as it needs
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: "██████████░░░░░░░░░░" in text_of(app))
        past.go_on.set()
        await wait_for(pilot, lambda: app.left == [True])


async def test_a_demo_that_does_not_start() -> None:
    """The reason is said, and stays until somebody leaves."""
    past = Past(DblogError("no room"))
    app = Host(lambda: DemoScreen(Look(), past))  # type: ignore[arg-type]  # as much of a demo as it needs
    async with app.run_test() as pilot:
        past.go_on.set()
        await wait_for(pilot, lambda: "no room" in text_of(app))
        await pilot.press("q")
        await wait_for(pilot, lambda: app.left == [False])


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_key_is_in_the_help(group: str, width: int) -> None:
    """Wherever one comes from, at any width: each binding with what it does, uncut; one's own group is first."""
    lines = [line.text for line in help_lines(group, Look(), width)]
    said = "\n".join(lines)
    for key in KEYS:
        assert f"{shown_keys(key)} " in said
        assert key.says in said if width > 80 else all(word in said for word in key.says.split())
    if group != "help":
        assert lines[0].strip() == GROUPS[group]
    assert all(line.cell_length == width for line in help_lines(group, Look(), width))


def test_the_help_has_the_keys_one_has_set() -> None:
    """A keymap's keys stand in the place of the table's."""
    lines = [line.text.split() for line in help_lines("logs", Look(), 80, {"logs.find": "ctrl+f", "logs.quit": "Q"})]
    assert ["ctrl+f", "find:", "jumps,", "hides", "nothing"] in lines
    assert ["/", "find:", "jumps,", "hides", "nothing"] not in lines


def test_the_help_in_ascii() -> None:
    """No character beyond, arrows and signs included."""
    assert "".join(line.text for line in help_lines("logs", Look(glyphs=ASCII), 80)).isascii()


def test_filters_of_the_help_can_be_typed() -> None:
    """Each parses, the parts of two beside each other as well."""
    for text, _ in _FILTERS:
        parse(text)


async def test_the_help_scrolls_and_closes() -> None:
    """By lines, pages and to its ends; it says where one is, and closes by its own key as well."""
    app = Host(lambda: HelpScreen("detail"))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: " of " in lines_of(app)[-1])
        assert lines_of(app)[0].strip() == "Detail"
        assert "1-23 of" in lines_of(app)[-1]
        await pilot.press("j", "j", "k", "space")
        await wait_for(pilot, lambda: "24-46 of" in lines_of(app)[-1])
        seen: set[str] = set()
        for _ in range(20):
            seen |= {line.split()[0] for line in lines_of(app)[:-1] if line}
            await pilot.press("space")
            await pilot.pause()
        assert {f":{each.name}" for each in COMMANDS} <= seen
        await pilot.press("g", "G")
        await wait_for(pilot, lambda: "close" in lines_of(app)[21])
        await pilot.press("g")
        await wait_for(pilot, lambda: lines_of(app)[0].strip() == "Detail")
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: app.left == [None])
