"""What the application draws of its own: signs a terminal without them does not get."""

from __future__ import annotations

import ast
import datetime as dt
import unicodedata
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypothesis import given
from hypothesis import strategies as st

import dblog_tui
from dblog.entry import LogEntry
from dblog_tui.header import span_text
from dblog_tui.notices import Notices
from dblog_tui.present.bars import readout_strip, spelled
from dblog_tui.present.counted import Bars
from dblog_tui.present.look import ASCII, UNICODE, Look
from dblog_tui.present.rows import Moments, Rows
from dblog_tui.present.strips import brief
from dblog_tui.view import Span
from tests.tui.screen import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK: Final = Look(zone=dt.UTC, glyphs=ASCII)
_SPELLED_LATER: Final = {
    "present/look.py": "the signs themselves",
    "keys.py": "arrows, which `spelled` writes out",
    "goto.py": "typed by people, not drawn",
    "present/strips.py": "`brief` hands its unit to `Look.ours`",
    "present/offers.py": "handed to `Look.ours`",
    "complete.py": "`present.offers` hands what is shown to `Look.ours`",
    "keywords.py": "as `complete.py`",
    "room.py": "handed to `Look.ours`",
    "source/reach.py": "`present.bars.spelled` hands the label to `Look.ours`",
}
"""Modules that have signs beyond ASCII in a text, and what becomes of them."""


def _texts(path: Path) -> Iterator[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def _is_drawn(char: str) -> bool:
    """It is a sign beyond ASCII, and not half of one."""
    return not char.isascii() and unicodedata.category(char)[0] in "LNPS"


def test_signs_beyond_ascii_are_the_look_s() -> None:
    """No module draws one but through the look, which has another for those who want ASCII."""
    root = Path(dblog_tui.__path__[0])
    found = {
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if any(map(_is_drawn, "".join(_texts(path))))
    }
    assert found == set(_SPELLED_LATER)


def test_every_sign_has_one_in_ascii() -> None:
    """For each glyph there is another one; only bars and what turns are of several, and neither is empty."""
    for name, glyph in asdict(ASCII).items():
        assert glyph.isascii(), name
        assert glyph
    assert not all(glyph.isascii() for glyph in asdict(UNICODE).values())


@given(st.integers(0, 2**63))
def test_times_and_lengths_are_ascii(micros: int) -> None:
    """Where it is wanted: lengths in us, ranges with a hyphen, distances of rows, a bar read out."""
    lines = [brief(micros, LOOK), span_text(Span(since=micros, until=micros + 5), LOOK)]
    rows = Rows(LOOK)
    rows.moments = Moments(dated=True, relative=True)
    first, second = (LogEntry(micros + more, "INFO", 9, "shop", "order") for more in (0, 7))
    lines.append(rows.of(second, first).text)
    bars = Bars(micros, 5, ((1,) * 6, (2,) * 6), micros, micros + 10, about=True)
    lines.append(readout_strip(bars, (0, 1), 200, LOOK).text)
    assert all(line.isascii() for line in lines)
    assert "7 us" in lines[2]


def test_sentences_are_ascii() -> None:
    """Labels, and what went wrong."""
    assert spelled("newest 1h of \u2248120k rows", LOOK) == "newest 1h of ~120k rows"
    assert LOOK.ours("give create_engine(\u2026) \u2014 \u00b15m") == "give create_engine(~) - +-5m"
    assert Look().ours("\u2026") == "\u2026"


async def test_what_is_said_in_passing_is_ascii() -> None:
    """Also what a library below has worded."""

    class One(Notices):
        look = LOOK

    app = One()
    async with app.run_test() as pilot:
        app.notify("write engine=\u2026", markup=False)
        await wait_for(pilot, lambda: [each.message for each in app._notifications] == ["write engine=~"])
