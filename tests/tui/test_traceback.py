"""Tracebacks of every kind Python writes are read as structure, and no line of any text is lost."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog_tui.present.traceback import fingerprint, is_library, parse, split_path

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = (
    "Traceback (most recent call last):", '  File "/srv/app/pay.py", line 88, in charge', "    resp = post(url)",
    "           ^^^^^^^^^", "  [Previous line repeated 996 more times]", "ValueError: no", "KeyError", "",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
    "  + Exception Group Traceback (most recent call last):", '  |   File "x.py", line 1, in <module>',
    "  | ExceptionGroup: many (2 sub-exceptions)", "  +-+---------------- 1 ----------------", "    | ValueError: 1",
    "    +---------------- 2 ----------------", "    +------------------------------------",
    "Stack (most recent call last):", "  | a table | in a message |", "    indented", '  File "<string>", line 1',
    '  File "x.py", line 3, in f\r', "Exception Group Traceback (most recent call last):",
)  # fmt: skip
_texts = st.lists(st.sampled_from(_LINES) | st.text(max_size=20), max_size=30).map("\n".join)


@given(_texts)
def test_the_parts_hold_every_line_once_and_in_order(text: str) -> None:
    """For any text, joining the lines of all parts gives the text again."""
    assert "\n".join(line for part in parse(text) for line in part.lines) == text


def _deep(depth: int) -> None:
    if depth:
        _deep(depth - 1)
    dict[str, int]()["card"]


def _caused() -> None:
    try:
        _deep(9)
    except KeyError as error:
        raise ValueError("two\nlines") from error


def _grouped() -> None:
    found: list[Exception] = []
    for body in (_caused, lambda: 1 / 0):
        try:
            body()
        except Exception as error:
            found.append(error)
    found.append(ExceptionGroup("inner", [TypeError("never raised")]))
    group = ExceptionGroup("many", found)
    group.add_note("a note\nof two lines")
    raise group


def _syntax() -> None:
    compile("a b c", "x.py", "exec")


def _text(body: Callable[[], Any]) -> str:
    try:
        body()
    except Exception:
        return traceback.format_exc().rstrip("\n")
    raise AssertionError


def test_a_chain_is_frames_errors_and_links() -> None:
    """Each frame has its source, a repetition its number, each exception its message with all of its lines."""
    parts = parse(_text(_caused))
    kinds = [part.kind for part in parts if part.kind != "plain"]
    assert kinds[0] == "header"
    assert kinds.count("link") == 1
    assert kinds.count("error") == 2
    assert [part.times for part in parts if part.kind == "repeated"] == [6]
    assert [part.inner for part in parts if part.kind == "error"][1] == ["ValueError: two", "lines"]
    frames = [part.frame for part in parts if part.frame is not None]
    assert frames[1].function == "_deep"
    assert frames[1].source[0] == "_deep(depth - 1)"
    assert all(frame.source for frame in frames)


def test_a_group_keeps_its_members_apart_and_its_margins_out_of_the_text() -> None:
    """Members lie one deeper than their group, notes belong to the error, no frame shows a margin."""
    parts = parse(_text(_grouped))
    errors = [(part.depth, part.inner) for part in parts if part.kind == "error"]
    assert errors[0] == (1, ["ExceptionGroup: many (3 sub-exceptions)", "a note", "of two lines"])
    assert (2, ["ZeroDivisionError: division by zero"]) in errors
    assert (3, ["TypeError: never raised"]) in errors
    assert [part.inner[0].strip("+- ") for part in parts if part.kind == "rule"] == ["1", "2", "3", "1", ""]
    assert not any("|" in line for part in parts if part.frame is not None for line in part.frame.source)
    assert {part.kind for part in parts if part.lines[0].strip(" |")} <= {
        "header", "frame", "repeated", "error", "link", "rule",
    }  # fmt: skip


def test_a_syntax_error_shows_the_line_that_could_not_be_compiled() -> None:
    """Its last frame has no function, and keeps code and caret as they were below each other."""
    frame = [part.frame for part in parse(_text(_syntax)) if part.frame is not None][-1]
    assert (frame.path, frame.line, frame.function) == ("x.py", 1, None)
    assert frame.source == ("a b c", "  ^")


def test_bars_in_a_message_are_no_margins() -> None:
    """Outside of groups a table in an error's message stays part of the message, as it is."""
    text = "Traceback (most recent call last):\nDbError: no\n  | id | name |\n  +----+------+"
    assert parse(text)[-1].inner == ["DbError: no", "  | id | name |", "  +----+------+"]


def test_stack_info_is_a_part_of_its_own_kind() -> None:
    """``Stack (most recent call last):`` begins frames that belong to no exception."""
    text = 'ValueError: x\nStack (most recent call last):\n  File "a.py", line 1, in f\n    g()'
    assert [part.kind for part in parse(text)] == ["error", "stack", "frame"]


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("/srv/venv/lib/python3.12/site-packages/httpx/_client.py", "httpx/_client.py"),
        ("/usr/lib/python3/dist-packages/apt/cache.py", "apt/cache.py"),
        ("/usr/lib/python3.13t/asyncio/tasks.py", "asyncio/tasks.py"),
        ("C:\\Python312\\Lib\\json\\decoder.py", "json\\decoder.py"),
        ("C:\\venv\\Lib\\site-packages\\attr\\_make.py", "attr\\_make.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
    ],
)
def test_files_of_libraries_are_known_by_their_paths(path: str, within: str) -> None:
    """On every platform; what is left of the path is the part behind where packages are installed."""
    assert is_library(path)
    assert split_path(path)[1] == within
    assert "".join(split_path(path)) == path


@pytest.mark.parametrize("path", ["/srv/app/pay.py", "app/lib/pay.py", "<string>", "", "/opt/python/app.py"])
def test_own_files_are_no_libraries(path: str) -> None:
    """Neither a folder called ``lib`` nor a user called ``python`` makes one."""
    assert not is_library(path)
    assert split_path(path) == ("", path)


def test_a_fingerprint_is_the_crash_and_not_its_message() -> None:
    """The same for other messages, lines and libraries; another for another function or type; none without frames."""
    text = 'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    x()\nValueError: one'
    library = '  File "/usr/lib/python3.12/x.py", line 5, in g\n    y()\n'
    same = text.replace("line 1", "line 9").replace("one", "two").replace("ValueError", library + "ValueError")
    assert fingerprint(parse(text)) == fingerprint(parse(same))
    assert fingerprint(parse(text)) != fingerprint(parse(text.replace("in f", "in h")))
    assert fingerprint(parse(text)) != fingerprint(parse(text.replace("ValueError", "KeyError")))
    assert fingerprint(parse("")) == ""
