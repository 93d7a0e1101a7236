"""dblog's own words to people: one line on stderr, rate-limited, never through ``logging``.

``sys.__stderr__`` and not ``sys.stderr``, because applications redirect the latter
into ``logging``. A line names the state and the error code; it never holds a
password or the text of a message.
"""

from __future__ import annotations

import sys
import time

__all__ = ["complain"]

_EVERY = 10.0
"""Seconds between two lines of one kind."""

_last: dict[str, float] = {}


def complain(kind: str, line: str) -> bool:
    """Write ``dblog: line`` unless one of this kind was written less than ten seconds ago; whether it was."""
    now = time.monotonic()
    if now - _last.get(kind, -_EVERY) < _EVERY:
        return False
    _last[kind] = now
    try:
        stream = sys.__stderr__
        if stream is not None:
            stream.write(f"dblog: {line}\n")
            stream.flush()
    except Exception:  # noqa: BLE001 - a closed, full or re-entered stderr must not harm the application
        return False
    return True
