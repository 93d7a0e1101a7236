"""Where the terminal application draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.administered import entry, fill
from tests.tui.terminal import Terminal, command

if TYPE_CHECKING:
    from pathlib import Path


def test_stderr_in_a_file_leaves_the_picture_on_the_terminal(sqlite_url: str, tmp_path: Path) -> None:
    """``2>file``, as people write who look for an error: the rows are on the screen, the file stays empty."""
    fill(sqlite_url, [entry(1, message="here it is")])
    errors = tmp_path / "errors"
    words = ["sh", "-c", 'exec "$@" 2>"$0"', str(errors), *command(sqlite_url)]
    with Terminal(words, tmp_path) as terminal:
        terminal.until("here it is")
        terminal.send(b"\x11")
        assert terminal.ended() == 0
        assert terminal.restored
    assert errors.read_bytes() == b""
