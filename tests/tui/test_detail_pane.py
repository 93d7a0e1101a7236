"""The pane of a whole entry under keys and mouse: where the cursor is, what is asked for, what stays."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult

from dblog.entry import LogEntry
from dblog_tui.keys import KEYS
from dblog_tui.present.look import Look
from dblog_tui.widgets.detail import DetailPane
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from textual.message import Message
    from textual.pilot import Pilot

_CRASH = """Traceback (most recent call last):
  File "/srv/shop/pay.py", line 88, in charge
    resp = client.post(url)
  File "/usr/lib/python3.12/socket.py", line 700, in recv
    return self._sock.recv(1)
TimeoutError: upstream timed out"""
_ENTRY = LogEntry(
    1_700_000_000_000_000, "ERROR", 17, "app.pay", "payment 7 failed", template="payment %d failed",
    metadata=json.dumps({"user": 9547, "ok": True, "cart": {"total": 99.5, "items": [1, 2]}, "a b": "x"}),
    pathname="/srv/shop/pay.py", lineno=88, function="charge", trace_id="4bf92f35", service="billing",
    exc_type="TimeoutError", exc_message="upstream timed out", exc_text=_CRASH, id=UUID(int=1),
)  # fmt: skip


class _Host(App[None]):
    """Nothing but the pane, and a list of what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.pane = DetailPane(Look(zone=dt.UTC))
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.theme = "ansi-dark"
        self.pane.focus()


for _kind in ("include", "exclude", "column", "trace_asked", "context_asked", "pattern_asked", "full", "left",
              "neighbour", "copied", "said"):  # fmt: skip
    setattr(_Host, f"on_detail_pane_{_kind}", lambda self, message: self.heard.append(message))


@asynccontextmanager
async def _showing(
    entry: LogEntry | None = _ENTRY, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[_Host, Pilot[None]]]:
    app = _Host()
    async with app.run_test(size=size) as pilot:
        app.pane.show(entry)
        await wait_for(pilot, lambda: app.pane.has_focus)
        yield app, pilot


def _to(app: _Host, *key: str | int) -> None:
    """Move the cursor down to an item, or to the first of a kind."""
    for _ in range(200):
        assert app.pane.item is not None
        if app.pane.item.key == key or (len(key) == 1 and app.pane.item.what == key[0]):
            return
        app.pane.action_move(1)
    raise AssertionError(f"there is no {key}:\n{text_of(app)}")


def _on(app: _Host) -> tuple[str | int, ...]:
    """What the cursor is on."""
    return app.pane.item.key if app.pane.item is not None else ()


async def test_every_key_of_the_table_does_something() -> None:
    """Each action that the table of keys names for the detail is a method of the pane."""
    for key in KEYS:
        if key.where == "detail":
            assert callable(getattr(DetailPane, f"action_{key.action.partition('(')[0]}")), key.id


async def test_fields_are_asked_for_as_queries_name_them() -> None:
    """``+``, ``-`` and ``x`` say name and value of what the cursor is on, with the value's own type."""
    async with _showing() as (app, pilot):
        _to(app, "service")
        await pilot.press("plus")
        _to(app, "attrs", "user")
        await pilot.press("plus", "minus", "x")
        _to(app, "attrs", "ok")
        await pilot.press("minus")
        _to(app, "attrs", "cart")
        await pilot.press("minus", "o", "j", "plus", "x")
        _to(app, "attrs", "a b")
        await pilot.press("x")
        said = [(type(each).__name__, *vars_of(each)) for each in app.heard]
    assert said == [
        ("Include", "service", "billing"), ("Include", "metadata.user", 9547), ("Exclude", "metadata.user", 9547),
        ("Column", "metadata.user"), ("Exclude", "ok", True),
        ("Exclude", "cart", {"total": 99.5, "items": [1, 2]}), ("Include", "cart.total", 99.5),
        ("Column", "cart.total"), ("Column", "`a b`"),
    ]  # fmt: skip


def vars_of(message: Any) -> tuple[Any, ...]:
    """What a message carries."""
    return tuple(
        getattr(message, name)
        for name in ("field", "value", "name", "trace_id", "template", "by", "text", "sentence")
        if hasattr(message, name)
    )


