"""One at a time, of however many hosts: the advisory lock of those that maintain a database."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dblog.admin.beside import beside
from dblog.store.errors import postgres_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.admin.connection import AdminConnection

__all__ = ["alone"]


@contextmanager
def alone(connection: AdminConnection) -> Iterator[bool]:
    """Whether we are the only one in the body; always so where there are no such locks.

    The lock is a transaction's, of a session of its own: behind a pooler a session's lock would be left to a
    stranger. That transaction has no snapshot and no number, so nothing waits for it.

    Raises:
        StoreError: there is no second connection to be had.
    """
    if not connection.postgres:
        # SQLite's work is done in short transactions, ClickHouse's may be done twice.
        yield True
        return
    number = connection.value("SELECT hashtextextended('dblog maintain ' || to_regclass(?)::oid, 0)", connection.logs)
    session = beside(connection)
    try:
        try:
            # Without parameters: what is bound to some stays open until the next statement, and its snapshot with it.
            session.execute("BEGIN")
            session.execute(
                "SELECT set_config(name, '0', true) FROM pg_catalog.pg_settings"
                " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
            )
            ours = session.execute(f"SELECT pg_try_advisory_xact_lock({int(number)})").fetchone()[0]
        except Exception as error:  # noqa: BLE001 - classified
            raise postgres_error(error) from None
        yield bool(ours)
    finally:
        with suppress(Exception):
            session.close()
