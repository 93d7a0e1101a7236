"""The query line in an application: keys go where they should, nothing is asked before Enter, nothing blinks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from rich.segment import Segment
from textual.app import App
from textual.events import Paste
from textual.strip import Strip
from textual.widget import Widget

from dblog.errors import ErrorClass, QuerySyntaxError, StoreUnavailable
from dblog_tui.present.look import ASCII, Look
from dblog_tui.recent import Recent
from dblog_tui.widgets.below import Below
from dblog_tui.widgets.querybar import QueryBar
from tests.tui.screen import lines_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.geometry import Region
    from textual.pilot import Pilot


class Rows(Widget, can_focus=True):
    """Something below, with a key of its own."""

    BINDINGS: ClassVar[list[BindingType]] = [("enter", "open", "open"), ("f", "filter", "filter")]
    DEFAULT_CSS = "Rows { height: 1fr; }"

    def render_line(self, y: int) -> Strip:
        return Strip([Segment(f"row {y}".ljust(self.size.width), Look().styles.text)])

    def action_open(self) -> None:
        self.app.said.append("opened")  # type: ignore[attr-defined]  # the application below

    def action_filter(self) -> None:
        self.app.query_one(QueryBar).edit()


class Bar(App[None]):
    """A query line above rows."""

    def __init__(self, look: Look | None = None) -> None:
        super().__init__()
        self.look = look or Look()
        self.said: list[Any] = []
        self.asked: list[str] = []
        self.trouble: StoreUnavailable | None = None

    def compose(self) -> ComposeResult:
        recent = Recent()
        recent.add("service:api")
        recent.add("level:error")
        yield QueryBar(self.look, values=self.values, paths=lambda: ["http.status"], recent=recent)
        yield Rows()

    def on_mount(self) -> None:
        self.query_one(Rows).focus()

    async def values(self, field: str) -> Sequence[tuple[str, int]]:
        self.asked.append(field)
        if self.trouble is not None:
            raise self.trouble
        return [("billing", 868), ("api", 118)]

    def on_query_bar_submitted(self, message: QueryBar.Submitted) -> None:
        self.said.append((message.mode, message.text))
        self.query_one(Rows).focus()

    def on_query_bar_cancelled(self) -> None:
        self.said.append("cancelled")
        self.query_one(Rows).focus()

    @property
    def bar(self) -> QueryBar:
        return self.query_one(QueryBar)

    @property
    def below(self) -> str:
        below = self.query_one(Below)
        return below.text if below.display else ""


async def begin(pilot: Pilot[None]) -> tuple[Bar, QueryBar]:
    """Edit, with the grammar loaded."""
    app = of(pilot)
    await pilot.press("f")
    await wait_for(pilot, lambda: bool(app.bar.draft.known.names))
    return app, app.bar


async def write(pilot: Pilot[None], text: str) -> None:
    """At once, which is quicker than key by key."""
    of(pilot).bar.post_message(Paste(text))
    await pilot.pause()


def of(pilot: Pilot[None]) -> Bar:
    """The application."""
    assert isinstance(pilot.app, Bar)
    return pilot.app


async def test_from_a_key_to_an_answer() -> None:
    """Letters are written, Enter asks once, and then the keys are the rows' again."""
    async with Bar().run_test(size=(80, 24)) as pilot:
        app, bar = await begin(pilot)
        await pilot.press(*"fq:1", "enter")
        await wait_for(pilot, lambda: bool(app.said))
        assert app.said == [("filter", "fq:1")]
        assert (bar.text, bar.editing, app.focused) == ("fq:1", False, app.query_one(Rows))
        await pilot.press("enter")
        assert app.said[1:] == ["opened"]
        bar.answer("12 of 99   3 ms")
        await pilot.pause()
        assert lines_of(app)[0].split() == ["filter›", "fq:1", "12", "of", "99", "3", "ms"]


async def test_keys_typed_ahead_are_not_lost() -> None:
    """What follows the key that opens the line, at once, is in the line, and Enter behind it asks."""
    async with Bar().run_test() as pilot:
        await pilot.press("f", *"user:1", "enter")
        await wait_for(pilot, lambda: bool(of(pilot).said))
        assert of(pilot).said == [("filter", "user:1")]


