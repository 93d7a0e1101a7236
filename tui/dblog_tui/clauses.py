"""A field's value into a query and out of it: what ``+`` and ``-`` do to the text somebody has typed.

What was typed stays as it is, relative times included; only the clause that is about the same field is written anew.
Every text made here has been parsed, and means what it should: if none does, the query is written out in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from dblog.entry import LogEntry

__all__ = ["Choice", "choices", "exclude", "include", "name_of"]

_FIRST: Final = (
    "service", "level", "logger", "template", "exc_type", "host", "trace_id", "user_id", "session_id", "task_id",
    "client_id", "function", "module",
)  # fmt: skip
_LAST: Final = ("span_id", "context_id", "thread", "async_task", "pid", "lineno", "pathname", "exc_message", "message")
_DEEPEST: Final = 4


class Choice(NamedTuple):
    """A field an entry has, and its value."""

    name: str
    """As a query names it."""
    value: Any


def include(query: str, field: str, value: object, *, now: float | None = None, zone: dt.tzinfo | None = None) -> str:
    """The query, for entries that have the value only.

    A value beside one that is asked for already makes a list of both; one of such a list becomes the only one.

    Args:
        query: as it was typed.
        field: as a query names it (see ``name_of``).
        value: as an entry has it, or its text form as facets have it; None finds entries without the field, an object
            or a list those that have it.
        now: see ``dblog.query.parse``.
        zone: likewise.

    Raises:
        QuerySyntaxError: the query cannot be read, or becomes too long.
        ConfigurationError: the field cannot be compared with that.
    """
    from dblog_tui.edits import Edit  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog_tui.leaves import leaf_of  # noqa: PLC0415 - as above

    edit = Edit(query, now, zone)
    edit.include(leaf_of(field, value))
    return edit.text


def exclude(query: str, field: str, value: object, *, now: float | None = None, zone: dt.tzinfo | None = None) -> str:
    """The query, without the entries that have the value; the only value asked for becomes the one not wanted.

    Args and errors as ``include``.
    """
    from dblog_tui.edits import Edit  # noqa: PLC0415 - loads the grammar, which is behind the first paint
    from dblog_tui.leaves import leaf_of  # noqa: PLC0415 - as above

    edit = Edit(query, now, zone)
    edit.exclude(leaf_of(field, value))
    return edit.text


def name_of(*steps: str | int) -> str | None:
    """How a query names a key of ``metadata``; None of one that it cannot name."""
    from dblog.query.fields import is_name, path, spelled  # noqa: PLC0415 - as above
    from dblog.query.tree import MOST_STEPS  # noqa: PLC0415 - as above

    if not steps or len(steps) > MOST_STEPS:
        return None
    name = spelled(path(*steps))
    return name if is_name(name) else None


def choices(entry: LogEntry) -> list[Choice]:
    """What an entry offers to ``include`` and ``exclude``, the likeliest first."""
    from dblog.cli.lines import attributes_of  # noqa: PLC0415 - as above

    columns = [Choice(name, getattr(entry, name)) for name in (*_FIRST, *_LAST)]
    there = [choice for choice in columns if choice.value is not None and choice.value != ""]
    keys = [
        Choice(name, value)
        for steps, value in _leaves(attributes_of(entry), ())
        if value is not None and (name := name_of(*steps)) is not None
    ]
    return [
        *(choice for choice in there if choice.name in _FIRST), *keys,
        *(choice for choice in there if choice.name in _LAST),
    ]  # fmt: skip


def _leaves(value: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner and len(above) < _DEEPEST:
            yield from _leaves(inner, (*above, key))
        else:
            yield (*above, key), inner
