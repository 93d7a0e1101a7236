"""loguru's records as rows: extras are metadata, ids among them columns, exceptions and level names as they are.

::

    logger.add(LoguruSink(), level="DEBUG")

loguru's ``format`` has no part in it: message, level, time and place have columns. Leave loguru's ``enqueue`` at False:
the handler queues by itself, and only in the caller's thread its context (``dblog.context``) can be seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dblog.diagnostics import complain
from dblog.errors import MissingExtraError
from dblog.events import fill
from dblog.integrations.fields import Place, checked_handlers, deliver, made

try:
    import loguru  # noqa: F401 - who uses the sink has it; without it, say so at once
except ImportError:
    raise MissingExtraError("loguru", "loguru") from None

if TYPE_CHECKING:
    from dblog.handler import DatabaseHandler

__all__ = ["LoguruSink"]

_PLAIN: Final = ("exception", "stack", "stack_info", "timestamp", "level", "event", "exc_info")
"""What structlog means something by, and loguru does not."""


class LoguruSink:
    """A sink for ``loguru.logger.add``.

    Levels and filters of the handlers hold beside those given to ``add``.

    Args:
        *handlers: where to; without any, to every live ``DatabaseHandler`` of the process, those to come included.

    Raises:
        ConfigurationError: one is no ``DatabaseHandler``.
    """

    def __init__(self, *handlers: DatabaseHandler) -> None:
        self._handlers = checked_handlers(handlers)

    def __call__(self, message: Any) -> None:
        """Store one of loguru's messages."""
        try:
            given = message.record
            place = Place(given["file"].path, given["line"], given["function"], given["module"], given["thread"].name)
            level, moment = given["level"], given["time"].timestamp()
            record = made(given["name"] or "", level.no, level.name, place, moment)
            extra = given["extra"]
            names = fill(record, {key: value for key, value in extra.items() if key not in _PLAIN})
            names |= {key: value for key, value in extra.items() if key in _PLAIN}
            record.msg = given["message"]
            error = given["exception"]
            if error is not None:
                record.exc_info = (error.type, error.value, error.traceback)
            deliver(record, names, self._handlers, "loguru")
        except Exception as error:  # noqa: BLE001 - who logs must not be harmed by it
            complain("loguru", f"loguru: a message could not be stored: {type(error).__name__}")
