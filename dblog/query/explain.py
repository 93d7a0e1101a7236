"""Where the grammar cannot go on: one sentence about it, and queries that may have been meant.

The rules are tried in order; each knows one thing people mistype. Whether a repair parses is the parser's to find out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dblog.query import explain_lists as lists
from dblog.query import foreign, spelling
from dblog.query.mistakes import Mistake, Place

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["explain"]

_OPERATORS: Final = frozenset({
    "_COLON", "COMPARE", "EQUAL", "UNEQUAL", "MATCH", "NOT_MATCH", "CONTAINS", "NOT_CONTAINS", "LIKE", "NOT_LIKE",
})  # fmt: skip
_KEYWORDS: Final = frozenset({"_AND", "_OR", "NEGATION"})
_KEYWORD: Final = re.compile(r"(?:(?:and|or|not)(?=[\s()]|\Z)|&&|\|\|)", re.IGNORECASE)
_SIGNS: Final = re.compile(r"[<>=!~:]+")
_MEANT: Final = {
    "=>": ">=", "=<": "<=", "===": "=", "!==": "!=", ":=": "=", ":==": "=", ":!=": "!=", ":~": "~", ":=~": "=~",
    "=!": "!=", "==~": "=~", ":<>": "!=",
}  # fmt: skip
_EXPECTED: Final = (
    ("WORD", "a word"), ("FIELD", "field:value"), ("VALUE", "a value"), ("ITEM", "a value"), ("BOUND", "a value"),
    ("NAME", "the name of a field"), ("STRING", "a text in quotes"), ("LPAR", '"("'), ("_TO", "TO"), ("UPPER", '"]"'),
    ("_COMMA", '","'), ("_OR", "OR"), ("_AND", "AND"), ("_RPAR", '")"'),
)  # fmt: skip


def explain(place: Place) -> Mistake:
    """The complaint about a place."""
    for rule in _RULES:
        if (mistake := rule(place)) is not None:
            return mistake
    expected = tuple(dict.fromkeys(words for name, words in _EXPECTED if name in place.allowed))
    reason = "the query ends too early" if place.ended else f"unexpected {_shown(place.chunk or place.rest[0])}"
    return Mistake(place.at, reason, expected=expected, repairs=place.quoting())


def _shown(text: str) -> str:
    return f'"{text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"}"'


_WIDTH = 30


def _logql(place: Place) -> Mistake | None:
    return foreign.logql(place.text, place.at)


def _open_quote(place: Place) -> Mistake | None:
    quote = place.rest[:1]
    if quote not in ("'", '"') or "STRING" not in place.allowed or _has_closed(place.rest):
        return None
    body = place.text.rstrip()
    inside = re.sub(r"(\)*)\Z", rf"{quote}\1", body, count=1)
    closed = (f"{place.text}{quote}", f"{place.text}{quote}{place.closing}")
    repairs = (inside, *closed) if place.open else (*closed, inside, f"{body[:-1]}{quote}")
    return Mistake(place.at, "this quote is never closed", repairs=repairs)


def _has_closed(rest: str) -> bool:
    return re.match(r'"(?:[^"\\]|\\.)*+"|' + r"'(?:[^'\\]|\\.)*+'", rest, re.DOTALL) is not None


def _pipe(place: Place) -> Mistake | None:
    at = re.search(r"(?<!\|)\|(?!\|)", place.chunk)
    if at is None:
        return None
    chunk = place.chunk
    end = place.at + len(chunk)
    column = place.at + at.start()
    if chunk == "|":
        reason = '"|" starts a pipeline in LogQL and KQL; there is none here: write AND, or nothing'
        return Mistake(column, reason, repairs=place.with_(place.at, end, "AND"))
    alternatives = " OR ".join(part for part in chunk.split("|") if part)
    reason = '"|" means nothing outside of a regex: write OR between alternatives'
    return Mistake(column, reason, repairs=place.with_(place.at, end, f"({alternatives})"))


def _ampersand(place: Place) -> Mistake | None:
    at = re.search(r"(?<!&)&(?!&)", place.chunk)
    if at is None or not place.chunk.startswith("&"):
        return None
    repairs = place.with_(place.at, place.at + 1, "AND" if place.chunk == "&" else "AND ")
    return Mistake(place.at, '"&" is not an operator: write AND, or nothing', repairs=repairs)


def _regex(place: Place) -> Mistake | None:
    if place.last() not in ("MATCH", "NOT_MATCH") or not place.chunk or _SIGNS.match(place.chunk):
        return None
    end = place.at + len(place.chunk)
    operator = place.tokens[-1]
    if not place.chunk.startswith("/"):
        word = f"/{spelling.slashed(place.chunk)}/"
        reason = f"{operator} needs a regex, between slashes or in quotes"
        return Mistake(place.at, reason, repairs=place.with_(place.at, end, word))
    if re.match(r"/(?:[^/\\]|\\.)*+\Z", place.rest, re.DOTALL):
        repairs = (*place.with_(end, end, "/"), f"{place.text}/", f"{place.text}/{place.closing}")
        return Mistake(place.at, "this regex is never closed", repairs=repairs)
    reason = "after a regex stands a blank, or an i that ignores case; a slash inside of it is \\/"
    inside = spelling.slashed(place.chunk[1:].removesuffix("/"))
    return Mistake(place.at, reason, repairs=place.with_(place.at, end, f"/{inside}/"))


def _no_value(place: Place) -> Mistake | None:
    if place.last() not in _OPERATORS or not (place.ended or place.rest[0] == ")" or _begins_term(place)):
        return None
    operator, name = place.tokens[-1], place.tokens[-2]
    end = operator.end_pos or 0
    repairs: tuple[str, ...] = ()
    if place.last() == "_COLON" and name.type == "TIME_KEY":
        repairs = place.with_(end, end, "10:42" if name == "around" else "15m")
    elif place.last() == "_COLON":
        repairs = place.with_(end, end, "*")
    blank = " " if operator.value[0].isalpha() else ""
    return Mistake(place.at, f"{name}{blank}{operator} needs a value", repairs=repairs)


def _begins_term(place: Place) -> bool:
    """A keyword, or another field with its operator: the value was left out."""
    return bool(_KEYWORD.match(place.rest) or re.match(r"[-!]?@?[A-Za-z_][A-Za-z0-9_.-]*+[:<>=~]", place.rest))


def _keyword(place: Place) -> Mistake | None:
    if place.ended or place.rest[0] == ")":
        if place.last() not in _KEYWORDS:
            return None
        # Every keyword there at the end is in vain.
        first = len(place.tokens)
        while first and place.tokens[first - 1].type in _KEYWORDS:
            first -= 1
        start = place.tokens[first].start_pos or 0
        shown = place.tokens[-1]
        head = place.text[:start].rstrip()
        repairs = tuple(f"{head}{tail}" for tail in (place.rest, f"{place.rest}{place.closing}", place.closing))
        return Mistake(place.at, f"{shown} needs something after it", repairs=repairs)
    match = _KEYWORD.match(place.rest)
    if match is None or "WORD" not in place.allowed:
        return None
    before = f"{place.tokens[-1]} " if place.last() in _KEYWORDS else ""
    reason = f"{match[0]} after {before}means nothing" if before else f"{match[0]} needs something before it"
    return Mistake(place.at, reason, repairs=place.with_(place.at, place.at + match.end() + 1, ""))


def _parenthesis(place: Place) -> Mistake | None:
    if place.rest[:1] == ")":
        if place.last() == "LPAR":
            start = place.tokens[-1].start_pos or 0
            return Mistake(start, "there is nothing in these parentheses", repairs=place.with_(start, place.at + 1, ""))
        if not place.open:
            reason = "this parenthesis closes nothing"
            return Mistake(place.at, reason, repairs=place.with_(place.at, place.at + 1, ""))
    if place.ended and place.open and place.tokens[place.open[-1]].type == "LPAR":
        reason = "this parenthesis is never closed"
        at = place.tokens[place.open[-1]].start_pos or 0
        return Mistake(at, reason, repairs=(f"{place.text.rstrip()}{place.closing}",))
    return None


def _two_operators(place: Place) -> Mistake | None:
    match = _SIGNS.match(place.rest)
    if match is None or place.last() not in _OPERATORS:
        return None
    name, operator = place.tokens[-2:]
    start, end = operator.start_pos or 0, place.at + match.end()
    repairs = place.with_(start, end, _MEANT.get(operator + match[0], str(operator)))
    if match[0] == "!":
        repairs = (*place.with_(name.start_pos or 0, end, f"-{name}{operator}"), *repairs)
    return Mistake(place.at, f'unexpected "{match[0]}" after "{operator}"', repairs=repairs)


def _no_field(place: Place) -> Mistake | None:
    match = _SIGNS.match(place.rest)
    if match is None or match[0] == "!" or "WORD" not in place.allowed:
        return None
    if place.last() == "STRING":
        quoted = place.tokens[-1]
        inside = quoted[1:-1]
        bare = inside if spelling.plain(inside) else f"`{inside}`"
        start = quoted.start_pos or 0
        return Mistake(start, "the name of a field is not quoted", repairs=place.with_(start, place.at, bare))
    # `dur_ms > 5 and < 10`
    name = next((str(token) for token in reversed(place.tokens) if token.type == "FIELD"), "")
    again = place.with_(place.at, place.at, name) if name and place.last() in _KEYWORDS else ()
    reason = f'"{match[0]}" stands behind the name of a field, as in dur_ms>250; to search for it, quote it'
    return Mistake(place.at, reason, repairs=(*again, *place.quoting()))


def _loose_sign(place: Place) -> Mistake | None:
    if place.rest[:1] not in ("-", "!") or "WORD" not in place.allowed:
        return None
    after = len(place.rest) - len(place.rest[1:].lstrip())
    repairs = place.with_(place.at, place.at + after, place.rest[0]) if place.rest[after:] else place.quoting()
    return Mistake(
        place.at, f'"{place.rest[0]}" stands right before what it excludes, without a blank', repairs=repairs
    )


def _one_value(place: Place) -> Mistake | None:
    if place.last() in ("LIKE", "NOT_LIKE"):
        reason = f"{place.tokens[-1]} takes a text in quotes"
        return Mistake(place.at, reason, repairs=place.quoting())
    if place.last() not in _OPERATORS or place.rest[:1] not in ("(", "[", "{"):
        return None
    operator = place.tokens[-1]
    reason = f"{operator} takes one value; lists and ranges stand after a colon"
    return Mistake(place.at, reason, repairs=place.with_(operator.start_pos or 0, place.at, ":"))


def _backquote(place: Place) -> Mistake | None:
    if place.rest[:1] != "`":
        return None
    if "`" not in place.rest[1:]:
        return Mistake(place.at, "this backquote is never closed")
    reason = "backquotes hold the name of a field, and an operator follows; a text is in quotes"
    inside, _, after = place.rest[1:].partition("`")
    return Mistake(place.at, reason, repairs=(f"{place.text[: place.at]}{spelling.quoted(inside)}{after}",))


def _quote_inside(place: Place) -> Mistake | None:
    inside = place.chunk.find('"', 1)
    if inside < 0:
        return None
    end = place.at + len(place.chunk)
    escaped = place.chunk.replace('"', '\\"')
    reason = 'a quote inside of a word: put all of it in quotes, or write \\"'
    return Mistake(place.at + inside, reason, repairs=place.with_(place.at, end, escaped))


def _has(place: Place) -> Mistake | None:
    if "NAME" not in place.allowed or place.ended:
        return None
    match = re.match(r"['\"]([^'\"]*)['\"]", place.rest)
    repairs = place.with_(place.at, place.at + match.end(), match[1]) if match else ()
    return Mistake(place.at, "has() takes the name of one field", repairs=repairs)


_RULES: Final[tuple[Callable[[Place], Mistake | None], ...]] = (
    _logql, _open_quote, _pipe, lists.one_of, _no_value, _keyword, _has, _parenthesis, lists.between, _two_operators,
    _no_field, _regex, _one_value, _loose_sign, lists.in_brackets, lists.bracket, _ampersand, _backquote, _quote_inside,
)  # fmt: skip
