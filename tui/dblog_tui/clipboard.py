"""Copying through the terminal (OSC 52), which works over SSH; what is too long for it goes into a file.

A terminal never answers, so the sentence says what was sent, and not that it arrived.
"""

from __future__ import annotations

import base64
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from textual.app import App

__all__ = ["MOST", "copy", "sequences"]

MOST: Final = 74_994
"""Bytes of base64; more is cut off or refused by common terminals."""
_KEPT: Final = 10
"""Files of long copies that are left lying; logs hold what is nobody else's business."""
_SCREEN_MOST: Final = 700
"""Bytes GNU screen passes on at once."""


def copy(app: App[Any], text: str) -> str:
    """Copy a text; the sentence to show."""
    if not text:
        return "there is nothing to copy"
    data = text.encode("utf-8", errors="replace")
    size = _size(len(data))
    encoded = base64.b64encode(data).decode()
    if len(encoded) > MOST:
        return _into_file(data, size)
    app._clipboard = data.decode()  # noqa: SLF001 - what its inputs paste; `copy_to_clipboard` would write as well
    driver = app._driver  # noqa: SLF001 - there is no public way to write what is no picture
    if driver is None:
        return f"copied {size} inside this program only"
    for sequence in sequences(encoded, os.environ):
        driver.write(sequence)
    if "TMUX" in os.environ:
        return f"copied {size} (OSC 52); if pasting brings nothing: tmux set -g set-clipboard on"
    return f"copied {size} (OSC 52)"


def sequences(encoded: str, environ: Mapping[str, str]) -> Iterator[str]:
    """What is written for a text in base64: plain, and once more wrapped for what stands between us and the terminal.

    tmux takes the plain form where ``set-clipboard`` is ``on``, and passes the wrapped one on where
    ``allow-passthrough`` is; which of them holds cannot be asked, and both do no harm.
    """
    plain = f"\x1b]52;c;{encoded}\x07"
    if "TMUX" in environ:
        yield plain
        doubled = plain.replace("\x1b", "\x1b\x1b")
        yield f"\x1bPtmux;{doubled}\x1b\\"
    elif "STY" in environ:
        for start in range(0, len(plain), _SCREEN_MOST):
            yield f"\x1bP{plain[start : start + _SCREEN_MOST]}\x1b\\"
    else:
        yield plain


def _into_file(data: bytes, size: str) -> str:
    folder = platformdirs.user_state_path("dblog") / "copied"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000_000:09}.txt"
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
    except OSError as error:
        return f"{size} are too long for a terminal's clipboard, and no file could be written: {error.strerror}"
    _tidy(folder)
    return f"{size} are too long for a terminal's clipboard; they are in {visible(str(path))}"


def _tidy(folder: Path) -> None:
    with suppress(OSError):
        for old in sorted(folder.glob("*.txt"))[:-_KEPT]:
            old.unlink()


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB"  # noqa: PLR2004 - kilo
