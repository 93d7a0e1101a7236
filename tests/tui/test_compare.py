"""What differs: shares of values on two sides, ranked, and the screen that shows them."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App

from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError, ErrorClass, StoreUnavailable
from dblog.reading.values import Facets, FacetValue
from dblog_tui.present.compare import Comparison, Difference, comparison_head, difference_said, difference_strip
from dblog_tui.present.look import ASCII, Look
from dblog_tui.screens.compare import CompareScreen
from dblog_tui.source import Source
from dblog_tui.source.compare import compare, differences
from dblog_tui.view import Span, View
from dblog_tui.widgets.figures import DifferenceList
from tests import hostile
from tests.administered import SECOND, entry, fill
from tests.tui.screen import text_of, wait_for

if TYPE_CHECKING:
    from dblog.entry import LogEntry

NOW = 1_795_000_000 * SECOND
LOOK = Look(zone=dt.UTC)
INCIDENT = (NOW - 300 * SECOND, NOW - 200 * SECOND)


def stored() -> list[LogEntry]:
    """Ten minutes, an entry a second; for a hundred seconds half of them are failures in one region."""
    entries = []
    for n in range(600):
        moment = NOW - 600 * SECOND + n * SECOND
        bad = INCIDENT[0] <= moment < INCIDENT[1] and n % 2 == 0
        fields: Any = {
            "service": "pay" if bad else ("api", "web", "pay")[n % 3],
            "metadata": orjson.dumps({"region": "eu-3" if bad else f"eu-{n % 3 + 1}"}).decode(),
        }
        if bad:
            fields |= {"level": "ERROR", "severity": 17, "exc_type": "TimeoutError", "template": "failed %d"}
        entries.append(entry(n, moment, user_id="u", **fields))
    return entries


def compared(url: str, view: View, **options: Any) -> Comparison:
    """The last value."""

    async def main() -> Comparison:
        source = Source(Database(url))
        try:
            return [each async for each in compare(source, view, NOW, stored()[-50:], **options)][-1]
        finally:
            await source.close()

    return asyncio.run(main())


def test_a_selection_is_compared_with_the_rest_of_the_range(database_url: str) -> None:
    """Shares are those of both sides; what is more frequent in the selection comes first, what is rarer comes last."""
    fill(database_url, stored())
    found = compared(database_url, View(span=Span(last=600)), selection=INCIDENT)
    assert (found.done, found.inside, found.outside) == (True, 100, 500)
    rows = {(row.field, row.value): row for row in found.rows}
    timeout = rows["exc_type", "TimeoutError"]
    assert (timeout.inside, timeout.outside) == (50, 0)
    assert rows["exc_type", None].gap == pytest.approx(-0.5)
    assert rows["template", "failed %d"].share == pytest.approx(0.5)
    assert ("region", "eu-3") in rows
    assert ("service", "pay") in rows
    assert not any(row.field in ("host", "logger", "user_id") for row in found.rows), "the same on both sides"
    assert [row.rank for row in found.rows] == sorted(row.rank for row in found.rows)
    assert [row.part for row in found.rows] == sorted(row.part for row in found.rows), "first what is more frequent"


def test_a_filter_is_compared_with_what_it_hides(sqlite_url: str) -> None:
    """What matches, and in the same range what does not; fields of the filter itself are left out, and named."""
    fill(sqlite_url, stored())
    found = compared(sqlite_url, View("service:* since:10m", least=4, span=Span(last=3600)))
    assert (found.inside, found.outside) == (50, 550)
    assert set(found.left_out) == {"level", "service"}
    assert not {row.field for row in found.rows} & {"level", "service"}
    assert found.rows[0].gap == pytest.approx(1.0)


def test_there_have_to_be_two_sides(sqlite_url: str) -> None:
    """Without filter and selection, or with everything selected, the sentence says what to do."""
    fill(sqlite_url, stored())
    with pytest.raises(ConfigurationError, match="filter"):
        compared(sqlite_url, View("since:5m"))
    with pytest.raises(ConfigurationError, match="all of the range"):
        compared(sqlite_url, View(span=Span(last=600)), selection=(NOW - 700 * SECOND, NOW + SECOND))


def facets(counts: dict[str, int], absent: int = 0) -> Facets:
    """As the reader gives them."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    values = tuple(FacetValue(value, count) for value, count in ordered if count)
    return Facets(values, sum(counts.values()) + absent, absent, sampled=False)


