"""The sessions that go with a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.reading.session import Sessions
from dblog.url import dialect_of

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["sessions_for"]


def sessions_for(url: str | sa.URL, **options: Any) -> Sessions:
    """The connections of one reader; the options are those of ``Sessions``.

    Raises:
        ConfigurationError: the URL, a name or a timeout is wrong.
    """
    if dialect_of(url) == "clickhouse":
        from dblog.reading.clickhouse_sessions import ClickHouseSessions  # noqa: PLC0415 - an optional extra

        return ClickHouseSessions(url, **options)
    return Sessions(url, **options)
