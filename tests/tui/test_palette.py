"""What the palette offers, and what it then does."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from dblog_tui.commands import COMMANDS, Command, parse
from dblog_tui.keys import KEYS, bindings
from dblog_tui.palette import Commands
from tests.tui.screen import text_of, wait_for


class Pane(Widget, can_focus=True):
    """Has keys of its own."""

    KEYS = "detail"
    BINDINGS = [*bindings("detail")]  # noqa: RUF012 - as Textual has it

    def action_full(self) -> None:
        self.app.done.append("full")  # type: ignore[attr-defined]  # the host's


class Logs(Screen[None]):
    """Carries out commands."""

    def compose(self) -> Any:
        yield Pane()

    def execute(self, command: Command) -> None:
        self.app.done.append(command)  # type: ignore[attr-defined]  # the host's

    def action_command(self, text: str) -> None:
        self.app.done.append(text)  # type: ignore[attr-defined]  # the host's


class Host(App[None]):
    """Remembers what was done."""

    COMMANDS = {Commands}  # noqa: RUF012 - as Textual has it

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(Logs())


async def test_every_command_and_every_key_of_the_focus_is_found_and_done() -> None:
    """A command that needs more is typed, another carried out, a key's action goes to the pane that has the key."""
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Logs) and app.screen.focused is not None)
        screen = app.screen
        provider = Commands(screen)
        entries = {entry.title: entry for entry in provider.entries()}
        for spec in COMMANDS:
            entry = entries[f"{spec.name}: {spec.says}"]
            entry.run()
            typed = app.done.pop()
            assert typed == f"{spec.name} " or parse(spec.name) == typed
        assert {"full screen, and back", "repaint the screen"} & set(entries)
        full = next(key for key in KEYS if key.id == "detail.full")
        assert entries[full.says].help == "key Enter"
        await entries[full.says].run()
        assert app.done.pop() == "full"
        hits = [hit async for hit in provider.search("writers")]
        assert hits[0].help == ":health"
        assert len([hit async for hit in provider.discover()]) == len(list(provider.entries()))


async def test_the_palette_is_opened_and_carries_out_what_is_chosen() -> None:
    """With the keyboard, as a user does."""
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Logs))
        await pilot.press("ctrl+p")
        await wait_for(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).insert_text_at_cursor("patterns")
        await wait_for(pilot, lambda: "patterns: templates" in text_of(app))
        await pilot.press("down", "enter")
        await wait_for(pilot, lambda: app.done == [Command("patterns")])
