"""A whole entry as lines: nothing is lost, nothing is wider than the pane, nothing of it reaches the terminal raw."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog.entry import LogEntry
from dblog.query.fields import named, path
from dblog.visible import visible
from dblog_tui.present.detail import Similar, Whole, document, head
from dblog_tui.present.flow import break_lines
from dblog_tui.present.items import Field, Item, beginning, draw, lay
from dblog_tui.present.look import ASCII, Look
from dblog_tui.present.tree import preview
from tests.hostile import DANGEROUS, entries, texts

if TYPE_CHECKING:
    from rich.segment import Segment

    from dblog_tui.present.items import Folds

_LOOK = Look(zone=dt.UTC)
_FRAMES = (
    'Traceback (most recent call last):\n  File "/srv/\x1b[31mapp.py", line 8, in f\n    a()\n    ^^^\nE: \u202ex',
    "  + Exception Group Traceback (most recent call last):\n  | E: x (1 sub-exception)\n  +-+---------------- 1 -----",
    'Stack (most recent call last):\n  File "/usr/lib/python3.12/x.py", line 1, in g\n    漢字(\t)',
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | texts.filter(
        lambda text: text.isprintable() or not any("\ud800" <= char <= "\udfff" for char in text)
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_metadata = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), _values, max_size=5).map(json.dumps)


class _All(dict[Any, bool]):
    """Everything is unfolded, but nobody asks for more than the first hundred members."""

    def get(self, key: Any, default: Any = None) -> Any:
        return -1 not in key


@st.composite
def _entries(draw: st.DrawFn) -> LogEntry:
    entry = draw(entries(exc_text=st.none() | texts | st.sampled_from(_FRAMES)))
    return entry._replace(metadata=draw(st.just(entry.metadata) | _metadata), template=draw(st.none() | texts))


def _lines(items: list[Item], width: int, *, cursor: bool = False, look: Look = _LOOK) -> list[str]:
    lines = []
    for item in items:
        laid = lay(item, width)
        for index in range(laid.height):
            segments = draw(laid, index, width, look, cursor=cursor)
            for segment in segments:
                assert segment.style is not None
                assert segment.style.color is not None
            lines.append("".join(segment.text for segment in segments))
    return lines


def _document(entry: LogEntry, folds: Folds | None = None) -> list[Item]:
    return document(Whole(entry), _LOOK, _All() if folds is None else folds, tall=folds is None)


def _bare(text: str) -> str:
    return "".join(visible(text.replace("\r\n", "\n"), lines=True).split())


@given(_entries(), st.integers(8, 100), st.booleans())
def test_no_line_is_wider_than_the_pane_or_dangerous(entry: LogEntry, width: int, cursor: bool) -> None:
    """For any entry: every segment has a colour, every line fits, and none holds a control or reordering character."""
    whole = Whole(entry)
    lines = _lines(document(whole, _LOOK, _All(), tall=True), width, cursor=cursor)
    lines.append("".join(text for text, _ in head(whole, _LOOK, width)))
    for line in lines:
        assert not DANGEROUS & set(line)
        # A wide character in one cell, and indents of what lies deep, need more than 8 cells have.
        assert cell_len(line) <= max(width, 30)


@given(_entries())
def test_unfolded_nothing_of_an_entry_is_lost(entry: LogEntry) -> None:
    """Every character of message, template, error lines and ids is on a line, blanks aside, in its order."""
    shown = ["".join(line.split()) for line in _lines(_document(entry), 200)]
    text = "".join(shown)
    for value in (entry.message, entry.logger, entry.service, entry.trace_id, entry.span_id):
        if value:
            assert _bare(value) in text or "".join(visible(value).split()) in text
    if entry.exc_text and not entry.exc_text.startswith(("Trace", "Stack", "  +")):
        for line in entry.exc_text.replace("\r\n", "\n").split("\n"):
            if line.strip() != "Traceback (most recent call last):":
                assert _bare(line.rstrip("\r\t ")) in text


@given(_metadata)
def test_unfolded_every_value_of_the_metadata_is_shown(metadata: str) -> None:
    """Keys and values of any object, however deep, are on lines; its folded form shows their beginning."""
    entry = LogEntry(0, "INFO", 9, "", "", metadata=metadata)
    text = "".join("".join(line.split()) for line in _lines(_document(entry), 300))

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                assert "".join(visible(key).split()) in text
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)
        elif isinstance(value, str):
            assert _bare(value) in text

    check({key: value for key, value in json.loads(metadata).items() if key != "dblog"})


@given(st.lists(st.text(min_size=1, max_size=8) | st.integers(0, 10), min_size=1, max_size=5))
def test_a_field_is_named_as_queries_read_it_or_not_at_all(steps: list[str | int]) -> None:
    """The name of a path into metadata is read back as that path; a path no query can name has no name."""
    if not isinstance(steps[0], str):
        steps = ["list", *steps]
    name = Field(path=tuple(steps)).name
    assert name == "" or named(name) == path(*steps)


@given(st.text(st.characters(exclude_characters="\t"), max_size=120), st.integers(2, 30), st.integers(2, 30))
def test_breaking_lines_loses_blanks_only(text: str, first: int, soft: int) -> None:
    """Lines in order hold every character but line feeds and one blank per break; each fits its room."""
    text = visible(text, lines=True)
    lines = break_lines(text, first, first, soft)
    kept = "".join(text[line.start : line.end] for line in lines)
    assert kept.replace(" ", "") == text.replace(" ", "").replace("\n", "")
    for line in lines:
        assert cell_len(text[line.start : line.end]) <= (soft if line.soft else first)


@given(st.text("a\n漢", max_size=4000), st.integers(1, 12))
def test_the_beginning_of_a_long_text_says_how_much_is_missing(text: str, lines: int) -> None:
    """Shown and missing characters are all of them; a short text is never cut."""
    start, missing = beginning(text, lines, whole=False)
    assert len(start) + missing == len(text)
    assert not missing or len(start) == lines * 80 or start.count("\n") == lines - 1
    assert beginning(text, lines, whole=True) == (text, 0)


_CRASH = """Traceback (most recent call last):
  File "/srv/shop/pay.py", line 88, in charge
    resp = client.post(url)
           ^^^^^^^^^^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/httpx/_client.py", line 1144, in post
    return self.request()
  File "/usr/lib/python3.12/socket.py", line 700, in recv
    return self._sock.recv(1)
