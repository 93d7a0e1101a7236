"""``AuditHandler``: a record is in the database when the logging call returns, or the call raises.

For what must not be done unless it was written down: it waits for the COMMIT, in the caller, one record at a time.
Everything else about a record is as with ``DatabaseHandler``: capture, redaction, columns, ``seq``, loss rows.

It refuses to have a queue, a thread or a spool, and so the options of these. It refuses a call under ``logging``'s
module lock, where waiting for a database would stop every thread that asks for a logger, and one from within dblog's
own work, which would wait for itself.
"""

from __future__ import annotations

import itertools
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from dblog import lifecycle
from dblog.capture import Capture
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.filters import LIMITED, passes
from dblog.guard import MAX_DEPTH, OWN, here
from dblog.ledger import REASON
from dblog.levels import BAND, parse_level, severity_of
from dblog.opening import new_origin, opener_of, secret_of, target_of
from dblog.options import Options
from dblog.synchronous import Synchronous

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from dblog.ledger import Stats
    from dblog.sink import Origin, Sink

__all__ = ["AuditHandler"]

_REFUSED: Final = frozenset({
    "queue_size", "queue_bytes", "overflow", "block_timeout", "batch_size", "batch_bytes", "flush_interval",
    "flush_level", "shutdown_timeout", "durability", "durable_level", "spool_dir", "spool_bytes", "spool_max_age",
    "retention", "max_bytes",
})  # fmt: skip
"""Options of a queue, of a thread, of a spool, and of deleting."""
_DRIVERS: Final = frozenset({"sqlalchemy", "psycopg", "asyncio"})
"""What dblog's own work logs to: nobody has asked for these to be kept."""
_LONGEST: Final = 86_400.0
_numbers = itertools.count(1)
_SELF, _RATE_LIMITED, _CAPTURE = (REASON[reason] for reason in ("self", "rate_limited", "capture"))


