"""Our own subset of regular expressions: parsed here, printed for RE2 and PostgreSQL, never given to Python's ``re``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Regex", "RegexSyntaxError", "parse"]


class RegexSyntaxError(ValueError):
    """A pattern is not in the subset; ``offset`` counts code points from 0."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Regex:
    """A parsed pattern; equal patterns have equal ``source``."""

    source: str
    """Canonical text, with a leading ``(?i)`` where case does not matter; parses back to the same Regex."""


def parse(source: str, *, ignore_case: bool = False) -> Regex:
    """Parse a pattern; ``ignore_case`` is a leading ``(?i)``.

    Raises:
        RegexSyntaxError: it is not in the subset.
    """
    raise NotImplementedError
