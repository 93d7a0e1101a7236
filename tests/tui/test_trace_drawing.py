"""The lines of traces and contexts: exact widths, nothing dangerous, and what somebody has to see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog.reading.values import Context
from dblog.visible import visible
from dblog_tui.present.chart import axis, bar, lanes
from dblog_tui.present.context import SCOPES, ContextSheet, scope_words, scopes_of
from dblog_tui.present.story import rows_of, story_of
from dblog_tui.present.strips import apart, brief, clip, fit, offset, strip, wrapped
from dblog_tui.present.trace import Choice, Sheet, headings, notes, row_strip, silence, title
from tests import hostile
from tests.tui.tracing import LOOKS, incident, spoken, story_trace, traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.strip import Strip

    from dblog.entry import LogEntry
    from dblog.reading.values import Trace
    from dblog_tui.present.look import Look
    from dblog_tui.present.story import Story

_widths = st.integers(20, 220)
_looks = st.sampled_from(LOOKS)


def _check(strips: Iterable[Strip], width: int) -> None:
    for each in strips:
        assert each.cell_length == width == sum(cell_len(segment.text) for segment in each)
        assert not hostile.DANGEROUS & set(each.text)
        # Textual's filter for NO_COLOR fails on a style without colours.
        assert all(segment.style and segment.style.color and segment.style.bgcolor for segment in each)


def _page(story: Story, look: Look, width: int, choice: Choice) -> list[Strip]:
    sheet = Sheet(story, look, width, choice.tree)
    rows = rows_of(story, tree=choice.tree, least=choice.least, only=choice.only)
    shown = sum(row.number >= 0 for row in rows)
    return [
        title(story, look, width, choice),
        silence(story, look, width),
        *lanes(story, look, width, most=6, only=choice.only),
        axis(story, look, width, story.entries[-1].timestamp),
        headings(sheet),
        *(row_strip(sheet, row, lambda text: [(0, 1)] if text else []) for row in rows),
        *notes(story, look, width, choice, shown=shown, filter_text="\x1b[2J level>=warn"),
    ]


def _texts(entries: list[LogEntry], width: int = 80, choice: Choice | None = None) -> list[str]:
    strips = _page(story_of(story_trace(entries)), LOOKS[0], width, choice or Choice())
    return [each.text.rstrip() for each in strips]


@given(trace=traces(), width=_widths, look=_looks, choice=st.builds(Choice, st.booleans(), st.integers(0, 5)))
def test_every_line_of_a_trace_has_exactly_the_width_and_nothing_dangerous_in_it(
    trace: Trace, width: int, look: Look, choice: Choice
) -> None:
    """In cells, with wide and combining characters, hostile texts, wrong clocks; each segment has its own colours."""
    story = story_of(trace)
    _check(_page(story, look, width, choice), width)
    _check(_page(story, look, width, replace(choice, only=len(story.lanes) - 1)), width)


@given(trace=traces(), width=st.integers(0, 12), look=_looks)
def test_no_width_is_too_small(trace: Trace, width: int, look: Look) -> None:
    """Lines without room for anything are still lines of that width."""
    for each in _page(story_of(trace), look, width, Choice()):
        assert each.cell_length == width


@given(entries=st.lists(hostile.entries(), min_size=1, max_size=3), width=_widths, look=_looks, data=st.data())
def test_every_line_of_a_context_has_exactly_the_width_and_nothing_dangerous_in_it(
    entries: list[LogEntry], width: int, look: Look, data: st.DataObject
) -> None:
    """Whatever entries are around it, and whoever's they are."""
    middle = data.draw(st.integers(0, len(entries) - 1))
    context = Context(tuple(entries[:middle]), entries[middle], tuple(entries[middle + 1 :]))
    sheet = ContextSheet(context, data.draw(st.sampled_from(SCOPES)), look, width)
    _check([sheet.title(20), *(sheet.row(each) for each in sheet.entries)], width)