TimeoutError: upstream timed out"""


def _entry(**fields: Any) -> LogEntry:
    return LogEntry(1_700_000_000_000_000, "ERROR", 17, "app.pay", "payment 7 failed", **fields)


def test_frames_of_libraries_are_one_line_until_they_are_unfolded() -> None:
    """One's own frames have their code, the last of them a mark; those of libraries their number and the last place."""
    entry = _entry(exc_type="TimeoutError", exc_message="upstream timed out", exc_text=_CRASH)
    folded = _lines(_document(entry, {}), 78)
    assert "  ▸socket.py:700 in recv                              2 library frames folded" in [
        line.rstrip() for line in folded
    ]
    assert "   ❱ 88 │ resp = client.post(url)" in folded
    assert not any("return self.request()" in line for line in folded)
    key = next(item.key for item in _document(entry, {}) if item.unfolded is False and item.key[0] == "exception")
    unfolded = _lines(_document(entry, {key: True}), 78)
    assert any("return self.request()" in line for line in unfolded)
    assert any("/srv/venv/lib/python3.12/site-packages/httpx/_client.py:1144 in post" in line for line in unfolded)


def test_what_carets_point_at_is_underlined() -> None:
    """Carets cost no line of their own, whatever the width; those that point behind the code stay as they are."""
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x = a / b + c\n        ~~^~~\nE: x\n'
    items = _document(_entry(exc_text=text + '  File "b.py", line 2\n    print(\n          ^\nSyntaxError: open'), {})
    segments = [segment for item in items for n in range(lay(item, 60).height) for segment in _segments(item, n)]
    underlined = [segment.text for segment in segments if segment.style and segment.style.underline]
    assert underlined == ["a ", "/", " b"]
    lines = _lines(items, 60)
    assert "   ❱ 1 │ x = a / b + c" in lines
    assert not any("~~^~~" in line for line in lines)
    assert any(line.endswith("│       ^") for line in lines)


def _segments(item: Item, index: int) -> list[Segment]:
    return draw(lay(item, 60), index, 60, _LOOK, cursor=False)


