"""What each part of a query is, however unfinished the query: for colours, for completion, and to take terms out.

It reads as ``dblog.query``'s grammar does and never complains. It loads nothing, so a query can be coloured before
the grammar is there.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["TIME_KEYS", "Part", "Piece", "pieces", "terms"]

TIME_KEYS: Final = ("since", "until", "last", "around")
"""As ``dblog.query.fields.TIME_KEYS``."""


class Part(enum.Enum):
    """What a piece is."""

    FIELD = "field"
    OPERATOR = "operator"
    KEYWORD = "keyword"
    """AND, OR, TO, ``has``."""
    NEGATION = "negation"
    BRACKET = "bracket"
    WORD = "word"
    """Looked for in messages; or not understood."""
    VALUE = "value"
    STRING = "string"
    REGEX = "regex"


class Piece(NamedTuple):
    """A part of a query; between pieces are blanks only."""

    start: int
    end: int
    part: Part
    field: str = ""
    """The field it belongs to, without ``@``; empty of what stands alone."""
    expects: bool = False
    """A value of the field may follow."""


_NAME_TEXT: Final = (
    r"@?(?:[A-Za-z_][A-Za-z0-9_-]*+|`[^`\"\\\x00-\x1f\x7f-\x9f]*+`)"
    r"(?:\.(?:[A-Za-z0-9_-]++|`[^`\"\\\x00-\x1f\x7f-\x9f]*+`)|\[[0-9]++\])*+"
)
_NAME: Final = re.compile(_NAME_TEXT)
_FIELD: Final = re.compile(
    rf"(?!(?i:and|or|not)\s){_NAME_TEXT}(?!(?<=-)>)"
    r"(?=\s*+(?::(?!:|\/\/)|[<>=~]|![=~])|\s++(?i:(?:not\s++)?(?:in\s*+\(|(?:like|contains)\s*+[\"'])))"
)
_KNOWN: Final = re.compile(
    rf"{_NAME_TEXT}(?=\s++(?i:(?:not\s++)?contains\s++[^\s()]|(?:not\s++)?like\s++[^\s()]*%"
    r"|is\s++(?:not\s++)?null(?:[\s()]|\Z)))"
)
_ANYWHERE: Final = re.compile(r"\*(?=\s*+:|\s++(?i:not\s++)?(?i:like)\s*+[\"'])")
_HAS: Final = re.compile(r"(?i:has)(?=\()")
_OPERATOR: Final = re.compile(
    r":(?:\s*+(?:[<>]=|>|<(?!>|[A-Za-z_][A-Za-z0-9_.]*+>(?=[\s()]|\Z))))?"
    r"|[<>]=|<>|!=|!~|=~|==?(?!~)|<|>|~"
    r"|(?i:is\s++(?:not\s++)?null|(?:not\s++)?(?:like|contains)(?=[\s\"'])|(?:not\s++)?in(?=[\s(]))"
)
_KEYWORD: Final = re.compile(r"(?i:and|or)(?=[\s()]|\Z)|&&|\|\|")
_NEGATION: Final = re.compile(r"(?i:not)(?=[\s()]|\Z)|[-!](?=\S)")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\[\s\S])*+(?:"|\\?\Z)' r"|'(?:[^'\\]|\\[\s\S])*+(?:'|\\?\Z)")
_REGEX: Final = re.compile(r"\/(?:[^\/\\]|\\[\s\S])++\/i?(?=[\s),]|\Z)")
_LONE_REGEX: Final = re.compile(r"\/(?:[^\/\\]|\\[\s\S])++\/i?(?=[\s)]|\Z)")
_OPEN_REGEX: Final = re.compile(r"\/(?:[^\/\\]|\\[\s\S])*+\Z|\/[^\s()]*+")
_WORD: Final = re.compile(r"[\s\S](?:[^\s()\"|&\\]|\\\S|\\(?=\s|\Z)|&(?!&))*+")
_ITEM: Final = re.compile(r"(?:[^\s()\"|&\\,]|\\\S|\\(?=\s|\Z)|&(?!&))++|[\s\S]")
_BOUND: Final = re.compile(r"(?:[^\s()\"|&\\\[\]{}]|\\\S|&(?!&))++|[\s\S]")
_SEPARATOR: Final = re.compile(r"(?i:or)(?=[\s()]|\Z)|\|\||,")
_TO: Final = re.compile(r"(?i:to)(?=\s|\Z)")
_BLANKS: Final = re.compile(r"\s*+")
# A keyword, or another field with its operator: the value was left out.
_NEXT_TERM: Final = re.compile(r"(?i:and|or|not)(?:[\s()]|\Z)|&&|\|\||[-!]?@?[A-Za-z_][A-Za-z0-9_.-]*+[:<>=~]")


def pieces(text: str, names: Collection[str] = ()) -> list[Piece]:
    """The pieces, in order.

    Args:
        text: a query, or the beginning of one.
        names: of columns and aliases, without which ``service contains x`` is three words.
    """
    return list(_Scanner(text, names).pieces())


def terms(text: str, names: Collection[str] = ()) -> list[tuple[int, int]]:
    """Where the terms stand that are ANDed on the outermost level; the whole where it is one OR."""
    found: list[tuple[int, int]] = []
    depth, before = 0, None
    for piece in pieces(text, names):
        word = text[piece.start : piece.end]
        outermost = not depth
        depth += (piece.part is Part.BRACKET) * ((word in "([{") - (word in ")]}"))
        if outermost and not piece.field and piece.part is Part.KEYWORD and word.lower() != "has":
            if word.lower() in ("or", "||"):
                return [(0, len(text))]
            before = None
            continue
        begins = piece.part is Part.FIELD or not piece.field
        if outermost and begins and before is not Part.NEGATION and before is not Part.KEYWORD and word not in ")]}":
            found.append((piece.start, piece.end))
        elif found:
            found[-1] = (found[-1][0], piece.end)
        before = piece.part
    return found


class _Scanner:
    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        self.names = names
        self.at = 0

    def pieces(self) -> Iterator[Piece]:
        while self._skip():
            yield from self._term()

    def _skip(self) -> bool:
        """Go past blanks; whether anything is left."""
        self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches everywhere
        return self.at < len(self.text)

    def _take(self, pattern: re.Pattern[str], part: Part, field: str = "", *, expects: bool = False) -> Piece | None:
        match = pattern.match(self.text, self.at)
        if match is None or not match[0]:
            return None
        piece = Piece(self.at, match.end(), part, field, expects)
        self.at = piece.end
        return piece

    def _char(self, part: Part, field: str = "", *, expects: bool = False) -> Piece:
        self.at += 1
        return Piece(self.at - 1, self.at, part, field, expects)

    def _term(self) -> Iterator[Piece]:
        if self.text[self.at] in "()":
            yield self._char(Part.BRACKET)
        elif piece := self._take(_HAS, Part.KEYWORD):
            yield piece
            yield from self._has()
        elif piece := self._field():
            name = self.text[piece.start : piece.end].removeprefix("@")
            yield piece._replace(field=name)
            yield from self._predicate(name)
        else:
            yield (
                self._take(_KEYWORD, Part.KEYWORD)
                or self._take(_NEGATION, Part.NEGATION)
                or self._take(_STRING, Part.STRING)
                or self._take(_LONE_REGEX, Part.REGEX)
                or self._take(_WORD, Part.WORD)
                or self._char(Part.WORD)
            )

    def _has(self) -> Iterator[Piece]:
        yield self._char(Part.BRACKET)
        if self._skip() and (piece := self._take(_NAME, Part.FIELD)):
            yield piece._replace(field=self.text[piece.start : piece.end].removeprefix("@"))

    def _field(self) -> Piece | None:
        piece = self._take(_FIELD, Part.FIELD) or self._take(_ANYWHERE, Part.FIELD)
        if piece is None and (match := _KNOWN.match(self.text, self.at)):
            name = match[0].removeprefix("@")
            if name in self.names or name in TIME_KEYS or "." in name or "[" in name:
                return self._take(_KNOWN, Part.FIELD)
        return piece

    def _predicate(self, name: str) -> Iterator[Piece]:
        if not self._skip() or (operator := self._take(_OPERATOR, Part.OPERATOR, name)) is None:
            return
        sign = self.text[operator.start : operator.end].lower()
        if sign.endswith("null"):
            yield operator
            return
        yield operator._replace(expects=True)
        if not self._skip():
            return
        char = self.text[self.at]
        if char == "(" and (sign == ":" or sign.endswith("in")):
            yield from self._list(name)
        elif char in "[{" and sign == ":":
            yield from self._range(name)
        elif char == "/" and sign[-1] in ":~":
            pattern = _REGEX.match(self.text, self.at) or _OPEN_REGEX.match(self.text, self.at)
            is_regex = sign != ":" or _LONE_REGEX.match(self.text, self.at)
            if is_regex and pattern:
                yield self._take(pattern.re, Part.REGEX, name) or self._char(Part.REGEX, name)
            else:
                yield self._take(_WORD, Part.VALUE, name) or self._char(Part.VALUE, name)
        else:
            yield from self._value(name)

    def _value(self, name: str) -> Iterator[Piece]:
        if self.text[self.at] in "()|":
            return
        if piece := self._take(_STRING, Part.STRING, name):
            yield piece
        elif not (self.text[self.at - 1].isspace() and _NEXT_TERM.match(self.text, self.at)):
            yield self._take(_WORD, Part.VALUE, name) or self._char(Part.VALUE, name)

    def _list(self, name: str) -> Iterator[Piece]:
        yield self._char(Part.BRACKET, name, expects=True)
        while self._skip():
            if self.text[self.at] == ")":
                yield self._char(Part.BRACKET, name)
                return
            yield (
                self._take(_SEPARATOR, Part.KEYWORD, name, expects=True)
                or self._take(_STRING, Part.STRING, name)
                or self._take(_REGEX, Part.REGEX, name)
                or self._take(_ITEM, Part.VALUE, name)
                or self._char(Part.VALUE, name)
            )

    def _range(self, name: str) -> Iterator[Piece]:
        yield self._char(Part.BRACKET, name, expects=True)
        while self._skip():
            if self.text[self.at] in "]}":
                yield self._char(Part.BRACKET, name)
                return
            yield (
                self._take(_TO, Part.KEYWORD, name, expects=True)
                or self._take(_STRING, Part.STRING, name)
                or self._take(_BOUND, Part.VALUE, name)
                or self._char(Part.VALUE, name)
            )