@given(trace=traces(), width=st.integers(1, 60), look=_looks, data=st.data())
def test_bars_stay_within_their_width(trace: Trace, width: int, look: Look, data: st.DataObject) -> None:
    """Also those of spans that began before the trace, or end after it."""
    times = st.integers(-(2**62), 2**62)
    start, end = sorted((data.draw(times), data.draw(times)))
    pieces = bar(story_of(trace), look, width, (start, end), ("x", look.styles.text))
    assert sum(cell_len(text) for text, _ in pieces) == width


@given(trace=traces(), width=_widths, most=st.integers(0, 8))
def test_lanes_are_no_more_than_there_is_room_for(trace: Trace, width: int, most: int) -> None:
    """Either every service has its own, or the last line stands for the rest."""
    story = story_of(trace)
    drawn = lanes(story, LOOKS[0], width, most=most)
    assert len(drawn) == min(len(story.lanes), most)
    _check(drawn, width)


@given(st.integers(-(2**63), 2**63))
def test_times_and_lengths_fit_their_columns(micros: int) -> None:
    """Eight cells and nine, for whatever two clocks may be apart."""
    assert cell_len(offset(micros)) <= 9
    assert cell_len(brief(abs(micros), LOOKS[0])) <= 8


def test_times_and_lengths_read_well() -> None:
    """Three digits where they say something."""
    lengths = {
        0: "0 µs", 850: "850 µs", 4_000: "4.0 ms", 803_000: "803 ms", 999_700: "1.00 s", 1_290_000: "1.29 s",
        12_340_000: "12.3 s", 59_990_000: "1.00 min", 3_600_000_000: "1.00 h", 90_000_000_000: "1 d",
        10**14: "1157 d", 10**17: "3171 y",
    }  # fmt: skip
    offsets = {
        0: "+0.000", 1_730_000: "+1.730", 99_999_999: "+99.999", 100_000_000: "+1:40.0", 3_599_999_999: "+59:59.9",
        3_723_000_000: "+1:02:03", 97_200_000_000: "+1d 3h", -5_000: "-0.005", 10**14: "+1157d", 10**17: "+3170y",
    }  # fmt: skip
    assert {micros: brief(micros, LOOKS[0]) for micros in lengths} == lengths
    assert {micros: offset(micros) for micros in offsets} == offsets


_JOINING = st.text("ae 1\u0301\u200d\ufe0f❤👩👧🇩🇪漢\u1160\u0e33", max_size=12)


@given(st.lists(hostile.texts | _JOINING, max_size=5), st.integers(1, 40), _looks)
def test_fitted_text_has_the_width_and_clipped_text_no_more(texts: list[str], width: int, look: Look) -> None:
    """For every text; and what is shown takes the cells its characters take alone, which terminals agree about."""
    shown = [visible(text) for text in texts]
    for text in shown:
        assert cell_len(fit(text, width, "~")) == width
        assert cell_len(clip(text, width, "~")) == min(cell_len(apart(text)), width)
        assert sum(map(cell_len, apart(text))) == cell_len(apart(text))
    line = strip([(text, look.styles.text) for text in shown], width, look)
    assert line.cell_length == width == sum(cell_len(segment.text) for segment in line)


@given(st.lists(st.integers(1, 30), max_size=8), st.integers(10, 60), st.integers(1, 3))
def test_parts_are_wrapped_into_lines_without_losing_one(sizes: list[int], width: int, most: int) -> None:
    """In order; only the last line may be longer than the width, or one with a single part."""
    style = LOOKS[0].styles.text
    parts = [[(chr(97 + index) * size, style)] for index, size in enumerate(sizes)]
    lines = wrapped(parts, (" | ", style), width, most)
    assert [piece for line in lines for piece in line if piece[0] != " | "] == [part[0] for part in parts]
    assert len(lines) <= most
    assert all(len(line) == 1 or sum(len(text) for text, _ in line) <= width for line in lines[:-1])


