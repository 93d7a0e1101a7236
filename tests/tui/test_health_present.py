"""Health as lines: exactly as wide as the screen, safe whatever the database holds, and complete."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin.findings import Finding, Status
from dblog.reading.layout import Index, Layout, Partition
from dblog.reading.values import Access, Count, DeadLetterRow
from dblog_tui.present.blocks import age, columns_that_fit, line, short, wrapped
from dblog_tui.present.health import FOLD, letter_blocks, writer_blocks
from dblog_tui.present.health_page import Page
from dblog_tui.present.health_table import doctor_blocks, size, table_blocks
from dblog_tui.present.look import ASCII, UNICODE, Look
from dblog_tui.source.health import Table, Vitals, judge
from tests.administered import DAY, SECOND, now
from tests.hostile import DANGEROUS, texts
from tests.tui.writers import instance, instances, letters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.reading.values import Instance
    from dblog_tui.present.blocks import Block

MOMENT = 1_800_000_000_000_000
LOOKS = (Look(zone=dt.UTC), Look(zone=dt.UTC, glyphs=ASCII, name="UTC"))
looks = st.sampled_from(LOOKS)
widths = st.integers(20, 220)
findings = st.lists(st.builds(Finding, st.sampled_from(Status), texts, texts), max_size=4)
counts = st.integers(0, 10**13)
unknown = st.none() | counts
days = st.builds(Partition, texts, st.none() | st.dates(), st.booleans(), unknown, counts)
indexes = st.builds(Index, texts, texts, st.booleans(), st.booleans(), unknown, unknown)
moments = st.none() | st.integers(0, MOMENT)
layouts = st.builds(
    Layout,
    st.none() | texts,
    counts,
    unknown,
    unknown,
    moments,
    st.none() | st.lists(days, max_size=12).map(tuple),
    st.lists(indexes, max_size=3).map(tuple),
)
dialects = st.sampled_from(("postgresql", "sqlite", "clickhouse"))
accesses = st.builds(Access, dialects, texts, st.none() | texts, st.booleans(), st.booleans())
tables = st.builds(Table, accesses, st.builds(Count, counts, st.booleans()), moments, moments, layouts)
printable = st.text(st.characters(codec="ascii", min_codepoint=32) | st.sampled_from("äß漢字…│ "))


def text(blocks: Iterable[Block]) -> str:
    return "\n".join(strip.text.rstrip() for block in blocks for strip in block.strips)


def check(blocks: list[Block], width: int) -> None:
    """Every line is as wide as the screen, every segment has a colour, nothing in it acts on a terminal."""
    for block in blocks:
        assert block.strips
        for strip in block.strips:
            assert strip.cell_length == width == sum(segment.cell_length for segment in strip)
            assert not DANGEROUS & set(strip.text)
            assert all(segment.style is not None and segment.style.color is not None for segment in strip)


@given(st.lists(instances, max_size=6), st.lists(letters, max_size=3), looks, widths, st.integers(0, 3))
def test_nothing_in_writers_and_letters_acts_on_a_terminal(
    found: list[Instance], refused: list[DeadLetterRow], look: Look, width: int, flags: int
) -> None:
    """Whatever they hold, lines fit; each writer and each letter has one block, unless it is folded or well."""
    writers, unfolded, problems = judge(found, MOMENT), flags < 2, bool(flags % 2)
    blocks = list(writer_blocks(writers, MOMENT, look, width, unfolded=unfolded, problems=problems))
    check(blocks, width)
    keys = [block.key for block in blocks if block.key.startswith("writer:") and block.key != "writer:none"]
    shown = [each for each in writers if each.troubled or not problems]
    if unfolded or not any(block.key == FOLD for block in blocks):
        assert keys == [f"writer:{each.said.instance_id.hex}" for each in shown]
    opened = {f"letter:{each.id.hex}" for each in refused[:2]}
    blocks = list(letter_blocks(refused, {}, MOMENT, look, width, unfolded=opened))
    check(blocks, width)
    assert len(blocks) == max(len(refused), 1)


@given(tables, findings, looks, widths, st.booleans())
def test_nothing_in_the_table_and_the_findings_acts_on_a_terminal(
    table: Table, found: list[Finding], look: Look, width: int, flag: bool
) -> None:
    """Names of roles, partitions and indexes, and sentences of errors, are texts like others."""
    check(list(table_blocks(table, MOMENT, look, width, unfolded=flag)), width)
    blocks = list(doctor_blocks(found, look, width, busy=flag, problems=flag))
    check(blocks, width)
    shown = sum(not flag or each.status != "ok" for each in found)
    assert len(blocks) == shown + flag


@given(texts, texts, st.booleans(), looks, widths)
def test_the_page_has_four_sections_whatever_is_known(name: str, why: str, known: bool, look: Look, width: int) -> None:
    """Before the first look, without anything to be had, and with a database that is away."""
    page = Page(name, "logs", 2.0, away=why)
    if known:
        page.vitals = Vitals(MOMENT, missing={"writers": why, "letters": why, "table": why})
    sections = list(page.sections(look, width))
    assert len(sections) == 4
    for section in sections:
        check(section, width)
        assert any(block.key for block in section)
    for part in page.head(look):
        assert not DANGEROUS & set("".join(said for said, _ in part))


def test_what_matters_is_said_in_words() -> None:
    """States, losses with their reasons, the error, the silence; the rest is figures."""
    moment = now()
    found = [
        instance(1, state="DOWN", last_seen=moment - 120 * SECOND, queued=70, in_flight=8, dropped=118,
                 dropped_by={"queue_full": 118}, failed=4, failed_by={"poison": 4}, last_error="08006: gone"),
        instance(2, queued=12_345, lag=7.5),
        instance(3),
    ]  # fmt: skip
    shown = text(writer_blocks(judge(found, moment), moment, LOOKS[0], 80))
    assert "DOWN 2m" in shown
    assert "with 78 records waiting to be stored" in shown
    assert "dropped 118 (queue_full 118); failed 4 (poison 4)" in shown
    assert "08006: gone" in shown
    assert "SLOW" in shown
    assert "12.3k" in shown
    assert shown.count("–") >= 6  # no rates yet, no spool
    only = text(writer_blocks(judge(found, moment), moment, LOOKS[0], 80, problems=True))
    assert "web-2" in only
    assert "web-3" not in only


def test_writers_that_are_over_are_one_line() -> None:
    """More than three of them; unfolded they are all there."""
    moment = now()
    found = judge([instance(1), *(instance(n, state="CLOSED") for n in range(2, 9))], moment)
    assert "7 writers that closed or were replaced" in text(writer_blocks(found, moment, LOOKS[0], 80))
    assert text(writer_blocks(found, moment, LOOKS[0], 80, unfolded=True)).count("web-") == 8
    assert text(writer_blocks(found[:4], moment, LOOKS[0], 80)).count("web-") == 4


def test_a_payload_is_shown_column_by_column_up_to_a_bound() -> None:
    """Its lines stay lines; the end of an enormous one is named, not shown."""
    moment = now()
    row = DeadLetterRow(
        UUID(int=1), moment, UUID(int=2), 3, "poison", "22P05", 2, {"message": "m", "exc_text": "a\n\tb", "none": None}
    )
    shown = text(
        letter_blocks([row], {UUID(int=2).hex: "web-1 17"}, moment, LOOKS[0], 80, unfolded=["letter:" + row.id.hex])
    )
    assert "web-1 17 poison 22P05 2 attempts  m" in shown
    assert "exc_text  a\n" in shown
    assert "\n          b" in shown
    assert "none" not in shown
    large = replace(row, payload={"message": "x\n" * 5000})
    shown = text(letter_blocks([large], {}, moment, LOOKS[0], 80, unfolded=["letter:" + row.id.hex]))
    assert shown.count("\n") < 450
    assert "dblog dead-letters --full" in shown


def test_what_cannot_be_had_is_said() -> None:
    """No revision, no sizes of SQLite's indexes, no retention; nothing of PostgreSQL's on SQLite."""
    table = Table(
        Access("sqlite", "3.45", None, True, True), Count(0, True), None, None,
        Layout(None, 4096, 0, None, None, None, (Index("i", "(a)", False, False, None, None),)),
    )  # fmt: skip
    shown = text(table_blocks(table, MOMENT, LOOKS[0], 100))
    assert "the table is empty" in shown
    assert "unknown: the role may not read it" in shown
    assert "retention is an option of each writer" in shown
    assert "INVALID" in shown
    assert "partitions" not in shown
    assert "vacuum" not in shown
    days = tuple(
        Partition(f"logs_{day}", dt.date(2027, 1, day), True, None if day == 9 else day, 1024) for day in range(1, 10)
    )
    layout = Layout("0001", 4096, None, 3, MOMENT - DAY, days, ())
    table = replace(table, access=Access("postgresql", "18", "r", True, False), layout=layout)
    shown = text(table_blocks(table, MOMENT, LOOKS[0], 100))
    assert "1 d ago  about 3 dead rows" in shown
    assert "3 older  3.0 KiB" in shown
    assert shown.index("2027-01-09") < shown.index("2027-01-08")
    assert "2027-01-01" in text(table_blocks(table, MOMENT, LOOKS[0], 100, unfolded=True))


@pytest.mark.parametrize(
    ("dialect", "says"),
    [("sqlite", "an option of each writer"), ("postgresql", "dblog maintain"), ("clickhouse", "or by a TTL")],
)
def test_who_deletes_what_is_too_old(dialect: str, says: str) -> None:
    """Writers of an SQLite file, which alone have that option; elsewhere a command, and ClickHouse itself."""
    access, layout = Access(dialect, "1", None, True, False), Layout("0001", 4096, None, None, None, None, ())
    shown = text(table_blocks(Table(access, Count(0, True), None, None, layout), MOMENT, LOOKS[0], 120))
    assert says in shown
    assert ("writer" in shown) == (dialect == "sqlite")


@given(st.integers(0, 10**15) | st.floats(0, 1e12))
def test_numbers_are_short(number: float) -> None:
    """At most five cells, and right to a twentieth."""
    shown = short(number)
    assert len(shown) <= 5
    scale = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(shown[-1], 1)
    assert float(shown.rstrip("kMGT")) * scale == pytest.approx(number, rel=0.05, abs=0.5)


@given(st.integers(-(10**9), 10**17))
def test_ages_are_short(micros: int) -> None:
    """A number and a unit."""
    assert age(micros)[-1] in "smhd"
    assert int(age(micros)[:-1]) >= 0


def test_sizes() -> None:
    """In powers of 1024."""
    assert [size(each) for each in (0, 1023, 1024, 1536 * 1024, 2**50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "1024.0 TiB",
    ]


@given(printable, st.integers(4, 60), st.integers(0, 2))
def test_wrapping_loses_only_blanks(said: str, width: int, indent: int) -> None:
    """Every line fits, and together they are the text."""
    made = list(wrapped(LOOKS[0], width, said, LOOKS[0].styles.text, indent))
    assert all(strip.cell_length == width for strip in made)
    assert "".join(strip.text for strip in made).replace(" ", "") == said.replace(" ", "")


def test_columns_that_do_not_fit_are_left_out() -> None:
    """The least important first; what is left stands in its order."""
    for width in range(20, 200):
        shown = text(writer_blocks(judge([instance(1)], now()), now(), LOOKS[0], width))
        assert "host" in shown
        assert all(len(each) <= width for each in shown.split("\n"))
    assert columns_that_fit(5, [], []) == ()
    assert line(LOOKS[0], 3, ("abcdef", LOOKS[0].styles.text)).text == f"ab{UNICODE.ellipsis}"
