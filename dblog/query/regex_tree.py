r"""The tree of a regular expression, and its text for us, for RE2 and for PostgreSQL.

Every construct an engine could understand in a way of its own is gone from the tree: a class, ``\d``, ``.`` or a
letter without case is a set of code points, and laziness and capturing, which change no answer, are not kept.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "CLASSES", "DOT", "Assertion", "Chars", "Choice", "Part", "Ranges", "Repeat", "Series", "complement", "folded",
    "loose_assertions", "merged", "postgres", "re2", "size", "text",
]  # fmt: skip

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points, first and last of each run: ascending, disjoint, not adjacent, within ``_UNIVERSE``."""

_UNIVERSE: Final[Ranges] = ((1, 0xD7FF), (0xE000, 0x10FFFF))
"""What a stored text can hold: no U+0000, no surrogates."""


class Assertion(enum.Enum):
    """A condition on a place between characters."""

    START = "^"
    """Of the text, not of a line."""
    END = "$"
    """Of the text, not of a line."""
    BOUNDARY = r"\b"
    """One side is a letter, digit or underscore of ASCII, the other is not."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Series:
    """Parts one after another, none a Series; none at all is the empty text."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two parts or more, none of them a Choice."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part at least and at most so many times; None is without end."""

    part: Part
    least: int
    most: int | None


Part: TypeAlias = Chars | Assertion | Series | Choice | Repeat


# -- sets ------------------------------------------------------------------------------------------------------


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Any runs as ``Ranges``: in order, joined where they touch, without what no text holds."""
    cut = [
        (max(first, low), min(last, high))
        for first, last in ranges
        for low, high in _UNIVERSE
        if max(first, low) <= min(last, high)
    ]
    result: list[tuple[int, int]] = []
    for first, last in sorted(cut):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def complement(ranges: Ranges) -> Ranges:
    """Every other character."""
    edges = [0, *(edge for first, last in ranges for edge in (first - 1, last + 1)), 0x110000]
    return merged((edges[index], edges[index + 1]) for index in range(0, len(edges), 2))


def folded(ranges: Ranges) -> Ranges:
    """With every ASCII letter also its other case."""
    found = list(ranges)
    for first, last in ranges:
        for start, shift in ((ord("A"), 32), (ord("a"), -32)):
            low, high = max(first, start), min(last, start + 25)
            if low <= high:
                found.append((low + shift, high + shift))
    return merged(found)


def _of(*runs: str) -> Ranges:
    return merged((ord(run[0]), ord(run[-1])) for run in runs)


DOT: Final = complement(_of("\n"))
CLASSES: Final = {"d": _of("09"), "w": _of("09", "AZ", "_", "az"), "s": _of("\t\r", " ")}
CLASSES.update({name.upper(): complement(ranges) for name, ranges in tuple(CLASSES.items())})
_SHORT: Final = {DOT: ".", _UNIVERSE: r"[\s\S]", **{ranges: "\\" + name for name, ranges in CLASSES.items()}}
_UPPER: Final = _of("AZ")


# -- sizes -----------------------------------------------------------------------------------------------------


def size(part: Part) -> int:
    """The states PostgreSQL makes of it, roughly: repeats are written out, a set counts by its runs.

    What is repeated and may be empty counts four times: compiling it takes time with the cube of its states.
    """
    match part:
        case Chars(ranges):
            return 1 + min(len(ranges), len(complement(ranges))) // 4
        case Series(parts):
            return sum(map(size, parts))
        case Choice(parts):
            return len(parts) + sum(map(size, parts))
        case Repeat(inner, _, most):
            return 1 + size(inner) * _copies(part) * (4 if _may_be_empty(inner) and most != 1 else 1)
        case _:
            return 1


def loose_assertions(part: Part) -> int:
    """Assertions that can follow one another with no character between, repeats written out.

    PostgreSQL makes a state for each combination of them.
    """
    match part:
        case Assertion():
            return 1
        case Series(parts):
            passed = _may_be_empty(part)
            return sum(loose_assertions(inner) for inner in parts if passed or not isinstance(inner, Assertion))
        case Choice(parts):
            return sum(map(loose_assertions, parts))
        case Repeat(inner):
            return loose_assertions(inner) * _copies(part)
        case _:
            return 0


def _copies(repeat: Repeat) -> int:
    return max(1 if repeat.most == 1 else 2, repeat.least, repeat.most or 0)


