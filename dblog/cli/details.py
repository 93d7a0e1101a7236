"""Everything about one entry: every column that has a value, with the message, the traceback and the metadata whole."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import orjson

from dblog.cli.cells import line, paint
from dblog.cli.lines import BAND_STYLES, DIM, service_style
from dblog.cli.moments import moment
from dblog.entry import ID_FIELDS
from dblog.levels import band_of
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.cli.lines import Look
    from dblog.entry import LogEntry

__all__ = ["detail_lines"]

_RED: Final = "31"
_SOURCE: Final = ("module", "function", "pathname", "lineno", "template")
_PROCESS: Final = ("service", "host", "pid", "thread", "async_task", "instance_id", "seq")
_GROUPS: Final = (("timestamp", "ingested_at", "id"), ("level", "severity", "logger", *_SOURCE), ID_FIELDS, _PROCESS)


def detail_lines(entry: LogEntry, look: Look) -> Iterator[str]:
    """The entry as a page: message first, then the exception, then the columns in groups, then the metadata."""
    style = BAND_STYLES[band_of(entry.severity)]
    head = ((moment(entry.timestamp, look.zone), DIM), ("  ", ""), (visible(entry.level), style), ("  ", ""))
    service = (f"{visible(entry.service)}  " if entry.service else "", service_style(entry.service))
    yield line((*head, service, (visible(entry.logger), DIM)), None, colour=look.colour)
    for each in _split(entry.message):
        yield paint(each, "1", colour=look.colour)
    if entry.exc_type or entry.exc_message or entry.exc_text:
        yield ""
        raised = ": ".join(part for part in (entry.exc_type, entry.exc_message) if part)
        for each in _split(entry.exc_text or raised):
            yield paint(each, _RED, colour=look.colour)
    for group in _GROUPS:
        rows = [(name, value) for name in group if (value := getattr(entry, name)) is not None]
        if rows:
            yield ""
        for name, value in rows:
            yield f"{paint(f'{name:<15}', DIM, colour=look.colour)} {_shown(name, value, look)}"
    if entry.metadata is not None:
        yield ""
        yield paint("metadata", DIM, colour=look.colour)
        yield from (f"  {each}" for each in _split(_pretty(entry.metadata)))


def _split(text: str) -> list[str]:
    return [each.rstrip() for each in visible(text, lines=True).rstrip("\n").split("\n")]


def _shown(name: str, value: Any, look: Look) -> str:
    if name in ("timestamp", "ingested_at"):
        return moment(value, look.zone)
    return str(value) if isinstance(value, (int, uuid.UUID)) else visible(str(value))


def _pretty(metadata: str) -> str:
    try:
        return orjson.dumps(orjson.loads(metadata), option=orjson.OPT_INDENT_2).decode()
    except (ValueError, TypeError):  # no JSON, or deeper than orjson writes
        return metadata