def test_code_that_is_installed_itself_is_not_folded() -> None:
    """Frames of the package whose logger wrote the entry are one's own, wherever it is installed."""
    entry = _entry(exc_text=_CRASH, pathname="/srv/venv/lib/python3.12/site-packages/httpx/_api.py")
    lines = _lines(_document(entry, {}), 78)
    assert any("return self.request()" in line for line in lines)
    assert any("1 library frame folded" in line for line in lines)


def test_a_crash_within_libraries_only_shows_where_it_was_raised() -> None:
    """Where no frame is one's own, the last one is shown whole."""
    text = _CRASH.replace("/srv/shop/", "/usr/lib/python3.12/")
    lines = _lines(_document(_entry(exc_text=text), {}), 78)
    assert any("return self._sock.recv(1)" in line for line in lines)
    assert any("2 library frames folded" in line for line in lines)


def test_a_recursion_of_a_thousand_frames_shows_its_ends() -> None:
    """The middle of a very long traceback is one line, with its number of frames."""
    frames = "".join(f'  File "/srv/a{n % 2}.py", line {n + 1}, in f\n    g()\n' for n in range(1000))
    items = _document(_entry(exc_text=f"Traceback (most recent call last):\n{frames}RecursionError: deep"), {})
    lines = _lines(items, 78)
    assert any("976 frames folded" in line for line in lines)
    assert any("/srv/a0.py:1 in f" in line for line in lines)
    assert any("/srv/a1.py:1000 in f" in line for line in lines)
    assert len(lines) < 120


def test_what_dblog_changed_is_said_in_words() -> None:
    """Flags become sentences with their sizes and times; losses name reason, levels and numbers; the rest is shown."""
    notes = {
        "flags": ["truncated", "clock", "new"],
        "original_bytes": {"message": 524288},
        "created": 1.5,
        "loss": [{"reason": "queue_full", "count": 3, "levels": {"INFO": 3}, "seq_from": 1, "seq_to": 9}],
        "other": [1],
    }
    text = "\n".join(_lines(_document(_entry(metadata=json.dumps({"dblog": notes, "a": 1})), {}), 150))
    assert "cut to fit the limits of a record; message had 524,288 bytes" in text
    assert "the time is when dblog took it; it said 1.5" in text
    assert "changed   new" in text
    assert "lost      3 records: queue_full (INFO 3), seq 1 to 9" in text
    assert "dblog     other [1]" in text


@pytest.mark.parametrize("notes", ["text", [1], {"flags": "x"}, {"flags": [None, {}]}, {"loss": 1}, {"loss": [{}, 2]}])
def test_notes_of_another_shape_are_shown_as_they_are(notes: Any) -> None:
    """Whatever lies under ``dblog`` breaks nothing and is on the screen."""
    assert _lines(_document(_entry(metadata=json.dumps({"dblog": notes}))), 80)


@pytest.mark.parametrize("metadata", ["not json", "[1, 2]", "7", "null", "{", '"text"', "{}"])
def test_metadata_that_is_no_object_is_shown_and_cannot_be_filtered_by(metadata: str) -> None:
    """What is no JSON object has no names queries know, so no key asks for any."""
    items = _document(_entry(metadata=metadata))
    assert all(item.field is None for item in items if item.key[0] == "attrs")
    if metadata not in ("{}", "null"):
        assert any(item.key[:2] == ("attrs", "metadata") for item in items)


def test_text_that_looks_like_a_number_is_told_from_one() -> None:
    """Strings are bare, but in quotes where they would be read as numbers, booleans or nothing."""
    values = {"n": 5, "s": "5", "t": "true", "e": "", "w": "word", "f": 0.1, "z": None}
    shown = [
        line.split()[1]
        for line in _lines(_document(_entry(metadata=json.dumps(values)), {}), 80)
        if line[:3] == " " * 3
    ][:7]
    assert shown == ["5", '"5"', '"true"', '""', "word", "0.1", "null"]


def test_a_long_message_is_a_few_lines_until_it_is_unfolded() -> None:
    """256 KiB do not push the rest out of sight, and the hint says how many characters are missing."""
    entry = _entry()._replace(message="word " * 52_000)
    items = _document(entry, {})
    assert items[0].unfolded is False
    assert lay(items[0], 80).height < 10
    assert "259,520 more characters" in "".join(_lines(items[:1], 90))
    assert lay(_document(entry, {("message",): True})[0], 80).height > 3000


