"""How far a long command is: one line on stderr that is written over itself, and only where a person sees it."""

from __future__ import annotations

import sys
import time
from typing import Final, Self

__all__ = ["Progress"]

_EVERY: Final = 0.1
"""Seconds between two updates."""
_SETTLED: Final = 1.0
"""Seconds after which a rate means something."""


class Progress:
    """A context manager; call it with the count reached.

    Args:
        what: what is counted, in the plural.
        total: how many there will be; None where nobody knows.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what = what
        self.total = total
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._next = 0.0
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            sys.stderr.write(f"\r{' ' * self._width}\r")
            sys.stderr.flush()

    def __call__(self, count: int) -> None:
        """Show the count, its rate, and the share of the total."""
        now = time.monotonic()
        if not self.shown or now < self._next:
            return
        self._next = now + _EVERY
        line = f"{count:,} {self._what}"
        if self.total:
            line += f" ({min(99, 100 * count // self.total)} %)"
        if (elapsed := now - self._started) > _SETTLED:
            line += f", {count / elapsed:,.0f}/s"
        sys.stderr.write(f"\r{line}{' ' * (self._width - len(line))}")
        sys.stderr.flush()
        self._width = len(line)
