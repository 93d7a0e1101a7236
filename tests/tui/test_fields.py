"""Fields with their values: which there are, how often, of what that is said, and the pane that shows them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog_tui.present.fields import FieldCounts, blocks, field_lines, fitted
from dblog_tui.present.look import ASCII, Look
from dblog_tui.source import Source
from dblog_tui.source.fields import count_fields, numbers_of, paths_in
from dblog_tui.view import View
from dblog_tui.widgets.fields import FieldsPane
from tests import hostile
from tests.administered import SECOND, entry, fill
from tests.tui.screen import lines_of, text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

NOW = 1_795_000_000 * SECOND
LOOK = Look()


def logged(**metadata: Any) -> LogEntry:
    """An entry with extras."""
    return LogEntry(NOW, "INFO", 9, "app", "m", metadata=orjson.dumps(metadata).decode())


def counted(url: str, view: View, entries: Sequence[LogEntry], **options: Any) -> dict[str, FieldCounts]:
    """The fields, by name, when all are counted."""

    async def main() -> dict[str, FieldCounts]:
        source = Source(Database(url))
        steps = [fields async for fields, _ in count_fields(source, view, NOW, entries, **options)]
        await source.close()
        return {each.field: each for each in steps[-1]}

    return asyncio.run(main())


def test_paths_are_those_most_entries_have() -> None:
    """The most frequent first, as queries name them; not dblog's own flags, no lists, no objects as a whole."""
    entries = [logged(order=n, http={"status": 200}, dblog={"truncated": True}, tags=["a"]) for n in range(3)]
    entries.append(logged(**{"http.status": 500, "odd key": 1, "level": "x"}))
    assert paths_in(entries) == ["http.status", "order", "`odd key`", "metadata.level"]
    assert paths_in(entries, most=1) == ["http.status"]


metadata = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.none() | metadata.map(json.dumps), max_size=4))
def test_whatever_is_in_metadata_names_only_what_queries_can_name(documents: list[str | None]) -> None:
    """Any JSON, or no JSON at all, gives names that a query reads as a field."""
    from dblog.query.fields import named

    entries = [LogEntry(NOW, "INFO", 9, "app", "m", metadata=each) for each in [*documents, "{broken"]]
    for name in paths_in(entries):
        named(name)
    numbers_of(entries)


def test_numbers_of_many_values_are_said_by_where_they_lie() -> None:
    """A duration has no top values; a status of few values has, and so has what is a number only sometimes."""
    entries = [logged(ms=n / 2, status=200 + n % 3, mixed=n or "none") for n in range(101)]
    assert numbers_of(entries) == {"ms": "p50 25  p95 47.5"}


def test_counts_are_those_of_the_view_and_say_what_they_are_of(database_url: str) -> None:
    """Columns and paths with exact counts in the view; without the field is counted; a sample says it is one."""
    entries = [
        entry(
            n, NOW - n * SECOND, service=("api", "web", "web")[n % 3], exc_type="KeyError" if n % 10 == 0 else None,
            metadata=orjson.dumps({"region": f"eu-{n % 2}"}).decode(),
        )
        for n in range(60)
    ]  # fmt: skip
    fill(database_url, entries)
    fields = counted(database_url, View(), entries)
    assert list(fields)[:5] == ["level", "service", "host", "logger", "exc_type"]
    assert fields["service"].values == (("web", 40), ("api", 20))
    assert (fields["exc_type"].values, fields["exc_type"].absent) == ((("KeyError", 6),), 54)
    assert fields["region"].values == (("eu-0", 30), ("eu-1", 30))
    assert not any(each.sampled for each in fields.values())
    narrow = counted(database_url, View("service:api"), entries, limit=1)
    assert narrow["region"].seen == 20
    assert narrow["region"].more


