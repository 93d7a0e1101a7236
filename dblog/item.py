"""What waits in the queue: a record as captured, smaller and cheaper than the entry it becomes.

The caller makes an item; the writer expands it. What can no longer change, such as a
text or flat extras, travels as it is, and is cleaned and encoded by the writer.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import orjson

from dblog.entry import ID_FIELDS, LogEntry
from dblog.notes import with_notes
from dblog.plain import Limits, clean, plain

__all__ = ["ENTRY_BYTES", "ITEM_SITE", "ITEM_SIZE", "MAX_NAME", "Item", "compact", "expand", "held"]

ENTRY_BYTES = 600
"""What an entry costs beside its message, metadata and exception: its tuples, the queue item, two small ints."""

Item: TypeAlias = list[Any]
"""What capture makes and the queue holds, a third of an entry's size; the writer expands it:

``[seq, timestamp, site, message, template, metadata, thread, async_task, ids, rest, size]``

``seq`` is set inside the buffer's critical section: that is why it is a list, not a tuple. ``site`` is
``(level, severity, logger, module, function, pathname, lineno)``, one tuple per call site; ``metadata`` JSON text, or
a dict of text, numbers, booleans and None still to be encoded; ``rest`` a dict of further fields of the entry, or
None; ``size`` the bytes held.
"""
ITEM_SITE, ITEM_SIZE = 2, 10
MAX_NAME = 512
"""Characters kept of a name or an identifier."""

_new = tuple.__new__
_STRICT = orjson.OPT_STRICT_INTEGER
_UNSTORED = (None,) * 7
"""What the writer and the database fill in."""


def expand(item: Item) -> LogEntry:
    """The entry of an item, clean: without NUL or lone surrogates, its metadata encoded."""
    _, moment, site, message, template, metadata, thread, task, ids, rest, _ = item
    level, severity, logger, module, function, pathname, lineno = site
    if type(metadata) is dict:
        metadata = _encoded(metadata)
    if thread not in _clean_names or task is not None:
        thread, task = _name(thread), _name(task)
    user, session, job, trace, span, parent, context, client = ids
    # fmt: off
    entry = _new(LogEntry, (
        moment, level, severity, logger, message, template, metadata, module, function, pathname, lineno, thread, task,
        None, None, None, user, session, job, trace, span, parent, context, client, *_UNSTORED,
    ))
    # fmt: on
    if rest is not None:
        entry = entry._replace(**rest)
    if _is_clean(message) and (template is None or _is_clean(template)):
        return entry
    return _cleaned(entry)


def _is_clean(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _cleaned(entry: LogEntry) -> LogEntry:
    message = clean(entry.message)
    template = None if entry.template is None else clean(entry.template)
    if message == entry.message and template == entry.template:
        return entry
    metadata = with_notes(entry.metadata, {"flags": ["sanitized"]})
    return entry._replace(message=message, template=template, metadata=metadata)


def _name(name: str | None) -> str | None:
    """A thread's or task's name, clean and of bounded length."""
    if name is None:
        return None
    cleaned = clean(name)[:MAX_NAME]
    if cleaned == name:
        if len(_clean_names) >= _NAMES:
            _clean_names.clear()
        _clean_names.add(name)
    return cleaned


_clean_names: set[str | None] = {None}
_NAMES = 4096


def _encoded(attributes: dict[str, Any]) -> str | None:
    """JSON text of flat attributes. What cannot change was captured as it was; no user code runs here."""
    try:
        # str, not bytes: orjson's bytes keep the kilobyte they were written in, which costs microseconds to hold.
        text = orjson.dumps(attributes, None, _STRICT).decode()
    except TypeError:  # a larger integer, a lone surrogate
        text = ""
    if not text or "\\u0000" in text or ("null" in text and not _finite(attributes)):
        tree, flags = plain(attributes, limits=_UNBOUNDED, redact=())
        return with_notes(orjson.dumps(tree).decode(), {"flags": sorted(flags)} if flags else {})
    return text


def _finite(attributes: dict[str, Any]) -> bool:
    return all(type(value) is not float or math.isfinite(value) for value in attributes.values())


_UNBOUNDED = Limits(max_attributes=10_000, max_bytes=1 << 30)
"""Capture has counted and measured already."""


def held(text: str) -> int:
    """Bytes a text holds, at most: one per character of ASCII, four of any other."""
    return len(text) if text.isascii() else 4 * len(text)


def compact(entry: LogEntry, **rest: Any) -> Item:
    """The item of an entry, whose other fields travel as they are."""
    site = (entry.level, entry.severity, entry.logger, entry.module, entry.function, entry.pathname, entry.lineno)
    texts = (entry.message, entry.template, entry.metadata, entry.exc_message, entry.exc_text)
    size = ENTRY_BYTES + sum(held(text) for text in texts if text)
    for name in ("exc_type", "exc_message", "exc_text", "service", "host", "pid", "id"):
        if getattr(entry, name) is not None:
            rest[name] = getattr(entry, name)
    return [
        *(0, entry.timestamp, site, entry.message, entry.template, entry.metadata, entry.thread, entry.async_task),
        *(entry[_FIRST_ID : _FIRST_ID + len(ID_FIELDS)], rest or None, size),
    ]


_FIRST_ID = LogEntry._fields.index(ID_FIELDS[0])
