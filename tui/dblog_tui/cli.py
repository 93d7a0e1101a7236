"""The command ``dblog-tui``: says what is missing. It refuses to pretend there is a browser."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["main"]

UNAVAILABLE = 2
"""Exit status, as for a usage error: nothing was tried."""


def main() -> int:
    """Say that the terminal application is not part of this release, and which extra it will need."""
    lines = ["dblog-tui: the terminal application is not part of this release yet."]
    if importlib.util.find_spec("textual") is None:
        lines.append("It will need textual: pip install 'dblog-logging[tui]'")
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - a command speaks to the terminal
    return UNAVAILABLE
