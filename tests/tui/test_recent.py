"""Queries asked before: the newest first, each once, in a file that nobody else reads."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dblog_tui.recent import MOST, Recent, recent_path

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@given(st.lists(st.text("ab \n", max_size=3)))
def test_the_newest_first_and_each_once(texts: list[str]) -> None:
    """As if each were taken out of the list and put on top; blanks around it, and blank ones, do not count."""
    recent, expected = Recent(), list[str]()
    for text in texts:
        recent.add(text)
        if text := text.strip():
            expected = [text, *(each for each in expected if each != text)]
    assert list(recent.texts) == expected


def test_another_run_knows_them(tmp_path: Path) -> None:
    """The file is the user's alone; two programs that write it at once lose nothing."""
    path = tmp_path / "deep" / "queries.jsonl"
    one, other = Recent(path), Recent(path)
    one.add("level:error\nsecond line ü")
    other.add("service:api")
    one.add("timeout")
    assert Recent(path).texts == ("timeout", "service:api", "level:error\nsecond line ü")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_wider_mode_is_narrowed(tmp_path: Path) -> None:
    """A file others could read is theirs no more once something is added."""
    path = tmp_path / "queries.jsonl"
    path.write_text("")
    path.chmod(0o644)
    Recent(path).add("user:9547")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    """The newest five hundred are kept, in memory and, sooner or later, in the file."""
    path = tmp_path / "queries.jsonl"
    path.write_text("".join(f"{json.dumps(str(number))}\n" for number in range(2 * MOST)))
    recent = Recent(path)
    recent.add("new")
    assert len(recent.texts) == MOST
    assert recent.texts[:2] == ("new", str(2 * MOST - 1))
    assert len(path.read_text().splitlines()) == MOST
    assert Recent(path).texts == recent.texts
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_broken_file_costs_what_is_broken(tmp_path: Path) -> None:
    """Lines that are no text are passed over; a folder in its place, or one that cannot be written, is no error."""
    path = tmp_path / "queries.jsonl"
    path.write_bytes(b'"a"\n\xff\xfe\n{}\n[1]\n"b\n\n"c"\n')
    assert Recent(path).texts == ("c", "a")
    (tmp_path / "folder").mkdir()
    for bad in (tmp_path / "folder", path / "below a file"):
        recent = Recent(bad)
        recent.add("x")
        assert recent.texts == ("x",)


def test_forgetting_removes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of it, and it begins anew."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = recent_path("finds")
    assert path.is_relative_to(tmp_path)
    recent = Recent(path)
    recent.add("x")
    recent.forget()
    assert not path.exists()
    assert recent.texts == ()
