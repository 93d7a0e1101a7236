"""What the modules of the language say to each other about a query that cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from lark import Token

__all__ = ["BadValue", "Mistake", "Place"]

_CHUNK: Final = re.compile(r"[^\s()]+")


class BadValue(Exception):  # noqa: N818 - it never leaves dblog: whoever has the whole text gives it a place and a name
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


@dataclass(frozen=True)
class Place:
    """A place where the query cannot go on.

    Args:
        text: the query.
        at: the place; the length of the text where it ends too early.
        tokens: what was read up to there.
        allowed: names of the terminals that could have stood there.
    """

    text: str
    at: int
    tokens: list[Token]
    allowed: Collection[str]

    @property
    def rest(self) -> str:
        """What was not read."""
        return self.text[self.at :]

    @property
    def ended(self) -> bool:
        """The query ends too early."""
        return not self.rest

    @cached_property
    def chunk(self) -> str:
        """The rest up to a blank or a parenthesis."""
        match = _CHUNK.match(self.rest)
        return match[0] if match else ""

    def last(self, back: int = 1) -> str:
        """The name of the last terminal; empty at the beginning."""
        return self.tokens[-back].type if len(self.tokens) >= back else ""

    @cached_property
    def open(self) -> list[int]:
        """Indexes among the tokens of brackets that are not closed yet."""
        found: list[int] = []
        for index, token in enumerate(self.tokens):
            if token.type in ("LPAR", "LOWER"):
                found.append(index)
            elif token.type in ("_RPAR", "UPPER") and found:
                found.pop()
        return found

    @property
    def closing(self) -> str:
        """What closes them."""
        return "".join(")" if self.tokens[index].type == "LPAR" else "]" for index in reversed(self.open))

    @property
    def in_list(self) -> bool:
        """Within ``field:(…)`` or ``field in (…)``."""
        before = self.tokens[self.open[-1] - 1].type if self.open and self.open[-1] else ""
        return self.tokens[self.open[-1]].type == "LPAR" and before in ("_COLON", "IN", "NOT_IN") if before else False

    def with_(self, start: int, end: int, new: str) -> tuple[str, ...]:
        """The query with a part replaced; and closed, if it is not."""
        text = f"{self.text[:start]}{new}{self.text[end:]}"
        return (text, f"{text.rstrip()}{self.closing}") if self.closing else (text,)

    def quoting(self) -> tuple[str, ...]:
        """The query with the next chunk in quotes."""
        escaped = self.chunk.replace("\\", "\\\\").replace('"', '\\"')
        return self.with_(self.at, self.at + len(self.chunk), f'"{escaped}"') if self.chunk else ()
