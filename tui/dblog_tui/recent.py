"""Queries somebody has asked before: one file per user, only theirs to read, the newest first.

A file that cannot be read or written costs the history of other runs, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MOST", "Recent", "recent_path"]

MOST: Final = 500
"""Queries kept."""
_LONGEST: Final = 4096


def recent_path(name: str = "queries") -> Path:
    """Where a history lies: ``queries`` or ``finds``."""
    import platformdirs  # noqa: PLC0415 - behind the first paint

    return platformdirs.user_state_path("dblog") / f"{name}.jsonl"


class Recent:
    """A history of texts, each once.

    Args:
        path: its file; None keeps it in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._texts: list[str] = _newest(_read(path)) if path else []

    @property
    def texts(self) -> tuple[str, ...]:
        """The newest first."""
        return tuple(self._texts)

    def add(self, text: str) -> None:
        """Remember a text as the newest. What is blank, or as it was, changes nothing."""
        text = text.strip()
        if not text or len(text) > _LONGEST or self._texts[:1] == [text]:
            return
        self._texts = _newest([*reversed(self._texts), text])
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError):
                _append(self._path, text)

    def forget(self) -> None:
        """Forget everything, the file as well."""
        self._texts = []
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _newest(texts: Iterable[str]) -> list[str]:
    """Texts in the order of time → the newest first, each once."""
    return list(dict.fromkeys(reversed([*texts])))[:MOST]


def _read(path: Path) -> list[str]:
    """The texts in the order of time; lines that are none are left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            text = json.loads(line)
            if isinstance(text, str) and text.strip():
                found.append(text)
    return found


def _append(path: Path, text: str) -> None:
    """One write at the end, so that several programs can share the file; a long one is written anew."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, f"{json.dumps(text)}\n".encode())
    finally:
        os.close(handle)
    texts = _read(path)
    if len(texts) > 2 * MOST:
        _replace(path, reversed(_newest(texts)))


def _replace(path: Path, texts: Iterable[str]) -> None:
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(text)}\n" for text in texts)
        Path(made).replace(path)
    except OSError:
        Path(made).unlink(missing_ok=True)
        raise
