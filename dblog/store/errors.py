"""Driver exceptions → ``StoreError``, by SQLSTATE and ``sqlite_errorname``, never by message.

Sources: PostgreSQL 18 appendix A "PostgreSQL Error Codes"; SQLite "Result and
Extended Result Codes". A driver's own text is never passed on: it can hold values
of the row, and parts of the connection string.
"""

from __future__ import annotations

from typing import Final

from dblog.errors import ErrorClass, StoreError
from dblog.store.rows import COLUMNS

__all__ = ["asyncpg_error", "connect_error", "of_code", "postgres_error", "sqlite_error"]

_R, _S, _W = ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT
_C, _P, _U = ErrorClass.CONFIGURATION, ErrorClass.POISON, ErrorClass.UNKNOWN

_STATES: Final[dict[str, tuple[ErrorClass, str]]] = {
    "0A000": (_C, "the table does not take COPY, for example for its row-level security"),
    "23505": (ErrorClass.STORED, "a row of the batch is stored already"),
    "25006": (_R, "the server is read-only, perhaps a standby"),
    "26000": (_R, "the session is not the one it was"),
    "28000": (_C, "the server does not let this user in"),
    "28P01": (_C, "the server refused the password"),
    "3D000": (_C, "the database does not exist"),
    "3F000": (_C, "the schema does not exist: run dblog upgrade"),
    "40001": (_S, "the transaction could not be serialised"),
    "40P01": (_S, "deadlock"),
    "42501": (_C, "a privilege is missing: see dblog grants"),
    "42703": (_C, "a column is missing: run dblog upgrade"),
    "42883": (_C, "a function is missing: run dblog upgrade"),
    "42P01": (_C, "the table is missing: run dblog upgrade"),
    "53100": (_W, "the server's disk is full"),
    "53200": (_W, "the server is out of memory"),
    "53300": (_R, "the server has no connection left"),
    "53400": (_W, "a configured limit of the server is reached"),
    "55006": (_S, "an object is in use"),
    "55P03": (_S, "a lock was not granted in time"),
    "57014": (_S, "the statement took too long"),
    "57P01": (_R, "the server ended the connection"),
    "57P02": (_R, "the server crashed"),
    "57P03": (_R, "the server does not accept connections yet"),
    "57P04": (_C, "the database was dropped"),
    "57P05": (_R, "the server ended an idle session"),
    "XX001": (_C, "the server's data is damaged"),
    "XX002": (_C, "an index of the server is damaged"),
}
_CLASSES: Final[dict[str, tuple[ErrorClass, str]]] = {
    "08": (_R, "the connection failed"),
    "22": (_P, "a value does not fit its column"),
    "23": (_P, "a row breaks a constraint"),
    "25": (_R, "the server ended the transaction"),
    "28": (_C, "the server does not let this user in"),
    "40": (_S, "the transaction was rolled back"),
    "42": (_C, "the schema or its privileges do not fit"),
    "53": (_W, "the server is short of a resource"),
    "54": (_P, "a row is beyond a limit of the server"),
    "55": (_S, "an object is not in the state it should be in"),
    "57": (_R, "an operator intervened"),
    "58": (_W, "the server's system failed"),
    "P0": (_P, "a trigger refuses a row"),
}
_NO_PARTITION: Final = (ErrorClass.NO_PARTITION, "no partition holds the day of a row")
_UNEXPECTED: Final = (_U, "an unexpected error")
_LOST: Final = (_R, "the database cannot be reached")
_REFUSED: Final = (_C, "the server is there and refuses the session: user, password, database or pg_hba.conf")
_NOT_OURS: Final = (_C, "a column that dblog does not fill must not be null")
_SETTINGS: Final = (_C, "a session cannot be opened with these settings")
"""Nothing is a row's fault while there is no session yet."""

_VALUE_ERRORS: Final = (UnicodeError, OverflowError, TypeError, ValueError, RecursionError)
"""What drivers raise bare for a value they cannot bind."""

_SQLITE: Final[dict[str, tuple[ErrorClass, str]]] = {
    "SQLITE_BUSY": (_S, "another process holds the write lock"),
    "SQLITE_LOCKED": (_S, "a table is locked"),
    "SQLITE_INTERRUPT": (_S, "the statement took too long"),
    "SQLITE_PROTOCOL": (_S, "a lock could not be had"),
    "SQLITE_SCHEMA": (_S, "the schema changed meanwhile"),
    "SQLITE_FULL": (_W, "the disk is full"),
    "SQLITE_READONLY": (_W, "the file is read-only"),
    "SQLITE_NOMEM": (_W, "out of memory"),
    "SQLITE_IOERR": (_R, "the file cannot be read or written"),
    "SQLITE_CANTOPEN": (_R, "the file cannot be opened"),
    "SQLITE_AUTH": (_C, "the operation is not authorised"),
    "SQLITE_PERM": (_C, "the file's permissions do not allow it"),
    "SQLITE_NOTADB": (_C, "the file is no SQLite database"),
    "SQLITE_CORRUPT": (_C, "the database file is damaged"),
    "SQLITE_CONSTRAINT": (_P, "a row breaks a constraint"),
    "SQLITE_MISMATCH": (_P, "a value does not fit its column"),
    "SQLITE_TOOBIG": (_P, "a value is too big"),
    "SQLITE_RANGE": (_P, "a value cannot be bound"),
    "SQLITE_CONSTRAINT_UNIQUE": (ErrorClass.STORED, "a row of the batch is stored already"),
    "SQLITE_CONSTRAINT_PRIMARYKEY": (ErrorClass.STORED, "a row of the batch is stored already"),
}


