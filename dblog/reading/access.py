"""What a reader may do, in the database's own words, and what it sends."""

from __future__ import annotations

import os
import re
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
_CLICKHOUSE: Final = sa.text(
    "SELECT version() AS server, currentUser() AS role, getSetting('readonly') > 0 AS read_only LIMIT 1"
)
_DATABASE: Final = sa.text("SELECT currentDatabase() AS name LIMIT 1")
_GRANTS: Final = sa.text("SHOW GRANTS FINAL")
_WRITING: Final = frozenset({"ALL", "INSERT", "ALTER", "ALTER TABLE", "ALTER DELETE", "DROP", "DROP TABLE", "TRUNCATE"})
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
    if sessions.dialect == "clickhouse":
        row = (await sessions.run(_CLICKHOUSE))[0]
        return Access("clickhouse", row.server, row.role, bool(row.read_only), await _may_insert(sessions))
    named = {"table": sessions.names.qualified(sessions.names.logs)}
    row = (await sessions.run(_POSTGRES, named))[0]
    return Access("postgresql", row.server, row.role, row.read_only, row.may_write)


async def _may_insert(sessions: Sessions) -> bool:
    """Whether a grant of the user's, or of a role of theirs, lets them add or remove rows of ``logs``."""
    database = sessions.names.schema or (await sessions.run(_DATABASE))[0].name
    places = {"*.*", f"{database}.*", f"{database}.{sessions.names.logs}"}
    for (grant,) in await sessions.run(_GRANTS):
        head, _, rest = grant.removeprefix("GRANT ").partition(" ON ")
        given = {privilege.partition("(")[0] for privilege in re.split(r",\s*(?![^(]*\))", head)}
        if rest.partition(" TO ")[0].replace("`", "") in places and given & _WRITING:
            return True
    return False


def statement(sessions: Sessions, selection: Selection, limit: int) -> Statement:
    """See ``LogReader.statement``."""
    checked(limit)
    made = pages.newest(selection, sessions.tables.logs, sessions.dialect)
    compiled = made.compile(
        dialect=compiler(sessions.dialect),
        compile_kwargs={"render_postcompile": True},
    )
    parameters = {**compiled.params, "count": limit}
    order = compiled.positiontup
    if order is None:  # ClickHouse's have names
        order = list(dict.fromkeys(re.findall(r"\{(\w+):", str(compiled))))
    return Statement(str(compiled), tuple(parameters[name] for name in order))
