"""ClickHouse's exceptions → ``StoreError``, by the server's numeric code, never by message.

Source: ClickHouse ``src/Common/ErrorCodes.cpp``. The server's own text is never passed
on: it quotes values and statements. An INSERT is no transaction: after any failure but
a refused value some rows may be stored, so it is ambiguous, and what is resent is the
same block under the same token.
"""

from __future__ import annotations

from typing import Final

from dblog.errors import ErrorClass, StoreError

__all__ = ["clickhouse_error"]

_R, _S, _W = ErrorClass.RECONNECT, ErrorClass.RESEND, ErrorClass.WAIT
_C, _P, _U = ErrorClass.CONFIGURATION, ErrorClass.POISON, ErrorClass.UNKNOWN

_VALUE: Final = (_P, "a value does not fit its column")
_LOGIN: Final = (_C, "the server refused the user or the password")
_COLUMN: Final = (_C, "a column is missing: run dblog upgrade")
_DISK: Final = (_W, "the server cannot read or write its disk")
_KEEPER: Final = (_W, "the replicas cannot reach Keeper")
_SHARD: Final = (_R, "a shard or a replica cannot be reached")
_BUSY: Final = (_W, "the server has more to do than it takes on")

_CODES: Final[dict[int, tuple[ErrorClass, str]]] = {
    **dict.fromkeys((6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 376, 407), _VALUE),
    **dict.fromkeys((8, 10, 16, 47), _COLUMN),
    **dict.fromkeys((74, 75, 76), _DISK),
    **dict.fromkeys((192, 193, 194, 516), _LOGIN),
    **dict.fromkeys((198, 209, 210, 279), _SHARD),
    **dict.fromkeys((225, 242, 999), _KEEPER),
    **dict.fromkeys((202, 745), _BUSY),
    60: (_C, "the table is missing: run dblog upgrade"),
    81: (_C, "the database does not exist"),
    115: (_C, "the server does not know a setting: it is too old, or the URL names a wrong one"),
    159: (_S, "the statement took too long"),
    164: (_C, "the user may only read"),
    218: (_C, "the table is missing: run dblog upgrade"),
    241: (_W, "the server is out of memory"),
    243: (_W, "the server's disk is full"),
    252: (_W, "the table has too many parts: the server cannot merge as fast as it is written to"),
    285: (_W, "too few replicas are alive for the quorum"),
    286: (_W, "the quorum of an earlier insert is not there yet"),
    319: (_R, "the replicas cannot say whether the rows are stored"),
    341: (_S, "the operation did not finish in time"),
    394: (_S, "the statement was cancelled"),
    452: (_C, "the user's profile does not allow a setting"),
    469: (_P, "a row breaks a constraint"),
    473: (_S, "a lock was not granted in time"),
    497: (_C, "a privilege is missing: see dblog grants"),
}
_UNEXPECTED: Final = (_U, "an unexpected error")
_LOST: Final = (_R, "the server cannot be reached")
_UNSENT: Final = (_P, "a value cannot be sent")
_REFUSED: Final = (_C, "the driver refuses it: do the server's version and the user's settings fit?")
_VALUE_ERRORS: Final = (UnicodeError, OverflowError, TypeError, ValueError, AttributeError, RecursionError)
"""What the driver raises bare for a value it cannot put into a column."""


def clickhouse_error(error: BaseException, *, writing: bool = False) -> StoreError:
    """The ``StoreError`` of what clickhouse-connect raised, or of what came out of it bare.

    Args:
        error: the driver's exception, or SQLAlchemy's around it.
        writing: rows had been sent, so their outcome may be unknown.
    """
    error = getattr(error, "orig", None) or error
    number, kind_name = getattr(error, "code", None), type(error).__name__
    if isinstance(number, int):
        name = getattr(error, "name", None)
        kind, sentence = _CODES.get(number, _UNEXPECTED)
        code = f"{number} {name}" if name else str(number)
    elif isinstance(error, _VALUE_ERRORS) or kind_name == "DataError":
        (kind, sentence), code = _UNSENT, kind_name
    elif isinstance(error, OSError) or kind_name in {"OperationalError", "DatabaseError", "StreamFailureError"}:
        # Without a code nobody but the network, or a proxy, has said anything.
        (kind, sentence), code = _LOST, kind_name
    elif kind_name in {"ProgrammingError", "NotSupportedError", "InterfaceError", "ImportError"}:
        (kind, sentence), code = _REFUSED, kind_name
    else:
        (kind, sentence), code = _UNEXPECTED, kind_name
    return StoreError(kind, code, sentence, ambiguous=writing and kind is not _P)
