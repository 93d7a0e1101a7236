"""What a reader may do, in the database's own words, and what it sends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from dblog.reading import pages
from dblog.reading.dialects import compiler
from dblog.reading.selection import checked
from dblog.reading.values import Access, Statement

if TYPE_CHECKING:
    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

__all__ = ["access", "statement"]

_POSTGRES: Final = sa.text("""
    SELECT current_setting('server_version') AS server, current_user::text AS role,
           current_setting('transaction_read_only') = 'on' AS read_only,
           has_table_privilege(CAST(CAST(:table AS text) AS regclass), 'INSERT, UPDATE, DELETE') AS may_write
    LIMIT 1
""")
_SQLITE: Final = sa.text("""
    SELECT sqlite_version() AS server, (SELECT query_only FROM pragma_query_only()) AS read_only,
           (SELECT file FROM pragma_database_list() WHERE name = 'main') AS file
    LIMIT 1
""")


async def access(sessions: Sessions) -> Access:
    """See ``LogReader.access``."""
    if sessions.dialect == "sqlite":
        row = (await sessions.run(_SQLITE))[0]
        return Access("sqlite", row.server, None, bool(row.read_only), os.access(row.file, os.W_OK))
    named = {"table": sessions.names.qualified(sessions.names.logs)}
    row = (await sessions.run(_POSTGRES, named))[0]
    return Access("postgresql", row.server, row.role, row.read_only, row.may_write)


def statement(sessions: Sessions, selection: Selection, limit: int) -> Statement:
    """See ``LogReader.statement``."""
    checked(limit)
    made = selection.of(pages.newest(sessions.tables.logs))
    compiled = made.compile(
        dialect=compiler(sessions.dialect),
        compile_kwargs={"render_postcompile": True},
    )
    parameters = {**compiled.params, "count": limit}
    return Statement(str(compiled), tuple(parameters[name] for name in compiled.positiontup or ()))
