"""Words, quoted strings, LIKE strings and regexes as they are written: read here, and written here.

What is read can be written so that it reads the same: ``canonical`` depends on it.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Final

from dblog.query.mistakes import BadValue
from dblog.query.tree import Pattern, Wild

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "like", "like_string", "pattern_word", "plain", "quoted", "regex", "regex_string", "slashed", "text", "word",
    "word_of",
]  # fmt: skip

_CODES: Final = {"n": "\n", "t": "\t"}
_NAMES: Final = {"\n": r"\n", "\t": r"\t"}
_HEX: Final = re.compile(r"u([0-9A-Fa-f]{4})")
_PUNCTUATION: Final = frozenset(string.punctuation)
_SLASH: Final = re.compile(r"\\.|/", re.DOTALL)
_QUOTES: Final = frozenset("\"'\\")
_WILDCARDS: Final = {"*": Wild.ANY, "?": Wild.ONE}
_SQL_WILDCARDS: Final = {"%": Wild.ANY, "_": Wild.ONE}

# What is written bare: nothing in it can be an operator, a quote, a wildcard, a regex or the end of a word. After a
# first digit a colon ends no name of a field; a path of two steps is no regex, unless the second is its flag.
_PLAIN: Final = re.compile(r"\w[\w.@#%+$/-]*|[0-9][\w.@#%+$/:-]*|/[\w.@#%+$-]+/(?!i?\Z)[\w.@#%+$-][\w.@#%+$/-]*")
_KEYWORDS: Final = frozenset({
    "and", "or", "not", "in", "like", "ilike", "contains", "is", "to", "has", "null", "select", "where",
})  # fmt: skip


def _characters(source: str, escapable: frozenset[str], *, codes: bool = True) -> Iterator[tuple[str, bool, int]]:
    r"""Each character, whether it was escaped, and its offset; a backslash before anything else is one itself."""
    at = 0
    while at < len(source):
        char, width = source[at], 1
        following = source[at + 1 : at + 2] if char == "\\" else ""
        if following and following in escapable:
            char, width = following, 2
        elif codes and following in _CODES and following:
            char, width = _CODES[following], 2
        elif codes and (match := _HEX.match(source, at + 1) if following else None):
            char, width = chr(int(match[1], 16)), 6
        yield char, width > 1, at
        at += width


def _checked(characters: Iterable[str], offset: int) -> str:
    r"""The text, with ``\ud83d\ude00`` made one character, as JSON means it."""
    joined = "".join(characters)
    try:
        joined = joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise BadValue("half of a surrogate pair is no character", offset=offset) from None
    if "\0" in joined:
        raise BadValue("U+0000 cannot be in a text: neither database keeps it", offset=offset)
    return joined


def text(source: str) -> str:
    r"""The text of a quoted string (with its quotes): ``\" \' \\ \n \t \uXXXX``; other backslashes are themselves."""
    return _checked((char for char, _, _ in _characters(source[1:-1], _QUOTES)), 0)


def like(source: str) -> Pattern:
    r"""The pattern of a quoted LIKE string: ``%`` and ``_``, unless escaped; otherwise as ``text``."""
    return _pattern(_characters(source[1:-1], _QUOTES | {"%", "_"}), _SQL_WILDCARDS)


def word(source: str) -> Pattern:
    r"""The pattern of a bare word: ``*`` and ``?``, unless escaped; a backslash makes any punctuation itself."""
    return _pattern(_characters(source, _PUNCTUATION, codes=False), _WILDCARDS)


def word_of(source: str) -> str:
    """The text of a bare word where there are no patterns: wildcards are themselves."""
    return _checked((char for char, _, _ in _characters(source, _PUNCTUATION, codes=False)), 0)


def regex(source: str) -> tuple[str, list[int]]:
    r"""The pattern between slashes, ``\/`` made ``/``, and the offset in the source of each character of it."""
    found = [(char, at) for char, _, at in _characters(source, frozenset("/"), codes=False)]
    return "".join(char for char, _ in found), [at for _, at in found]


def regex_string(source: str) -> tuple[str, list[int]]:
    """The pattern in a quoted string, likewise."""
    found = [(char, at + 1) for char, _, at in _characters(source[1:-1], _QUOTES)]
    return _checked((char for char, _ in found), 0), [at for _, at in found]


def _pattern(characters: Iterator[tuple[str, bool, int]], wildcards: dict[str, Wild]) -> Pattern:
    pieces: list[str | Wild] = []
    literal: list[str] = []
    for char, escaped, _ in characters:
        wild = None if escaped else wildcards.get(char)
        if wild is None:
            literal.append(char)
            continue
        if literal:
            pieces.append(_checked(literal, 0))
            literal = []
        if not (wild is Wild.ANY and pieces and pieces[-1] is Wild.ANY):
            pieces.append(wild)
    if literal:
        pieces.append(_checked(literal, 0))
    return tuple(pieces)


def plain(value: str) -> bool:
    """A text that reads as itself without quotes, wherever a word may stand."""
    return _PLAIN.fullmatch(value) is not None and value.lower() not in _KEYWORDS


def quoted(value: str) -> str:
    """A text as a quoted string."""
    return f'"{_escaped(value, _QUOTES - {chr(39)})}"'


def pattern_word(pattern: Pattern) -> str | None:
    """A pattern as a bare word; None where it cannot be one."""
    pieces = [piece for piece in pattern if isinstance(piece, str)]
    # A word's first character is the delicate one; the others only have to be harmless.
    if not all(_PLAIN.fullmatch(f"x{piece}") for piece in pieces):
        return None
    first = pattern[0] if pattern else ""
    if isinstance(first, str) and not _PLAIN.fullmatch(first):
        return None
    return "".join(piece.value if isinstance(piece, Wild) else piece for piece in pattern)


def slashed(source: str) -> str:
    """A regex as it stands between slashes."""
    return _SLASH.sub(lambda match: match[0] if match[0] != "/" else "\\/", source)


def like_string(pattern: Pattern) -> str:
    """A pattern as a quoted LIKE string."""
    names = {Wild.ANY: "%", Wild.ONE: "_"}
    special = frozenset("'\\%_")
    return f"'{''.join(names[each] if isinstance(each, Wild) else _escaped(each, special) for each in pattern)}'"


def _escaped(value: str, special: frozenset[str]) -> str:
    return "".join(_shown(char, special) for char in value)


def _shown(char: str, special: frozenset[str]) -> str:
    if char in special:
        return f"\\{char}"
    if char.isprintable():
        return char
    if char in _NAMES:
        return _NAMES[char]
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