async def test_values_are_offered_with_their_counts() -> None:
    """They are asked for once, after a pause; what lies below does not move; Tab takes the first."""
    async with Bar().run_test(size=(60, 16)) as pilot:
        app, bar = await begin(pilot)
        await write(pilot, "service:")
        await wait_for(pilot, lambda: "868" in app.below)
        assert app.asked == ["service"]
        assert [line.split() for line in lines_of(app)[1:4]] == [
            ["billing", "868"], ["api", "118"], [*app.below.split("\n")[2].split()],
        ]  # fmt: skip
        assert lines_of(app)[4:6] == ["row 3", "row 4"]
        await pilot.press("b", "backspace", "tab")
        assert bar.draft.text == "service:billing "
        assert not app.below
        assert app.asked == ["service"]
        assert not app.said


async def test_paths_that_were_seen_are_offered() -> None:
    """Beside the columns."""
    async with Bar().run_test() as pilot:
        app, _ = await begin(pilot)
        await write(pilot, "stat")
        await wait_for(pilot, lambda: "http.status" in app.below)


async def test_a_mistake_is_shown_and_put_right() -> None:
    """Nothing is sent; the rows below stay where they are; Tab applies the repair."""
    async with Bar().run_test(size=(80, 24)) as pilot:
        app, bar = await begin(pilot)
        await write(pilot, "levle:error")
        await wait_for(pilot, lambda: "~~~~~" in app.below)
        await pilot.press("enter")
        assert not app.said
        assert lines_of(app)[1:4] == [
            "         ~~~~~",
            " col 1: there is no field 'levle' — did you mean  level ?           Tab applies",
            "─" * 80,
        ]
        assert lines_of(app)[4] == "row 3"
        await pilot.press("tab", "enter")
        await wait_for(pilot, lambda: bool(app.said))
        assert app.said == [("filter", "level:error")]
        assert bar.text == "level:error"


async def test_leaving_it_changes_nothing() -> None:
    """Escape closes a list somebody is in, then leaves the query as it was."""
    async with Bar().run_test() as pilot:
        app, bar = await begin(pilot)
        bar.show("level>=warn")
        await write(pilot, "ser")
        await pilot.press("down")
        assert ">service" in app.below
        await pilot.press("escape")
        assert bar.editing
        assert not app.below
        await pilot.press("escape")
        assert (bar.editing, bar.text, app.said) == (False, "level>=warn", ["cancelled"])


async def test_history_by_arrow_keys() -> None:
    """The newest first, and Enter asks it; it is the newest then."""
    async with Bar().run_test() as pilot:
        app, _ = await begin(pilot)
        await pilot.press("up", "up", "enter")
        await wait_for(pilot, lambda: bool(app.said))
        assert app.said == [("filter", "service:api")]
        await pilot.press("f", "ctrl+u", "up")
        assert app.bar.draft.text == "service:api"


async def test_as_plain_text() -> None:
    """One key asks for exactly what is written."""
    async with Bar().run_test() as pilot:
        _app, _ = await begin(pilot)
        await write(pilot, "a|(b")
        await pilot.press("f4")
        await wait_for(pilot, lambda: bool(of(pilot).said))
        assert of(pilot).said == [("filter", '"a|(b"')]


async def test_finding_has_its_own_history_and_changes_no_filter() -> None:
    """``find`` is another prompt of the same line."""
    async with Bar().run_test(size=(60, 8)) as pilot:
        app = of(pilot)
        app.bar.show("level>=warn")
        app.bar.edit(mode="find")
        await pilot.pause()
        assert lines_of(app)[0] == " find›"
        await pilot.press("up")
        assert app.bar.draft.text == ""
        await write(pilot, "timeout")
        await pilot.press("enter")
        await wait_for(pilot, lambda: bool(app.said))
        assert app.said == [("find", "timeout")]
        assert lines_of(app)[0] == " filter› level>=warn   /timeout"


