"""Every mistake of a query, each with its place and the repair one key applies.

``dblog.query.parse`` stops at the first one; what is wrong further on is found by putting a word in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.errors import QuerySyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Mistake", "mistakes", "of_error"]

_MOST: Final = 3
_CHUNK: Final = re.compile(r'[^\s()"]+')
_OFFENDING: Final = re.compile(r"[\w.@-]+")
_DID_YOU_MEAN: Final = re.compile(r"did you mean {2}.* \?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of them."""

    column: int
    width: int
    """Characters it is about; 0 at the end of the query."""
    reason: str
    """A sentence."""
    advice: str
    """Another one: what to write instead; may be empty."""
    repaired: str | None
    """The whole query with this one put right."""

    @property
    def unfinished(self) -> bool:
        """There is only something missing at the end: whoever types may be about to write it."""
        return self.width == 0

    def grows(self, text: str) -> bool:
        """The repair only writes on."""
        return self.unfinished or (self.repaired is not None and self.repaired.startswith(text.rstrip()))


def mistakes(text: str, parse: Callable[[str], object]) -> list[Mistake]:
    """The mistakes of a query, by their place; none where it can be read.

    Args:
        text: the query.
        parse: raises ``QuerySyntaxError``; called a few times.
    """
    found: list[Mistake] = []
    masked = text
    while len(found) < _MOST and (error := _error(masked, parse)) is not None:
        chunk = _chunk(masked, error.column)
        if found and (error.text == text or chunk is None or "x" * (chunk[1] - chunk[0]) in masked[slice(*chunk)]):
            break
        found.append(_mistake(text, error, chunk, parse, whole=masked == text))
        if error.repaired is not None and masked == text:
            break  # the repair is one of everything
        if chunk is None:
            break
        masked = f"{masked[: chunk[0]]}{'x' * (chunk[1] - chunk[0])}{masked[chunk[1] :]}"
    return sorted(found, key=lambda mistake: mistake.column)


def of_error(error: QuerySyntaxError) -> Mistake:
    """The mistake an error is about."""
    return _mistake(error.text, error, None, lambda _: None, whole=True)


def _error(text: str, parse: Callable[[str], object]) -> QuerySyntaxError | None:
    try:
        parse(text)
    except QuerySyntaxError as error:
        return error
    return None


def _chunk(text: str, column: int) -> tuple[int, int] | None:
    """The term around a place: what stands between blanks, parentheses and quotes."""
    return next((match.span() for match in _CHUNK.finditer(text) if match.start() <= column < match.end()), None)


def _mistake(
    text: str,
    error: QuerySyntaxError,
    chunk: tuple[int, int] | None,
    parse: Callable[[str], object],
    *,
    whole: bool,
) -> Mistake:
    repaired, advice = error.repaired if whole else None, error.suggestion or ""
    if repaired is None and chunk is not None:
        # The rest of the query has mistakes of its own, so only this term can be put right.
        alone = _error(text[slice(*chunk)], parse)
        if alone is not None and alone.repaired is not None:
            repaired = f"{text[: chunk[0]]}{alone.repaired}{text[chunk[1] :]}"
            advice = alone.suggestion or ""
    if repaired is not None and (not advice or _DID_YOU_MEAN.fullmatch(advice)):
        advice = f"did you mean  {_changed(text, repaired)} ?"
    match = _OFFENDING.match(text, error.column)
    width = len(match[0]) if match else min(1, len(text) - error.column)
    advice = advice or (f"expected {_either(error.expected)}" if error.expected else "")
    return Mistake(error.column, max(width, 0), error.reason, advice, repaired)


def _either(things: tuple[str, ...]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} or {things[-1]}"


def _changed(text: str, repaired: str) -> str:
    """The terms of the repair that are new: all of it where that is short."""
    if len(repaired) <= _SHORT:
        return repaired
    least = min(len(text), len(repaired))
    start = next((at for at in range(least) if text[at] != repaired[at]), least)
    end = next((at for at in range(least - start) if text[-1 - at] != repaired[-1 - at]), least - start)
    start = max(repaired.rfind(" ", 0, start), -1) + 1
    blank = repaired.find(" ", len(repaired) - end)
    return repaired[start : blank if blank >= 0 else len(repaired)].strip() or repaired


_SHORT: Final = 30
