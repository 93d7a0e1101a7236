"""Dialogs: with the keyboard alone, at 80 by 24, and without colour."""

from __future__ import annotations

import datetime as dt
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App
from textual.widgets import Input, Static

from dblog.cli.profiles import Database
from dblog.migrate import upgrade
from dblog.reading.values import Statement
from dblog_tui import commands, goto
from dblog_tui.clauses import choices
from dblog_tui.present.look import ASCII, Look
from dblog_tui.saved import SavedView, SavedViews
from dblog_tui.screens.dialog import Dialog
from dblog_tui.screens.dialogs import Ask, Columns, Confirm, Exporting, Picked, PickField, Sql, Views
from dblog_tui.screens.exporting import size_text
from dblog_tui.screens.sql import pretty, spoken
from dblog_tui.source import Source
from dblog_tui.view import Span, View
from tests.administered import entry, fill
from tests.hostile import DANGEROUS
from tests.tui import golden_data as data
from tests.tui.driving import Driver, at_home, driving
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.pilot import Pilot
    from textual.screen import Screen

LOOK = Look(zone=dt.UTC)
NOW = 1_795_000_000_000_000


class Host(App[None]):
    """Something to see behind a dialog."""

    def __init__(self, dialog: Screen[Any]) -> None:
        super().__init__()
        self.dialog, self.given = dialog, list[Any]()

    def compose(self) -> Any:
        yield Static("\n".join(f"row {number}" for number in range(24)))

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.given.append)


@asynccontextmanager
async def shown(dialog: Screen[Any], width: int = 80, height: int = 24) -> AsyncIterator[tuple[Host, Pilot[None]]]:
    app = Host(dialog)
    async with app.run_test(size=(width, height)) as pilot:
        await wait_for(pilot, lambda: app.screen is dialog)
        yield app, pilot
        await app.workers.wait_for_complete()


def bottom(app: App[Any], count: int) -> list[str]:
    return lines_of(app)[-count:]


def write(app: App[Any], text: str) -> None:
    """As if it were typed; a key at a time takes a twentieth of a second each."""
    app.screen.query_one(Input).insert_text_at_cursor(text)


def said(app: App[Any]) -> str:
    """Sentences without the line breaks of the screen."""
    return " ".join(line.strip() for line in lines_of(app))


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# -- a line of text --------------------------------------------------------------------------------------------


def command_line(**further: Any) -> Ask[commands.Command]:
    return Ask(LOOK, "Command", commands.parse, prompt=":", complete=commands.complete, verb="run", **further)


async def test_a_command_is_completed_checked_and_handed_over() -> None:
    """Tab goes through what may be meant, a mistake is said and nothing lost, Enter hands over what the text means."""
    async with shown(command_line()) as (app, pilot):
        await pilot.press("v", "i")
        await wait_for(pilot, lambda: bottom(app, 2)[0] == ":vi")
        assert bottom(app, 5) == [
            "── Command " + "─" * 69,
            " view   load, save or rm a named view",
            " views  saved views",
            ":vi",
            " Enter run  Tab complete  Esc close",
        ]
        assert "row 5" in text_of(app)
        await pilot.press("tab", "tab", "shift+tab", "enter")
        await wait_for(pilot, lambda: " :view load|save|rm NAME: load|save|rm is missing" in lines_of(app))
        write(app, "night")
        await pilot.press("enter")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given == [commands.Command("view", "night", "load")]


async def test_the_only_suggestion_is_taken_and_gone_on_from() -> None:
    """After it Tab offers what may follow."""
    async with shown(command_line()) as (app, pilot):
        write(app, "lev")
        await pilot.press("tab", "w", "tab", "enter")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given == [commands.Command("level", "warning")]


async def test_older_texts_come_back() -> None:
    """Up and down go through what was given before, and end at what was typed."""
    async with shown(command_line(history=("filter b", "filter a"))) as (app, pilot):
        field = app.screen.query_one(Input)
        seen = []
        await pilot.press("q")
        for key in ("up", "up", "up", "down", "down", "down"):
            await pilot.press(key)
            seen.append(field.value)
        assert seen == ["filter b", "filter a", "filter a", "filter b", "q", "q"]


