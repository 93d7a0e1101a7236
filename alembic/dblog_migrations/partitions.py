"""``dblog_ensure_day`` as revision 0001 installs it: make one UTC day's partition, for those who may not create tables.

It runs with its owner's rights, so it takes nothing but a date and refuses all but 39 of
them. ``CREATE TABLE ... (LIKE ...)`` and ``ATTACH`` instead of ``PARTITION OF``, because the
latter locks the parent against writers for as long as any reader is open. The new table is
empty, so ``ATTACH`` has nothing to scan and needs no CHECK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import context, op

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from dblog.names import Names

__all__ = ["DAYS_AHEAD", "current_schema", "drop_ensure_day", "install_ensure_day"]

DAYS_AHEAD = 3
"""The days made in advance, besides today."""

# Names are quoted and checked by dblog.names. No percent sign: drivers and --sql disagree about doubling it.
_BODY = """
CREATE FUNCTION {function}(day date) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '3s'
AS $dblog$
DECLARE
    today constant date := clock_timestamp()::date;
    child constant name := '{logs}_' || to_char(day, 'YYYYMMDD');
    quoted constant text := '{schema}.' || quote_ident(child);
BEGIN
    IF day IS NULL OR day < today - 31 OR day > today + 7 THEN
        RETURN false;
    END IF;
    FOR attempt IN 1 .. 2 LOOP
        PERFORM FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = '{parent}'::regclass AND relname = child AND NOT inhdetachpending;
        IF FOUND THEN
            RETURN true;
        END IF;
        IF attempt = 1 THEN
            -- One maker at a time; the others find the day made when they get here.
            PERFORM pg_advisory_xact_lock(hashtextextended('dblog {parent}', 0));
        END IF;
    END LOOP;
    -- Detached, perhaps on its way out: the day is over, and must not come back by a late row.
    IF to_regclass(quoted) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE 'CREATE TABLE ' || quoted || ' (LIKE {parent} INCLUDING ALL)';
    EXECUTE 'ALTER TABLE {parent} ATTACH PARTITION ' || quoted
        || ' FOR VALUES FROM (' || quote_literal(to_char(day, 'YYYY-MM-DD') || ' 00:00+00')
        || ') TO (' || quote_literal(to_char(day + 1, 'YYYY-MM-DD') || ' 00:00+00') || ')';
    RETURN true;
END
$dblog$
"""


def install_ensure_day(names: Names) -> None:
    """Create the function, take it from PUBLIC, and make today's partition and the next ones."""
    schema = names.schema or current_schema()
    function = f'"{schema}"."{names.ensure_day}"'
    op.execute(
        sa.text(
            _BODY.format(
                function=function,
                logs=names.logs,
                schema=f'"{schema}"',
                parent=f'"{schema}"."{names.logs}"',
            )
        )
    )
    op.execute(sa.text(f"REVOKE ALL ON FUNCTION {function}(date) FROM PUBLIC"))
    day = "CAST(now() AT TIME ZONE 'UTC' AS date)"
    op.execute(sa.text(f"SELECT {function}({day} + n) FROM generate_series(0, {DAYS_AHEAD}) AS n"))


def drop_ensure_day(names: Names) -> None:
    """Drop the function; the partitions go with their parent."""
    op.execute(sa.text(f"DROP FUNCTION {names.qualified(names.ensure_day)}(date)"))


def current_schema() -> str:
    """The schema unqualified names are created in; the function's search path is pinned, so it must know."""
    assert not context.is_offline_mode()  # noqa: S101 - running.offline has refused it
    schema = op.get_bind().scalar(sa.select(sa.func.current_schema()))
    if schema is None:
        message = "the search_path names no existing schema: give schema=, or create one"
        raise ConfigurationError(message)
    return str(schema)
