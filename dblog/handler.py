"""``DatabaseHandler``: the one class an application configures.

It puts the rooms together: capture, buffer and writer; the rest of dblog does not
know ``logging.Handler``.
"""

from __future__ import annotations

import itertools
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

from dblog import lifecycle
from dblog.capture import Capture
from dblog.errors import ConfigurationError
from dblog.filters import LIMITED, passes
from dblog.guard import MAX_DEPTH, OWN, here
from dblog.item import compact
from dblog.ledger import REASON
from dblog.levels import BAND, parse_level, severity_of
from dblog.opening import folder_of, new_origin, opener_of, secret_of, settled, target_of
from dblog.options import Options
from dblog.repair import repair
from dblog.writer import Writer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from dblog.entry import LogEntry
    from dblog.ledger import Stats
    from dblog.sink import Origin, Sink

__all__ = ["DatabaseHandler", "enqueue", "stats"]

_SELF, _REENTRANT, _CAPTURE = (REASON[reason] for reason in ("self", "reentrant", "capture"))
_RATE_LIMITED = REASON["rate_limited"]
_FREE = tuple(range(MAX_DEPTH))
"""The depths at which a record is taken."""
_numbers = itertools.count(1)


class DatabaseHandler(logging.Handler):
    """Stores log records in Postgres or SQLite without making the application wait.

    Nothing in the constructor connects; a database that is down, not migrated or refuses the password never
    raises and never blocks (``stats()`` says what is wrong, and it resumes by itself).

    Args:
        url: ``postgresql://…`` or ``sqlite:///…``; None to start detached and buffer until ``attach``.
        engine: a SQLAlchemy Engine or AsyncEngine instead; only its URL and way to connect are used, never its pool.
        sink: something else to store to, such as ``dblog.testing.MemorySink``; or what makes one for a writer.
        level: records below are not handled.
        password: for the URL; a text, or a callable asked at each connect.
        password_file: a file to read the password from at each connect.
        **options: see ``dblog.options.Options``: names, defaults, units.

    Raises:
        ConfigurationError: an option is wrong; names it, its value and what is allowed.
    """

    flushOnClose = False  # noqa: N815 - logging's name; dictConfig would flush while it holds logging's lock

    closed = False
    """``close`` was called."""

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: Any = None,
        sink: Sink | Callable[[Origin], Sink] | None = None,
        level: int | str = logging.NOTSET,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        # Everything that can be refused comes first: a handler half made would still be closed by logging at exit.
        checked, target = Options.of(**options), target_of(url, engine, sink)
        self.options = checked = settled(checked, target)
        self._secret = secret_of(password, password_file)
        self._open: Callable[[Origin], Sink] | None = None
        self._folder: Path | None = None
        if target is not None:
            self._open, self._folder = opener_of(target, checked, self._secret), folder_of(target, checked)
        super().__init__(parse_level(level, "level"))
        capture = Capture(checked)
        self._fast, self._slow, self._polish = capture.fast, capture.slow, capture.entry
        number = next(_numbers)
        self._default_name = "dblog" if number == 1 else f"dblog-{number}"
        self._writer = self._new_writer()
        lifecycle.register(self)

    def _new_writer(self) -> Writer:
        options = self.options
        origin = new_origin(options)
        sink = None if self._open is None else self._open(origin)
        writer = Writer(self.get_name() or self._default_name, options, origin)
        if sink is not None:
            writer.attach(sink, self._folder, self._open)
        self._finalizer = weakref.finalize(self, _seal, weakref.ref(writer))
        self._finalizer.atexit = False
        self._put = writer.buffer.put
        return writer

    def set_name(self, name: str | None) -> None:
        """Set the handler's name, which stats and metrics go by (``logging.config`` calls this)."""
        super().set_name(name)  # type: ignore[arg-type]  # the stubs forget None
        self._writer.name = name or self._default_name

    name = property(logging.Handler.get_name, set_name)

    # -- records in -------------------------------------------------------------------------------------------

    def handle(self, record: logging.LogRecord, filtered: bool = False) -> bool:
        """Filter, capture and queue one record; takes no handler lock, raises nothing but BaseException.

        Args:
            record: what was logged.
            filtered: the filters have passed it already (``emit``).
        """
        depth = here.depth
        if depth not in _FREE:
            if depth < 0:
                with lifecycle.beside_fork():
                    return self.handle(record, filtered)
            self._writer.ledger.refuse(_SELF if depth >= OWN else _REENTRANT, _band(record))
            return True
        if self.filters and not filtered:
            passed = self._filtered(record)
            if passed is None:
                return False
            record = passed
        here.depth = depth + 1
        try:
            try:
                item = self._fast(record)
            except Exception as reason:  # noqa: BLE001 - anything unusual
                item = self._slow(record, self.formatter, reason)
        except BaseException as error:
            self._writer.ledger.refuse(_CAPTURE, _band(record))
            if not isinstance(error, Exception):
                raise
            return True
        finally:
            here.depth = depth
        if self._put(item, depth == 0):
            self._writer.wake()
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Capture and queue one record that passed the filters."""
        self.handle(record, True)

    def filter(self, record: logging.LogRecord) -> Any:
        """What the filters say, as ``logging.Handler.filter`` does; ``LIMITED`` where ``RateLimit`` says no."""
        return passes(self.filters, record)

    def _filtered(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The record the filters let pass, which can be another one; None when they do not."""
        depth = here.depth
        here.depth = depth + 1  # a filter may log
        try:
            passed: Any = self.filter(record)
        except Exception:  # noqa: BLE001 - a user's filter must not break the application
            self._writer.ledger.refuse(_CAPTURE, _band(record))
            return None
        finally:
            here.depth = depth
        if passed is LIMITED:
            self._writer.ledger.refuse(_RATE_LIMITED, _band(record))
        return passed if isinstance(passed, logging.LogRecord) else record if passed else None

    def enqueue(self, entry: LogEntry) -> None:
        """Queue an entry made by hand: repaired where it would not be storable, redacted and bounded as a record."""
        lifecycle.settle_in()
        if self._put(compact(self._polish(repair(entry))), here.depth == 0):
            self._writer.wake()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Nothing: failures are counted; the default would print the message and its arguments to stderr."""

    # -- control ----------------------------------------------------------------------------------------------

    def attach(self, database: Any) -> None:
        """Give a detached handler its database, a URL, an engine or a sink; what was logged before is stored.

        Raises:
            ConfigurationError: the handler has a database already, or the URL is wrong.
        """
        if self._open is not None:
            raise ConfigurationError("this handler has a database already: make another handler for another one")
        opener, folder = opener_of(database, self.options, self._secret), folder_of(database, self.options)
        self._writer.attach(opener(self._writer.origin), folder, opener)
        self._open, self._folder = opener, folder

    def flush(self, timeout: float | None = None) -> bool:  # type: ignore[override]  # logging's says nothing of the outcome
        """Wait until every record emitted before the call is stored, dropped, failed, or on disk and nowhere else.

        Args:
            timeout: seconds; ``shutdown_timeout`` when None.

        Returns:
            True iff that is so. At once False where waiting could wait for ever: in dblog's own threads, and
            under ``logging``'s module lock, which ``dictConfig`` holds while it replaces handlers.
        """
        lifecycle.settle_in()
        if lifecycle.holds_logging_lock():
            return self._writer.flush(0.0)
        if timeout is None:
            timeout = max(0.0, lifecycle.exit_deadline(self.options.shutdown_timeout) - time.monotonic())
        return self._writer.flush(timeout)

    def close(self) -> None:
        """Store what waits within ``shutdown_timeout``; the rest stays on disk, or is dropped{deadline}.

        It may be called any number of times. Under ``logging``'s module lock it hands over instead: the writer goes on
        alone, exit waits for it.
        """
        lifecycle.settle_in()
        self.closed = True
        if lifecycle.holds_logging_lock():
            self._writer.seal()
        else:
            self._writer.close(lifecycle.exit_deadline(self.options.shutdown_timeout))
        super().close()

    def stats(self) -> Stats:
        """An exact snapshot of this process's ledger, and the state of the writer."""
        lifecycle.settle_in()
        return self._writer.stats()

    def after_fork(self) -> None:
        """In a forked child: a writer of its own; the parent's records and connection stay the parent's."""
        parents = self._writer
        parents.abandon()
        self._finalizer.detach()
        self._writer = self._new_writer()
        if parents.buffer.closed:
            self._writer.buffer.close()

    def __repr__(self) -> str:
        level = logging.getLevelName(self.level)
        return f"<{type(self).__name__} {self._writer.name} ({level}) {self._writer.state}>"


