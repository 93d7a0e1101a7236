"""Elastic Common Schema: ``ecs-logging``'s formatter, with what dblog knows and without what makes it raise.

::

    "formatters": {"ecs": {"()": "dblog.integrations.ecs.EcsFormatter", "namespace": "ginkgo"}}

``ecs-logging`` writes the base fields and the JSON. Added are ``trace.id``, ``span.id``, ``user.id``, ``service.*``,
``container.*``, ``kubernetes.*``, ``host.hostname`` and ``error.*`` with the whole traceback.

An extra keeps its place where its name is ECS's: with a dot (``url.path``), or a mapping (``http={"request": …}``),
whose first part is a field set of ECS. Every other one goes below ``namespace``, so that no log line can change the
type of a field of the index. What would overwrite a field goes there as well.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from dblog.container import detect
from dblog.errors import ConfigurationError, MissingExtraError
from dblog.integrations.access import ECS, renamed
from dblog.integrations.fields import Entries

try:
    from ecs_logging import StdlibFormatter
except ImportError:
    raise MissingExtraError("ecs-logging", "ecs") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry

__all__ = ["EcsFormatter"]

_SETS: Final = frozenset((
    "agent", "as", "client", "cloud", "code_signature", "container", "data_stream", "destination", "device",
    "dll", "dns", "elf", "email", "entity", "error", "event", "faas", "file", "gen_ai", "geo", "group", "hash",
    "host", "http", "interface", "kubernetes", "macho", "network", "observer", "orchestrator", "organization",
    "os", "package", "pe", "process", "registry", "related", "risk", "rule", "server", "service", "source",
    "span", "threat", "tls", "trace", "transaction", "url", "user", "user_agent", "vlan", "volume",
    "vulnerability", "x509",
))  # fmt: skip
"""ECS's field sets (9.0), and ``kubernetes`` of Elastic's integrations; but ``log``, ``ecs`` and ``labels``: ours."""
_BASE: Final = (
    "@timestamp", "ecs.version", "message", "log.level", "log.logger", "log.original", "log.origin.function",
    "log.origin.file.line", "log.origin.file.name", "process.pid", "process.name", "process.thread.id",
    "process.thread.name",
)  # fmt: skip
"""What ``ecs-logging`` writes."""
_BASE_OBJECTS: Final = ("ecs", "log", "log.origin", "log.origin.file", "process", "process.thread")
"""The objects these are in."""
_DEEPEST: Final = 20
"""Parts of a dotted name; one with more is not taken apart."""


class EcsFormatter(StdlibFormatter):
    """Formats a record as one line of ECS; never raises, whatever the record holds.

    Args:
        namespace: the object that holds extras which are not ECS's. In ``labels``, which ECS keeps as keywords,
            names lose their dots and values become text; in one of your own they stay as they are.
        exclude_fields: of ``ecs-logging``: fields or groups to leave out, by their dotted names.
        ensure_ascii: of ``ecs-logging``: escape every other character.
        **options: ``service``, ``service_version``, ``environment``, ``max_line_bytes`` (256 KiB), ``redact_keys``,
            ``redact_patterns``: see ``dblog.integrations.fields.Entries``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        *,
        namespace: str = "labels",
        exclude_fields: Sequence[str] = ("log.original",),
        ensure_ascii: bool = True,
        **options: Any,
    ) -> None:
        try:
            super().__init__(exclude_fields=exclude_fields, ensure_ascii=ensure_ascii)
        except TypeError as error:
            raise ConfigurationError(f"exclude_fields={exclude_fields!r} is not allowed: {error}") from None
        self._entries = Entries(**options)
        self._namespace = _checked(namespace)
        self._container = detect().ecs()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return self._entries.line(record, self, self._render)

    def _render(self, entry: LogEntry) -> str:
        # A new record: what ecs-logging would stumble over, or keep on the caller's, is none of its extras.
        record = logging.LogRecord(
            *(entry.logger, logging.NOTSET, entry.pathname or "", entry.lineno or 0, entry.message, None, None),
            func=entry.function,
        )
        record.levelname = entry.level
        record.created = entry.timestamp / 1e6
        record.msecs = entry.timestamp // 1000 % 1000
        record.threadName = entry.thread
        record.__dict__.update(self._fields(entry))
        return super().format(record)

    def _process(self) -> Iterator[tuple[str, str | None]]:
        own = self._entries.identity()
        yield "service.name", own.service
        yield "service.version", own.service_version
        yield "service.environment", own.environment
        yield from self._container.items()

    def _fields(self, entry: LogEntry) -> dict[str, Any]:
        """Dotted name → value; no name is another's beginning."""
        extras = entry.attributes
        fields = _Fields(self._namespace)
        for name, value in (*_of(entry), *self._process(), *renamed(extras, ECS).items()):
            fields.put(name, value)
        for name in ("session_id", "task_id", "parent_span_id", "context_id", "client_id", "async_task"):
            fields.keep(name, getattr(entry, name))
        for key, value in extras.items():
            fields.place(key, value)
        return fields.found