class AuditHandler(logging.Handler):
    """Stores each record before the logging call returns; the call raises where that cannot be known.

    A row of which a COMMIT was sent and no answer came is sent again by a way that leaves a stored row alone, until
    ``timeout`` is over. With SQLite, ``synchronous`` is ``full``: a commit outlives a power cut.

    Args:
        url: ``postgresql://…`` or ``sqlite:///…``.
        engine: a SQLAlchemy Engine or AsyncEngine instead; only its URL and way to connect are used.
        sink: something else to store to, such as ``dblog.testing.MemorySink``; or what makes one.
        level: records below are not handled.
        timeout: seconds a call may wait for its commit, and for those of other threads before it.
        password: for the URL; a text, or a callable asked at each connect.
        password_file: a file to read the password from at each connect.
        **options: those of ``dblog.options.Options`` that concern records, connections and tables.

    Raises:
        ConfigurationError: an option is wrong, or there is no database.
    """

    flushOnClose = False  # noqa: N815 - logging's name, as in DatabaseHandler

    closed = False
    """``close`` was called."""

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: Any = None,
        sink: Sink | Callable[[Origin], Sink] | None = None,
        level: int | str = logging.NOTSET,
        timeout: float = 5.0,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        # Everything that can be refused comes first, as in DatabaseHandler.
        if refused := sorted(options.keys() & _REFUSED):
            raise ConfigurationError(f"{refused[0]!r} is not an option of AuditHandler: it stores at once, or raises")
        self.options = Options.of(**{"synchronous": "full"} | options)
        self.timeout = _seconds(timeout)
        secret = secret_of(password, password_file)
        if (target := target_of(url, engine, sink)) is None:
            raise ConfigurationError("AuditHandler has no queue to wait in: give it url, engine or sink")
        self._open = opener_of(target, self.options, secret)
        super().__init__(parse_level(level, "level"))
        self._capture = Capture(self.options)
        number = next(_numbers)
        self._default_name = "dblog-audit" if number == 1 else f"dblog-audit-{number}"
        self._begin()
        lifecycle.register(self, queues=False)

    def _begin(self) -> None:
        origin = new_origin(self.options)
        sink = self._open(origin)
        self._store = Synchronous(self.get_name() or self._default_name, self.options, origin, sink)
        self._finalizer = weakref.finalize(self, sink.close)
        self._finalizer.atexit = False

    def set_name(self, name: str | None) -> None:
        """Set the handler's name, which stats and metrics go by (``logging.config`` calls this)."""
        super().set_name(name)  # type: ignore[arg-type]  # the stubs forget None
        self._store.name = name or self._default_name

    name = property(logging.Handler.get_name, set_name)

    # -- records in -------------------------------------------------------------------------------------------

    def handle(self, record: logging.LogRecord, filtered: bool = False) -> bool:
        """Filter, capture and store one record; takes no handler lock.

        Args:
            record: what was logged.
            filtered: the filters have passed it already (``emit``).

        Returns:
            False where a filter does not let it pass, or it is one of the driver's own.

        Raises:
            StoreUnavailable: it is not known to be committed within ``timeout``; ``ambiguous`` says that it may be.
            StoreError: the database refuses it for its content, or this is no place to log from.
        """
        if here.depth < 0:
            with lifecycle.beside_fork():
                return self.handle(record, filtered)
        deadline = time.monotonic() + self.timeout
        if not self._welcome(record):
            return False
        if not filtered:
            passed = self.filter(record)
            if not passed:
                if passed is LIMITED:
                    self._store.ledger.refuse(_RATE_LIMITED, _band(record))
                return False
            record = passed
        depth = here.depth
        here.depth = depth + 1
        try:
            item = self._capture(record, self.formatter)
        except BaseException:
            self._store.ledger.refuse(_CAPTURE, _band(record))
            raise
        finally:
            here.depth = depth
        self._store.store(item, deadline)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Store one record that passed the filters; raises as ``handle``."""
        self.handle(record, True)

    def filter(self, record: logging.LogRecord) -> Any:
        """What the filters say, as ``logging.Handler.filter`` does; ``LIMITED`` where ``RateLimit`` says no."""
        return passes(self.filters, record)

    def _welcome(self, record: logging.LogRecord) -> bool:
        """Whether this is a place to log from; False for what dblog's own work makes a driver say."""
        depth = here.depth
        if depth >= OWN:
            if record.name.partition(".")[0] in _DRIVERS:
                self._store.ledger.refuse(_SELF, _band(record))
                return False
            raise _misplaced("OWN", "from within dblog's own work, such as a password callable or a signal's handler")
        if depth >= MAX_DEPTH:
            raise _misplaced("REENTRANT", "while a record is captured that was itself logged while another was")
        if lifecycle.holds_logging_lock():
            raise _misplaced("LOCKED", "under logging's module lock, as while logging is configured")
        return True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing: an audit record that is not stored raises."""

    # -- control ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Refuse what comes later, write what is to be said of losses, and let go of the connection.

        Under ``logging``'s module lock it does only what takes no time.
        """
        self.closed = True
        patience = 0.0 if lifecycle.holds_logging_lock() else self.timeout
        self._store.close(lifecycle.exit_deadline(patience))
        self._finalizer.detach()
        super().close()

    def stats(self) -> Stats:
        """An exact snapshot of this process's ledger."""
        return self._store.stats()

    def after_fork(self) -> None:
        """In a forked child: numbers and a connection of its own."""
        self._finalizer.detach()
        parents = self._store
        parents.abandon()
        self._begin()
        self._store.closed = parents.closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._store.name} ({logging.getLevelName(self.level)}) {self._store.state}>"


def _misplaced(code: str, where: str) -> StoreError:
    return StoreError(ErrorClass.CONFIGURATION, code, f"an audit record cannot be logged {where}: it is not stored")


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST:
        raise ConfigurationError(f"timeout={timeout!r} is not allowed: give seconds, more than 0 and a day at most")
    return float(timeout)


def _band(record: logging.LogRecord) -> int:
    levelno = getattr(record, "levelno", 0)
    return BAND[severity_of(levelno if isinstance(levelno, int) else 0)]