async def test_a_text_says_what_it_would_do() -> None:
    """A time is shown in full while it is typed; Esc hands over nothing."""

    def moment(text: str) -> int:
        return goto.moment(text, now=NOW, zone=dt.UTC)

    async with shown(Ask(LOOK, "Go to", moment, preview=lambda text: f"= {moment(text)}", example="14:05")) as (
        app,
        pilot,
    ):
        assert bottom(app, 2)[0] == "> 14:05"
        write(app, "-2h")
        await wait_for(pilot, lambda: f" = {NOW - 7_200_000_000}" in lines_of(app))
        await pilot.press("x")
        await wait_for(pilot, lambda: " = " not in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.given == [None])


async def test_what_is_pasted_cannot_act_on_the_terminal() -> None:
    """Neither a text to begin with, nor an older one, nor what is put in."""
    hostile = "a\x1b]52;c;aGk=\x07\u202e\x9b2J\tb\r\nc\ud800"
    async with shown(Ask(LOOK, "Note", str, text=hostile, history=(hostile,))) as (app, pilot):
        for _ in range(2):
            assert bottom(app, 2)[0] == "> a ]52;c;aGk=   2J b  c"
            write(app, hostile)
            await wait_for(pilot, lambda: "c a ]52" in text_of(app))
            assert not DANGEROUS & set(text_of(app).replace("\n", ""))
            await pilot.press("up")


async def test_a_question_is_answered_by_y_or_by_a_word() -> None:
    """Anything else changes nothing."""
    async with shown(Confirm(LOOK, "Remove it?")) as (app, pilot):
        await pilot.press("enter", "x", "y")
        await wait_for(pilot, lambda: app.given == [True])
    async with shown(Confirm(LOOK, "Remove it?")) as (app, pilot):
        await pilot.press("n")
        await wait_for(pilot, lambda: app.given == [None])
    async with shown(Confirm(LOOK, "Remove all?", word="all")) as (app, pilot):
        await pilot.press("y", "enter")
        await wait_for(pilot, lambda: "nothing was done" in text_of(app))
        await pilot.press("backspace")
        write(app, "all")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.given == [True])


# -- lists -----------------------------------------------------------------------------------------------------

ENTRY = entry(
    7, NOW, service="pay\x1b[31m", trace_id="4bf9", metadata='{"dur_ms":812.5,"http":{"status":502},"q\\"":1}'
)


async def test_a_field_is_one_key_away() -> None:
    """Columns have letters, keys of metadata digits; a value cannot act on the terminal."""
    async with shown(PickField(LOOK, choices(ENTRY), wanted=True)) as (app, pilot):
        text = text_of(app)
        assert "── Include: only entries with this value ──" in text
        assert " s  service      pay␛[31m" in text
        assert " 1  dur_ms       812.5" in text
        assert " 2  http.status  502" in text
        await pilot.press("minus")
        await wait_for(pilot, lambda: "── Exclude: no entries with this value ──" in text_of(app))
        await pilot.press("2")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given == [Picked("http.status", 502, wanted=False)]


async def test_a_field_is_chosen_with_the_cursor() -> None:
    """j, k and Enter; q closes."""
    async with shown(PickField(LOOK, choices(ENTRY), wanted=False)) as (app, pilot):
        await pilot.press("j", "j", "k", "enter")
        await wait_for(pilot, lambda: app.given == [Picked("level", "INFO", wanted=False)])
    async with shown(PickField(LOOK, choices(ENTRY), wanted=False)) as (app, pilot):
        await pilot.press("q")
        await wait_for(pilot, lambda: app.given == [None])


async def test_more_fields_than_letters_are_scrolled() -> None:
    """On a low screen too."""
    many = entry(7, NOW, metadata="{" + ",".join(f'"key{number}":{number}' for number in range(30)) + "}")
    async with shown(PickField(LOOK, choices(many), wanted=True), height=14) as (app, pilot):
        await pilot.press(*["pagedown"] * 6, "enter")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given[0].name == "message"


async def test_columns_are_chosen_and_put_in_order() -> None:
    """Space takes in and leaves out, J and K move, a names one; no column at all is a mistake."""
    async with shown(Columns(LOOK, ("time", "message"), ("time", "level", "message", "host"))) as (app, pilot):
        assert [line.strip() for line in bottom(app, 5)[:-1]] == ["[x] time", "[x] message", "[ ] level", "[ ] host"]
        await pilot.press("space", "j", "space")
        await wait_for(pilot, lambda: "[x]" not in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: " columns: give 1 to 20 names" in lines_of(app))
        await pilot.press("space", "a")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        write(app, "dur_ms")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is app.dialog)
        await pilot.press("K", "enter")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given == [("dur_ms", "message")]