def _seal(reference: weakref.ref[Writer]) -> None:
    """The handler was collected without ``close``: its writer stores what waits and ends."""
    writer = reference()
    if writer is not None:
        writer.seal()


def _band(record: logging.LogRecord) -> int:
    levelno = getattr(record, "levelno", 0)
    return BAND[severity_of(levelno if isinstance(levelno, int) else 0)]


def stats() -> dict[str, Stats]:
    """The ``Stats`` of every live handler of this process, each ``AuditHandler`` included, by handler name."""
    named = [(handler._writer.name, handler) for handler in lifecycle.handlers()]  # noqa: SLF001 - same room
    named += [(handler._store.name, handler) for handler in lifecycle.synchronous()]  # noqa: SLF001 - the room beside
    return {name: handler.stats() for name, handler in named}


def enqueue(entry: LogEntry) -> int:
    """Queue an entry on every live handler whose level admits it; how many did.

    Args:
        entry: for example ``LogEntry.now("message", level="INFO")``.
    """
    entry = repair(entry)
    severity = entry.severity
    handlers = (handler for handler in lifecycle.handlers() if not handler.closed)
    admitting = [handler for handler in handlers if severity >= severity_of(handler.level)]
    for handler in admitting:
        handler.enqueue(entry)
    return len(admitting)
