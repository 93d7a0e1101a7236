"""The screen Health in use: it looks while it is on, leads to a writer's entries, and changes nothing unasked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from textual.app import App

from dblog import migrate
from dblog.cli.profiles import Database
from dblog.errors import ErrorClass, StoreUnavailable
from dblog_tui.present.look import Look
from dblog_tui.screens import health as screen
from dblog_tui.screens.health import HealthScreen
from dblog_tui.source import Source
from dblog_tui.widgets.sheet import Sheet
from tests.administered import SECOND, entry, fill, now
from tests.buried import bury, letter, remaining
from tests.hostile import DANGEROUS
from tests.oracle import rows
from tests.tui.hostility import hostile, store
from tests.tui.screen import lines_of, text_of, wait_for
from tests.tui.writers import report

if TYPE_CHECKING:
    import pytest
    from textual.geometry import Region
    from textual.pilot import Pilot

    from dblog_tui.view import View


class Hosting(App[None]):
    """Shows Health, and remembers what it gave."""

    def __init__(self, url: str, admin_url: str | None = None, name: str = "prod") -> None:
        super().__init__()
        self.source = Source(Database(url), name=name)
        self.admin_url = admin_url
        self.given: list[View | None] = []

    def on_mount(self) -> None:
        self.push_screen(HealthScreen(self.source, Look(zone=dt.UTC), self.admin_url), self.given.append)

    async def on_unmount(self) -> None:
        await self.source.close()


def health_of(app: App[Any]) -> HealthScreen:
    found = next(each for each in app.screen_stack if isinstance(each, HealthScreen))
    assert isinstance(found, HealthScreen)
    return found


async def looked(pilot: Pilot[None], *texts: str) -> None:
    await wait_for(pilot, lambda: all(text in text_of(pilot.app) for text in texts))


async def test_it_says_how_everything_is(database_url: str, reading_url: str) -> None:
    """At 80×24: writers, the refused row, the table; the SELECT-only role sees it all."""
    fill(database_url, [entry(number) for number in range(20)])
    bury(database_url, letter(1, message="\x1b[31mpayment"))
    report(database_url, 1)
    report(database_url, 2, seen=60, queued=3, last_error="53300: too many connections")
    app = Hosting(reading_url)
    async with app.run_test(size=(80, 24)) as pilot:
        head = f"revision {migrate.check(database_url).head}"
        await looked(pilot, "1 DOWN 1 ok", "53300: too many connections", "dead letters 1", "␛[31mpayment", head)
        assert len(lines_of(app)) == 24
        assert lines_of(app)[0].startswith(" health  prod")
        assert "R retry" not in text_of(app)


async def test_a_writer_s_entries_are_its_own(sqlite_url: str) -> None:
    """Enter gives a view of exactly the entries of the writer under the cursor, while it wrote; q gives none."""
    moment = now()
    identity = report(sqlite_url, 1, seen=60)
    report(sqlite_url, 2)
    fill(sqlite_url, [entry(n, moment - 300 * SECOND + n, instance_id=identity if n % 2 else None) for n in range(9)])
    fill(sqlite_url, [entry(99, moment + 600 * SECOND, instance_id=identity)])
    app = Hosting(sqlite_url)
    async with app.run_test() as pilot:
        await looked(pilot, "web-1", "web-2")
        await pilot.press("enter")
        await wait_for(pilot, lambda: bool(app.given))
        (view,) = app.given
        assert view is not None
        page = await app.source.page(view.asked(now()))
        assert [each.lineno for each in page] == [7, 5, 3, 1]
        app.push_screen(HealthScreen(app.source, Look()), app.given.append)
        await looked(pilot, "web-1")
        await pilot.press("q")
        await wait_for(pilot, lambda: app.given[1:] == [None])


async def test_a_look_that_finds_nothing_new_paints_only_its_time(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sheet stays as it was; a screen that is behind another does not look."""
    monkeypatch.setattr(screen, "_EVERY", 0.05)
    fill(sqlite_url, [entry(number) for number in range(3)])
    report(sqlite_url, 1)
    app = Hosting(sqlite_url)
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot, "web-1", "revision")
        looks: list[int] = []
        painted: list[Region | None] = []
        page, sheet = health_of(app)._page, app.screen.query_one(Sheet)
        refresh = sheet.refresh

        def refreshed(*regions: Region, **_: Any) -> Sheet:
            painted.extend(regions or [None])
            return refresh(*regions)

        monkeypatch.setattr(sheet, "refresh", refreshed)
        look = health_of(app)._health.look

        async def looking(**given: Any) -> Any:
            looks.append(1)
            vitals = await look(**given)
            assert page.vitals is not None
            return vitals

        monkeypatch.setattr(health_of(app)._health, "look", looking)
        await wait_for(pilot, lambda: len(looks) > 3)
        assert painted == []
        app.push_screen(HealthScreen(app.source, Look()))
        await pilot.pause()
        count = len(looks)
        await wait_for(pilot, lambda: health_of(app) is not app.screen and "revision" in text_of(app))
        assert len(looks) <= count + 1


