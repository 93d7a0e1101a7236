"""Copying writes what terminals, tmux and screen understand, never more than they take, and says what it did."""

from __future__ import annotations

import base64
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App

from dblog_tui.clipboard import MOST, copy, sequences

if TYPE_CHECKING:
    from pathlib import Path


class _Driver:
    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, data: str) -> None:
        self.written.append(data)


def _app() -> tuple[App[Any], list[str]]:
    app, driver = App[Any](), _Driver()
    app._driver = driver  # type: ignore[assignment]  # as much of one as copying needs
    return app, driver.written


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's state, and no tmux around the tests."""
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: tmp_path / name)
    return tmp_path / "dblog" / "copied"


def _decoded(sequence: str) -> str:
    found = re.fullmatch("\x1b]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


@given(st.text(min_size=1, max_size=200))
def test_what_is_written_is_the_text_in_base64_and_nothing_else(text: str) -> None:
    """For any text, hostile ones too: one OSC 52 with nothing in it but base64; lone surrogates become ``?``."""
    app, written = _app()
    assert copy(app, text).startswith("copied ")
    assert [_decoded(each) for each in written] == [text.encode("utf-8", "replace").decode()]
    assert app.clipboard == text.encode("utf-8", "replace").decode()


@given(st.text("ab=", max_size=3000))
def test_tmux_and_screen_are_told_to_pass_it_on(encoded: str) -> None:
    """Taking the wrapping off gives the plain sequence again; screen gets no piece longer than it takes."""
    [plain] = sequences(encoded, {})
    first, wrapped = sequences(encoded, {"TMUX": "/run/tmux,1,0"})
    assert first == plain
    assert wrapped.startswith("\x1bPtmux;")
    assert wrapped.removeprefix("\x1bPtmux;").removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b") == plain
    pieces = list(sequences(encoded, {"STY": "1.pts"}))
    assert "".join(piece.removeprefix("\x1bP").removesuffix("\x1b\\") for piece in pieces) == plain
    assert all(len(piece) < 768 for piece in pieces)


def test_in_tmux_the_sentence_names_the_option_it_may_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal never answers, so what to do when nothing arrives is said at once."""
    monkeypatch.setenv("TMUX", "/run/tmux,1,0")
    app, written = _app()
    assert "set-clipboard on" in copy(app, "x" * 2100)
    assert "2.1 kB" in copy(app, "x" * 2100)
    assert len(written) == 4


def test_what_is_too_long_goes_into_a_file_of_ones_own(folder: Path) -> None:
    """Beyond the cap nothing is written to the terminal; the file holds the bytes, mode 0600, and ten are kept."""
    app, written = _app()
    longest = "x" * (MOST // 4 * 3)
    copy(app, longest[:-3])
    assert len(written) == 1
    sentence = [copy(app, f"{number:02}" + "é" * MOST) for number in range(12)][-1]
    assert len(written) == 1
    files = sorted(folder.iterdir())
    assert len(files) == 10
    assert str(files[-1]) in sentence
    assert files[-1].read_text(encoding="utf-8").startswith("11é")
    assert stat.S_IMODE(files[-1].stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_a_sentence(folder: Path) -> None:
    """No exception leaves, and the reason is said."""
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("in the way")
    assert "no file could be written" in copy(_app()[0], "x" * MOST)


def test_nothing_is_not_copied() -> None:
    """An empty text leaves the clipboard as it is; without a terminal the sentence says so."""
    app, written = _app()
    assert copy(app, "") == "there is nothing to copy"
    assert written == []
    app._driver = None
    assert "inside this program only" in copy(app, "x")
