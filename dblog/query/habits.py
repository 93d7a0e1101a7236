"""Terms side by side that are meant as one: times with a blank in them, and what SQL and Elasticsearch spell otherwise.

The grammar reads each as a query, with words to look for; hardly anybody means that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dblog.query import fields, spelling, times
from dblog.query.literals import LEVELS
from dblog.query.mistakes import BadValue, Mistake
from dblog.query.tree import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lark import Token

__all__ = ["mistaken"]

_WIDEST: Final = 5
"""Tokens a habit has at most."""
_VALUES: Final = ("VALUE", "STRING")
_BEYOND: Final = re.compile(r"(@?)([\w-]+(?:\.[\w-]+)*)([:<>=~](?![:/]).+)")
_HAS: Final = "whether a field is there is asked by has()"


def mistaken(text: str, tokens: Sequence[Token], clock: times.Clock) -> Mistake | None:
    """The complaint about the first such place of a query that parses; None where there is none."""
    for at in range(len(tokens)):
        run = list(tokens[at : at + _WIDEST])
        for habit in _HABITS:
            if (mistake := habit(text, run, clock)) is not None:
                return mistake
    return None


def _replaced(text: str, first: Token, last: Token, *news: str) -> tuple[str, ...]:
    start, end = first.start_pos or 0, last.end_pos or 0
    return tuple(f"{text[:start]}{new}{text[end:]}" for new in news)


def _blank_in_time(text: str, run: list[Token], clock: times.Clock) -> Mistake | None:
    """``since:2026-11-20 10:00``, ``around:10:42 5m``, ``since:1h ago``."""
    key = run[0]
    column = fields.column(key.removeprefix("@")) if key.type == "FIELD" else None
    if key.type != "TIME_KEY" and (column is None or column.kind is not Kind.TIME):
        return None
    at = next((at for at, token in enumerate(run) if token.type in _VALUES), len(run))
    if at + 1 >= len(run) or run[at + 1].type != "WORD" or not times.continues(run[at + 1]):
        return None
    value, more = run[at], run[at + 1]
    said = spelling.text(value) if value.type == "STRING" else spelling.word_of(value)
    whole = _whole(key, said, more, clock)
    repairs = (*_replaced(text, value, more, *whole), *_replaced(text, more, more, spelling.quoted(more)))
    reason = f'a blank ends a time: write it without one or in quotes; to search for "{more}", quote that'
    return Mistake(more.start_pos or 0, reason, repairs=repairs)


def _whole(key: str, said: str, more: str, clock: times.Clock) -> tuple[str, ...]:
    """Two parts of a time as one."""
    if more.lower() == "ago":
        return (said,)
    if times.duration(aside := more.lstrip("±+-/")) is not None:
        if key == "around":
            return (f"{said}±{aside}",)
        return (f"{said}{more}",) if times.duration(said) is not None else ()
    try:
        day = clock.day(said)
    except BadValue:
        return ()
    if day is not None:
        return (spelling.quoted(f"{day.isoformat()} {more}"),)
    return (f"{said} until:{more}",) if key == "since" else ()


def _null(text: str, run: list[Token], _: times.Clock) -> Mistake | None:
    """``n is null``, where ``n`` is no column."""
    match [(token.type, token.lower()) for token in run]:
        case [("WORD", _), ("WORD", "is"), ("WORD", "null"), *_]:
            new, words = f"-has({run[0]})", run[:3]
        case [("WORD", _), ("WORD", "is"), ("NEGATION", "not"), ("WORD", "null"), *_]:
            new, words = f"has({run[0]})", run[:4]
        case _:
            return None
    if not fields.is_name(run[0]):
        return None
    reason = f'"{" ".join(words)}" are words where no column is named: write {new}, or quote it to search for it'
    return Mistake(run[0].start_pos or 0, reason, repairs=_replaced(text, run[0], words[-1], new))


def _ilike(text: str, run: list[Token], _: times.Clock) -> Mistake | None:
    """``n ilike "a%"``."""
    match [(token.type, token.lower()) for token in run]:
        case [("WORD", _), ("WORD", "ilike"), ("STRING", _), *_]:
            word = run[1]
        case [("WORD", _), ("NEGATION", "not"), ("WORD", "ilike"), ("STRING", _), *_]:
            word = run[2]
        case _:
            return None
    if not fields.is_name(run[0]):
        return None
    reason = "ilike is spelled like here: no case, in either"
    return Mistake(word.start_pos or 0, reason, repairs=_replaced(text, word, word, "like"))


def _exists(text: str, run: list[Token], _: times.Clock) -> Mistake | None:
    """``exists(a)``, ``_exists_:a``."""
    match [(token.type, token.lower()) for token in run]:
        case [("WORD", "exists"), ("LPAR", _), ("WORD", _), ("_RPAR", _), *_]:
            name, last = run[2], run[3]
        case [("FIELD", "_exists_"), ("_COLON", _), ("VALUE" | "STRING", _), *_]:
            name = last = run[2]
        case _:
            return None
    asked = spelling.text(name) if name.type == "STRING" else str(name)
    if run[0].type == "WORD" and run[0].end_pos != run[1].start_pos:
        return None
    return Mistake(run[0].start_pos or 0, _HAS, repairs=_replaced(text, run[0], last, f"has({asked})"))


def _comma(text: str, run: list[Token], _: times.Clock) -> Mistake | None:
    """``level:error,warning``."""
    match [token.type for token in run]:
        case ["FIELD", "_COLON" | "EQUAL" | "UNEQUAL" as operator, "VALUE", *_] if "," in run[2]:
            column = fields.column(run[0].removeprefix("@"))
        case _:
            return None
    names = [name for name in run[2].split(",") if name]
    if column is None or column.kind is not Kind.LEVEL or not any(name.lower() in LEVELS for name in names):
        return None
    listed = f"({' OR '.join(names)})" if len(names) > 1 else names[0]
    repairs = () if operator == "UNEQUAL" else _replaced(text, run[1], run[2], f":{listed}")
    return Mistake(run[2].start_pos or 0, "a comma does not stand between levels", repairs=repairs)


def _beyond_ascii(text: str, run: list[Token], _: times.Clock) -> Mistake | None:
    """``größe:5``."""
    word = run[0]
    match = _BEYOND.fullmatch(word) if word.type == "WORD" else None
    if match is None or match[2].isascii() or match[2][0].isdigit():
        return None
    reason = "the name of a field with letters beyond ASCII is in backquotes; to search for the text, quote it"
    name = ".".join(step if step.isascii() else f"`{step}`" for step in match[2].split("."))
    return Mistake(word.start_pos or 0, reason, repairs=_replaced(text, word, word, f"{match[1]}{name}{match[3]}"))


_HABITS: Final[tuple[Callable[[str, list[Token], times.Clock], Mistake | None], ...]] = (
    _blank_in_time, _null, _ilike, _exists, _comma, _beyond_ascii,
)  # fmt: skip