async def test_nothing_is_stored_again_without_an_administrator(sqlite_url: str) -> None:
    """R says what is missing, and asks nothing."""
    bury(sqlite_url, letter(1))
    app = Hosting(sqlite_url)
    async with app.run_test() as pilot:
        await looked(pilot, "poison 22P05")
        await pilot.press("tab", "R")
        await looked(pilot, "needs --admin")
        assert len(app.screen_stack) == 2
        await pilot.press("j")
        assert "needs --admin" not in text_of(app)
    assert len(remaining(sqlite_url)) == 1


async def test_a_dead_letter_is_stored_again_after_that_was_typed(database_url: str, reading_url: str) -> None:
    """Esc, and anything else typed, change nothing; ``retry`` stores the one, ``retry all`` all; the list follows."""
    bury(database_url, *(letter(number) for number in range(1, 4)), letter(7)._replace(payload="[]"))
    app = Hosting(reading_url, database_url)
    async with app.run_test(size=(80, 30)) as pilot:
        await looked(pilot, "dead letters 4", "R retry")
        await pilot.press("R")
        await looked(pilot, "put the cursor on a dead letter first")
        await pilot.press("tab", "R")
        await looked(pilot, "Type retry for this one, or retry all for all 4")
        await pilot.press(*"yes", "enter")
        await looked(pilot, "nothing was done")
        await pilot.press("escape")
        await looked(pilot, "nothing was changed")
        assert len(remaining(database_url)) == 4
        await pilot.press("j", "R", *"retry", "enter")
        await looked(pilot, "1 stored, 0 already there, 0 still refused", "dead letters 3")
        await pilot.press("R", *"retry all", "enter")
        await looked(pilot, "2 stored, 0 already there, 1 still refused: its payload is not readable", "dead letters 1")
    assert rows(database_url, "SELECT count(*) FROM logs") == [(3,)]
    assert [each.payload for each in remaining(database_url)] == ["[]"]


async def test_a_payload_unfolds(sqlite_url: str) -> None:
    """Enter on a dead letter shows what was to be stored; Enter again hides it."""
    bury(sqlite_url, letter(1, exc_text="Traceback\n  deep down"))
    app = Hosting(sqlite_url)
    async with app.run_test(size=(80, 40)) as pilot:
        await looked(pilot, "poison 22P05")
        await pilot.press("tab", "enter")
        assert "deep down" in text_of(app)
        await pilot.press("enter")
        assert "deep down" not in text_of(app)


async def test_problems_only(sqlite_url: str) -> None:
    """``e`` leaves out who is well, and brings them back."""
    report(sqlite_url, 1)
    report(sqlite_url, 2, dropped=3, dropped_by={"queue_full": 3})
    app = Hosting(sqlite_url)
    async with app.run_test() as pilot:
        await looked(pilot, "web-1", "web-2")
        await pilot.press("e")
        assert "problems only" in text_of(app)
        assert "web-1" not in text_of(app)
        assert "dropped 3 (queue_full 3)" in text_of(app)
        await pilot.press("e")
        assert "web-1" in text_of(app)