async def test_what_cannot_be_filtered_by_says_why() -> None:
    """Frames and very long values answer ``+`` with a sentence, and ask for nothing."""
    async with _showing(_ENTRY._replace(message="m" * 5000)) as (app, pilot):
        await pilot.press("plus")
        _to(app, "frame")
        await pilot.press("minus", "x")
        said = [vars_of(each)[0] for each in app.heard]
    none = "there is no value here to filter by"
    assert said == ["the value is too long for a query", none, "this is no field that could be a column"]


async def test_keys_of_the_whole_entry_work_wherever_the_cursor_is() -> None:
    """Trace, context, pattern, neighbours, full screen and leaving; what an entry lacks is said."""
    async with _showing() as (app, pilot):
        await pilot.press("t", "c", "P", "J", "K", "enter", "escape")
        names = [type(each).__name__ for each in app.heard]
        carried = [vars_of(each) for each in app.heard]
        app.heard.clear()
        app.pane.show(LogEntry(0, "INFO", 9, "", "plain", id=UUID(int=2)))
        await pilot.press("t", "P")
        lacking = [type(each).__name__ for each in app.heard]
    assert names == ["TraceAsked", "ContextAsked", "PatternAsked", "Neighbour", "Neighbour", "Full", "Left"]
    assert carried[0] == ("4bf92f35",)
    assert carried[2:5] == [("payment %d failed",), (1,), (-1,)]
    assert lacking == ["Said", "Said"]


async def test_copying_gives_what_is_stored() -> None:
    """``y`` the raw text or JSON of the field, not what is shown of it; ``Y`` the entry as ``--json`` prints it."""
    entry = _ENTRY._replace(message="\x1b[31m" + "long " * 5000)
    async with _showing(entry) as (app, pilot):
        await pilot.press("y", "Y")
        _to(app, "attrs", "cart")
        await pilot.press("y")
        copied = [each for each in app.heard if isinstance(each, DetailPane.Copied)]
    assert copied[0].text == entry.message
    assert json.loads(copied[1].text)["message"] == entry.message
    assert json.loads(copied[2].text) == {"total": 99.5, "items": [1, 2]}
    assert [each.what for each in copied] == ["message", "the entry as JSON", "cart"]


async def test_what_is_unfolded_stays_so_for_the_next_entry() -> None:
    """Objects and sections keep their folds, long texts do not, and the cursor stays on the same field."""
    first = _ENTRY._replace(message="m " * 3000)
    second = _ENTRY._replace(id=UUID(int=2), message="n " * 3000, metadata='{"cart":{"total":5},"new":1}')
    async with _showing(first, (80, 40)) as (app, pilot):
        await pilot.press("o")
        _to(app, "attrs", "cart")
        await pilot.press("o", "j")
        app.pane.show(second)
        await wait_for(pilot, lambda: "new" in text_of(app))
        assert _on(app) == ("attrs", "cart", "total")
        assert "more characters" in text_of(app)
        assert any(line.startswith(">    total  5") for line in lines_of(app))
        _to(app, "exception")
        app.pane.show(first)
        assert (app.pane.top, _on(app)) == (0, ("message",))


async def test_left_folds_and_goes_to_what_it_lies_in() -> None:
    """From a member to its object, then the object is folded, then to its section."""
    async with _showing() as (app, pilot):
        _to(app, "attrs", "cart")
        await pilot.press("right", "j", "left")
        assert _on(app) == ("attrs", "cart")
        await pilot.press("left")
        await wait_for(pilot, lambda: "▸cart" in text_of(app))
        await pilot.press("left")
        assert _on(app) == ("attrs",)
        await pilot.press("left")
        await wait_for(pilot, lambda: "cart" not in text_of(app))


async def test_frames_of_libraries_unfold_and_fold_from_within() -> None:
    """``o`` on the line that stands for them shows their code; ``o`` on one of them hides it again."""
    async with _showing(size=(80, 30)) as (app, pilot):
        _to(app, "1 library frame")
        await pilot.press("o", "j")
        await wait_for(pilot, lambda: "return self._sock.recv(1)" in text_of(app))
        await pilot.press("o")
        await wait_for(pilot, lambda: "return self._sock.recv(1)" not in text_of(app))


