"""Tree → text that parses back to the same tree."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dblog.query import fields, literals, spelling, times
from dblog.query.tree import All, And, Equal, Field, Has, Kind, Like, Node, Not, Or, Range, Search, Value, Wild

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.query.regex import Regex

__all__ = ["canonical"]

_IGNORE_CASE: Final = "(?i)"


def canonical(tree: Node) -> str:
    """The one text of a tree.

    It names columns by their own names, times in UTC and levels by name, and quotes only what needs it, so it means
    the same on any day, in any time zone and to any reader.
    """
    match tree:
        case All():
            return ""
        case And(parts):
            return " ".join(_inside(part) for part in parts)
        case Or(parts):
            return " OR ".join(_alternatives(parts))
        case Not(part):
            return f"-{_inside(part)}"
        case _:
            return _leaf(tree)


def _inside(part: Node) -> str:
    """A part of an And or of a Not."""
    text = canonical(part)
    is_list = isinstance(part, Or) and len(_alternatives(part.parts)) == 1
    return text if is_list or not isinstance(part, (And, Or)) else f"({text})"


def _alternatives(parts: Sequence[Node]) -> list[str]:
    """The parts of an Or; neighbours that differ in their value only become ``f:(a OR b)`` or ``f in (a, b)``."""
    texts: list[str] = []
    for run, operators in _runs(parts):
        first = run[0]
        if len(run) == 1 or isinstance(first, (All, And, Or, Not, Has, Range)):
            # AND binds tighter, so it needs no parentheses here; it is written out for those who do not know that.
            texts.append(" AND ".join(map(_inside, first.parts)) if isinstance(first, And) else canonical(first))
        elif ":" in operators:
            texts.append(f"{fields.spelled(first.field)}:({' OR '.join(map(_short, run))})")
        else:
            texts.append(f"{fields.spelled(first.field)} in ({', '.join(map(_short, run))})")
    return texts


def _runs(parts: Sequence[Node]) -> Iterator[tuple[list[Node], frozenset[str]]]:
    """Neighbours of one field with an operator in common."""
    run: list[Node] = []
    field, common = None, frozenset[str]()
    for part in parts:
        own, operators = _listed(part)
        if own == field and common & operators:
            run.append(part)
            common &= operators
            continue
        if run:
            yield run, common
        run, field, common = [part], own, operators
    yield run, common


def _listed(node: Node) -> tuple[Field | None, frozenset[str]]:
    """The field of a leaf, and the operators by which its value can stand in a list."""
    match node:
        case Equal(field, value, False):
            exact_only = isinstance(value, str) or field.kind is Kind.TIME
            return field, frozenset("=") if exact_only else frozenset(":=")
        case Like(field) | Search(field) if _short(node) and field != fields.ANYWHERE:
            in_message = isinstance(node, Like) and _message_text(node) is not None
            return field, frozenset() if in_message else frozenset(":")
        case _:
            return None, frozenset()


def _short(node: Node) -> str:
    """The value of a leaf that is written ``field:value`` or ``field=value``; empty of one that is not."""
    match node:
        case Like(field, pattern):
            return _pattern(field, pattern)
        case Search(_, regex):
            return _slashed(regex)
        case Equal(field, value):
            return _value(field, value)
        case _:
            return ""


def _leaf(node: Node) -> str:
    match node:
        case Has(field):
            return f"has({fields.spelled(field)})"
        case Equal(field, value, negated):
            operator = "!=" if negated else _operator(node)
            return f"{fields.spelled(field)}{operator}{_value(field, value)}"
        case Range():
            return _range(node)
        case Search():
            return _search(node)
        case Like():
            return _like(node)
        case _:
            raise TypeError(node)


def _operator(node: Equal) -> str:
    """``:`` where it means ``=``."""
    is_text = isinstance(node.value, str) or node.field.kind is Kind.TIME
    return "=" if is_text else ":"


def _value(field: Field, value: Value) -> str:
    if field.kind is Kind.LEVEL and isinstance(value, int):
        return literals.level_name(value)
    if field.kind is Kind.TIME and isinstance(value, int):
        return times.shown(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, UUID):
        return str(value)
    bare = spelling.plain(value) and not (field.kind is Kind.PATH and literals.is_special(field, value))
    return value if bare else spelling.quoted(value)


def _number(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def _range(node: Range) -> str:
    name = fields.spelled(node.field)
    mixed = None not in (node.low, node.high) and isinstance(node.low, str) is not isinstance(node.high, str)
    low, high = _bound(node.field, node.low, mixed=mixed), _bound(node.field, node.high, mixed=mixed)
    if low is not None and high is not None:
        return f"{name}:{'{' if node.low_open else '['}{low} TO {high}{'}' if node.high_open else ']'}"
    if node.field.name == "timestamp" and low is not None and not node.low_open:
        return f"since:{low}"
    if node.field.name == "timestamp" and high is not None and node.high_open:
        return f"until:{high}"
    if low is not None:
        return f"{name}{'>' if node.low_open else '>='}{low}"
    return f"{name}{'<' if node.high_open else '<='}{high}"


def _bound(field: Field, value: Value | None, *, mixed: bool) -> str | None:
    # In an order, a bare number is one on columns of text, too; beside a number, a text says that it is meant as one.
    if isinstance(value, str) and (mixed or literals.is_special(field, value, ordered=True)):
        return spelling.quoted(value)
    return None if value is None else _value(field, value)


def _search(node: Search) -> str:
    slashed = _slashed(node.regex)
    if not slashed:
        return f"{fields.spelled(node.field)}=~{spelling.quoted(node.regex.source)}"
    return slashed if node.field == fields.MESSAGE else f"{fields.spelled(node.field)}:{slashed}"


def _slashed(regex: Regex) -> str:
    """``/re/``; empty where it cannot be written so."""
    source = regex.source.removeprefix(_IGNORE_CASE)
    flag = "i" if source != regex.source else ""
    return f"/{spelling.slashed(source)}/{flag}" if source else ""


def _like(node: Like) -> str:
    field, pattern = node.field, node.pattern
    inner = _message_text(node)
    if inner is not None:
        return inner
    name = fields.spelled(field)
    match pattern:
        case (Wild.ANY, *within, Wild.ANY) if field == fields.ANYWHERE and (text := _pattern(field, tuple(within))):
            return f"*:{text}"
        case (Wild.ANY, str(piece), Wild.ANY) if field != fields.ANYWHERE:
            return f"{name}~{piece if spelling.plain(piece) else spelling.quoted(piece)}"
        case _:
            value = "" if field == fields.ANYWHERE else _pattern(field, pattern)
    return f"{name}:{value}" if value else f"{name} like {spelling.like_string(pattern)}"


def _message_text(node: Like) -> str | None:
    """The bare word or phrase that looks for this in messages."""
    pattern = node.pattern
    if node.field != fields.MESSAGE or not (pattern and pattern[0] is pattern[-1] is Wild.ANY):
        return None
    if len(pattern) == 1:
        return "*"
    inner = _pattern(fields.MESSAGE, pattern[1:-1])
    # Behind a time it would be taken for a part of it.
    return (spelling.quoted(inner) if times.continues(inner) else inner) or None


def _pattern(field: Field, pattern: tuple[str | Wild, ...]) -> str:
    """A pattern as it stands after ``:``; empty where only LIKE can say it."""
    literal = "".join(piece for piece in pattern if isinstance(piece, str)) if Wild not in map(type, pattern) else None
    if field.kind is Kind.LEVEL and literal is not None:
        if _is_level(literal):
            return ""
        if literals.near_level(literal) is not None:
            return spelling.quoted(literal)
    if field.kind is Kind.INT and literal is not None:
        return ""
    if literal is not None:
        bare = spelling.plain(literal) and not (field.kind is Kind.PATH and literals.is_special(field, literal))
        return literal if bare else spelling.quoted(literal)
    return (spelling.pattern_word(pattern) or "") if pattern != (Wild.ANY,) else ""


def _is_level(text: str) -> bool:
    return text.strip().lower() in literals.LEVELS or text.strip().lstrip("-").isdigit()
