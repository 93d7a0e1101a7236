"""structlog's events as rows: the event is the message, key-values are metadata, ids are columns.

Native, without ``logging`` in between::

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=DatabaseLoggerFactory(),
    )

The chain ends without a renderer: the logger takes the event dictionary. It needs neither ``add_log_level`` nor
``TimeStamper`` nor ``format_exc_info``: level, time and place are columns, and an exception that is still one gets its
type and message stored beside its traceback. Where they are in the chain, nothing is stored twice.

Through ``logging``, nothing has to be added: a ``DatabaseHandler`` knows the records of
``ProcessorFormatter.wrap_for_formatter``, and those of ``render_to_log_kwargs`` are records with extras. The other
handlers keep their ``ProcessorFormatter``; ``add_context`` in the chain shows them the ids dblog's rows carry.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from dblog.context import current
from dblog.diagnostics import complain
from dblog.errors import MissingExtraError
from dblog.events import fill
from dblog.integrations.fields import Place, checked_handlers, deliver, made

try:
    from structlog.processors import CallsiteParameter, CallsiteParameterAdder, StackInfoRenderer
except ImportError:
    raise MissingExtraError("structlog", "structlog") from None

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from dblog.handler import DatabaseHandler

__all__ = ["DatabaseLogger", "DatabaseLoggerFactory", "add_context"]

_IGNORED: Final = ["dblog.integrations"]
_place = CallsiteParameterAdder(
    {
        CallsiteParameter.PATHNAME,
        CallsiteParameter.LINENO,
        CallsiteParameter.FUNC_NAME,
        CallsiteParameter.MODULE,
        CallsiteParameter.THREAD_NAME,
    },
    additional_ignores=_IGNORED,
)
_stack = StackInfoRenderer(additional_ignores=_IGNORED)
_LIBRARIES: Final = ("structlog", *_IGNORED)


def add_context(_logger: Any, _name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: what ``dblog.context`` has bound, ids included, as key-values; what the event has itself stays.

    For what is printed. What is stored has it anyway.
    """
    try:
        for key, value in current().as_dict().items():
            event_dict.setdefault(key, value)
    except Exception as error:  # noqa: BLE001 - an event must not be lost for it
        complain("structlog", f"structlog: add_context failed: {type(error).__name__}")
    return event_dict


class DatabaseLogger:
    """What structlog's bound loggers call in the end; made by ``DatabaseLoggerFactory``.

    Each method takes what the processors left: the event dictionary as keywords, or a rendered text.
    """

    def __init__(self, name: str, handlers: tuple[DatabaseHandler, ...]) -> None:
        self.name = name
        self._handlers = handlers

    def debug(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level DEBUG."""
        self._store(logging.DEBUG, event, event_dict)

    def info(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level INFO."""
        self._store(logging.INFO, event, event_dict)

    def warning(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level WARNING."""
        self._store(logging.WARNING, event, event_dict)

    def error(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level ERROR."""
        self._store(logging.ERROR, event, event_dict)

    def critical(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level CRITICAL."""
        self._store(logging.CRITICAL, event, event_dict)

    def exception(self, event: Any = None, /, **event_dict: Any) -> None:
        """Store at level ERROR, with the exception being handled."""
        event_dict.setdefault("exc_info", True)
        self._store(logging.ERROR, event, event_dict)

    msg = info
    warn = warning
    fatal = critical
    err = error
    failure = exception

    def _store(self, level: int, event: Any, event_dict: dict[str, Any]) -> None:
        try:
            where = _place(None, "", {})  # type: ignore[arg-type]  # it looks at no logger
            place = Place(
                *(where.get(key) for key in ("pathname", "lineno", "func_name", "module", "thread_name")),
            )
            record = made(self.name, level, logging.getLevelName(level), place)
            if event_dict.get("stack_info") is True:
                event_dict = dict(_stack(None, "", event_dict))
            names = fill(record, {"event": event, **event_dict}, sys.exc_info()[1])
            deliver(record, names, self._handlers, "structlog")
        except Exception as error:  # noqa: BLE001 - who logs must not be harmed by it
            complain("structlog", f"structlog: an event could not be stored: {type(error).__name__}")


class DatabaseLoggerFactory:
    """A ``logger_factory`` for ``structlog.configure``: events go to DatabaseHandlers, without ``logging``.

    Levels and filters of the handlers hold; those of ``logging``'s loggers do not.

    Args:
        *handlers: where to; without any, to every live ``DatabaseHandler`` of the process, those to come included.

    Raises:
        ConfigurationError: one is no ``DatabaseHandler``.
    """

    def __init__(self, *handlers: DatabaseHandler) -> None:
        self._handlers = checked_handlers(handlers)

    def __call__(self, *args: Any) -> DatabaseLogger:
        """A logger of the name given to ``structlog.get_logger``, else of the module that calls it."""
        name = args[0] if args and isinstance(args[0], str) else _caller()
        return DatabaseLogger(name, self._handlers)


def _caller() -> str:
    frame: Any = sys._getframe(1)  # noqa: SLF001 - logging's own way
    while frame is not None:
        name = frame.f_globals.get("__name__") or "?"
        if not name.startswith(_LIBRARIES):
            return str(name)
        frame = frame.f_back
    return "?"
