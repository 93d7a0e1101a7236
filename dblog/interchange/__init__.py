"""One entry as one line of JSON, and back: what ``export`` writes, ``import`` reads and ``--json`` prints.

The keys are the columns' names. Reading is generous, so that files of other loggers can be imported: their usual
names are understood, what has no column goes into ``metadata``, and every value is made storable as a record's
is. It refuses what it would have to guess: a line without a time, or with one whose unit cannot be told.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from dblog.entry import ID_FIELDS, LogEntry
from dblog.errors import ConfigurationError
from dblog.interchange.foreign import rank, taken
from dblog.item import MAX_NAME
from dblog.notes import cut, with_notes
from dblog.plain import Limits, clean, plain
from dblog.repair import repair

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["COLUMNS", "LATEST", "entry_of", "from_json", "iso", "jsonable", "to_json"]

COLUMNS: Final = (
    "timestamp", "id", "ingested_at", "level", "severity", "logger", "module", "function", "pathname", "lineno",
    "message", "template", "metadata", *ID_FIELDS, "exc_type", "exc_message", "exc_text", "service", "host", "pid",
    "thread", "async_task", "instance_id", "seq",
)  # fmt: skip
"""The keys, in their order: the columns of ``dblog.schema``, which this module does not load."""

LATEST: Final = 253_402_300_799_999_999
"""The last µs of the year 9999; the first is 0, in 1970."""

_LEAST_MICROS: Final = 10**14
"""An integer below would be a time before March 1973 in µs; it is far more likely seconds or milliseconds of ours."""
_TIMES: Final = frozenset({"timestamp", "ingested_at"})
_UUIDS: Final = frozenset({"id", "instance_id"})
_INTS: Final = frozenset({"severity", "lineno", "pid", "seq"})
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO: Final = dt.timedelta(microseconds=1)

_WIDE: Final = Limits(max_depth=100, max_nodes=1_000_000, max_attributes=10_000, max_bytes=1 << 26)
"""For what was captured once already, perhaps under wider limits than the default's."""
_LONG: Final = re.compile(r"[0-9]{19}")
"""Digits of an integer beyond 64 bits, of which ``orjson`` makes a float."""
_BREAKS: Final = re.compile(r"[\r\n]")


def iso(moment: int) -> str:
    """µs since 1970 UTC as ISO 8601 with six digits and ``Z``; beyond the years 1-9999 the number itself."""
    seconds, micros = divmod(moment, 1_000_000)
    try:
        text = dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(moment)
    return f"{text[:19]}.{micros:06d}Z"


def jsonable(entry: LogEntry, columns: Container[str] | None = None) -> dict[str, Any]:
    """The entry as ``orjson`` takes it: column → value, absent ones left out, ``metadata`` as an object.

    Args:
        entry: any.
        columns: only these; every one where None.
    """
    fields: dict[str, Any] = {}
    for name in COLUMNS:
        value = getattr(entry, name)
        if value is None or (columns is not None and name not in columns):
            continue
        if name in _TIMES:
            value = iso(value)
        elif name in _UUIDS:
            value = str(value)
        elif name == "metadata":
            value = _fragment(value)
        fields[name] = value
    return fields


def to_json(entry: LogEntry, columns: Container[str] | None = None) -> bytes:
    """The entry as one line of JSON, without its newline; ``columns`` as in ``jsonable``."""
    fields = jsonable(entry, columns)
    try:
        return orjson.dumps(fields)
    except TypeError:  # a lone surrogate: of an entry that was made by hand and never stored
        return orjson.dumps({name: clean(value) if isinstance(value, str) else value for name, value in fields.items()})


def _fragment(metadata: str) -> orjson.Fragment | str:
    """The JSON text as it is stored where it is an object, in one line; else the text as a string."""
    try:
        if isinstance(orjson.loads(metadata), dict):
            # A line break outside of a string is blank space, and inside of one it is escaped.
            return orjson.Fragment(_BREAKS.sub(" ", metadata))
    except ValueError:
        pass
    return metadata