def postgres_error(error: BaseException, *, committing: bool = False, answer: str | None = None) -> StoreError:
    """The ``StoreError`` of what psycopg raised.

    Args:
        error: the driver's exception.
        committing: the failed statement was COMMIT, so a lost connection leaves its outcome unknown.
        answer: it happened while connecting, where libpq tells no SQLSTATE: the server's own, asked for apart;
            "" when it would talk to us.
    """
    import psycopg  # noqa: PLC0415 - an optional extra

    state = getattr(error, "sqlstate", None)
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)
    code = type(error).__name__ if state is None else f"{state} {type(error).__name__}"
    if state is not None:
        kind, sentence = _known(state, error)
    elif answer:
        (kind, sentence), code = _known(answer), f"{answer} {code}"
    elif lost:
        kind, sentence = _LOST if answer is None else _REFUSED
    elif isinstance(error, (psycopg.DataError, *_VALUE_ERRORS)):
        kind, sentence = _P, "a value cannot be sent"
    else:
        kind, sentence = _UNEXPECTED
    return StoreError(kind, code, sentence, ambiguous=committing and kind in {_R, _U})


def asyncpg_error(error: BaseException) -> StoreError:
    """The ``StoreError`` of what asyncpg raised."""
    import asyncpg  # noqa: PLC0415 - an optional extra

    state, code = getattr(error, "sqlstate", None), type(error).__name__
    if state is not None:
        return StoreError(*_with_code(_known(state), f"{state} {code}"))
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return StoreError(*_with_code(_SETTINGS, code))
    if isinstance(error, _VALUE_ERRORS):
        return StoreError(*_with_code((_P, "a value cannot be sent"), code))
    # asyncpg calls it an internal error to use a connection on which a dying server has just said farewell.
    lost = isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError)
    return StoreError(*_with_code(_LOST if lost else _UNEXPECTED, code))


def _with_code(known: tuple[ErrorClass, str], code: str) -> tuple[ErrorClass, str, str]:
    return known[0], code, known[1]


def _known(state: str, error: BaseException | None = None) -> tuple[ErrorClass, str]:
    """Class and sentence of a SQLSTATE; what it blames tells two of them apart."""
    blamed = getattr(error, "diag", None)
    # A missing partition is blamed on a table; a CHECK is blamed on a constraint, and a trigger's own on neither.
    if state == "23514" and blamed is not None and blamed.table_name and not blamed.constraint_name:
        return _NO_PARTITION
    if state == "23502" and blamed is not None and blamed.column_name not in COLUMNS:
        return _NOT_OURS
    return _STATES.get(state) or _CLASSES.get(state[:2]) or _UNEXPECTED


def connect_error(failure: StoreError) -> StoreError:
    """The same failure, met while there was no session yet: then no row can be at fault."""
    if failure.kind in {_R, _S, _W, _C}:
        return failure
    kind, sentence = _SETTINGS
    return StoreError(kind, failure.code, sentence)


def sqlite_error(error: BaseException, *, committing: bool = False) -> StoreError:
    """The ``StoreError`` of what sqlite3 raised; ``SQLITE_ERROR`` is the caller's to tell apart."""
    name = getattr(error, "sqlite_errorname", None)
    if name is None:
        value = isinstance(error, _VALUE_ERRORS) or type(error).__name__ in {"InterfaceError", "DataError"}
        kind, sentence = (_P, "a value cannot be bound") if value else _UNEXPECTED
        if isinstance(error, OSError):
            kind, sentence = _R, "the file cannot be opened"
        return StoreError(kind, type(error).__name__, sentence, ambiguous=committing)
    kind, sentence = _named(name)
    # A busy COMMIT was not done and can be tried again; an I/O error while committing may have been.
    return StoreError(kind, name, sentence, ambiguous=committing and kind in {_R, _U})


def _named(name: str) -> tuple[ErrorClass, str]:
    primary = "_".join(name.split("_")[:2])
    return _SQLITE.get(name) or _SQLITE.get(primary) or _UNEXPECTED


def of_code(code: str) -> StoreError:
    """The ``StoreError`` this SQLSTATE or ``sqlite_errorname`` alone stands for."""
    kind, sentence = _named(code) if code.startswith("SQLITE_") else _known(code)
    return StoreError(kind, code, sentence)