def _may_be_empty(part: Part) -> bool:
    match part:
        case Chars():
            return False
        case Series(parts):
            return all(map(_may_be_empty, parts))
        case Choice(parts):
            return any(map(_may_be_empty, parts))
        case Repeat(inner, least):
            return least == 0 or _may_be_empty(inner)
        case _:
            return True


# -- texts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Style:
    """How an engine wants it written."""

    char: Callable[[int], str]
    """A code point outside of a class."""
    member: Callable[[int], str]
    """A code point within one."""
    group: str
    assertions: dict[Assertion, str]
    short: dict[Ranges, str]
    folded: bool = False
    """Capitals go without saying."""


def _written(part: Part, style: _Style) -> str:
    match part:
        case Chars(ranges):
            return _chars(ranges, style)
        case Series(parts):
            return "".join(
                _grouped(inner, style) if isinstance(inner, Choice) else _written(inner, style) for inner in parts
            )
        case Choice(parts):
            return "|".join(_written(inner, style) for inner in parts)
        case Repeat(inner, least, most):
            once = _written(inner, style) if isinstance(inner, Chars) else _grouped(inner, style)
            return once + _times(least, most)
        case _:
            return style.assertions[part]


def _grouped(part: Part, style: _Style) -> str:
    return f"{style.group}{_written(part, style)})"


def _times(least: int, most: int | None) -> str:
    if most is None and least <= 1:
        return "*+"[least]
    if (least, most) == (0, 1):
        return "?"
    return f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"


def _chars(ranges: Ranges, style: _Style) -> str:
    if ranges in style.short:
        return style.short[ranges]
    negated = 0 < len(complement(ranges)) < len(ranges)
    if negated:
        ranges = complement(ranges)
    if style.folded:
        ranges = complement(merged((*complement(ranges), *_UPPER)))
    if not negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return style.char(ranges[0][0])
    shown = "".join(_run(first, last, style) for first, last in ranges)
    return f"[{'^' * negated}{shown}]"


def _run(first: int, last: int, style: _Style) -> str:
    between = "-" if last > first + 1 else ""
    return style.member(first) + (between + style.member(last) if last > first else "")


def _escaped(special: str) -> Callable[[int], str]:
    def written(code: int) -> str:
        char = chr(code)
        if char in special:
            return "\\" + char
        if char.isprintable() or code > 0xFFFF:  # noqa: PLR2004 - the last that four digits can write
            return char
        return _CONTROLS.get(char) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")  # noqa: PLR2004 - two digits

    return written


_CONTROLS: Final = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\f": r"\f", "\v": r"\v"}
_OURS: Final = _Style(
    _escaped("\\.^$|?*+()[]{}"), _escaped("\\]^-["), "(", {one: one.value for one in Assertion}, _SHORT
)
_OURS_FOLDED: Final = replace(_OURS, folded=True)


def _coded(bmp: str, beyond: str) -> Callable[[int], str]:
    def written(code: int) -> str:
        char = chr(code)
        if char.isascii() and char.isalnum():
            return char
        return (bmp if code <= 0xFFFF else beyond).format(code)  # noqa: PLR2004 - the last that four digits can write

    return written


_RE2_CHAR: Final = _coded(r"\x{{{:x}}}", r"\x{{{:x}}}")
_RE2: Final = _Style(_RE2_CHAR, _RE2_CHAR, "(?:", dict(zip(Assertion, (r"\A", r"\z", r"\b"), strict=True)), {})
_POSTGRES_CHAR: Final = _coded(r"\u{:04x}", r"\U{:08x}")
_POSTGRES: Final = _Style(
    _POSTGRES_CHAR, _POSTGRES_CHAR, "(?:", dict(zip(Assertion, (r"\A", r"\Z", r"\y"), strict=True)), {}
)


def text(part: Part, *, ignore_case: bool) -> str:
    """In our own syntax; where case does not matter, letters are shown in lower case."""
    return "(?i)" + _written(part, _OURS_FOLDED) if ignore_case else _written(part, _OURS)


def re2(part: Part) -> str:
    """For RE2, with its options as they are."""
    return _written(part, _RE2)


def postgres(part: Part) -> str:
    """For PostgreSQL's ``~`` under ``COLLATE "C"``."""
    return _written(part, _POSTGRES)
