"""Complaints about brackets: lists and ranges of values, and parentheses where the other kind was meant."""

from __future__ import annotations

import re
from typing import Final

from dblog.query.mistakes import Mistake, Place

__all__ = ["between", "bracket", "in_brackets", "one_of"]

_RANGE: Final = re.compile(
    r"\s*+((?:[^\s,;.\]}]|\.(?!\.))++)(?:\s*+(?:\.\.++|[,;])\s*+|\s++(?:(?:-|and)\s++)?+)([^\s,;\]}]++)\s*+[\]}]?",
    re.IGNORECASE,
)


def one_of(place: Place) -> Mistake | None:
    """``field:(a b)``, ``field in (a b)``."""
    if not place.in_list or place.ended or place.rest[0] in ")'\"":
        return None
    opening = place.open[-1]
    name, is_in = place.tokens[opening - 2], place.tokens[opening - 1].type != "_COLON"
    if re.match(r"(?i:and)(?=[\s()])|&&", place.rest):
        reason = f"AND does not stand between values: each needs its {name}"
        return Mistake(place.at, reason, repairs=_spread(place, opening))
    if re.match(r"(?i:not)(?=[\s()]|\Z)|[-!]", place.rest):
        reason = f"NOT does not stand among values: write -{name}:value beside the list"
        return Mistake(place.at, reason)
    if place.last() in ("ITEM", "STRING", "LISTED_REGEX"):
        separator = ", " if is_in else " OR "
        reason = f"between values stands {'a comma' if is_in else 'OR'}"
        start = place.tokens[-1].end_pos or 0
        return Mistake(place.at, reason, repairs=place.with_(start, place.at, separator))
    return None


def _spread(place: Place, opening: int) -> tuple[str, ...]:
    """``f:(a AND b)`` → ``(f:a AND f:b)``."""
    name, start = place.tokens[opening - 2], place.tokens[opening].end_pos or 0
    inside, closed, after = place.text[start:].partition(")")
    values = re.split(r"\s+(?:and|&&)\s+", inside.strip(), flags=re.IGNORECASE)
    spread = " AND ".join(f"{name}:{value}" for value in values)
    return (f"{place.text[: name.start_pos]}({spread}){after}",) if closed else ()


def between(place: Place) -> Mistake | None:
    """``field:[1..5]``."""
    if not place.open or place.tokens[place.open[-1]].type != "LOWER":
        return None
    lower = place.tokens[place.open[-1]]
    start = lower.end_pos or 0
    bounds = len(place.tokens) - place.open[-1]
    if place.ended and bounds > _BOTH:
        closed = f"{place.text.rstrip()}{place.closing}"
        return Mistake(lower.start_pos or 0, "this bracket is never closed", repairs=(closed,))
    match = _RANGE.match(place.text, start)
    inside = f"{match[1]} TO {match[2]}]" if match else f"{place.text[start:].strip().rstrip(']}').strip()} TO *]"
    end = match.end() if match else len(place.text)
    repairs = place.with_(start, end, inside)
    return Mistake(
        place.at, "a range is [low TO high]; * leaves a side open, and { } leave a bound out", repairs=repairs
    )


_BOTH = 3
"""A bracket, a bound, TO: from here on a bound has been read."""


def in_brackets(place: Place) -> Mistake | None:
    """``tags in [1, 2]``."""
    match = re.match(r"\[([^\[\]]*)\]", place.rest)
    types = [token.type for token in place.tokens[-3:]]
    words = place.tokens[-3:] if types == ["WORD", "NEGATION", "WORD"] else place.tokens[-2:]
    if match is None or (types[-2:] != ["WORD", "WORD"] and types != ["WORD", "NEGATION", "WORD"]):
        return None
    if words[-1].lower() != "in":
        return None
    reason = f"{words[-1]} takes values in parentheses: {' '.join(words)} (a, b)"
    return Mistake(place.at, reason, repairs=place.with_(place.at, place.at + match.end(), f"({match[1]})"))


def bracket(place: Place) -> Mistake | None:
    """One that stands alone."""
    if place.rest[:1] not in ("[", "]", "{", "}") or "WORD" not in place.allowed:
        return None
    reason = "a bracket begins a range, after a field: dur_ms:[100 TO 500]; to search for it, quote it"
    return Mistake(place.at, reason, repairs=place.quoting())
