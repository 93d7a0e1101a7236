"""What a value is to the query language, said once: for the predicate, for SQLite's functions, and as SQL's model.

Numbers are compared as IEEE doubles. PostgreSQL compares the shortest decimals instead, which comes to
the same because both sides are restricted: integers within ±(2**53 - 1), texts of at most 15 digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from dblog.query.tree import Pattern, Wild

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MOST_INT", "at", "document", "elements_of", "fold", "literal", "number_of", "spellings", "text_of", "variants",
]  # fmt: skip

MOST_INT: Final = 2**53 - 1
"""The largest integer JSON readers agree on, and the largest that capture leaves a number."""

# Ours, not a user's: linear, and anchored by fullmatch.
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,13})\.[0-9]{1,14}", re.ASCII)
_DIGITS: Final = 15
_ANY: Final = "surrogatepass"


def fold(text: str) -> str:
    """``text`` with A-Z in lower case and every other letter as it is, as SQLite's lower() and COLLATE "C" do."""
    # bytes.lower() knows ASCII only, and is thirty times as fast as str.translate().
    return text.lower() if text.isascii() else text.encode("utf-8", _ANY).lower().decode("utf-8", _ANY)


def variants(pattern: Pattern) -> tuple[Pattern, ...]:
    """The patterns of which one has to fit once ASCII letters are folded: one, or up to four beyond ASCII.

    As typed, all lower, all upper, capitalised (the first piece's first letter upper, all else lower), without
    duplicates, each with its ASCII letters folded.
    """
    pieces = [piece for piece in pattern if isinstance(piece, str)]
    if all(piece.isascii() for piece in pieces):
        return (_folded(pattern, pieces),)
    lower = [piece.lower() for piece in pieces]
    upper = [piece.upper() for piece in pieces]
    capitalised = [pieces[0].capitalize(), *lower[1:]]
    return tuple(dict.fromkeys(_folded(pattern, texts) for texts in (pieces, lower, upper, capitalised)))


def _folded(pattern: Pattern, texts: list[str]) -> Pattern:
    replacing = iter(texts)
    return tuple(piece if isinstance(piece, Wild) else fold(next(replacing)) for piece in pattern)


def spellings(text: str) -> tuple[str, ...]:
    """What ``:`` looks for in an identifier: as typed, in lower, in upper case; without duplicates."""
    return tuple(dict.fromkeys((text, text.lower(), text.upper())))


def literal(pattern: Pattern) -> str | None:
    """The text of a pattern without wildcards; None of one that has some."""
    if not pattern:
        return ""
    return pattern[0] if len(pattern) == 1 and isinstance(pattern[0], str) else None


def number_of(value: object) -> float | None:
    """The number a JSON value is, or a text is, for comparisons; None where it is none or beyond ±(2**53 - 1).

    A text is a number when it is an integer, or has at most 15 digits with a point among them: no plus, no exponent,
    no leading zeros, no blanks.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _INTEGER.fullmatch(value) or (_DECIMAL.fullmatch(value) and sum(map(str.isdigit, value)) <= _DIGITS):
            value = float(value) if "." in value else int(value)
        else:
            return None
    if isinstance(value, (int, float)):
        return value if -MOST_INT <= value <= MOST_INT else None
    return None


def text_of(value: object) -> str | None:
    """The text form of a JSON value: a string itself, an integer's digits; None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -MOST_INT <= value <= MOST_INT:
        return str(value)
    return None


def elements_of(value: Any) -> list[Any]:
    """What a path's value offers to a comparison: an array its elements, a scalar itself, an object or null nothing."""
    if isinstance(value, list):
        return value
    return [] if value is None or isinstance(value, dict) else [value]


def document(metadata: str | bytes | None) -> Any:
    """``metadata`` parsed; None where it is absent or not JSON."""
    if metadata is None:
        return None
    try:
        return orjson.loads(metadata)
    except orjson.JSONDecodeError:
        return None


def at(value: Any, path: Iterable[str | int]) -> Any:
    """What is at a path of keys of objects and indexes of arrays; None where nothing is."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value