async def test_saved_views_are_looked_at_and_removed(tmp_path: Path) -> None:
    """Enter hands one over; removing takes two keys, and none in between."""
    saved = SavedViews(tmp_path / "views.toml")
    async with shown(Views(LOOK, saved)) as (app, _):
        assert "no view is saved yet: V saves the one you are looking at" in text_of(app)
    saved.save(SavedView("night", View("service:pay", Span(last=900), 3)))
    saved.save(SavedView("all", View()))
    async with shown(Views(LOOK, saved)) as (app, pilot):
        assert " all    all             everything" in lines_of(app)
        assert " night  15m ≥WARN       service:pay" in lines_of(app)
        await pilot.press("d", "j", "k", "d")
        await wait_for(pilot, lambda: "d once more removes the view all" in text_of(app))
        await pilot.press("d")
        await wait_for(pilot, lambda: " all    all" not in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.given == [SavedView("night", View("service:pay", Span(last=900), 3))])
    saved.path.write_text("[views")
    async with shown(Views(LOOK, saved)) as (app, _):
        assert "is not TOML" in said(app)


# -- SQL -------------------------------------------------------------------------------------------------------


def test_sql_is_broken_at_its_clauses_and_nothing_in_quotes_is_touched() -> None:
    """Without blanks and line feeds it is what it was."""
    sql = "SELECT a,  'x AND  y' FROM \"t FROM\" WHERE a = ? AND b IN (1, 2) ORDER BY a DESC LIMIT ?"
    assert pretty(sql) == (
        "SELECT a, 'x AND  y'\nFROM \"t FROM\"\nWHERE a = ?\n  AND b IN (1, 2)\nORDER BY a DESC\nLIMIT ?"
    )
    assert spoken(Statement("SELECT ?", ("it's",))) == 'SELECT ?;\n-- 1: "it\'s"\n'


async def test_the_sql_of_a_view_is_shown_and_copied() -> None:
    """With its parameters; what is in them cannot act on the terminal."""
    statement = Statement("SELECT * FROM logs WHERE service = ? LIMIT ?", ("a\x1bb\u202e", 200))
    async with shown(Sql(LOOK, statement)) as (app, pilot):
        assert " WHERE service = ?" in lines_of(app)
        assert " -- 1: 'a\\x1bb\\u202e'" in lines_of(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: "copied" in text_of(app))
        assert "LIMIT ?;\n-- 1:" in app.clipboard
        await pilot.press("q")
        await wait_for(pilot, lambda: app.given == [None])


# -- export ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('full')}/logs.db"
    upgrade(url)
    fill(url, [entry(number, NOW + number) for number in range(1500)])
    return url


async def test_an_export_asks_for_a_file_and_writes_it(full: str, tmp_path: Path) -> None:
    """Tab changes the format, a file that is there is a mistake, and what was written is handed over."""
    (tmp_path / "x.json").write_text("")
    view = View("lineno<100", Span(since=NOW, until=NOW + 2000))
    async with shown(Exporting(Source(Database(full)), LOOK, view, NOW, name=f"{tmp_path}/x.ndjson")) as (app, pilot):
        assert "NDJSON: one JSON object per line" in text_of(app)
        assert "lineno<100" in text_of(app)
        await pilot.press("tab")
        await wait_for(pilot, lambda: "one JSON array" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "is there already" in said(app))
        await pilot.press("tab", "tab", "enter")
        await wait_for(pilot, lambda: bool(app.given))
        assert app.given[0].count == 100
        assert str(app.given[0]) == f"100 entries in {tmp_path}/x.ndjson.gz"
    assert app.given[0].path.exists()