def _checked(namespace: Any) -> str:
    if isinstance(namespace, str) and namespace.isidentifier() and namespace not in {*_SETS, "log", "ecs", "message"}:
        return namespace
    raise ConfigurationError(
        f"namespace={namespace!r} is not allowed: use 'labels', or one name that is not a field set of ECS"
    )


def _of(entry: LogEntry) -> Iterator[tuple[str, str | None]]:
    yield "trace.id", entry.trace_id
    yield "span.id", entry.span_id
    yield "user.id", entry.user_id
    yield "host.hostname", entry.host
    yield "error.type", entry.exc_type
    yield "error.message", entry.exc_message
    yield "error.stack_trace", entry.exc_text


class _Fields:
    """Dotted names that can be nested: none is taken twice, none is a value and an object at once."""

    def __init__(self, namespace: str) -> None:
        self.found: dict[str, Any] = {}
        self._namespace = namespace
        self._objects = {*_BASE_OBJECTS}
        self._leaves = {*_BASE}
        self._numbers: dict[str, int] = {}

    def put(self, name: str, value: Any) -> bool:
        """Whether there is room for the name; a value that is None takes none."""
        if value is None:
            return True
        if not self._take(name):
            return False
        self.found[name] = value
        return True

    def _take(self, name: str) -> bool:
        parts = name.split(".")
        if len(parts) > _DEEPEST or not all(parts) or name in self._leaves or name in self._objects:
            return False
        objects = [".".join(parts[:count]) for count in range(1, len(parts))]
        if not self._leaves.isdisjoint(objects):
            return False
        self._objects.update(objects)
        self._leaves.add(name)
        return True

    def place(self, key: str, value: Any) -> None:
        """An extra, at its place."""
        if key.partition(".")[0] in _SETS and ("." in key or isinstance(value, dict)):
            for name, leaf in _leaves(key, value):
                if not self.put(name, leaf):
                    self.keep(name, leaf)
        else:
            self.keep(key, value)

    def keep(self, key: str, value: Any) -> None:
        """Below the namespace."""
        if self._namespace == "labels":
            for name, item in value.items() if key == "labels" and isinstance(value, dict) else ((key, value),):
                label = name.removeprefix("labels.").replace(".", "_")
                self._number(f"labels.{label}", None if item is None else _keyword(item))
            return
        below = key if key.startswith(f"{self._namespace}.") or key == self._namespace else f"{self._namespace}.{key}"
        if below == self._namespace and not isinstance(value, dict):
            below = f"{below}.value"
        for name, leaf in _leaves(below, value):
            self._number(name, leaf)

    def _number(self, name: str, value: Any) -> None:
        """Put, under another spelling where there is no room."""
        if self.put(name, value):
            return
        stem = f"{self._namespace}.{name.removeprefix(self._namespace).strip('.').replace('.', '_') or 'value'}"
        number = self._numbers.get(stem, 1)
        while not self.put(stem if number == 1 else f"{stem}_{number}", value):
            number += 1
        self._numbers[stem] = number


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, by dotted names; its depth is bounded (``dblog.plain``)."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _leaves(f"{name}.{key}", item)


def _keyword(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
