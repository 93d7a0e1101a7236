"""What a reader of ClickHouse says when it cannot read; by the server's numeric code, never by message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from dblog.errors import ErrorClass, StoreError, StoreUnavailable
from dblog.reading.failures import timed_out
from dblog.store.errors import connect_error
from dblog.store.errors_clickhouse import clickhouse_error

if TYPE_CHECKING:
    from dblog.errors import QueryTimeout

__all__ = ["clickhouse_failure"]

_TIMES: Final = frozenset({159, 160, 209})
"""TIMEOUT_EXCEEDED, TOO_SLOW, SOCKET_TIMEOUT: of the statement, once there is a connection."""
_LIMITS: Final = frozenset({158, 161, 167, 168, 169, 191, 202, 290, 307, 396, 397})
"""The user's profile allows no more rows, bytes, columns, or statements at once."""
_HINTS: Final = {
    60: "look at the database's name in the URL, too",
    81: "check the name at the end of the URL",
    192: "check the user and the password",
    193: "check the user and the password",
    194: "check the user and the password",
    516: "check the user and the password",
}
_SENTENCES: Final = {497: "a privilege is missing: the reader needs SELECT"}


def clickhouse_failure(
    error: BaseException, place: str, seconds: float, *, connecting: bool = False
) -> StoreUnavailable | QueryTimeout | None:
    """The error to raise for what the driver raised; None where it is somebody else's exception.

    Args:
        error: as it came out of the driver.
        place: the database's URL without its password.
        seconds: what the statement had.
        connecting: there was no connection yet.
    """
    if not isinstance(error, (ClickHouseError, HTTPError, StoreError, OSError)):
        return None
    if isinstance(error, StoreUnavailable):
        return error
    number = getattr(error, "code", None)
    if number in _TIMES and not connecting:
        return timed_out(seconds, f"{number} {getattr(error, 'name', None) or ''}".strip())
    known = error if isinstance(error, StoreError) else clickhouse_error(error)
    if connecting:
        known = connect_error(known)
    kind, sentence = known.kind, str(known).removeprefix(f"{known.code}: ")
    if kind in {ErrorClass.POISON, ErrorClass.UNKNOWN} and isinstance(number, int):
        # Its sentence for a writer would speak of rows.
        sentence = "the server cannot evaluate this query"
        if number in _LIMITS:
            sentence = "the query is beyond a limit of this user's: narrow it, or raise the limit"
    if isinstance(number, int):
        sentence = _SENTENCES.get(number, sentence)
    hint = _HINTS.get(number) if isinstance(number, int) else None
    if hint is None and kind is ErrorClass.RECONNECT:
        hint = "is it running, and is this its HTTP port?"
    return StoreUnavailable(kind, known.code, f"{sentence} ({place}){f': {hint}' if hint else ''}")