def from_json(line: bytes | str, number: int | None = None) -> LogEntry:
    """The entry of one line: the inverse of ``to_json``, and more than that (see the module).

    Args:
        line: a JSON object.
        number: the line's number, for errors.

    Raises:
        ConfigurationError: it is no JSON object, or its time is missing or cannot be read. The message does not
            show the line.
    """
    where = "the line" if number is None else f"line {number}"
    lenient = False
    try:
        fields = _loads(line)
    except ValueError:
        # Python's json writes NaN and lone surrogates, and reads them.
        lenient = True
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
    if not isinstance(fields, dict):
        raise ConfigurationError(f"{where} is not a JSON object")
    try:
        return entry_of(fields, lenient=lenient)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _loads(text: bytes | str) -> Any:
    """JSON as ``orjson`` reads it, but every integer with all its digits."""
    value = orjson.loads(text)
    if _LONG.search(text if isinstance(text, str) else text.decode()):
        with suppress(RecursionError):  # orjson reads deeper; down there they stay floats
            return json.loads(text)
    return value


def entry_of(fields: dict[str, Any], *, lenient: bool = False) -> LogEntry:
    """The entry of a parsed object, which is used up.

    Args:
        fields: column, or another logger's name for one → value.
        lenient: there may be values that are not JSON: NaN, lone surrogates.

    Raises:
        ConfigurationError: its time is missing or cannot be read.
    """
    found: dict[str, Any] = {}
    metadata = fields.pop("metadata", None)
    for name in COLUMNS:
        if name != "metadata" and (value := taken(name, fields, _fitting)) is not None:
            found[name] = value
    if "timestamp" not in found:
        raise ConfigurationError("it has no time: give timestamp as ISO 8601, or as an integer of µs")
    rank(found, fields)
    entry = LogEntry(
        level=found.pop("level"),
        severity=found.pop("severity"),
        logger=found.pop("logger", ""),
        message=found.pop("message", ""),
        metadata=_merged(metadata, fields, lenient=lenient),
        **found,
    )
    return _bounded(repair(entry))


def _bounded(entry: LogEntry) -> LogEntry:
    """Without the ids an index could not hold, which capture cuts as well."""
    ids: dict[str, str] = {name: getattr(entry, name) or "" for name in ID_FIELDS}
    long: dict[str, Any] = {name: cut(value, MAX_NAME) for name, value in ids.items() if len(value) > MAX_NAME}
    if not long:
        return entry
    return entry._replace(**long, metadata=with_notes(entry.metadata, {"flags": ["truncated"]}))


def _fitting(name: str, value: Any) -> Any:
    """The value as the column takes it; None of one that is better kept in ``metadata``."""
    if name in _TIMES:
        return moment_of(value) if value is not None else None
    if name in _UUIDS:
        return _uuid(value)
    if name in _INTS:
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:  # noqa: PLR2004 - of int8
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def moment_of(value: Any) -> int:
    """µs since 1970 UTC of ISO 8601 (UTC where it names no offset), an integer of µs, or a fraction of seconds.

    Raises:
        ConfigurationError: it is none of these, or not in the years 1970-9999.
    """
    moment: int | None = None
    if isinstance(value, str):
        try:
            parsed = dt.datetime.fromisoformat(value.strip())
            moment = ((parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICRO
        except (ValueError, OverflowError):
            moment = None
    elif isinstance(value, float):
        moment = round(value * 1e6) if abs(value) < 1e12 else None  # noqa: PLR2004 - far beyond the year 9999
    elif isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST_MICROS:
        moment = value
    if moment is None or not 0 <= moment <= LATEST:
        raise ConfigurationError("its time cannot be read: give ISO 8601 in 1970-9999, or an integer of µs")
    return moment


def _uuid(value: Any) -> UUID | None:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return None
    return None


def _merged(metadata: Any, rest: dict[str, Any], *, lenient: bool) -> str | None:
    """``metadata`` as JSON text, with what has no column."""
    if isinstance(metadata, str):
        try:
            parsed = _loads(metadata)
        except ValueError:
            parsed = None
        metadata = parsed if isinstance(parsed, dict) else {"metadata": metadata}
    elif metadata is not None and not isinstance(metadata, dict):
        metadata = {"metadata": metadata}
    tree: dict[str, Any] = metadata or {}
    for key, value in rest.items():
        free = key
        while free in tree:
            free += "~"
        tree[free] = value
    if not tree:
        return None
    if not lenient:
        try:
            text = orjson.dumps(tree, option=orjson.OPT_STRICT_INTEGER).decode()
        except TypeError:  # deeper than orjson writes, or an integer that other readers of JSON would round
            text = ""
        if text and "\\u0000" not in text:
            return text
    sound, flags = plain(tree, limits=_WIDE, redact=())
    return with_notes(orjson.dumps(sound).decode(), {"flags": sorted(flags)} if flags else {})
