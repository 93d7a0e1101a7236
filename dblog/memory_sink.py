"""The sink in memory, ``dblog.testing.MemorySink``: keeps what a database would hold, and fails on demand.

A failure is given as a class, ``ErrorClass.RECONNECT``, or as the SQLSTATE or
``sqlite_errorname`` a database would give; that is classed as a real one is.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING
from uuid import UUID

from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.store.errors import of_code
from dblog.store.rows import id_words, origin_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.sink import DeadLetter, Origin, Row, Status

__all__ = ["MemorySink"]

_CODE = re.compile(r"[0-9A-Z]{5}|SQLITE_[A-Z_]+")


class MemorySink:
    """Keeps what writers store in lists; see ``dblog.sink.Sink``. Several handlers may share one.

    Attributes:
        rows: ``(seq, entry)`` in the order stored; a resent row is stored once.
        letters: the dead letters.
        statuses: the heartbeats.
        statements: how many writes were attempted.
        fired: how many of them failed, hung or lost their reply because they were told to.
        fault: called with the rows before each write; raise a ``StoreError`` there to fail it.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.letters: list[DeadLetter] = []
        self.statuses: list[Status] = []
        self.statements = 0
        self.fired = 0
        self.fault: Callable[[Sequence[Row]], None] | None = None
        self._lose_reply = False
        self._stored: set[object] = set()
        self._lock = threading.Lock()
        self._aborted = threading.Event()

    def __call__(self, origin: Origin) -> _Opened:
        """The sink as one writer sees it, who fills in what is the same for all of its rows."""
        return _Opened(self, origin)

    @property
    def entries(self) -> list[LogEntry]:
        """What was stored, without the rows dblog adds itself."""
        return [entry for seq, entry in self.rows if seq is not None]

    @property
    def messages(self) -> list[str]:
        """The messages of ``entries``."""
        return [entry.message for entry in self.entries]

    # -- faults -----------------------------------------------------------------------------------------------

    def down(self, kind: ErrorClass | str = ErrorClass.RECONNECT) -> None:
        """From now on every write fails with an error of this class or code.

        Raises:
            ConfigurationError: a text that is neither an SQLSTATE nor a ``sqlite_errorname``.
        """
        _failure(kind, "DOWN")

        def fail(_rows: Sequence[Row]) -> None:
            self.fired += 1
            raise _failure(kind, "DOWN")

        self.fault = fail

    def up(self) -> None:
        """From now on writes succeed."""
        self.fault = None

    def fail(self, times: int = 1, kind: ErrorClass | str = ErrorClass.RECONNECT, *, ambiguous: bool = False) -> None:
        """The next ``times`` writes fail; with ``ambiguous`` their rows are stored and only the reply is lost.

        Raises:
            ConfigurationError: as in ``down``.
        """
        _failure(kind, "FAIL")
        left = times

        def fail(_rows: Sequence[Row]) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                self.fault = None
            self.fired += 1
            self._lose_reply = ambiguous
            if not ambiguous:
                raise _failure(kind, "FAIL")

        self.fault = fail

    def refuse(self, text: str, kind: ErrorClass | str = ErrorClass.POISON) -> None:
        """From now on writes that hold a message with this text fail.

        Raises:
            ConfigurationError: as in ``down``.
        """
        _failure(kind, "REFUSED")

        def fail(rows: Sequence[Row]) -> None:
            if any(text in entry.message for _, entry in rows):
                self.fired += 1
                raise _failure(kind, "REFUSED")

        self.fault = fail

    @contextlib.contextmanager
    def blocked(self) -> Iterator[threading.Event]:
        """In the block writes hang, as on a frozen server; the event is set once one does. Then they go through."""
        hanging, release = threading.Event(), threading.Event()
        self._aborted.clear()

        def hang(_rows: Sequence[Row]) -> None:
            self.fired += 1
            hanging.set()
            while not release.wait(0.01):
                if self._aborted.is_set():
                    self._aborted.clear()
                    raise StoreError(ErrorClass.RECONNECT, "ABORTED", "the operation took too long", ambiguous=True)

        self.fault = hang
        try:
            yield hanging
        finally:
            self.fault = None
            release.set()

    # -- the sink ---------------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row], *, replay: bool = False, origin: Origin | None = None) -> None:
        """Store the rows, as ``origin``'s where it is told, unless ``fault`` says otherwise."""
        self.statements += 1
        if (fault := self.fault) is not None:
            fault(rows)
        writer = origin and origin.instance_id
        with self._lock:
            keys = [(writer or entry.instance_id, seq) if seq is not None else entry.id for seq, entry in rows]
            known = [key in self._stored for key in keys]
            if any(known) and not replay:
                raise StoreError(ErrorClass.STORED, "23505", "a row of the batch is stored already")
            self._stored.update(keys)
            new = [row for row, there in zip(rows, known, strict=True) if not there]
            self.rows += new if origin is None else [_complete(row, origin) for row in new]
        if self._lose_reply:
            self._lose_reply = False
            raise StoreError(
                ErrorClass.RECONNECT, "REPLY", "the memory sink was told to lose the reply", ambiguous=True
            )

    def refused_days(self, _rows: Sequence[Row]) -> Sequence[int]:
        """None."""
        return ()

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters."""
        self.letters += letters

    def report(self, status: Status) -> None:
        """Keep the heartbeat."""
        self.statuses.append(status)

    def prune(self, _budget: float) -> int:
        """Nothing."""
        return 0

    def reachable(self) -> bool:
        """Whether a write would succeed."""
        return self.fault is None

    def abort(self) -> None:
        """Free a write that hangs in ``blocked``."""
        self._aborted.set()

    def close(self) -> None:
        """Nothing is held."""

    def abandon(self) -> None:
        """Nothing is held."""


def _failure(kind: ErrorClass | str, code: str) -> StoreError:
    if isinstance(kind, ErrorClass):
        return StoreError(kind, code, "the memory sink was told to fail")
    if not _CODE.fullmatch(kind):
        raise ConfigurationError(f"{kind!r} is no SQLSTATE and no sqlite_errorname: give '53100' or 'SQLITE_FULL'")
    return of_code(kind)


class _Opened:
    """One writer's view of a shared ``MemorySink``."""

    def __init__(self, shared: MemorySink, origin: Origin) -> None:
        self._shared = shared
        self._origin = origin
        self.refused_days, self.dead_letter, self.report = shared.refused_days, shared.dead_letter, shared.report
        self.prune, self.reachable, self.abort = shared.prune, shared.reachable, shared.abort
        self.close, self.abandon = shared.close, shared.abandon

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """Store the rows as this writer's."""
        self._shared.write(rows, replay=replay, origin=self._origin)


def _complete(row: Row, origin: Origin) -> Row:
    """The row as a database would give it back."""
    seq, entry = row
    identity = entry.id
    if identity is None and seq is not None:
        high, low = id_words(entry.timestamp, seq, origin_bits(origin))
        identity = UUID(int=high << 64 | low)
    filled = entry._replace(
        service=entry.service or origin.service,
        host=entry.host or origin.host,
        pid=entry.pid or origin.pid,
        instance_id=origin.instance_id,
        seq=seq,
        id=identity,
    )
    return seq, filled
