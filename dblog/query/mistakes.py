"""What is wrong with a query that cannot be read, in one sentence, and what was meant."""

from __future__ import annotations

__all__ = ["BadValue", "Mistake"]


class BadValue(Exception):  # noqa: N818 - it never leaves dblog.query: the parser gives it a place and a name
    """A value or a name is wrong.

    Args:
        reason: one sentence.
        offset: where in it, in characters.
        instead: texts to stand in its place, the likeliest first.
        suggestion: one sentence; None makes one of the first repair that parses.
        expected: what could stand there.
    """

    def __init__(
        self,
        reason: str,
        *,
        offset: int = 0,
        instead: tuple[str, ...] = (),
        suggestion: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.instead = instead
        self.suggestion = suggestion
        self.expected = expected


class Mistake(Exception):  # noqa: N818 - as above
    """A query is wrong: the sentence, and whole queries that might have been meant, the likeliest first."""

    def __init__(
        self,
        column: int,
        reason: str,
        *,
        repairs: tuple[str, ...] = (),
        suggestion: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason
        self.repairs = repairs
        self.suggestion = suggestion
        self.expected = expected
