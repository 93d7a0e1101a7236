"""Views with names, and marked rows, in files of the user's own."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog_tui.marks import Mark, Marks, marks_path
from dblog_tui.saved import SavedView, SavedViews, views_path
from dblog_tui.view import Span, View

if TYPE_CHECKING:
    from pathlib import Path

_whole_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_moments = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
_spans = st.builds(Span, st.integers(1, 10**9)) | st.builds(Span, st.none(), st.none() | _moments, st.none() | _moments)
_views = st.builds(View, _whole_text, _spans, st.integers(0, 5))
_saved = st.builds(
    SavedView,
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40),
    _views,
    st.none() | st.lists(_whole_text, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@settings(max_examples=40)  # each writes a file to the disk
@given(st.lists(_saved, max_size=4, unique_by=lambda saved: saved.name))
def test_a_saved_view_is_read_as_it_was_saved(folder: Path, saved: list[SavedView]) -> None:
    """Whatever is in it; and the file is TOML that only its owner may read."""
    path = folder / "some" / "views.toml"
    path.unlink(missing_ok=True)
    views = SavedViews(path)
    for each in saved:
        assert not views.save(each)
    assert set(SavedViews(path).all()) == set(saved)
    assert all(views.get(each.name) == each for each in saved)
    if saved:
        assert path.stat().st_mode & 0o777 == 0o600
        tomllib.loads(path.read_text(encoding="utf-8"))
        assert views.save(saved[0])
        views.remove(saved[0].name)
        assert saved[0] not in views.all()


def test_the_file_is_made_to_be_edited(tmp_path: Path) -> None:
    """It reads like what people write, and is read as they write it."""
    views = SavedViews(tmp_path / "views.toml")
    views.save(SavedView("payment errors", View("service:pay", Span(last=900), 4), ("time", "message")))
    views.save(SavedView("night", View("", Span(since=1_795_168_800_000_000))))
    assert views.path.read_text() == (
        '[views.night]\nquery = ""\nsince = 2026-11-20T10:00:00Z\n'
        '\n[views."payment errors"]\nquery = "service:pay"\nlast = "15m"\nlevel = "error"\n'
        'columns = ["time", "message"]\n'
    )
    views.path.write_text('# mine\n[views.a]\nsince = 2026-11-20T12:00:00+02:00\nlevel = "warning"\n')
    assert views.get("a") == SavedView("a", View("", Span(since=1_795_168_800_000_000), 3))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("views = 1", "only tables"),
        ("[other]", "only tables"),
        ("[views", "is not TOML"),
        ("[views]\na = 1", "views.a is no table"),
        ("[views.a]\nquery = 1", "views.a.query=1 is not allowed"),
        ("[views.a]\nqeury = ''", "views.a.qeury is not allowed: use query"),
        ("[views.a]\nlevel = 'loud'", "views.a.level='loud' is not allowed"),
        ("[views.a]\nlast = '15 minutes'", "views.a.last='15 minutes' is not allowed"),
        ("[views.a]\nsince = 2026-11-20T10:00:00", "views.a.since="),
        ("[views.a]\ncolumns = 'x'", "views.a.columns='x' is not allowed"),
    ],
)
def test_a_file_with_a_mistake_is_left_alone(tmp_path: Path, text: str, sentence: str) -> None:
    """The mistake is said with its place, and saving does not write over it."""
    views = SavedViews(tmp_path / "views.toml")
    views.path.write_text(text)
    with pytest.raises(ConfigurationError, match=sentence.replace("[", r"\[")):
        views.all()
    with pytest.raises(ConfigurationError):
        views.save(SavedView("b", View()))
    assert views.path.read_text() == text


def test_what_cannot_be_saved_or_found_is_a_sentence(tmp_path: Path) -> None:
    """No name, a name that cannot be seen, a file where a folder should be, half a character, a name nobody saved."""
    views = SavedViews(tmp_path / "views.toml")
    for name in ("", "  ", "a\x1b", "x" * 61):
        with pytest.raises(ConfigurationError, match="name"):
            views.save(SavedView(name, View()))
    with pytest.raises(ConfigurationError, match="none is saved yet"):
        views.get("a")
    with pytest.raises(ConfigurationError, match="half of a surrogate pair"):
        views.save(SavedView("a", View("\ud800")))
    views.save(SavedView("a", View()))
    with pytest.raises(ConfigurationError, match="there are a"):
        views.get("b")
    with pytest.raises(ConfigurationError, match="cannot be"):
        SavedViews(views.path / "x.toml").save(SavedView("a", View()))
    assert views_path({"DBLOG_CONFIG": "/etc/dblog/config.toml"}).as_posix() == "/etc/dblog/views.toml"


def test_a_link_to_a_file_elsewhere_stays_a_link(tmp_path: Path) -> None:
    """Who keeps their configuration in a repository keeps it there."""
    (tmp_path / "dotfiles").mkdir()
    link = tmp_path / "views.toml"
    link.symlink_to(tmp_path / "dotfiles" / "views.toml")
    SavedViews(link).save(SavedView("a", View()))
    assert link.is_symlink()
    assert "views.a" in (tmp_path / "dotfiles" / "views.toml").read_text()


# -- marks -----------------------------------------------------------------------------------------------------

_places = st.tuples(st.integers(0, 5), st.integers(0, 5).map(lambda number: UUID(int=number)))


@settings(max_examples=40)  # as above
@given(st.lists(st.tuples(_places, st.none() | _whole_text), max_size=8), _places)
def test_marks_are_kept_and_found_in_order(folder: Path, steps: list[tuple[tuple[int, UUID], Any]], place: Any) -> None:
    """What is marked and not unmarked is there for the next program, and ``next`` goes to the nearest of it."""
    path = folder / "marks" / "m.json"
    path.unlink(missing_ok=True)
    expected: dict[UUID, Mark] = {}
    for (timestamp, entry_id), note in steps:
        marks = Marks(path)
        if note is None:
            assert marks.toggle(timestamp, entry_id) is (entry_id not in expected)
            if expected.pop(entry_id, None) is None:
                expected[entry_id] = Mark(timestamp, entry_id)
        else:
            marks.note(timestamp, entry_id, note)
            expected[entry_id] = Mark(timestamp, entry_id, " ".join(note.split()))
    marks = Marks(path)
    assert list(marks) == sorted(expected.values())
    assert len(marks) == len(expected)
    newer = [mark for mark in marks if mark[:2] > place]
    older = [mark for mark in marks if mark[:2] < place]
    assert marks.next(place[0], place[1], 1) == (newer[0] if newer else None)
    assert marks.next(place[0], place[1], -1) == (older[-1] if older else None)
    assert all(mark.id in marks and marks.get(mark.id) == mark for mark in marks)


def test_two_programs_mark_rows_of_one_database(tmp_path: Path) -> None:
    """What the one marks is not lost when the other does."""
    one, other = Marks(tmp_path / "m.json"), Marks(tmp_path / "m.json")
    one.toggle(1, UUID(int=1))
    other.note(2, UUID(int=2), "hm")
    assert [mark.timestamp for mark in Marks(tmp_path / "m.json")] == [1, 2]
    assert (tmp_path / "m.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"marks": [1]}', '{"marks": [{"at": 1, "id": "x", "note": ""}]}'])
def test_a_broken_file_of_marks_is_set_aside(tmp_path: Path, text: str) -> None:
    """Marks work on, and what was in the file is still to be had."""
    path = tmp_path / "m.json"
    path.write_text(text)
    marks = Marks(path)
    assert not len(marks)
    assert "m.json.broken" in marks.trouble
    marks.toggle(1, UUID(int=1))
    assert json.loads(path.read_text())["marks"]
    assert (tmp_path / "m.json.broken").read_text() == text


def test_marks_that_cannot_be_written_are_kept_in_memory(tmp_path: Path) -> None:
    """And that is said."""
    (tmp_path / "file").write_text("")
    marks = Marks(tmp_path / "file" / "m.json")
    assert marks.toggle(1, UUID(int=1))
    assert UUID(int=1) in marks
    assert "kept until you leave" in marks.trouble
    marks.note(2, UUID(int=2), "x")
    assert len(marks) == 2
    assert len(Marks()) == 0


def test_marks_of_two_databases_are_apart() -> None:
    """By URL, schema and table; the name of the file tells nothing."""
    paths = {
        marks_path("sqlite:///a"),
        marks_path("sqlite:///b"),
        marks_path("sqlite:///a", "s"),
        marks_path("sqlite:///a", None, "l"),
    }
    assert len(paths) == 4
    assert not any("sqlite" in str(path) for path in paths)
