"""``logging.LogRecord`` → ``LogEntry``, in the caller: total, bounded, and as cheap as it can be.

Everything that could change or fail later is fixed here: the message is formatted,
the exception turned to text, ids are read, extras are encoded to JSON and redacted.
What comes out are exact ``str``, ``int``, ``float``, ``bool`` and None, bounded: the
writer cleans and encodes them, runs no user code, and no value is poison.

There are two ways through. The fast one handles an ordinary record and gives up, by
an exception or a check, at anything unusual; the slow one (``dblog.salvage``) then
starts afresh and accepts everything.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dblog.entry import ID_FIELDS
from dblog.events import named, unwrapped
from dblog.item import ENTRY_BYTES, MAX_NAME
from dblog.levels import severity_of
from dblog.plain import REDACTED, clean, normal_key
from dblog.salvage import NOT_EXTRA, Salvage, current_task_name
from dblog.scopes import ids_now, scope_var
from dblog.spans import API

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dblog.entry import LogEntry
    from dblog.item import Item
    from dblog.options import Options

__all__ = ["Capture"]

_PLAIN_KEYS = tuple(logging.LogRecord("", 0, "", 0, "", None, None).__dict__)
_PLAIN_COUNT, _PLAIN_LAST = len(_PLAIN_KEYS), _PLAIN_KEYS[-1]
_ID_SLOT = {name: slot for slot, name in enumerate(ID_FIELDS)}
_LogRecord = logging.LogRecord
_modules = sys.modules
_NUMBERS = frozenset((int, float, bool, type(None)))

_CACHED = 4096
"""Call sites, key sets and thread names remembered at most; then the cache starts afresh."""
_CONTEXTS = 64
"""Contexts remembered: requests under way, not those of the past."""
_MAX_KEY = 256
_MAX_NUMBER = 2**53 - 1
_ATTRIBUTE_BYTES = 64
"""What an extra costs beside its text: its place in a dict, its number."""


class _Unusual(Exception):  # noqa: N818 - a way out of the fast path, not an error
    """The fast path gives up.

    Its argument is the message if that was formatted already, None if it could not be: that is not done twice.
    """


class _Plan(NamedTuple):
    """What to do with the extras of records that carry exactly these keys."""

    keys: tuple[str, ...]
    ids: tuple[tuple[int, str], ...]
    redacted: tuple[str, ...]
    unusual: bool


class Capture:
    """Captures records for one handler: ``capture(record) -> Item``; raises only BaseException."""

    def __init__(self, options: Options) -> None:
        self._salvage = Salvage(options)
        self._redact = options.redact_keys
        self._max_attributes = options.max_attributes
        # In the fast path a record holds at most one byte in four of its share: no character outgrows it.
        # With patterns nothing is fast: they may change any text.
        self._fast_bytes = 0 if options.redact_patterns else options.max_record_bytes // 4
        self._sites: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._bound: dict[int, tuple[Mapping[str, object], dict[str, object], int]] = {}

    def __call__(self, record: logging.LogRecord, formatter: logging.Formatter | None = None) -> Item:
        """Capture one record; ``formatter`` is used only to format its exception."""
        try:
            return self.fast(record)
        except Exception as reason:  # noqa: BLE001 - whatever it was, the slow path is total
            return self.slow(record, formatter, reason)

    def slow(self, record: logging.LogRecord, formatter: logging.Formatter | None, reason: Exception) -> Item:
        """The item of any record ``fast`` gave up at, for that reason."""
        if event := unwrapped(record, reason.__context__):
            fresh, names = event
            with named(names):
                return self(fresh, formatter)
        formatted = reason.args if type(reason) is _Unusual else ()
        return self._salvage(record, formatter, *formatted)

    def entry(self, entry: LogEntry) -> LogEntry:
        """An entry made by hand, redacted and bounded as a record."""
        return self._salvage.entry(entry)

    def fast(self, record: logging.LogRecord) -> Item:
        """The item of an ordinary record; any exception means that ``slow`` has to be asked.

        Texts are exactly ``str``, bounded, and perhaps not clean yet: the writer sees to that (``dblog.item``).

        Attributes are read before ``__dict__`` is: until somebody asks for it, CPython keeps them beside the object.
        """
        if record.exc_info or record.exc_text or record.stack_info:
            raise _Unusual
        template = message = record.msg
        args = record.args
        where = (
            record.name,
            record.levelno,
            record.levelname,
            record.pathname,
            record.lineno,
            record.funcName,
            record.module,
        )
        thread = record.threadName
        moment = int(record.created * 1e6 + 0.5)
        task = record.taskName if _HAS_TASK_NAME else current_task_name() if _running_loop() else None  # type: ignore[attr-defined]  # from 3.12 on
        # Read for nothing but to be there: with these, as many attributes as usual means no extras.
        record.filename, record.msecs, record.relativeCreated, record.thread, record.processName, record.process  # noqa: B018 - see above
        if type(thread) is not str or (task is not None and type(task) is not str):
            raise _Unusual
        site = self._sites.get(where) or self._site(where)
        context = scope_var.get()
        ids = ids_now(context) if API in _modules else context[0]
        fields = record.__dict__
        metadata = None
        size = ENTRY_BYTES
        if len(fields) != _PLAIN_COUNT or context[1]:
            metadata, ids, held = self._extras(fields, ids, context[1])
            size += held
        # Last, because it can run the user's code: what gives up from here on hands the message over.
        try:
            if type(record) is not _LogRecord:
                message = record.getMessage()
            elif args:
                message = template % args
        except Exception:  # noqa: BLE001 - user code
            raise _Unusual(None) from None
        if not args:
            template = None
        size += len(message)
        if (
            type(message) is not str
            or size > self._fast_bytes
            or (template is not None and (type(template) is not str or len(template) > self._fast_bytes))
        ):
            raise _Unusual(message)
        if not message.isascii():
            size += 3 * len(message)
        return [0, moment, site, message, template, metadata, thread, task, ids, None, size]

    def _site(self, where: tuple[Any, ...]) -> tuple[Any, ...]:
        """The checked columns of one call site; raises for anything that is not exactly what logging makes."""
        name, levelno, levelname, pathname, lineno, function, module = where
        for text in (name, levelname, pathname, function, module):
            if text is not None and (type(text) is not str or clean(text) != text or len(text) > MAX_NAME):
                raise _Unusual
        if type(levelno) is not int or not (lineno is None or (type(lineno) is int and 0 <= lineno < 2**31)):
            raise _Unusual
        if name is None or levelname is None:
            raise _Unusual
        severity = severity_of(levelno)
        site = (levelname, severity, name, module, function, pathname, lineno)
        if len(self._sites) >= _CACHED:
            self._sites.clear()
        self._sites[where] = site
        return site

    def _extras(  # noqa: C901, PLR0912 - as `fast`
        self, fields: dict[str, Any], ids: tuple[str | None, ...], bound: Mapping[str, object] | None
    ) -> tuple[dict[str, Any] | None, tuple[str | None, ...], int]:
        keys = tuple(fields)
        if len(keys) > _PLAIN_COUNT and keys[_PLAIN_COUNT - 1] == _PLAIN_LAST:
            keys = keys[_PLAIN_COUNT:]  # nothing but extras, in the usual place
        extras, given, redacted, unusual = self._plans.get(keys) or self._plan(keys)
        if unusual:
            raise _Unusual
        if given:
            ids = _override(ids, given, fields)
        size = 0
        attributes = {}
        for key in extras:
            value = fields[key]
            kind = type(value)
            if kind is str:
                size += len(value) if value.isascii() else 4 * len(value)
            elif kind not in _NUMBERS:  # it could change, or its text is its own business
                raise _Unusual
            attributes[key] = value
        for key in redacted:
            value = attributes[key]
            if type(value) is str:
                attributes[key] = REDACTED
            elif value is not None and not -_MAX_NUMBER <= value <= _MAX_NUMBER:  # it would become a text
                raise _Unusual
        if bound:
            shared, held = self._of_context(bound)
            attributes = {**shared, **attributes}
            size += held
            if len(attributes) > self._max_attributes:
                raise _Unusual
        if not attributes:
            return None, ids, 0
        if size > self._fast_bytes:
            raise _Unusual
        return attributes, ids, size + _ATTRIBUTE_BYTES * len(attributes)

    def _plan(self, keys: tuple[str, ...]) -> _Plan:
        """``keys`` are all of a record's, or only those behind the usual ones."""
        extras = tuple(key for key in keys if key not in NOT_EXTRA and key not in _ID_SLOT)
        plan = _Plan(
            keys=extras,
            ids=tuple((_ID_SLOT[key], key) for key in keys if key in _ID_SLOT),
            redacted=tuple(key for key in extras if normal_key(key) in self._redact),
            unusual=len(extras) > self._max_attributes or any(key == "dblog" or len(key) > _MAX_KEY for key in extras),
        )
        if len(self._plans) >= _CACHED:
            self._plans.clear()
        self._plans[keys] = plan
        return plan

    def _of_context(self, bound: Mapping[str, object]) -> tuple[dict[str, object], int]:
        """A context's attributes, redacted by this handler's keys, and their bytes.

        Remembered by identity, as they never change.
        """
        known = self._bound.get(id(bound))
        if known is None or known[0] is not bound:
            if len(self._bound) >= _CONTEXTS:
                self._bound.clear()
            redacted = self._salvage.redacted(bound)
            known = self._bound[id(bound)] = (bound, redacted, len(orjson.dumps(redacted)))
        return known[1], known[2]


def _override(
    ids: tuple[str | None, ...], given: tuple[tuple[int, str], ...], fields: dict[str, Any]
) -> tuple[str | None, ...]:
    """The context's ids with those of the record's extras, which win."""
    merged = list(ids)
    for slot, key in given:
        value = fields[key]
        if value is None:
            continue
        if not _harmless(value):
            raise _Unusual
        merged[slot] = value
    return tuple(merged)


def _harmless(value: object) -> bool:
    return type(value) is str and len(value) <= MAX_NAME and value.isascii() and "\0" not in value


_HAS_TASK_NAME = sys.version_info >= (3, 12)
if not _HAS_TASK_NAME:  # LogRecord.taskName came with Python 3.12
    from asyncio import _get_running_loop as _running_loop  # the public one raises, which costs more than the rest