counts = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 1000))


@given(counts, counts, counts, st.integers(0, 500))
def test_differences_are_more_than_chance_and_their_numbers_add_up(
    here: dict[str, int], before: dict[str, int], after: dict[str, int], absent: int
) -> None:
    """Each is a value of one side at least, with its own counts; equal sides differ in nothing."""
    rows = differences("f", facets(here, absent), [facets(before), facets(after)], 100)
    for row in rows:
        assert row.sureness >= 3
        assert 0 < row.least <= abs(row.gap)
        if row.value is None:
            assert (row.inside, row.outside) == (absent, 0)
        else:
            assert row.inside == here.get(row.value, 0)
            assert row.outside == before.get(row.value, 0) + after.get(row.value, 0)
    assert differences("f", facets(here), [facets(here)], 100) == []


def test_a_value_that_may_have_been_cut_off_is_no_difference() -> None:
    """Where a side has more values than are listed, one not among them is taken to be as frequent as the last."""
    many = {f"v{n}": 100 for n in range(10)}
    assert differences("f", facets(many), [facets(many | {"v0": 99, "x": 98})], 10) == []
    assert differences("f", facets({"x": 100}), [facets(many)], 10)[0].outside == 100
    assert differences("f", facets({"x": 100}), [facets(many)], 11)[0].outside == 0


def listed(values: dict[str, int], limit: int, absent: int = 0) -> Facets:
    """The most frequent values only, as the reader gives them."""
    whole = facets(values, absent)
    return Facets(whole.values[:limit], whole.seen, whole.absent, sampled=False)