async def test_the_doctor_comes_when_called(sqlite_url: str) -> None:
    """Nothing is examined before Enter on its line; then its findings come in, and the cursor is among them."""
    app = Hosting(sqlite_url)
    async with app.run_test(size=(100, 50)) as pilot:
        await looked(pilot, "not examined yet", "revision")
        await pilot.press("tab", "tab", "tab", "enter")
        await looked(pilot, "the file is sound", "no dead letters")
        # The last finding is painted before the doctor has said that it was the last.
        await wait_for(pilot, lambda: not health_of(app)._page.examining)
        assert app.screen.query_one(Sheet).key.startswith("doctor:")


async def test_a_database_that_goes_away_leaves_what_was_known(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DB DOWN, the sentence, the time of the last look; back again, it is as before."""
    monkeypatch.setattr(screen, "_EVERY", 0.05)
    monkeypatch.setattr(screen, "_LONGEST", 0.1)
    report(sqlite_url, 1)
    app = Hosting(sqlite_url)
    async with app.run_test() as pilot:
        await looked(pilot, "web-1", "revision")
        here, away = health_of(app)._health.look, [True]

        async def look(**given: Any) -> Any:
            if away:
                raise StoreUnavailable(ErrorClass.RECONNECT, "08006", "the server closed the connection (h\x1b[1mx)")
            return await here(**given)

        monkeypatch.setattr(health_of(app)._health, "look", look)
        await looked(pilot, "DB DOWN", "as of", "web-1", "the server closed the connection (h␛[1mx)")
        away.clear()
        await wait_for(pilot, lambda: "DB DOWN" not in text_of(app))
        assert "web-1" in text_of(app)


async def test_the_report_is_copied(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything on the sheet, seen or not, as text."""
    copied: list[str] = []

    def copy(_app: App[Any], text: str) -> str:
        copied.append(text)
        return "copied"

    monkeypatch.setattr("dblog_tui.clipboard.copy", copy)
    report(sqlite_url, 1)
    app = Hosting(sqlite_url)
    async with app.run_test(size=(80, 10)) as pilot:
        await looked(pilot, "web-1")
        await pilot.press("y")
        await looked(pilot, "copied")
    assert "web-1" in copied[0]
    assert "logs_warning_idx" in copied[0]


async def test_it_fits_a_small_terminal(sqlite_url: str) -> None:
    """At 40×10 the most important columns are left; a resize keeps the cursor where it is."""
    report(sqlite_url, 1)
    report(sqlite_url, 2, seen=60)
    app = Hosting(sqlite_url, name="a" * 100)
    async with app.run_test(size=(40, 10)) as pilot:
        await looked(pilot, "DOWN 1m")
        await pilot.press("j", "ctrl+r")
        key = app.screen.query_one(Sheet).key
        await pilot.resize_terminal(160, 40)
        await looked(pilot, "environment", "revision")
        assert app.screen.query_one(Sheet).key == key


async def test_hostile_writers_and_letters_are_shown_and_do_nothing(sqlite_url: str) -> None:
    """Every section, folded and unfolded, of a database with hostile texts in it: nothing acts, nothing breaks."""
    store(sqlite_url, hostile(200), now(), writers=20)
    app = Hosting(sqlite_url, sqlite_url, name="\x1b[31m[@click=app.quit]x[/]")
    async with app.run_test(size=(80, 400)) as pilot:
        await looked(pilot, "dead letters 20")
        await pilot.press("tab", "enter", "R")
        await looked(pilot, "Type retry")
        assert not DANGEROUS - {"\n"} & set(text_of(app))
        await pilot.press("escape")
        for _ in range(3):
            await pilot.press("pagedown")
            assert not DANGEROUS - {"\n"} & set(text_of(app))
        assert "[@click=app.quit]x[/]" in text_of(app)
        await pilot.press("e", "q")
        await wait_for(pilot, lambda: bool(app.given))