def test_an_object_of_thousands_of_members_is_shown_in_portions() -> None:
    """The first hundred, then as many as somebody asks for."""
    entry = _entry(metadata=json.dumps({"list": list(range(5000))}))
    folds: Folds = {("attrs", "list"): True}
    items = _document(entry, folds)
    more = next(item for item in items if -1 in item.key)
    assert more.pieces[0][0] == "… 4,900 more"
    assert len(_document(entry, {**folds, more.key: True})) == len(items) + 500


def test_what_has_no_room_at_the_right_end_is_on_its_own_line() -> None:
    """How many entries have the template is never left out, however narrow the pane is."""
    whole = Whole(_entry(template="payment %d failed"), similar=Similar(1234, exact=False))
    wide = _lines(document(whole, _LOOK, {}), 78)
    narrow = _lines(document(whole, _LOOK, {}), 34)
    assert any("payment %d failed" in line and "≈1,234 in range" in line for line in wide)
    assert any(line.strip() == "≈1,234 in range" for line in narrow)


def test_how_often_an_exception_of_the_type_came_is_said_beside_it() -> None:
    """With the number of those entries, and where they were counted; before they are counted, nothing is said."""
    entry = _entry(exc_type="TimeoutError", exc_text=_CRASH)
    whole = Whole(entry, alike=Similar(104, where="in the newest 50,000"))
    assert any("104 in the newest 50,000 of this type" in line for line in _lines(document(whole, _LOOK, {}), 100))
    assert any("104 in the newest 50,000 of this type" in line for line in _lines(document(whole, _LOOK, {}), 60))
    assert not any("of this type" in line for line in _lines(document(Whole(entry), _LOOK, {}), 100))


def test_every_column_of_an_entry_has_a_place() -> None:
    """A value in any column is on the screen, also where the column is not among those that are asked for most."""
    values: dict[str, Any] = {name: f"<{name}>" for name in LogEntry._fields}
    values |= {"timestamp": 0, "ingested_at": 1_000_000, "severity": 17, "lineno": 881, "pid": 412, "seq": 77}
    values |= {"metadata": '{"key":"<metadata>"}', "instance_id": UUID(int=1), "id": UUID(int=2)}
    text = "\n".join(_lines(_document(LogEntry(**values)), 100))
    said = {"timestamp": "1970-01-01 00:00:00.000000 UTC", "ingested_at": "1.00 s later", "metadata": "<metadata>"}
    for name, value in values.items():
        assert said.get(name, str(value)) in text, name


def test_with_ascii_glyphs_every_character_is_ascii() -> None:
    """An entry of ASCII text is drawn in ASCII."""
    entry = _entry(exc_text=_CRASH, metadata=json.dumps({"a": {"b": list(range(200))}}), template="x %d")
    look = Look(zone=dt.UTC, glyphs=ASCII)
    whole = Whole(entry._replace(message="word " * 500), similar=Similar(5, exact=False))
    for tall in (False, True):
        lines = _lines(document(whole, look, _All() if tall else {}, tall=tall), 60, cursor=True, look=look)
        assert "".join(lines).isascii()


@given(_values, st.integers(1, 40))
def test_a_preview_never_does_more_work_than_its_length(value: Any, room: int) -> None:
    """One line, at most as long as asked for, with an ellipsis where something is missing."""
    if isinstance(value, (dict, list)):
        text = preview(value, room)
        assert "\n" not in text
        assert len(text) <= room + 1


def test_an_ordinary_entry_is_laid_out_in_a_few_milliseconds() -> None:
    """Taken apart, made into items and broken into lines in less than 5 ms of work, as is a message of 256 KiB."""
    entry = _entry(exc_text=_CRASH, metadata=json.dumps({"a": {"b": list(range(200))}}), template="payment %d failed")
    for each in (entry, entry._replace(message="word " * 52_000)):
        spent = []
        for _ in range(10):
            began = time.thread_time()
            for item in _document(each, {}):
                lay(item, 78)
            spent.append(time.thread_time() - began)
        assert min(spent) < 0.005
