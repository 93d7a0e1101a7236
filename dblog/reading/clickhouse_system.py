"""ClickHouse's system tables about dblog's own, which a user sees as far as the tables themselves.

Of a cluster it is what the server asked has: the rows of one shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from dblog.names import Names

__all__ = ["system_names", "typed"]

_OURS: Final = "database = if(:database = '', currentDatabase(), :database) AND table IN (:table, :local)"


def typed(sql: str) -> sa.TextClause:
    """A statement; ``OURS`` in it is the condition that a row of a system table is about ``logs``.

    On a cluster that is ``logs_local`` as well, which has the rows.
    """
    texts = [sa.bindparam(name, type_=sa.Text()) for name in ("database", "table", "local")]
    return sa.text(sql.replace("OURS", _OURS)).bindparams(*texts)


def system_names(names: Names) -> dict[str, str]:
    """The parameters of ``typed``."""
    return {"database": names.schema or "", "table": names.logs, "local": names.local}