def test_the_silence_is_said_drawn_in_the_lanes_and_drawn_between_the_rows() -> None:
    """At 80 cells: how long, who was last and who next, who was to speak; only those are dotted who had a span open."""
    lines = _texts(incident())
    assert lines[1].startswith(" silent 2.29 s  last payments +0.730 W  next payments +3.019 E  open payments")
    lane = {line.split()[0]: line for line in lines[2:7]}
    assert lane["payments"].rstrip().endswith("W" + "┈" * (lane["payments"].count("┈")) + "E")
    assert "┈" in lane["gateway"]
    assert "┈" not in lane["auth"]
    assert "│─" in lines[7]
    assert " gap 2.29 s " in lines[7]
    gap = next(index for index, line in enumerate(lines) if "no entry in any service" in line)
    assert "payments last and next, open payments" in lines[gap]
    assert "retry 2 of 5" in lines[gap - 1]
    assert "payment 48113 failed" in lines[gap + 1]


def test_without_span_ids_everybody_is_dotted_and_the_notes_say_so() -> None:
    """It may have been anybody who was silent."""
    lines = _texts(incident(spans=False))
    assert all("┈" in line for line in lines[2:6])
    assert "no span ids" in lines[-1]
    assert "filter ␛[2J level>=warn NOT applied" in lines[-1]


def test_what_is_hidden_is_counted() -> None:
    """Below the level, or of other services; a gap stays where it was."""
    lines = _texts(incident(), choice=Choice(least=3))
    assert "6 below WARNING hidden, < lowers" in lines[-1]
    assert "≥WARNING" in lines[0]
    assert any("gap 2.29 s" in line and "no entry" in line for line in lines)
    assert "only auth, x next" in _texts(incident(), choice=Choice(only=1))[-1]


def test_a_skewed_clock_has_a_mark_at_the_service_and_a_note() -> None:
    """How far it is behind, and whose it is."""
    lines = _texts(
        [
            spoken(300, "INFO", "api", "in", span="p", took=0),
            spoken(60, "INFO", "billing", "charge", span="c", parent="p"),
        ]
    )
    assert "~skew: billing seems 240 ms behind its caller's clock" in "".join(lines[-2:])
    assert sum(" billing~ " in line for line in lines) == 2


def test_one_entry_is_said_to_be_the_only_one() -> None:
    """And there is no gap."""
    lines = _texts([spoken(0, "INFO", "api", "alone")])
    assert "one entry only: nothing else was logged with this trace id" in lines[1]
    assert not any("gap" in line for line in lines)


def test_spans_have_a_line_of_their_own_with_a_bar_and_what_is_in_them_below() -> None:
    """As a tree the entries are indented, and the length of a span is the one its entry says."""
    lines = _texts(incident(), choice=Choice(tree=True))
    span = next(index for index, line in enumerate(lines) if "span d1" in line)
    assert "3.00 s E payments ▬▬" in lines[span]
    assert "5 entries" not in lines[span]
    assert "4 entries" in lines[span]
    assert "│ │ │ charge start" in lines[span + 1]


def test_rows_get_a_bar_where_there_is_room() -> None:
    """From 100 cells on; below, the lanes are enough."""
    assert not any("▬●" in line for line in _texts(incident())[8:])
    assert any("▬●" in line and "order 48113 not paid" in line for line in _texts(incident(), 120))


def test_a_context_marks_its_entry_and_says_how_far_away_the_others_are() -> None:
    """Entries of the same trace are marked, and where fewer are there than were asked for the title says so."""
    first, *_, last = entries = incident()[:4]
    middle = entries[2]
    other = last._replace(trace_id="another")
    sheet = ContextSheet(Context((first, entries[1]), middle, (other,)), "host", LOOKS[0], 80)
    rows = [sheet.row(each).text for each in sheet.entries]
    assert "-0.006" in rows[0]
    assert rows[0].startswith(" │")
    assert rows[2].startswith(" ▌")
    assert "here" in rows[2]
    assert "+0.003" in rows[3]
    assert "│" not in rows[3]
    assert "on host auth-1  2 before  only 1 after" in sheet.title(2).text


def test_scopes_without_a_meaning_are_left_out() -> None:
    """An entry without a host has no neighbours on it."""
    entry = incident()[0]
    assert scopes_of(entry) == ("host", "logger", "all")
    assert scopes_of(entry._replace(host=None)) == ("logger", "all")
    assert scopes_of(entry._replace(host="", logger="")) == ("all",)
    assert [scope_words(entry, scope) for scope in SCOPES] == ["on host gateway-1", "by logger shop", "everything"]
