"""One connection to PostgreSQL: opened, freed from another thread, given up; and a look whether the server is there."""

from __future__ import annotations

import abc
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_attempts, make_conninfo
from sqlalchemy import event

from dblog.errors import StoreError
from dblog.store.connect import keep_for_ever
from dblog.store.errors import connect_error, postgres_error
from dblog.store.probe import ask

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dblog.store.connect import Target

__all__ = ["PgConnection"]

_LOOK: Final = 1.0
"""Seconds to wait for an answer when nothing but an answer is wanted."""


class PgConnection(abc.ABC):
    """The half of a sink that connects."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._engine: sa.Engine | None = None
        self._held: Any = None
        """SQLAlchemy's proxy of the one connection."""
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        """Between closing a connection and aborting it from another thread."""

    def reachable(self) -> bool:
        """Whether the server accepts connections, asked without logging in."""
        return self._answer() is not None

    def abort(self) -> None:
        """Shut the socket down under a blocked call: it returns within a millisecond."""
        # OperationalError is what a connection says that is closed already; then nothing is blocked.
        with self._lock, suppress(psycopg.OperationalError, OSError):
            if self._connection is not None:
                with socket.socket(fileno=os.dup(self._connection.fileno())) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            held, self._held, self._connection = self._held, None, None
        if held is not None:
            with suppress(Exception):
                held.invalidate()

    def abandon(self) -> None:
        """In a forked child: keep the parent's connection for ever, unused."""
        keep_for_ever(self._held, self._connection, self._engine)
        self._held = self._connection = self._engine = None

    @abc.abstractmethod
    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        """What the sink does with a new connection first."""

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            if self._engine is None:
                self._engine = self._target.engine()
                # Before SQLAlchemy's own listeners: what they ask the server can block as anything else can.
                event.listen(self._engine, "connect", self._remember, insert=True)
            held = self._engine.raw_connection()
            connection = self._connection
            if connection is None:
                raise psycopg.InterfaceError  # noqa: TRY301 - classified; aborted a moment ago
            self._held = held
            connection.rollback()
            connection.autocommit = True
            self._prepare(connection)
        except StoreError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - classified
            cause = getattr(error, "orig", None) or error
            self.close()
            answer = self._answer() if isinstance(cause, psycopg.OperationalError) else None
            raise connect_error(postgres_error(cause, answer=answer)) from None
        return connection

    def _remember(self, connection: object, _record: object) -> None:
        """A connection was opened: from now on ``abort`` can free it."""
        if not isinstance(connection, psycopg.Connection):
            raise TypeError("the engine's creator makes no psycopg connection")
        connection.prepare_threshold = None  # a creator of the application's knows nothing of our options
        with self._lock:
            self._connection = connection

    def _answer(self) -> str | None:
        """What the server says to somebody at its door, see ``probe.ask``; None, too, where its address is unknown."""
        conninfo = self._target.conninfo()
        if conninfo is None:
            return None
        try:
            # One per address: names are resolved here, because libpq would do so holding the interpreter.
            places = [make_conninfo("", **place) for place in conninfo_attempts(conninfo)]
            answers = (ask(place, _LOOK / len(places)) for place in places)
            return next((answer for answer in answers if answer is not None), None)
        except Exception:  # noqa: BLE001 - a look, nothing more
            return None
