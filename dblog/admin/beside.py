"""A second session on the server an administrator is connected to, with settings of its own from its start.

Given at the start, because a SET would stay behind in a pooler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.store.errors import connect_error, postgres_error

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = ["beside"]


def beside(connection: AdminConnection, **settings: str) -> Any:
    """A psycopg connection, in autocommit.

    Args:
        connection: to Postgres, open.
        settings: of the new session.

    Raises:
        StoreError: the server, or a pooler in front of it, gives no such session.
    """
    import psycopg  # noqa: PLC0415 - an optional extra

    info = connection.driver.info
    options = [info.get_parameters().get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
    given: dict[str, Any] = {"options": " ".join(options).strip()} if settings else {}
    try:
        return psycopg.connect(info.dsn, password=info.password, autocommit=True, **given)
    except psycopg.Error as error:
        raise connect_error(postgres_error(error)) from None
