r"""Our own subset of regular expressions: parsed here, printed for RE2 and PostgreSQL, never given to Python's ``re``.

In it: characters, ``.`` (any but a newline), classes, ``\d \w \s \D \W \S`` and ``\b`` (of ASCII), ``^`` and ``$``
(start and end of the text), groups, ``|``, ``* + ? {m} {m,} {m,n}`` up to 255, their lazy forms, ``\n \t \r \f \v
\xHH \uXXXX``, and a leading ``(?i)``, which is about A-Z only. Both engines give the same answer for all of it, in
time linear in the text; what only one of them knows, or what neither bounds, is refused with a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dblog.query import regex_refused, regex_tree
from dblog.query.regex_tree import Assertion, Chars, Choice, Part, Ranges, Repeat, Series

__all__ = ["MOST_LOOSE", "MOST_NESTING", "MOST_REPEATS", "MOST_SIZE", "Regex", "RegexSyntaxError", "parse"]

MOST_REPEATS: Final = 255
"""The largest number in ``{m,n}``: PostgreSQL's."""
MOST_NESTING: Final = 32
"""Groups inside each other at most."""
MOST_SIZE: Final = 1000
"""States at most, repeats written out: RE2 refuses repeats that multiply to more, PostgreSQL takes a quarter second."""
MOST_LOOSE: Final = 6
"""Assertions with no character between them at most, repeats written out: PostgreSQL gives up from about 20 on."""


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
    tree: Part = field(compare=False, repr=False)
    """What it means; letters already stand for both cases where case does not matter."""

    def re2(self) -> str:
        """The pattern for RE2."""
        return regex_tree.re2(self.tree)

    def postgres(self) -> str:
        """The pattern for PostgreSQL's ``~`` under ``COLLATE "C"``."""
        return regex_tree.postgres(self.tree)


def parse(source: str, *, ignore_case: bool = False) -> Regex:
    """Parse a pattern; ``ignore_case`` is a leading ``(?i)``.

    Raises:
        RegexSyntaxError: it is not in the subset.
    """
    start = len(_IGNORE_CASE) if source.startswith(_IGNORE_CASE) else 0
    ignore_case = ignore_case or start > 0
    tree = _Parser(source, start, ignore_case=ignore_case).whole()
    return Regex(regex_tree.text(tree, ignore_case=ignore_case), tree)


_IGNORE_CASE: Final = "(?i)"
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_HEX: Final = {"x": 2, "u": 4}
_DIGITS: Final = "0123456789"


