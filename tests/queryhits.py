"""Trees that are about an entry: most of their leaves name a field it has, and a value near the one it has there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from hypothesis import strategies as st

from dblog.query import regex
from dblog.query import tree as t
from dblog.query.fields import COLUMNS, path
from dblog.query.tree import Kind, Wild
from dblog.query.values import MOST_INT, number_of
from tests.querytrees import LEVELS, grown, joined, leaves, nameable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.entry import LogEntry
    from dblog.query.tree import Field

_LEAVES: Final = leaves()
_FLAG: Final = st.booleans()
_QUARTER: Final = st.integers(1, 4)


@st.composite
def trees_about(draw: st.DrawFn, entries: Sequence[LogEntry]) -> t.Node:
    """Trees about one of the entries."""
    facts = _facts(_one(draw, entries))

    def leaf() -> t.Node:
        if draw(_QUARTER) == 1:
            return draw(_LEAVES)
        field, value = _one(draw, facts)
        made: t.Node = _one(draw, _near(draw, field, value))()
        return made

    return grown(draw, leaf)


def _one(draw: st.DrawFn, things: Sequence[Any]) -> Any:
    # Strategies made anew for each draw are what costs time.
    return things[draw(st.integers(0, len(things) - 1))]


def _facts(entry: LogEntry) -> list[tuple[Field, Any]]:
    """Every field of the entry that is there, with its value."""
    found = [(field, getattr(entry, name)) for name, field in COLUMNS.items() if name != "metadata"]
    pending: list[tuple[tuple[str | int, ...], Any]] = [((key,), value) for key, value in entry.attributes.items()]
    while pending:
        steps, value = pending.pop()
        if not all(isinstance(step, int) or nameable(step) for step in steps):
            continue
        found.append((path(*steps), value))
        if isinstance(value, dict):
            pending += [((*steps, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*steps, index), inner) for index, inner in enumerate(value)]
            found += [(path(*steps), inner) for inner in value]
    return [(field, value) for field, value in found if value is not None]


def _near(draw: st.DrawFn, field: Field, value: Any) -> list[Callable[[], t.Node]]:
    """The ways to make a leaf about this value."""
    found: list[Callable[[], t.Node]] = [partial(t.Has, field)]
    written = _literal(draw, field, value)
    if isinstance(written, (str, int, float, UUID)):
        found.append(lambda: t.Equal(field, written, draw(_FLAG)))
    if isinstance(written, (str, int, float)) and not isinstance(written, bool):
        found.append(lambda: t.Range(field, written, None, draw(_FLAG)))
        found.append(lambda: t.Range(field, None, written, high_open=draw(_FLAG)))
    if isinstance(value, (str, int)) and not isinstance(value, bool) and field.kind is not Kind.TIME:
        found.append(lambda: t.Like(field, _pattern(draw, str(value))))
        found.append(lambda: t.Search(field, _regex(draw, str(value))))
    return found


def _literal(draw: st.DrawFn, field: Field, value: Any) -> Any:
    """The value as a query can write it, or one near it."""
    if field.kind is Kind.LEVEL:
        return dict(LEVELS)[value]
    if isinstance(value, float) and (abs(value) > MOST_INT or f"{value:.15g}" != f"{value:.17g}"):
        return round(value, 1) if abs(value) <= MOST_INT else 1
    if field.kind is Kind.PATH and isinstance(value, str) and (number := number_of(value)) is not None:
        return number if draw(_FLAG) else value
    if field.kind is Kind.PATH and isinstance(value, int) and not isinstance(value, bool):
        return str(value) if draw(_FLAG) else value
    return value


def _part(draw: st.DrawFn, text: str) -> tuple[str, bool, bool]:
    """A slice of the text, and whether it begins and ends where the text does."""
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text[start:end], start == 0, end == len(text)


def _hidden(draw: st.DrawFn) -> set[int]:
    return {draw(st.integers(0, 9)), draw(st.integers(0, 9))}


def _pattern(draw: st.DrawFn, text: str) -> t.Pattern:
    part, first, last = _part(draw, text) if draw(_FLAG) else (text, True, True)
    cased = _one(draw, (part, part.upper(), part.lower(), part.swapcase(), part.capitalize()))
    hidden = _hidden(draw)
    inner = [Wild.ONE if index in hidden else char for index, char in enumerate(cased)]
    return joined([*([] if first else [Wild.ANY]), *inner, *([] if last else [Wild.ANY])])


def _regex(draw: st.DrawFn, text: str) -> regex.Regex:
    part, first, last = _part(draw, text)
    hidden = _hidden(draw)
    chars = ["." if index in hidden else _escaped(char) for index, char in enumerate(part)]
    times = _one(draw, ("", "*", "+", "?")) if chars else ""
    start, end = "^" if first and draw(_FLAG) else "", "$" if last and draw(_FLAG) else ""
    return regex.parse(f"{start}{''.join(chars)}{times}{end}", ignore_case=draw(_FLAG))


def _escaped(char: str) -> str:
    return char if char.isalnum() else f"\\{char}"