def test_a_sample_and_the_exact_count_of_one_field(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more entries than are looked at, fields are samples, but for those that are asked for exactly."""
    entries = [entry(n, NOW - n * SECOND, service=f"s{n % 2}") for n in range(50)]
    fill(sqlite_url, entries)
    facets = Source.facets

    async def few(self: Source, query: Any, name: str, *, limit: int = 20, sample: int | None = 10) -> Any:
        return await facets(self, query, name, limit=limit, sample=sample)

    monkeypatch.setattr(Source, "facets", few)
    fields = counted(sqlite_url, View(), [], exact={"service"})
    assert (fields["level"].sampled, fields["level"].seen) == (True, 10)
    assert (fields["service"].sampled, fields["service"].seen) == (False, 50)


values = st.lists(st.tuples(hostile.texts, st.integers(1, 10**9)), max_size=8)


@given(
    st.lists(st.builds(FieldCounts, hostile.texts, values.map(tuple), wrong=hostile.texts), max_size=4),
    st.integers(20, 60),
)
def test_lines_fit_and_hold_nothing_of_a_terminals(fields: list[FieldCounts], width: int) -> None:
    """No line is wider than the pane; nothing from the database reaches it unseen; in ASCII there are no glyphs."""
    for look in (LOOK, Look(glyphs=ASCII)):
        for line in field_lines(fields, width, look, unfolded=()):
            assert line.strip.cell_length <= width
            assert all(segment.style and segment.style.color for segment in line.strip)
            assert not hostile.DANGEROUS & set(line.strip.text)


@given(st.text(), st.integers(0, 30), st.booleans())
def test_fitted_text_has_the_width(text: str, width: int, keep_end: bool) -> None:
    """Exactly as many cells as asked for, whatever characters are wide."""
    from rich.cells import cell_len

    from dblog.visible import visible

    assert cell_len(fitted(visible(text), width, LOOK, keep_end=keep_end)) == width


def test_a_bar_is_as_long_as_its_share() -> None:
    """The most is the whole width, half of it is half; something is never nothing."""
    assert blocks(10, 10, 4, LOOK) == "████"
    assert blocks(5, 10, 4, LOOK) == "██  "
    assert blocks(1, 10**6, 4, LOOK).strip()
    assert blocks(0, 10, 4, LOOK) == "    "


class Hosting(App[None]):
    """The pane, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, ...]] = []

    def compose(self) -> ComposeResult:
        yield FieldsPane(LOOK)

    def on_fields_pane_include(self, event: FieldsPane.Include) -> None:
        self.heard.append(("+", event.field, str(event.value)))

    def on_fields_pane_exclude(self, event: FieldsPane.Exclude) -> None:
        self.heard.append(("-", event.field, str(event.value)))

    def on_fields_pane_exact(self, event: FieldsPane.Exact) -> None:
        self.heard.append(("exact", event.field))

    def on_fields_pane_left(self) -> None:
        self.heard.append(("left",))


FIELDS = (
    FieldCounts("level", (("ERROR", 5), ("INFO", 3)), 8),
    FieldCounts("service", tuple((f"s{n}", 20 - n) for n in range(9)), 99, 7, sampled=True),
    FieldCounts("ms", numbers="p50 3  p95 9"),
)


async def test_values_are_taken_by_key_and_by_click() -> None:
    """The cursor goes from value to value; + and - take it, so does a click on the signs; S asks for all."""
    app = Hosting()
    async with app.run_test(size=(60, 24)) as pilot:
        pane = app.query_one(FieldsPane)
        pane.focus()
        pane.show(FIELDS, "15m")
        await pilot.press("plus", "j", "minus", "j", "enter", "S")
        assert app.heard == [
            ("+", "level", "ERROR"),
            ("-", "level", "INFO"),
            ("+", "service", "s0"),
            ("exact", "service"),
        ]
        app.heard.clear()
        await pilot.click(pane, offset=(4, 6))
        assert app.heard == [], "the first click moves the cursor"
        assert lines_of(app)[6].endswith("+ -")
        await pilot.click(pane, offset=(26, 6))
        await pilot.click(pane, offset=(24, 6))
        await pilot.press("escape")
        assert app.heard == [("-", "service", "s1"), ("+", "service", "s1"), ("left",)]


async def test_more_values_are_a_key_away_and_so_is_what_has_none() -> None:
    """Five values are shown, space shows all, again five; below them is how many do not have the field."""
    app = Hosting()
    async with app.run_test(size=(60, 24)) as pilot:
        pane = app.query_one(FieldsPane)
        pane.focus()
        pane.show(FIELDS, "15m")
        await pilot.press("j", "j")
        assert "4 more" in text_of(app)
        await pilot.press("space")
        assert "s8" in text_of(app)
        await pilot.press("G", "plus")
        assert app.heard == [("+", "service", "None")]
        await pilot.press("space")
        assert "4 more" in text_of(app)


async def test_the_foot_says_what_the_counts_of_the_field_are_of() -> None:
    """Exact for one field, a sample of the newest for another, and the range."""
    app = Hosting()
    async with app.run_test(size=(60, 24)) as pilot:
        pane = app.query_one(FieldsPane)
        pane.focus()
        await wait_for(pilot, lambda: "counting" in text_of(app))
        pane.show(FIELDS, "15m")
        await wait_for(pilot, lambda: "exact: 8 entries" in text_of(app))
        await pilot.press("j", "j")
        assert "≈ sample of newest 99" in text_of(app)
        assert "S exact  15m" in text_of(app)


async def test_the_cursor_stays_on_its_value_when_counts_come() -> None:
    """Counts of further fields, or in another order, leave the cursor on what it is on."""
    app = Hosting()
    async with app.run_test(size=(60, 24)) as pilot:
        pane = app.query_one(FieldsPane)
        pane.focus()
        pane.show(FIELDS[:1])
        await pilot.press("j")
        pane.show((FIELDS[1], FIELDS[0]))
        assert pane.current == ("level", "INFO")