class _Parser:
    """One pass over a pattern."""

    def __init__(self, source: str, at: int, *, ignore_case: bool) -> None:
        self.source = source
        self.at = at
        self.ignore_case = ignore_case
        self.depth = 0

    def whole(self) -> Part:
        tree = self.choice()
        if self.at < len(self.source):
            raise self.error("there is no ( for this ); write \\) for the character")
        if regex_tree.size(tree) > MOST_SIZE:
            reason = f"the pattern is too large with its repeats written out (about {MOST_SIZE} characters at most)"
            raise RegexSyntaxError(0, reason)
        if regex_tree.loose_assertions(tree) > MOST_LOOSE:
            reason = r"too many of ^ $ \b are optional or repeated: move them out of the repeats, or beside a character"
            raise RegexSyntaxError(0, reason)
        return tree

    def error(self, reason: str, at: int | None = None) -> RegexSyntaxError:
        return RegexSyntaxError(self.at if at is None else at, reason)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.source[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        """Whether this is what comes next; if so it is behind us."""
        found = self.source.startswith(text, self.at)
        self.at += len(text) * found
        return found

    # -- structure ---------------------------------------------------------------------------------------------

    def choice(self) -> Part:
        branches = [self.series()]
        while self.take("|"):
            branches.append(self.series())
        if len(branches) == 1:
            return branches[0]
        flat = [part for branch in branches for part in (branch.parts if isinstance(branch, Choice) else (branch,))]
        return Choice(tuple(flat))

    def series(self) -> Part:
        parts: list[Part] = []
        while self.peek() not in {"", "|", ")"}:
            part = self.repeated()
            parts.extend(part.parts if isinstance(part, Series) else (part,))
        return parts[0] if len(parts) == 1 else Series(tuple(parts))

    def repeated(self) -> Part:
        part = self.atom()
        start = self.at
        times = self.times()
        if times is None:
            return part
        if isinstance(part, Assertion):
            raise self.error(f"{part.value} cannot be repeated", start)
        self.take("?")  # lazy: where a match ends does not matter
        if self.peek() == "+":
            raise self.error("possessive repeats are not supported; without the + the answer is nearly always the same")
        if self.peek() in {"*", "?"} or self.times() is not None:
            raise self.error("a repeat of a repeat needs parentheses around the first", start)
        if times == (1, 1) or part == Series(()):
            return part
        return Repeat(part, *times)

    def times(self) -> tuple[int, int | None] | None:
        """A quantifier; None where there is none."""
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return bounds
        return self.counted() if self.peek() == "{" else None

    def counted(self) -> tuple[int, int | None] | None:
        """``{m}``, ``{m,}`` or ``{m,n}``; None where the brace is a character, as in ``{"a"``."""
        start = self.at
        inner, closed, _ = self.source[start + 1 :].partition("}")
        least, comma, most = inner.partition(",")
        if not inner or inner[0] not in _DIGITS + ",":
            return None
        if not closed or not _is_number(least) or (most and not _is_number(most)):
            raise self.error("a repeat is {3}, {3,} or {3,5}; write \\{ for the character", start)
        bounds = int(least[:4]), int(most[:4]) if most else None if comma else int(least[:4])
        if max(bounds[0], bounds[1] or 0) > MOST_REPEATS:
            raise self.error(f"repeats are {MOST_REPEATS} at most", start)
        if bounds[1] is not None and bounds[1] < bounds[0]:
            raise self.error("a repeat's second number cannot be smaller than its first", start)
        if bounds[1] == 0:
            raise self.error("a repeat of none has no meaning", start)
        self.at = start + len(inner) + 2
        return bounds

    def atom(self) -> Part:
        start = self.at
        char = self.peek()
        if char == "(":
            return self.group()
        if char in {"*", "+", "?"} or (char == "{" and self.counted() is not None):
            raise self.error(f"there is nothing to repeat before {char}; write \\{char} for the character", start)
        self.at += 1
        match char:
            case "[":
                return Chars(self.members(start))
            case ".":
                return Chars(regex_tree.DOT)
            case "^" | "$":
                return Assertion(char)
            case "\\":
                return self.escape()
            case _:
                return self.single(char, start)

    def group(self) -> Part:
        start = self.at
        self.at += 1
        self.depth += 1
        if self.depth > MOST_NESTING:
            raise self.error(f"groups are nested {MOST_NESTING} deep at most", start)
        if self.peek() == "?" and not self.take("?:"):
            raise self.error(regex_refused.group(self.source[self.at : self.at + 3]), start)
        part = self.choice()
        if not self.take(")"):
            raise self.error("there is no ) for this (; write \\( for the character", start)
        self.depth -= 1
        return part

    # -- characters --------------------------------------------------------------------------------------------

    def escape(self) -> Part:
        """What follows a backslash outside of a class."""
        if self.take("b"):
            return Assertion.BOUNDARY
        start = self.at - 1
        found = self.escaped()
        return Chars(found) if isinstance(found, tuple) else self.single(found, start)

    def escaped(self) -> str | Ranges:
        r"""What follows a backslash: a character, or the set of ``\d`` and the like."""
        start = self.at - 1
        char = self.peek()
        self.at += 1
        if char in regex_tree.CLASSES:
            return regex_tree.CLASSES[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in _HEX:
            digits = self.source[self.at : self.at + _HEX[char]]
            if len(digits) < _HEX[char] or digits.strip("0123456789abcdefABCDEF"):
                raise self.error(f"\\{char} needs {_HEX[char]} hexadecimal digits", start)
            self.at += len(digits)
            return chr(int(digits, 16))
        if char in regex_refused.ESCAPES:
            raise self.error(regex_refused.ESCAPES[char], start)
        if not char or (char.isascii() and char.isalnum()):
            reason = f"\\{char} is not supported" if char else "the pattern ends in a backslash; write \\\\ for one"
            raise self.error(reason, start)
        return char

    def single(self, char: str, start: int) -> Chars:
        self.storable(char, start)
        ranges = ((ord(char), ord(char)),)
        return Chars(regex_tree.folded(ranges) if self.ignore_case else ranges)

    def storable(self, char: str, start: int) -> None:
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise self.error(f"U+{ord(char):04X} is never stored", start)

    def members(self, start: int) -> Ranges:
        """A class, from behind its opening bracket."""
        negated = self.take("^")
        first = self.at
        runs: list[tuple[int, int]] = []
        while self.at == first or not self.take("]"):
            if not self.peek():
                raise self.error("there is no ] for this [; write \\[ for the character", start)
            runs.extend(self.member(first))
        ranges = regex_tree.merged(runs)
        if self.ignore_case:
            ranges = regex_tree.folded(ranges)
        ranges = regex_tree.complement(ranges) if negated else ranges
        if not ranges:
            raise self.error("no character is in this class", start)
        return ranges

    def member(self, first: int) -> Ranges:
        """A character, a range or a set within a class that begins at ``first``."""
        start = self.at
        low = self.end_of_range()
        if low == "-" and self.at - start == 1 and start != first and self.peek() != "]":
            raise self.error("within a class, write \\- for a hyphen that is neither first nor last", start)
        if self.peek() != "-" or self.source[self.at + 1 : self.at + 2] in {"]", ""}:
            return low if isinstance(low, tuple) else ((ord(low), ord(low)),)
        self.at += 1
        high = self.end_of_range()
        if isinstance(low, tuple) or isinstance(high, tuple):
            raise self.error("a range goes from one character to another; write \\- for a hyphen", start)
        if high < low:
            raise self.error(f"the range {low}-{high} is the wrong way round", start)
        return ((ord(low), ord(high)),)

    def end_of_range(self) -> str | Ranges:
        start = self.at
        char = self.peek()
        if char == "[" and self.source[self.at + 1 : self.at + 2] in {":", ".", "="}:
            raise self.error("classes with names are not supported: write \\d, \\w, \\s or a range", start)
        self.at += 1
        found: str | Ranges = char
        if char == "\\":
            if self.peek() == "b":
                raise self.error("within a class \\b is not supported", start)
            found = self.escaped()
        if isinstance(found, str):
            self.storable(found, start)
        return found


def _is_number(text: str) -> bool:
    return bool(text) and not text.strip(_DIGITS)