@given(st.integers(20, 2000), st.integers(100, 50_000), st.integers(1, 2), st.integers(1, 2), st.floats(0, 0.5))
def test_a_cause_stands_above_what_only_identifies(
    here: int, there: int, each_here: int, each_there: int, absent: float
) -> None:
    """A value of 95 % here and 20 % elsewhere comes before every value of a field that is another in (nearly) every
    entry, which come after all others and are few, however many of the entries have that field.
    """
    cause = {"payments": round(0.95 * here), "web": here - round(0.95 * here)}
    usual = {"payments": round(0.2 * there), "web": there - round(0.2 * there)}
    rows = differences("service", listed(cause, 100), [listed(usual, 100)], 100)
    without = round(absent * here)
    own = {f"here {n}": each_here for n in range((here - without) // each_here)}
    others = {f"there {n}": each_there for n in range(there // each_there)}
    rows += differences("request", listed(own, 100, without), [listed(others, 100)], 100)
    ranked = sorted(rows, key=lambda row: row.rank)
    assert (ranked[0].field, ranked[0].value) == ("service", "payments")
    identifiers = [row for row in ranked if row.field == "request" and row.value is not None]
    assert len(identifiers) <= 3
    assert ranked[len(ranked) - len(identifiers) :] == identifiers


@given(st.integers(1, 500), st.integers(1, 500), st.data(), st.integers(2, 50))
def test_a_difference_counts_for_what_is_sure_of_it(here: int, there: int, data: st.DataObject, times: int) -> None:
    """Never for more than was counted, for the same in both directions, and for more the more entries say so."""
    inside, outside = data.draw(st.integers(0, here)), data.draw(st.integers(0, there))
    row = Difference("f", "v", inside, outside, here, there)
    assert 0 <= row.least <= abs(row.gap)
    assert row.least == pytest.approx(Difference("f", "v", outside, inside, there, here).least)
    more = Difference("f", "v", times * inside, times * outside, times * here, times * there)
    assert more.least >= row.least - 1e-9


some = st.integers(1, 10**6).flatmap(
    lambda of: st.builds(
        Difference,
        hostile.texts,
        st.none() | hostile.texts,
        st.integers(0, of),
        st.integers(0, of),
        st.just(of),
        st.just(of),
        st.floats(0, 1),
    )
)


@given(some, st.integers(60, 200), st.sampled_from([LOOK, Look(zone=dt.UTC, glyphs=ASCII)]))
def test_lines_fit_and_hold_nothing_of_a_terminals(row: Difference, width: int, look: Look) -> None:
    """No row is wider than the screen, every piece has a colour, and nothing from the database is raw."""
    strip = difference_strip(row, width, look)
    assert strip.cell_length <= width
    found = Comparison((row,), 5, 6, sampled=True, selection=INCIDENT, label="15m", left_out=(row.field,))
    for each in (strip, difference_said(row, width, look), *comparison_head(found, width, look, looking=True)):
        assert all(segment.style and segment.style.color for segment in each)
        assert not hostile.DANGEROUS & set(each.text)


def _is_done(listing: DifferenceList) -> bool:
    return listing.found.done


async def test_a_difference_becomes_a_query(sqlite_url: str) -> None:
    """The greatest is under the cursor; Enter asks for it, - for all that is without it."""
    fill(sqlite_url, stored())
    source, app = Source(Database(sqlite_url)), App[None]()
    view = View(span=Span(last=600))
    async with app.run_test(size=(80, 24)) as pilot:
        for keys, wanted in (
            (["enter"], "exc_type:TimeoutError"),
            (["j", "minus"], "-level:ERROR"),
            (["G", "escape"], None),
        ):
            results: list[str | None] = []
            screen = CompareScreen(source, LOOK, view, entries=stored()[-50:], selection=INCIDENT, now=NOW)
            await app.push_screen(screen, results.append)
            listing = screen.query_one(DifferenceList)
            await wait_for(pilot, partial(_is_done, listing))
            await wait_for(pilot, lambda: "only here" in text_of(app))
            assert "less frequent here" in text_of(app)
            await pilot.press(*keys)
            await wait_for(pilot, partial(bool, results))
            assert results == [wanted]
    await source.close()


async def test_what_cannot_be_compared_is_a_sentence(sqlite_url: str) -> None:
    """Without two sides the screen says how to get them."""
    fill(sqlite_url, stored()[:3])
    source, app = Source(Database(sqlite_url)), App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(CompareScreen(source, LOOK, View(), now=NOW))
        await wait_for(pilot, lambda: "there are no two sides to" in text_of(app))
    await source.close()


class _Failing:
    """A source whose table goes away after so many fields."""

    def __init__(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self._facets = 0, source.facets
        monkeypatch.setattr(source, "facets", self.facets)

    async def facets(self, *arguments: Any, **options: Any) -> Facets:
        """As the source's, or the sentence of an error."""
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailable(ErrorClass.RECONNECT, "08006", "the table \x1b[31mwent away")
        return await self._facets(*arguments, **options)


@pytest.mark.parametrize("fields", [0, 4])
async def test_an_error_is_said_and_nobody_looks_any_longer(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, fields: int
) -> None:
    """With rows on the screen or without, its sentence is there instead of "looking"; asked again, it is gone."""
    fill(sqlite_url, stored())
    source, app = Source(Database(sqlite_url)), App[None]()
    failing = _Failing(source, monkeypatch)
    failing.left = 2 * fields
    async with app.run_test(size=(80, 24)) as pilot:
        view = View("service:pay", span=Span(last=600))
        await app.push_screen(CompareScreen(source, LOOK, view, entries=stored()[-50:], now=NOW))
        await wait_for(pilot, lambda: "the table ␛[31mwent away" in text_of(app))
        assert "looking" not in text_of(app)
        assert bool(app.screen.query_one(DifferenceList).found.rows) == bool(fields)
        failing.left = 1000
        await pilot.press("ctrl+r")
        await wait_for(pilot, lambda: _is_done(app.screen.query_one(DifferenceList)))
        assert "went away" not in text_of(app)
        assert "looking" not in text_of(app)
    await source.close()