async def test_what_is_known_is_shown_until_the_rest_comes() -> None:
    """A loading entry says so; the whole one keeps the count of its template; a failure is a sentence, and no loss."""
    known = _ENTRY._replace(metadata=None, exc_text=None)
    async with _showing(None) as (app, pilot):
        assert "no entry here" in text_of(app)
        app.pane.show(known, loading=True)
        await wait_for(pilot, lambda: "loading" in lines_of(app)[0])
        app.pane.similar(212, exact=False)
        app.pane.show(_ENTRY)
        await wait_for(pilot, lambda: "cart" in text_of(app))
        assert "loading" not in text_of(app)
        assert "≈212 in range" in text_of(app)
        app.pane.show(known._replace(id=UUID(int=3)), loading=True)
        app.pane.failed("the database does not answer")
        await wait_for(pilot, lambda: "the database does not answer" in text_of(app))
        assert "payment 7 failed" in text_of(app)


async def test_only_lines_that_change_are_painted() -> None:
    """The rest of an entry and the count of its template repaint their own lines; what is the same is left alone."""
    async with _showing(_ENTRY._replace(exc_text=None), (80, 30)) as (app, pilot):
        await pilot.pause()
        painted: list[int] = []
        draw = app.pane._strip
        render = app.pane.render_line

        def counted(y: int) -> Any:
            painted.append(y)
            return render(y)

        app.pane.render_line = counted  # type: ignore[method-assign]  # to see what is asked for
        app.pane.similar(212)
        await wait_for(pilot, lambda: "212 in range" in text_of(app))
        assert painted == [2]
        painted.clear()
        app.pane.show(_ENTRY._replace(exc_text=None))
        app.pane.show(_ENTRY._replace(exc_text=None), loading=True)
        await wait_for(pilot, lambda: "loading" in text_of(app))
        assert painted == [0]
        assert [strip.text for strip in map(draw, range(30))] == [render(y).text for y in range(30)]


async def test_a_message_of_256_kib_is_walked_through_and_left() -> None:
    """Unfolded, the keys go through it by halves of the pane, a page is a page, and the ends are a key away."""
    async with _showing(_ENTRY._replace(message="word " * 52_000)) as (app, pilot):
        await pilot.press("o")
        top = app.pane.top
        await pilot.press("j")
        assert 0 < app.pane.top - top <= 12
        await pilot.press("pagedown")
        assert _on(app) == ("message",)
        await pilot.press("G")
        assert _on(app) == ("record",)
        await pilot.press("g")
        assert (app.pane.top, _on(app)) == (0, ("message",))


async def test_the_mouse_moves_folds_and_scrolls() -> None:
    """A click puts the cursor there, one on a mark folds, the wheel scrolls three lines and takes the cursor along."""
    async with _showing(size=(80, 12)) as (app, pilot):
        line = next(n for n, each in enumerate(lines_of(app)) if "▾attrs" in each)
        await pilot.click(DetailPane, offset=(1, line))
        await wait_for(pilot, lambda: "▸attrs" in text_of(app))
        assert _on(app) == ("attrs",)
        app.pane.action_unfold()
        app.pane.post_message(events.MouseScrollDown(app.pane, 5, 5, 0, 1, 0, False, False, False))
        await wait_for(pilot, lambda: app.pane.top > 0)
        assert app.pane.top >= 3
        assert app.pane._starts[app.pane._index] >= app.pane.top


_MOVES = ("move(1)", "move(-1)", "page(1)", "page(-1)", "edge(1)", "edge(-1)", "unfold", "fold")


@settings(max_examples=20)
@given(st.lists(st.sampled_from(_MOVES), max_size=40))
def test_the_cursor_is_always_in_sight(moves: list[str]) -> None:
    """Whatever is done: a part of what the cursor is on is on the screen, and the place is within the entry."""

    async def run() -> None:
        async with _showing(_ENTRY._replace(message="word " * 400), (60, 10)) as (app, _):
            pane = app.pane
            for move in moves:
                await app.run_action(move, pane)
                pane._lay_out()
                assert 0 <= pane.top <= max(pane._total - pane._room, 0)
                begin, end = pane._starts[pane._index], pane._starts[pane._index + 1]
                assert begin < pane.top + pane._room
                assert end > pane.top

    asyncio.run(run())
