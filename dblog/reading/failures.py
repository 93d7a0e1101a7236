"""What a reader says when it cannot read: a sentence, and what to do about it."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dblog.errors import ErrorClass, QueryTimeout, StoreError, StoreUnavailable
from dblog.reading.barred import hindrance
from dblog.store.errors import asyncpg_error, connect_error, sqlite_error

__all__ = [
    "PASSING", "driver_error", "emptied_file", "failure", "forked", "missing_file", "parted_file", "stirred",
    "timed_out", "unanswered", "undecodable", "unseen_file",
]  # fmt: skip

FORKED: Final = "fork"
"""The code of ``forked``."""
STIRRED: Final = "changed"
"""The code of ``stirred``."""
PASSING: Final = frozenset({FORKED, STIRRED})
"""Not worth a word: what was asked is asked again."""
_HINTS: Final = {
    "28000": "check the user, the password and pg_hba.conf",
    "28P01": "check the user and the password",
    "3D000": "check the name at the end of the URL",
    "53300": "close some, or raise max_connections",
    "57P03": "try again in a moment",
    "57P04": "check the name at the end of the URL",
    "SQLITE_CANTOPEN": "check the path and its permissions",
    "SQLITE_NOTADB": "check the path",
    "SQLITE_READONLY_DIRECTORY": "let the reader write to its folder, or keep a writer running, who makes -shm",
    "SQLITE_PERM": "check who you are and whose file it is",
}
_BARRED: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")
_READING: Final = {
    "0A": "the server cannot evaluate this query",
    "22": "the server cannot evaluate this query: one of its values is out of range",
    "54": "the query is beyond a limit of the server: make it simpler",
}
"""Classes of SQLSTATE whose sentence for a writer would speak of rows."""


def driver_error(error: BaseException) -> BaseException | None:
    """What a driver raised, itself or through SQLAlchemy; None where it is somebody else's exception."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    known = isinstance(error, (StoreError, PoolTimeoutError, sqlite3.Error, OSError))
    return error if known or type(error).__module__.startswith("asyncpg.") else None


def failure(error: BaseException, dialect: str, place: str, *, connecting: bool = False) -> StoreError:
    """The ``StoreUnavailable`` of what a driver raised.

    Args:
        error: from ``driver_error``.
        dialect: ``"postgresql"`` or ``"sqlite"``.
        place: the database's URL without its password, or the file's path.
        connecting: there was no session yet.
    """
    if isinstance(error, StoreUnavailable | QueryTimeout):
        return error
    if isinstance(error, PoolTimeoutError):
        return _busy()
    if isinstance(error, StoreError):
        known = error
    else:
        known = asyncpg_error(error) if dialect == "postgresql" else sqlite_error(error)
    if connecting:
        known = connect_error(known)
    state = known.code.partition(" ")[0]
    sentence = str(known).removeprefix(f"{known.code}: ")
    if getattr(error, "sqlstate", None) and not connecting:
        sentence = _READING.get(state[:2], sentence)
    barred = hindrance(place) if state.startswith(_BARRED) else None
    hint = barred or _HINTS.get(state)
    if hint is None and known.kind is ErrorClass.RECONNECT:
        hint = "is it running, and is this its address?"
    return StoreUnavailable(known.kind, known.code, f"{sentence} ({place}){f': {hint}' if hint else ''}")


def undecodable(error: BaseException | None) -> bool:
    """Whether sqlite3 met a text that is not UTF-8: its one OperationalError that SQLite has no code for."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorname", None) is None


def timed_out(seconds: float, code: str) -> QueryTimeout:
    """The database was at it for the whole of its statement_timeout."""
    sentence = f"the query took longer than {seconds:g} s: narrow it in time, or raise statement_timeout"
    return QueryTimeout(ErrorClass.RESEND, code, sentence)


def unanswered(place: str) -> StoreUnavailable:
    """The database says nothing any more; asking again at once would only take as long again."""
    sentence = f"the database does not answer ({place}): is it overloaded, or the network cut?"
    return StoreUnavailable(ErrorClass.WAIT, TimeoutError.__name__, sentence)


def forked(place: str) -> StoreUnavailable:
    """A fork of this process closed the connection, or interrupted its statement: ask again."""
    return StoreUnavailable(ErrorClass.RECONNECT, FORKED, f"the process forked while it was reading ({place})")


def stirred(path: str) -> StoreUnavailable:
    """A file at rest is being written to after all: ask again."""
    return StoreUnavailable(ErrorClass.RECONNECT, STIRRED, f"the file {path} was written to while it was read")


def parted_file(path: str) -> StoreUnavailable:
    """Its writer puts what it had in there into the file itself, if it lives: it passes."""
    sentence = f"the -wal or -shm of {path} was taken away: waiting for its writer"
    return StoreUnavailable(ErrorClass.RESEND, "SQLITE_BUSY_RECOVERY", sentence)


def missing_file(path: str) -> StoreUnavailable:
    """A reader makes no file."""
    sentence = f"the file {path} does not exist: check the path, or run dblog upgrade"
    return StoreUnavailable(ErrorClass.CONFIGURATION, "SQLITE_CANTOPEN", sentence)


def emptied_file(path: str) -> StoreUnavailable:
    """What was in it lies in its log at best; it may be put back."""
    sentence = f"the file {path} was emptied while it was in use: put a database in its place"
    return StoreUnavailable(ErrorClass.WAIT, "SQLITE_NOTADB", sentence)


def unseen_file(path: str, error: OSError) -> StoreUnavailable:
    """A folder that may not be entered, a network's file system that is away: it may pass."""
    code = errno.errorcode.get(error.errno or 0, "OSError")
    return StoreUnavailable(
        ErrorClass.WAIT, code, f"the file {path} cannot be had: {error.strerror or 'no reason given'}"
    )


def _busy() -> StoreUnavailable:
    sentence = "every connection of this reader is busy: ask for less at once, or make another reader"
    return StoreUnavailable(ErrorClass.RESEND, "QueuePool", sentence)
