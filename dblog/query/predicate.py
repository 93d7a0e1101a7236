"""Tree → a function of one entry: closures, made once; no pattern of a user's reaches Python's ``re``."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dblog.entry import LogEntry
from dblog.query import tree as t
from dblog.query.fields import COLUMNS
from dblog.query.functions import searcher
from dblog.query.tree import Kind
from dblog.query.values import at, document, elements_of, fold, literal, number_of, spellings, text_of, variants
from dblog.query.wildcards import matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dblog.query.regex import Regex

    Leaf: TypeAlias = Callable[[LogEntry, Any], bool]
    """Of an entry, and its metadata parsed."""
    Check: TypeAlias = Callable[[Any], bool]
    """Of one value, never None."""

__all__ = ["predicate"]

_PLACES: Final = {name: index for index, name in enumerate(LogEntry._fields)}
_SEARCHED: Final = [name for name, field in COLUMNS.items() if field.kind in {Kind.TEXT, Kind.KEY, Kind.LEVEL}]


def predicate(tree: t.Node) -> Callable[[LogEntry], bool]:
    """See ``dblog.query.Query.predicate``."""
    leaf = _node(tree)
    if _reads_metadata(tree):
        return lambda entry: leaf(entry, document(entry.metadata))
    return lambda entry: leaf(entry, None)


def _reads_metadata(node: t.Node) -> bool:
    match node:
        case t.All():
            return False
        case t.And(parts) | t.Or(parts):
            return any(map(_reads_metadata, parts))
        case t.Not(part):
            return _reads_metadata(part)
        case _:
            return node.field.kind in {Kind.PATH, Kind.METADATA, Kind.ANY}


def _node(node: t.Node) -> Leaf:  # noqa: PLR0911 - one per kind
    match node:
        case t.All():
            return lambda _entry, _metadata: True
        case t.And(parts):
            leaves = tuple(map(_node, parts))
            return lambda entry, metadata: all(leaf(entry, metadata) for leaf in leaves)
        case t.Or(parts):
            leaves = tuple(map(_node, parts))
            return lambda entry, metadata: any(leaf(entry, metadata) for leaf in leaves)
        case t.Not(part):
            inner = _node(part)
            return lambda entry, metadata: not inner(entry, metadata)
        case t.Has(field):
            return _has(field)
        case t.Equal(field, value, negated):
            found = _any(field, _equal(field, value))
            there = _has(field)
            return (lambda entry, metadata: there(entry, metadata) and not found(entry, metadata)) if negated else found
        case t.Range(field):
            return _any(field, _range(node))
        case t.Like(field, pattern):
            return _like(field, pattern)
        case t.Search(field, regex):
            return _any(field, _on_text(field, _search(regex)), named=True)


# -- where to look ---------------------------------------------------------------------------------------------


def _column(field: t.Field, *, named: bool = False) -> int:
    """The field's place in an entry; that of a level's rank, unless its name is meant."""
    return _PLACES["severity" if field.kind is Kind.LEVEL and not named else field.name]


def _has(field: t.Field) -> Leaf:
    if field.kind is Kind.METADATA:
        return lambda _entry, metadata: metadata is not None
    if field.kind is Kind.PATH:
        places = field.places
        return lambda _entry, metadata: any(at(metadata, place) is not None for place in places)
    index = _column(field)
    return lambda entry, _metadata: entry[index] is not None


def _any(field: t.Field, check: Check, *, named: bool = False) -> Leaf:
    """Whether one of the field's values passes."""
    if field.kind is Kind.PATH:
        places = field.places
        return lambda _entry, metadata: any(
            check(element) for place in places for element in elements_of(at(metadata, place)) if element is not None
        )
    index = _column(field, named=named)
    return lambda entry, _metadata: entry[index] is not None and check(entry[index])


def _leaves(value: Any) -> Iterator[Any]:
    """Every scalar of a JSON value, at any depth."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        else:
            yield value


# -- what to look for ------------------------------------------------------------------------------------------


def _equal(field: t.Field, value: t.Value) -> Check:
    if field.kind is not Kind.PATH:
        return lambda found: bool(found == value)
    if isinstance(value, bool):
        name = str(value).lower()
        return lambda found: found is value or (isinstance(found, str) and fold(found) == name)
    if isinstance(value, str):
        return lambda found: text_of(found) == value
    return lambda found: number_of(found) == value


def _range(node: t.Range) -> Check:
    low = _bound(node.field, node.low, operator.gt if node.low_open else operator.ge)
    high = _bound(node.field, node.high, operator.lt if node.high_open else operator.le)
    return lambda found: low(found) and high(found)


def _bound(field: t.Field, value: t.Value | None, compare: Callable[[Any, Any], bool]) -> Check:
    if value is None:
        return lambda _found: True
    if isinstance(value, str):
        return lambda found: isinstance(found, str) and compare(found, value)
    if field.kind in {Kind.PATH, Kind.TEXT, Kind.KEY}:
        return lambda found: (number := number_of(found)) is not None and compare(number, value)
    return lambda found: compare(found, value)


def _like(field: t.Field, pattern: t.Pattern) -> Leaf:
    text = literal(pattern)
    if field.kind is Kind.KEY and text is not None:
        return _any(field, frozenset(spellings(text)).__contains__)
    fits = [matcher(variant) for variant in variants(pattern)]

    def check(found: str) -> bool:
        folded = fold(found)
        return any(fit(folded) for fit in fits)

    if field.kind is not Kind.ANY:
        return _any(field, _on_text(field, check), named=True)
    columns = [_any(COLUMNS[name], check, named=True) for name in _SEARCHED]
    on_text = _on_text(field, check)
    return lambda entry, metadata: (
        any(column(entry, metadata) for column in columns) or any(map(on_text, _leaves(metadata)))
    )


def _search(regex: Regex) -> Callable[[str], bool]:
    search = searcher(regex.re2())

    def found(text: str) -> bool:
        try:
            return search(text.encode())
        except UnicodeEncodeError:  # a lone surrogate: the writer will store U+FFFD
            return search(text.encode("utf-8", "surrogatepass"))

    return found


def _on_text(field: t.Field, check: Callable[[str], bool]) -> Check:
    """The check on a value's text form; false without one."""
    if field.kind is Kind.INT:
        return lambda found: check(str(found))
    if field.kind in {Kind.PATH, Kind.ANY}:
        return lambda found: (text := text_of(found)) is not None and check(text)
    return check