async def test_an_export_is_stopped_gone_on_with_or_left(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Esc stops; Enter goes on; a second Esc leaves no file behind."""
    from dblog_tui.source.export import Export, _Watched

    append: Callable[..., None] = _Watched.append
    stop: Callable[..., None] = Export._stop
    free = threading.Event()

    def slow(self: _Watched, piece: bytes, state: dict[str, Any]) -> None:
        append(self, piece, state)
        assert not state["count"] or free.wait(30)

    def stopped(self: Export) -> None:
        stop(self)
        free.set()

    monkeypatch.setattr(_Watched, "append", slow)
    monkeypatch.setattr(Export, "_stop", stopped)
    source = Source(Database(full))
    for again in (False, True):
        free.clear()
        dialog = Exporting(source, LOOK, View(), NOW, name=f"{tmp_path}/{again}.ndjson")
        async with shown(dialog) as (app, pilot):
            await pilot.press("enter")
            await wait_for(pilot, lambda: "1,000 entries" in text_of(app))
            await pilot.press("escape")
            await wait_for(pilot, lambda: "stopped: Enter goes on from here" in text_of(app))
            await pilot.press("enter" if again else "escape")
            await wait_for(pilot, lambda: bool(app.given))
            assert (app.given[0] is not None) is again
    assert names(tmp_path) == ["True.ndjson"]


async def test_what_fails_in_an_export_is_a_sentence(tmp_path: Path) -> None:
    """A database that is not there, a query that cannot be read: the dialog stays."""
    source = Source(Database(f"sqlite:///{tmp_path}/none.db"))
    async with shown(Exporting(source, LOOK, View('"'), NOW, name=f"{tmp_path}/a.csv")) as (app, pilot):
        await pilot.press("enter")
        await wait_for(pilot, lambda: "this quote is never closed" in text_of(app))
    async with shown(Exporting(source, LOOK, View(), NOW, name=f"{tmp_path}/a.csv")) as (app, pilot):
        await pilot.press("enter")
        await wait_for(pilot, lambda: "none.db" in said(app).rpartition("CSV")[2].replace(" ", ""))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.given == [None])
    assert not names(tmp_path)


def test_sizes_are_short() -> None:
    """Four digits at most."""
    assert [size_text(size) for size in (812, 1400, 2_500_000, 3 * 10**9)] == ["812 B", "1.4 kB", "2.5 MB", "3.0 GB"]


# -- all of them -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 200])
async def test_dialogs_need_neither_colour_nor_glyphs(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR and ASCII all of them are painted, in any width."""
    monkeypatch.setenv("NO_COLOR", "1")
    look = Look(zone=dt.UTC, glyphs=ASCII)
    dialogs: list[Screen[Any]] = [
        Confirm(look, "Remove it?"),
        Ask(look, "Command", commands.parse, prompt=":", complete=commands.complete),
        PickField(look, choices(entry(7, NOW, message="order")), wanted=True),
        Columns(look, ("time",), ("time", "level")),
        Views(look, SavedViews(tmp_path / "views.toml")),
        Sql(look, Statement("SELECT 1", ())),
        Exporting(Source(Database("sqlite:///x.db")), look, View(), NOW),
    ]
    async with shown(dialogs[0], width) as (app, pilot):
        for dialog in dialogs[1:]:
            assert text_of(app).isascii()
            app.push_screen(dialog)
            await wait_for(pilot, lambda dialog=dialog: app.screen is dialog)  # type: ignore[misc]  # a lambda's default
        assert text_of(app).isascii()


async def _aside(driver: Driver, key: str, at: int) -> None:
    """The row is in sight while a dialog about it is open."""
    await driver.press("g", *["j"] * at)
    row = driver.line
    await driver.pilot.press(key)
    await driver.until(lambda: isinstance(driver.app.screen, Dialog))
    await driver.until(lambda: any(row[1:30] in line for line in driver.lines))
    await driver.press("escape")
    assert driver.line == row


@pytest.mark.parametrize("size", [(80, 24), (100, 14)])
async def test_a_dialog_about_a_row_leaves_it_in_sight(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Wherever on the screen the row is, and however many lines the dialog would like to have; other dialogs lie at the
    bottom.
    """
    at_home(tmp_path / "home", monkeypatch)
    fill(sqlite_url, data.entries())
    async with driving(sqlite_url, size=size) as driver:
        for at in range(0, size[1] - 6, 3):
            await _aside(driver, "M", at)
            await _aside(driver, "+", at)
        await driver.press("G")
        await driver.pilot.press("@")
        await driver.until(lambda: "Enter go" in driver.lines[-1])


async def test_a_dialog_about_a_row_follows_it_when_the_size_changes(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal is made lower while a field is picked: the row is still in sight."""
    at_home(tmp_path / "home", monkeypatch)
    fill(sqlite_url, data.entries())
    async with driving(sqlite_url, size=(80, 40)) as driver:
        await driver.press("g", *["j"] * 9)
        row = driver.line
        await driver.pilot.press("+")
        await driver.until(lambda: isinstance(driver.app.screen, Dialog))
        await driver.pilot.resize_terminal(80, 16)
        await driver.until(lambda: len(driver.lines) == 16 and any(row[1:30] in line for line in driver.lines))