async def test_what_was_being_written_survives_a_look_elsewhere() -> None:
    """Without the focus the lines below are uncovered, and the line says that it was not sent."""
    async with Bar().run_test(size=(60, 8)) as pilot:
        app, bar = await begin(pilot)
        await write(pilot, "ser")
        assert app.below
        app.query_one(Rows).focus()
        await wait_for(pilot, lambda: not app.below)
        assert lines_of(app)[0].split() == ["filter›", "ser", "not", "sent"]
        await pilot.press("f", "v")
        assert bar.draft.text == "serv"


async def test_a_pasted_text_is_one_line_and_is_not_sent() -> None:
    """Line feeds are blanks, however many lines were pasted."""
    async with Bar().run_test() as pilot:
        _, bar = await begin(pilot)
        bar.post_message(Paste("a b\n\x1b[31mlevel:error\r\nc\n"))
        await wait_for(pilot, lambda: bool(bar.draft.text))
        assert bar.draft.text == "a b  [31mlevel:error  c"
        assert not of(pilot).said


async def test_a_query_from_elsewhere_that_cannot_be_read() -> None:
    """It is edited, and what is wrong with it is said at once."""
    async with Bar().run_test(size=(80, 10)) as pilot:
        app = of(pilot)
        app.bar.mistake(QuerySyntaxError("a |b", 2, "not that"))
        await pilot.pause()
        assert app.bar.editing
        assert "col 3:" in app.below


async def test_values_that_cannot_be_had_end_nothing() -> None:
    """The sentence is shown, and one can go on writing."""
    async with Bar().run_test(size=(80, 10)) as pilot:
        app = of(pilot)
        app.trouble = StoreUnavailable(ErrorClass.RECONNECT, "x", "the database is away")
        app, bar = await begin(pilot)
        await write(pilot, "host:")
        await wait_for(pilot, lambda: "the database is away" in app.below)
        await pilot.press(*"web-1", "enter")
        await wait_for(pilot, lambda: bool(app.said))
        assert bar.text == "host:web-1"


async def test_nothing_is_painted_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at rest nor while somebody thinks, a minute long: no cursor blinks. The pause after a key has passed."""
    async with Bar().run_test() as pilot:
        _app, bar = await begin(pilot)
        await write(pilot, "service:b")
        await wait_for(pilot, lambda: "868" in of(pilot).below)
        painted: list[Widget] = []
        refresh = Widget.refresh

        def noted(self: Widget, *regions: Region, **options: bool) -> Widget:
            painted.append(self)
            return refresh(self, *regions, **options)

        monkeypatch.setattr(Widget, "refresh", noted)
        loop = asyncio.get_running_loop()
        clock = loop.time
        monkeypatch.setattr(loop, "time", lambda: clock() + 60)  # every timer that waits is due
        await pilot.pause()
        bar.answer("")
        bar.show(bar.text)
        assert not painted


@pytest.mark.parametrize(
    ("width", "height", "plain"), [(80, 24, False), (80, 24, True), (200, 60, False), (40, 10, True)]
)
async def test_the_whole_of_it_at_every_size(
    width: int, height: int, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without colours and in ASCII as well: the line, a list, mistakes; and nothing is lost when the size changes."""
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    async with Bar(Look(glyphs=ASCII) if plain else None).run_test(size=(width, height)) as pilot:
        app, bar = await begin(pilot)
        await write(pilot, "x dur_ms>>250 t")
        await wait_for(pilot, lambda: "dur_ms>250" in app.below)
        assert "thread" in app.below
        assert all(len(line) <= width for line in lines_of(app))
        assert not plain or app.below.isascii()
        await pilot.resize_terminal(width - 5, height)
        await wait_for(pilot, lambda: bar.size.width == width - 5)
        assert all(len(line) <= width - 5 for line in lines_of(app))


async def test_a_click_takes_a_suggestion() -> None:
    """Or sets the cursor."""
    async with Bar().run_test(size=(60, 16)) as pilot:
        app, bar = await begin(pilot)
        await pilot.press(*"t")
        await wait_for(pilot, lambda: "thread" in app.below)
        row = next(y for y, line in enumerate(lines_of(app)) if "thread" in line)
        await pilot.click(offset=(12, row))
        assert bar.draft.text == "thread:"
        await pilot.click(QueryBar, offset=(11, 0))
        assert bar.draft.line.cursor == 2
