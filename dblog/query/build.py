"""Lark's tree → ours: names resolved, values read, levels of And, Or and Not made one where they can be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lark import Token, Tree
from lark.visitors import Interpreter

from dblog.query import fields, literals, regex, spelling
from dblog.query.literals import Literal
from dblog.query.mistakes import BadValue, Mistake
from dblog.query.tree import And, Field, Has, Kind, Like, Node, Not, Range, Search, both, either, negated

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query.times import Clock
    from dblog.query.tree import Value

__all__ = ["Builder"]

_Parsed = Tree[Token]
P = ParamSpec("P")
T = TypeVar("T")


class Builder(Interpreter[Token, Node]):
    """One method per rule of the grammar; a wrong value is a ``Mistake`` with its place.

    Args:
        text: the query.
        clock: what its times are relative to.
    """

    def __init__(self, text: str, clock: Clock) -> None:
        super().__init__()
        self._text = text
        self._clock = clock

    def start(self, tree: _Parsed) -> Node:
        """The whole query."""
        return self._node(tree.children[0])

    def either(self, tree: _Parsed) -> Node:
        """``a OR b``."""
        return either(map(self._node, tree.children))

    def both(self, tree: _Parsed) -> Node:
        """``a b``."""
        parts = [self._node(child) for child in tree.children]
        lows: dict[Field, int] = {}
        for part in parts:
            if isinstance(part, Range) and part.field.kind is Kind.TIME and isinstance(part.low, int):
                lows[part.field] = max(part.low, lows.get(part.field, part.low))
        return both(self._behind(child, part, lows) for child, part in zip(tree.children, parts, strict=True))

    def _behind(self, child: Token | _Parsed, part: Node, lows: dict[Field, int]) -> Node:
        """An upper clock time is that of the same day as the lower bound beside it, or of the next."""
        if not isinstance(part, Range) or part.low is not None or not isinstance(part.high, int):
            return part
        low = lows.get(part.field)
        while isinstance(child, Tree) and child.data == "group":
            child = child.children[-1]
        return part if low is None else replace(part, high=self._later(_tokens(child)[-1], part.high, low))

    def _later(self, value: Token, high: int, low: int) -> int:
        if high > low:
            return high
        after = self._clock.after(_literal(value).text, low)
        return high if after is None else after

    def negation(self, tree: _Parsed) -> Node:
        """``-a``, as often as it is said."""
        *signs, part = tree.children
        node = self._node(part)
        return negated(node) if len(signs) % 2 else node

    def group(self, tree: _Parsed) -> Node:
        """``(a)``."""
        return self._node(tree.children[-1])

    def word(self, tree: _Parsed) -> Node:
        """``timeout``: in the message."""
        return self._in_message(tree)

    def phrase(self, tree: _Parsed) -> Node:
        """``"connection reset"``: in the message."""
        return self._in_message(tree)

    def found(self, tree: _Parsed) -> Node:
        """``/re/``: in the message."""
        return Search(fields.MESSAGE, self._regex(_tokens(tree)[0]))

    def anywhere(self, tree: _Parsed) -> Node:
        """``*:value``."""
        value = _tokens(tree)[-1]
        return self._at(value, literals.containing, fields.ANYWHERE, _literal(value))

    def fits(self, tree: _Parsed) -> Node:
        """``field:value``."""
        field, value = _tokens(tree)
        return self._fits(self._field(field), value)

    def search(self, tree: _Parsed) -> Node:
        """``field:/re/``."""
        field, value = _tokens(tree)
        return Search(self._searchable(field), self._regex(value))

    def any_fits(self, tree: _Parsed) -> Node:
        """``field:(a OR b)``."""
        name, _, *items = tree.children
        token = _token(name)
        field = self._field(token)
        parts = []
        for item in items:
            value = _tokens(item)[0]
            is_regex = value.type == "LISTED_REGEX"
            parts.append(Search(self._searchable(token), self._regex(value)) if is_regex else self._fits(field, value))
        return either(parts)

    def between(self, tree: _Parsed) -> Node:
        """``field:[a TO b]``."""
        name, lower, low, high, upper = _tokens(tree)
        field = self._field(name)
        least, most = self._open_or_bound(field, low), self._open_or_bound(field, high)
        if least is None and most is None:
            return Has(field)
        if None not in (least, most) and isinstance(least, str) is not isinstance(most, str):
            self._refuse_mixed(low if isinstance(least, str) else high)
        if field.kind is Kind.TIME and isinstance(least, int) and isinstance(most, int):
            most = self._later(high, most, least)
        # An open side has nothing to leave out.
        low_open, high_open = lower == "{" and least is not None, upper == "}" and most is not None
        self._refuse_empty(least, most, (lower, low, high, upper))
        return Range(field, least, most, low_open, high_open)

    def _refuse_empty(self, least: Value | None, most: Value | None, tokens: tuple[Token, ...]) -> None:
        lower, low, high, upper = tokens
        if least is None or most is None or isinstance(least, str) is not isinstance(most, str):
            return
        if least == most and (lower, upper) != ("[", "]"):
            reason, instead = "nothing lies within: a bound of { } is outside", f"[{low} TO {high}]"
        elif least > most:  # type: ignore[operator]  # two texts or two numbers
            reason, instead = "nothing lies within: the lower bound stands first", f"{lower}{high} TO {low}{upper}"
        else:
            return
        start, end = lower.start_pos or 0, upper.end_pos or 0
        raise Mistake(low.start_pos or 0, reason, repairs=(f"{self._text[:start]}{instead}{self._text[end:]}",))

    def compare(self, tree: _Parsed) -> Node:
        """``field>value``."""
        name, operator, value = _tokens(tree)
        field = self._field(name)
        limit = self._bound(field, value)
        is_open = operator in ("<", ">")
        if operator.startswith("<"):
            return Range(field, high=limit, high_open=is_open)
        return Range(field, low=limit, low_open=is_open)

    def equal(self, tree: _Parsed) -> Node:
        """``field=value``, ``field!=value``."""
        name, operator, value = _tokens(tree)
        field = self._field(name)
        unequal = operator.type == "UNEQUAL"
        return self._at(value, literals.equal, field, _literal(value), self._clock, negated=unequal)

    def match(self, tree: _Parsed) -> Node:
        """``field=~re``, ``field!~re``."""
        name, operator, value = _tokens(tree)
        field = self._searchable(name)
        search = Search(field, self._regex(value))
        return And((Has(field), Not(search))) if operator.type == "NOT_MATCH" else search

    def contains(self, tree: _Parsed) -> Node:
        """``field~value``, ``field contains value``."""
        name, operator, value = _tokens(tree)
        field = self._searchable(name)
        if value.type == "REGEX":
            node: Node = Search(field, self._regex(value))
        else:
            node = self._at(value, literals.containing, field, _literal(value))
        return Not(node) if operator.type == "NOT_CONTAINS" else node

    def like(self, tree: _Parsed) -> Node:
        """``field like 'a%'``."""
        name, operator, value = _tokens(tree)
        field = fields.ANYWHERE if name.type == "ANYWHERE" else self._searchable(name)
        node = Like(field, self._at(value, spelling.like, value))
        return Not(node) if operator.type == "NOT_LIKE" else node

    def any_equal(self, tree: _Parsed) -> Node:
        """``field in (a, b)``."""
        name, operator, _, *values = _tokens(tree)
        field = self._field(name)
        node = either(self._at(value, literals.equal, field, _literal(value), self._clock) for value in values)
        return negated(node) if operator.type == "NOT_IN" else node

    def null(self, tree: _Parsed) -> Node:
        """``field is null``."""
        name, operator = _tokens(tree)
        has = Has(self._field(name))
        return Not(has) if operator.type == "IS_NULL" else has

    def has(self, tree: _Parsed) -> Node:
        """``has(field)``."""
        return Has(self._field(_tokens(tree)[-1]))

    def time(self, tree: _Parsed) -> Node:
        """``since:15m``, ``until:``, ``last:``, ``around:``."""
        key, value = _tokens(tree)
        text = self._at(value, getattr, _literal(value), "text")
        timestamp = fields.COLUMNS["timestamp"]
        if key == "around":
            low, high = self._at(value, self._clock.around, text)
            return Range(timestamp, low, high)
        at = self._at(value, self._clock.moment, text).at
        return Range(timestamp, high=at, high_open=True) if key == "until" else Range(timestamp, low=at)

    def _node(self, child: Token | _Parsed) -> Node:
        node: Node = self.visit(child)  # type: ignore[arg-type]  # children that are rules are trees
        return node

    def _in_message(self, tree: _Parsed) -> Node:
        token = _tokens(tree)[0]
        return self._at(token, literals.containing, fields.MESSAGE, _literal(token))

    def _field(self, token: Token) -> Field:
        return self._at(token, fields.named, token)

    def _searchable(self, token: Token) -> Field:
        field = self._field(token)
        return self._at(token, literals.searchable, field)

    def _fits(self, field: Field, value: Token) -> Node:
        return self._at(value, literals.fits, field, _literal(value), self._clock)

    def _refuse_mixed(self, text: Token) -> None:
        """A bare word between numbers is more likely a number that went wrong than a text."""
        if text.type != "STRING":
            raise self._mistake(
                text, BadValue(f"{text} is a text and the other bound a number: quote it if that is meant")
            )

    def _open_or_bound(self, field: Field, value: Token) -> Value | None:
        return None if value.value == "*" else self._bound(field, value)

    def _bound(self, field: Field, value: Token) -> Value:
        return self._at(value, literals.bound, field, _literal(value), self._clock)

    def _regex(self, token: Token) -> regex.Regex:
        ignore_case, opening = token.endswith("i"), 1
        if token.type == "STRING":
            ignore_case, opening = False, 0
            source, offsets = self._at(token, spelling.regex_string, token)
        else:
            source, offsets = spelling.regex(token.rstrip("i")[1:-1] if ignore_case else token[1:-1])
        try:
            return regex.parse(source, ignore_case=ignore_case)
        except regex.RegexSyntaxError as error:
            at = offsets[error.offset] if error.offset < len(offsets) else (offsets or [0])[-1] + 1
            raise self._mistake(token, BadValue(error.reason, offset=opening + at)) from None

    def _at(self, token: Token, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``read`` makes of a token; its complaints get their place."""
        try:
            return read(*args, **kwargs)
        except BadValue as error:
            raise self._mistake(token, error) from None

    def _mistake(self, token: Token, wrong: BadValue) -> Mistake:
        start, end = token.start_pos or 0, token.end_pos or 0
        return Mistake(
            start + wrong.offset,
            wrong.reason,
            repairs=tuple(f"{self._text[:start]}{text}{self._text[end:]}" for text in wrong.instead),
            suggestion=wrong.suggestion,
            expected=wrong.expected,
        )


def _token(child: Token | _Parsed) -> Token:
    if not isinstance(child, Token):
        raise TypeError(child)
    return child


def _tokens(tree: Token | _Parsed) -> list[Token]:
    return [child for child in getattr(tree, "children", ()) if isinstance(child, Token)]


def _literal(token: Token) -> Literal:
    return Literal(token, token.type == "STRING")
