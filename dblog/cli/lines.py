"""Entries as lines of text for people: one line each, in columns; pure functions from values to text."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from dblog.cli.cells import Piece, cells, cut, line, pad, paint
from dblog.cli.moments import clock, day
from dblog.levels import BAND_NAMES, band_of
from dblog.visible import visible

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from dblog.entry import LogEntry

__all__ = [
    "BAND_STYLES",
    "DIM",
    "Lines",
    "Look",
    "attributes_of",
    "exception_of",
    "facts",
    "level_of",
    "said",
    "service_style",
]

DIM: Final = "2"
_RED: Final = "31"
BAND_STYLES: Final = ("90", "90", "32", "33", "31", "1;35")
"""The style of each severity band (``dblog.levels.BAND_NAMES``)."""
_ERROR: Final = BAND_NAMES.index("error")
_LEVEL_NAMES: Final = {"WARNING": "WARN", "CRITICAL": "CRIT"}
_SERVICE_STYLES: Final = ("36", "34", "35", "96", "94", "95")
_DEEPEST: Final = 3
"""Objects in ``metadata`` are taken apart to this depth; what lies deeper is shown as JSON."""


@dataclass(frozen=True, slots=True)
class Look:
    """How text is to look."""

    width: int | None = None
    """Cells of a line; None: no limit."""
    colour: bool = False
    zone: dt.tzinfo | None = None
    """Of times; None is the machine's."""
    dates: bool = False
    """The date in every line, instead of a line of its own where it changes."""
    ids: bool = False
    full: bool = False
    """Below the line the rest of the message, and the traceback; nothing is cut."""
    wrap: bool = False
    """Nothing is cut; the terminal breaks what is too long."""


class Lines:
    """Makes lines of entries one after the other, and remembers the columns' widths and the day."""

    def __init__(self, look: Look) -> None:
        self._look = look
        room = look.width or 200
        self._most = (min(max(room // 9, 6), 16), min(max(room // 7, 8), 24))
        self._service = self._logger = self._level = 0
        self._day = ""

    def fit(self, entries: Iterable[LogEntry]) -> None:
        """Widen the columns to what is coming; they never become narrower, so that a tail stays calm."""
        for entry in entries:
            self._service = max(self._service, min(cells(visible(entry.service or "")), self._most[0]))
            self._logger = max(self._logger, min(cells(visible(entry.logger)), self._most[1]))
            self._level = max(self._level, min(cells(level_of(entry)), 8), 5)

    def resize(self, width: int | None) -> None:
        """Go on with lines of another width, as the terminal's now is."""
        self._look = replace(self._look, width=width)

    def of(self, entry: LogEntry, *, late: bool = False) -> Iterator[str]:
        """The entry's line; before it the day where it changes, below it the rest where all is wanted."""
        look = self._look
        if not look.dates and (today := day(entry.timestamp, look.zone)) != self._day:
            self._day = today
            yield paint(f"── {today} ──"[: look.width], DIM, colour=look.colour)
        width = None if look.full or look.wrap else look.width
        yield line(self._pieces(entry, late=late), width, colour=look.colour)
        if look.full:
            yield from self._rest(entry)

    def _pieces(self, entry: LogEntry, *, late: bool) -> Iterator[Piece]:
        look, style = self._look, BAND_STYLES[band_of(entry.severity)]
        time = clock(entry.timestamp, look.zone)
        yield (f"{day(entry.timestamp, look.zone)[4:14]} {time} " if look.dates else f"{time} "), DIM
        if look.ids:
            yield f"{entry.id.hex[-16:] if entry.id else '':<16} ", DIM
        yield pad(level_of(entry), max(self._level, 5)), style
        yield " ", ""
        if self._service:
            yield pad(visible(entry.service or ""), self._service), service_style(entry.service)
            yield " ", ""
        if self._logger:
            yield pad(_shorter(visible(entry.logger), self._logger), self._logger), DIM
            yield " ", ""
        if late:
            yield "late ", DIM
        yield from said(entry, self._look)

    def _rest(self, entry: LogEntry) -> Iterator[str]:
        for text, style in ((_tail_of(entry.message), ""), (entry.exc_text, _RED)):
            for each in visible(text or "", lines=True).split("\n") if text else ():
                yield f"    {paint(each.rstrip(), style, colour=self._look.colour)}"


def said(entry: LogEntry, look: Look) -> Iterator[Piece]:
    """What an entry says, without when and where: message, exception, metadata, the beginning of its trace id."""
    message = entry.message.split("\n", 1)[0].rstrip("\r") if look.full else entry.message
    # More than fits is cut before it is looked at: a message may be as long as a record can be.
    message = visible(message if look.width is None or look.full or look.wrap else message[: 4 * look.width])
    yield message, (BAND_STYLES[band_of(entry.severity)] if band_of(entry.severity) >= _ERROR else "")
    if exception := exception_of(entry):
        yield "  ", ""
        yield exception, _RED
    for number, fact in enumerate(facts(entry)):
        yield " " if number else "  ", ""
        yield fact, DIM
    if entry.trace_id:
        yield "  ", ""
        yield f"trace={visible(entry.trace_id[:8])}", DIM


def exception_of(entry: LogEntry) -> str:
    """``ValueError: no such card`` in one line, without what the message says already; empty where there is none."""
    said_already = not entry.exc_message or entry.exc_message in entry.message
    parts = (entry.exc_type, None if said_already else entry.exc_message)
    return visible(": ".join(part for part in parts if part))


def facts(entry: LogEntry) -> Iterator[str]:
    """``metadata`` as ``key=value``, objects taken apart as in queries, one by one as they are asked for."""
    for path, value in _flat(attributes_of(entry), 1):
        text = value if isinstance(value, str) else _json(value)
        if isinstance(value, str) and (not value or any(char in value for char in ' "=\n\t')):
            text = _json(value)
        yield visible(f"{path}={text}")


def attributes_of(entry: LogEntry) -> dict[str, Any]:
    """``metadata`` parsed, whatever somebody has put into the column."""
    try:
        found: Any = entry.attributes
    except ValueError:
        found = entry.metadata
    return found if isinstance(found, dict) else {"metadata": found}


def _flat(tree: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            for path, leaf in _flat(value, depth + 1):
                yield f"{key}.{path}", leaf
        else:
            yield key, value


def _json(value: object) -> str:
    if isinstance(value, float) and abs(value) >= 1:
        value = round(value, 3)  # `show` and JSON have it whole
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # orjson reads what lies deeper than it writes
        return "…"


def service_style(service: str | None) -> str:
    """Always the same colour for one service."""
    return _SERVICE_STYLES[zlib.crc32(service.encode(errors="replace")) % len(_SERVICE_STYLES)] if service else ""


def level_of(entry: LogEntry) -> str:
    """The level as lines show it: WARN and CRIT for short."""
    return visible(_LEVEL_NAMES.get(entry.level, entry.level))


def _shorter(logger: str, width: int) -> str:
    """``shop.cart.checkout`` as ``s.c.checkout`` where it has to be: the end says most."""
    if cells(logger) <= width:
        return logger
    *packages, last = logger.split(".")
    for index, package in enumerate(packages):
        packages[index] = package[:1]
        if cells(shorter := ".".join((*packages, last))) <= width:
            return shorter
    return cut(last, width)


def _tail_of(message: str) -> str:
    return message.partition("\n")[2]
