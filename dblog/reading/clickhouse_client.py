"""One client of ClickHouse: blocking calls, a statement at a time, which another thread can end."""

from __future__ import annotations

import itertools
import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from clickhouse_connect.dbapi.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from dblog.store.clickhouse_line import Line

__all__ = ["Client"]

_LONGEST: Final = {"max_query_size": 2**24, "max_ast_elements": 10**6, "max_expanded_ast_elements": 10**6}
"""So that every query the language allows is one to the server, too."""
_SETTINGS: Final[dict[str, Any]] = {
    # It may set what is below, and change nothing else. With it the server ends a statement whose client has gone.
    "readonly": 2,
    "timeout_overflow_mode": "throw",
    # Equal rows have equal times, so they share a partition.
    "do_not_merge_across_partitions_select_final": 1,
    **_LONGEST,
}
_FORMATS: Final = {"DateTime64": "int"}
"""Times as they are kept, in µs: the driver's own are without their zone."""
_numbers = itertools.count(1)


class Client:
    """Opened when it is made.

    Args:
        url: mapped to clickhouse-connect.
        line: where its sockets are to be found; none are where the engine is in this process.
        connect_timeout: seconds to wait for the server to take a connection.
        read_timeout: seconds without a byte after which it is taken to be gone.
        password: in the place of the URL's.
    """

    def __init__(
        self, url: sa.URL, line: Line, connect_timeout: float, read_timeout: float, password: str | None
    ) -> None:
        self._line = line
        self._arguments: dict[str, Any] = dict(ClickHouseDialect().create_connect_args(url)[1])
        if password is not None:
            self._arguments["password"] = password
        self._embedded = self._arguments.get("interface") == "chdb"
        if not self._embedded:
            ours: dict[str, Any] = {
                "client_name": "dblog reader",
                "connect_timeout": math.ceil(connect_timeout),
                "send_receive_timeout": math.ceil(read_timeout),
            }
            self._arguments = ours | self._arguments
            # A session would have statements wait for each other; what is tried again, the reader decides.
            self._arguments |= {
                "autogenerate_session_id": False,
                "query_retries": 0,
                "pool_mgr": line.pool(self._arguments),
            }
        self._tag = f"dblog-{os.getpid()}-{next(_numbers)}"
        """Names its statement to the engine in this process, which has no socket to cut."""
        self._driver = Connection(**self._arguments).client
        known = self._driver.server_settings
        self._settings = {
            name: value for name, value in _SETTINGS.items() if not (name in known and known[name].readonly)
        }
        """Without those the user's profile does not leave to them."""
        self._timed = not ("max_execution_time" in known and known["max_execution_time"].readonly)
        if self._embedded:
            # It is sent settings within the statement, which is too late for its own length.
            self._driver.command("SET " + ", ".join(f"{name} = {value}" for name, value in _LONGEST.items()))

    def read(self, sql: str, parameters: Mapping[str, Any], seconds: float) -> tuple[Sequence[str], Sequence[Any]]:
        """The names of a statement's columns, and its rows."""
        settings = self._settings | ({"max_execution_time": seconds} if self._timed else {})
        if self._embedded:
            settings["log_comment"] = self._tag
        found = self._driver.query(sql, parameters=dict(parameters), settings=settings, query_formats=_FORMATS)
        return found.column_names, found.result_rows

    def abort(self) -> None:
        """End the statement under way, from any thread; the client is of no more use."""
        if not self._embedded:
            self._line.cut()
            return
        other = Connection(**self._arguments).client
        try:
            other.command("KILL QUERY WHERE Settings['log_comment'] = {tag:String}", parameters={"tag": self._tag})
        finally:
            other.close()

    def close(self) -> None:
        """Close its connections."""
        with suppress(Exception):
            self._driver.close()
