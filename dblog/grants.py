"""The SQL that gives each role what it needs on Postgres or ClickHouse, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog.errors import ConfigurationError
from dblog.names import DEFAULT_TABLE, Names, names_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["grants"]


def grants(
    dialect: str = "postgresql",
    *,
    writer: str | None = None,
    reader: str | None = None,
    admin: str | None = None,
    schema: str | None = None,
    table: str = DEFAULT_TABLE,
) -> str:
    """SQL for existing roles, to be run by the tables' owner in their database.

    Args:
        dialect: ``"postgresql"`` or ``"clickhouse"``; the latter has users and roles alike.
        writer: may insert rows (all columns but ``xid`` and ``ingested_at``) and make a day's partition.
        reader: may select.
        admin: becomes the owner; run that part as a superuser or as a member of both roles. On ClickHouse, where
            tables have none, it may change and drop them.
        schema: as given to ``upgrade``; None is the first schema of the search path the SQL is run with, or the
            database it is run in.
        table: as given to ``upgrade``.

    Raises:
        ConfigurationError: SQLite, or no role at all.
    """
    if dialect not in {"postgresql", "clickhouse"}:
        msg = "SQLite has no roles: the file's permissions decide (file_mode=)"
        raise ConfigurationError(msg)
    if not (writer or reader or admin):
        msg = "no role named: give writer=, reader= or admin= (--writer, --reader, --admin)"
        raise ConfigurationError(msg)
    names = names_for(schema, table, dialect=dialect)
    if dialect == "clickhouse":
        return "\n".join(_clickhouse(names, writer, reader, admin))
    parts = []
    if writer:
        parts.append(_writer(names, writer))
    if reader:
        parts.append(_reader(names, reader))
    if admin:  # last: after it, who runs this may no longer be the owner
        parts.append(_admin(names, admin))
    return "\n".join(parts)


def _writer(names: Names, role: str) -> str:
    from dblog.schema import COLUMNS  # noqa: PLC0415 - loads SQLAlchemy

    to, q = _identifier(role), names.qualified
    columns = ", ".join(f'"{column.name}"' for column in COLUMNS if column.name != "ingested_at")
    return f"""\
-- Writer: inserts rows it cannot forge and cannot read back.
{_on_schema(names, "USAGE", role)}
GRANT INSERT ({columns})
    ON {q(names.logs)} TO {to};
GRANT INSERT ON {q(names.dead_letters)} TO {to};
GRANT INSERT, UPDATE, SELECT (instance_id) ON {q(names.instances)} TO {to};
GRANT EXECUTE ON FUNCTION {q(names.ensure_day)}(date) TO {to};
-- A resend after an unknown outcome goes through a temporary table.
{_dynamic("'GRANT TEMPORARY ON DATABASE ' || quote_ident(current_database())", role)}
"""


def _reader(names: Names, role: str) -> str:
    tables = ", ".join(names.qualified(name) for name in (*names.tables, *names.rollups, names.version))
    return f"""\
-- Reader.
{_on_schema(names, "USAGE", role)}
GRANT SELECT ON {tables} TO {_identifier(role)};
"""


def _admin(names: Names, role: str) -> str:
    to = _identifier(role)
    parent = _literal(names.qualified(names.logs))
    tables = (*names.tables, *names.rollups, names.version)
    owned = "\n".join(f"ALTER TABLE {names.qualified(name)} OWNER TO {to};" for name in tables)
    return f"""\
-- Admin: owns the tables, their partitions, and the function that makes more of them.
{_on_schema(names, "USAGE, CREATE", role)}
{owned}
DO $dblog$
DECLARE
    child regclass;
BEGIN
    FOR child IN SELECT inhrelid FROM pg_inherits WHERE inhparent = {parent}::regclass LOOP
        EXECUTE 'ALTER TABLE ' || child || ' OWNER TO ' || quote_ident({_literal(role)});
    END LOOP;
END
$dblog$;
ALTER FUNCTION {names.qualified(names.ensure_day)}(date) OWNER TO {to};
ALTER FUNCTION {names.qualified(names.uncount)}() OWNER TO {to};
"""  # noqa: S608 - identifiers and literals are quoted, and people read it before they run it


def _clickhouse(names: Names, writer: str | None, reader: str | None, admin: str | None) -> Iterator[str]:
    from dblog.schema import COLUMNS  # noqa: PLC0415 - as above

    q = names.qualified
    if writer:
        columns = ", ".join(f'"{column.name}"' for column in COLUMNS if column.name != "ingested_at")
        to = _identifier(writer)
        yield f"""\
-- Writer: inserts rows it cannot read back. Its profile has to leave async_insert and insert_deduplicate to it.
GRANT INSERT({columns}) ON {q(names.logs)} TO {to};
GRANT INSERT ON {q(names.dead_letters)} TO {to};
GRANT INSERT ON {q(names.instances)} TO {to};
"""
    if reader:
        tables = (*names.tables, names.version)
        granted = "\n".join(f"GRANT SELECT ON {q(table)} TO {_identifier(reader)};" for table in tables)
        yield f"-- Reader: with readonly = 2 in its profile, not 1, for it sets a time limit of its own.\n{granted}\n"
    if admin:
        place = "*" if names.schema is None else f'"{names.schema}".*'
        rights = "SELECT, INSERT, ALTER, CREATE TABLE, DROP TABLE, TRUNCATE, OPTIMIZE"
        yield f"-- Admin: upgrades, retention, deletions.\nGRANT {rights} ON {place} TO {_identifier(admin)};\n"


def _on_schema(names: Names, privileges: str, role: str) -> str:
    if names.schema is not None:
        return f'GRANT {privileges} ON SCHEMA "{names.schema}" TO {_identifier(role)};'
    return _dynamic(f"'GRANT {privileges} ON SCHEMA ' || quote_ident(current_schema())", role)


def _dynamic(statement: str, role: str) -> str:
    """A grant on something only the server can name."""
    return f"DO $dblog$ BEGIN EXECUTE {statement} || ' TO ' || quote_ident({_literal(role)}); END $dblog$;"


def _identifier(name: str) -> str:
    _allowed(name)
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    _allowed(text)
    return "'" + text.replace("'", "''") + "'"


def _allowed(name: str) -> None:
    if not name or "\x00" in name or "$dblog$" in name or "\\" in name:
        msg = f"{name!r} cannot name a role"
        raise ConfigurationError(msg)
