"""Text → tree: the grammar of ``grammar.lark``, its limits, and every error with its place and a repair that parses."""

from __future__ import annotations

import re
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from dblog.errors import QuerySyntaxError
from dblog.query import fields, foreign, habits
from dblog.query.build import Builder
from dblog.query.canonical import canonical
from dblog.query.exact import where_tree
from dblog.query.explain import explain
from dblog.query.mistakes import Mistake, Place
from dblog.query.times import Clock
from dblog.query.tree import MOST_DEPTH, MOST_LENGTH, MOST_TERMS, All, And, Node, Not, Or

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["parse_tree", "where_tree"]

_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
_BEGIN_TERM: Final = frozenset({"WORD", "FIELD", "ANYWHERE", "HAS", "TIME_KEY"})
_TOO_MANY: Final = f"a query has at most {MOST_TERMS} terms"
_GRAMMAR: Final = Path(__file__).with_name("grammar.lark")


def parse_tree(text: str, *, now: float | None = None, timezone: dt.tzinfo | None = None) -> Node:
    """See ``dblog.query.parse``."""
    clock = Clock(round((time.time() if now is None else now) * 10**6), timezone)
    try:
        return _tree(text, clock)
    except Mistake as mistake:
        raise _error(text, mistake, clock) from None


def _tree(text: str, clock: Clock) -> Node:
    _check_text(text)
    if not text.strip():
        return All()
    if (mistake := foreign.sql(text)) is not None:
        raise mistake
    parsed, tokens = _parsed(text)
    tree = Builder(text, clock).visit(parsed)
    if (mistake := habits.mistaken(text, tokens, clock)) is not None:
        raise mistake
    _check_size(tree)
    # Whoever keeps a query keeps its canonical text, so that has to be a query as well.
    if (length := len(canonical(tree))) > MOST_LENGTH:
        raise Mistake(0, f"written out in full, this query has {length:,} characters; at most {MOST_LENGTH:,} are read")
    return tree


@cache
def _lark() -> Lark:
    grammar = _GRAMMAR.read_text(encoding="utf-8").replace("%NAMES%", "|".join((*fields.names(), *fields.TIME_KEYS)))
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=False)


def _parsed(text: str) -> tuple[Any, list[Token]]:
    """Lark's tree, and all tokens, those included that the tree leaves out."""
    parsing = _lark().parse_interactive(text)
    tokens: list[Token] = []
    depth = terms = 0
    try:
        for token in parsing.iter_parse():
            tokens.append(token)
            terms += token.type in _BEGIN_TERM
            if terms > MOST_TERMS:
                raise Mistake(token.start_pos or 0, _TOO_MANY)
            depth += (token.type == "LPAR") - (token.type == "_RPAR")
            if depth > MOST_DEPTH:
                raise Mistake(token.start_pos or 0, f"parentheses are at most {MOST_DEPTH} inside each other")
        return parsing.feed_eof(tokens[-1]), tokens  # type: ignore[no-untyped-call]  # lark types most of itself, not this
    except (UnexpectedCharacters, UnexpectedToken) as error:
        raise explain(_place(text, tokens, error)) from None


def _place(text: str, tokens: list[Token], error: UnexpectedCharacters | UnexpectedToken) -> Place:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    position: Any = error.pos_in_stream  # typed None in lark
    at = len(text) if ended else int(position)
    allowed = error.allowed if isinstance(error, UnexpectedCharacters) else error.expected
    return Place(text, at, [token for token in tokens if (token.start_pos or 0) < at], allowed or ())


def _check_text(text: str) -> None:
    if len(text) > MOST_LENGTH:
        raise Mistake(MOST_LENGTH, f"a query has at most {MOST_LENGTH:,} characters; this one has {len(text):,}")
    if match := _NO_TEXT.search(text):
        reason = "U+0000 is in no stored text" if match[0] == "\0" else "half of a surrogate pair is no character"
        raise Mistake(match.start(), reason)


def _check_size(tree: Node) -> None:
    depth, terms = _size(tree)
    if terms > MOST_TERMS:
        raise Mistake(0, _TOO_MANY)
    if depth > MOST_DEPTH:
        raise Mistake(0, f"AND, OR and NOT are at most {MOST_DEPTH} inside each other; here they are {depth}")


def _size(node: Node) -> tuple[int, int]:
    """Depth and leaves. The recursion is as deep as the text's parentheses, which are counted while it is read."""
    parts = node.parts if isinstance(node, (And, Or)) else (node.part,) if isinstance(node, Not) else ()
    if not parts:
        return 0, 1
    sizes = [_size(part) for part in parts]
    return 1 + max(depth for depth, _ in sizes), sum(terms for _, terms in sizes)


def _error(text: str, mistake: Mistake, clock: Clock) -> QuerySyntaxError:
    repaired = next((repair for repair in mistake.repairs if _parses(repair, clock)), None)
    suggestion = mistake.suggestion
    if suggestion is None and repaired is not None:
        suggestion = f"did you mean  {repaired} ?" if repaired else "the empty query finds every entry"
    return QuerySyntaxError(
        text,
        mistake.column,
        mistake.reason,
        expected=mistake.expected,
        suggestion=suggestion,
        repaired=repaired,
    )


def _parses(text: str, clock: Clock) -> bool:
    try:
        _tree(text, clock)
    except Mistake:
        return False
    return True
