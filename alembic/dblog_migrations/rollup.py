"""What keeps ``log_rollup`` exact when entries are deleted or changed: triggers, whoever does it, as of revision 0002.

Only of entries that are counted: the row of ``log_rollup_state`` says which those are. On Postgres whoever deletes
holds that row until the end of its transaction, as does who counts, so that neither sees half of the other's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from dblog_migrations.partitions import current_schema

if TYPE_CHECKING:
    from dblog.names import Names

__all__ = ["drop_uncount", "install_uncount"]

# No percent sign, and no colon but in times: drivers and --sql disagree about them.
_COUNTS = """
        SELECT width, date_bin(make_interval(secs => width), "timestamp", '1970-01-01 00:00+00') AS start, severity,
               coalesce(service, '') AS service, CAST(service IS NOT NULL AS int) AS has_service, count(*) AS entries
        FROM {source}, (VALUES (60), (3600)) AS widths (width)
        WHERE pg_visible_in_snapshot(xid, counted) AND "timestamp" >= since
        GROUP BY 1, 2, 3, 4, 5
"""
_FUNCTION = """
CREATE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $dblog$
DECLARE
    counted pg_snapshot;
    since timestamptz;
BEGIN
    SELECT CAST(token AS pg_snapshot), coalesce(floor, '-infinity') INTO counted, since FROM {state} FOR UPDATE;
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM {rollup};
        RETURN NULL;
    END IF;
    UPDATE {rollup} AS counts SET entries = counts.entries - gone.entries FROM ({gone}) AS gone
    WHERE (counts.width, counts.start, counts.severity, counts.service, counts.has_service)
        = (gone.width, gone.start, gone.severity, gone.service, gone.has_service);
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO {rollup} AS counts (width, start, severity, service, has_service, entries) {made}
        ON CONFLICT (width, start, severity, service, has_service)
        DO UPDATE SET entries = counts.entries + excluded.entries;
    END IF;
    RETURN NULL;
END
$dblog$
"""

# The lock keeps writers waiting while it is waited for, so it is asked for in short turns.
_TRIGGERS = """
DO $dblog$
BEGIN
    PERFORM set_config('lock_timeout', '50ms', true);
    FOR attempt IN 1 .. 100 LOOP
        BEGIN
            CREATE TRIGGER "{name}" AFTER DELETE ON {logs} REFERENCING OLD TABLE AS deleted
                FOR EACH STATEMENT EXECUTE FUNCTION {function}();
            CREATE TRIGGER "{name}_changed" AFTER UPDATE ON {logs}
                REFERENCING OLD TABLE AS deleted NEW TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION {function}();
            CREATE TRIGGER "{name}_all" AFTER TRUNCATE ON {logs}
                FOR EACH STATEMENT EXECUTE FUNCTION {function}();
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF attempt = 100 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.1 + random() * 0.2);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', '0', true);
END
$dblog$
"""

_SQLITE = {
    "": """
CREATE TRIGGER "{name}" AFTER DELETE ON {logs}
WHEN old.ingest_seq <= (SELECT token FROM {state} WHERE id = 1)
BEGIN
{minute_gone}
{hour_gone}
END
""",
    "_changed": """
CREATE TRIGGER "{name}_changed" AFTER UPDATE OF timestamp, severity, service ON {logs}
WHEN old.ingest_seq <= (SELECT token FROM {state} WHERE id = 1)
BEGIN
{minute_gone}
{hour_gone}
{minute_made}
{hour_made}
END
""",
}
_GONE = """
    UPDATE {rollup} SET entries = entries - 1
    WHERE width = {width} AND start = {start} AND severity = old.severity
      AND service = coalesce(old.service, '') AND has_service = (old.service IS NOT NULL);
"""
_MADE = """
    INSERT INTO {rollup} (width, start, severity, service, has_service, entries)
    VALUES ({width}, {start}, new.severity, coalesce(new.service, ''), new.service IS NOT NULL, 1)
    ON CONFLICT (width, start, severity, service, has_service) DO UPDATE SET entries = entries + 1;
"""
# What is no time is counted as of before all of them, at a moment where no minute begins.
_START = (
    "CASE typeof({row}.timestamp) WHEN 'integer'"
    " THEN {row}.timestamp - (({row}.timestamp % {micros} + {micros}) % {micros}) ELSE -1 END"
)


def install_uncount(names: Names, *, postgres: bool) -> None:
    """Create the triggers."""
    if postgres:
        _install_postgres(names)
        return
    rollup, state, logs = (names.qualified(name) for name in (names.rollup, names.rollup_state, names.logs))
    parts = {
        f"{unit}_{done}": text.format(
            rollup=rollup, width=width, start=_START.format(row=row, micros=width * 1_000_000)
        )
        for unit, width in (("minute", 60), ("hour", 3600))
        for done, text, row in (("gone", _GONE, "old"), ("made", _MADE, "new"))
    }
    for text in _SQLITE.values():
        op.execute(text.format(name=names.uncount, logs=logs, state=state, **parts))


def _install_postgres(names: Names) -> None:
    schema = names.schema or current_schema()
    rollup, state, logs, function = (
        f'"{schema}"."{name}"' for name in (names.rollup, names.rollup_state, names.logs, names.uncount)
    )
    gone, made = (_COUNTS.format(source=source) for source in ("deleted", "changed"))
    installed = _FUNCTION.format(function=function, state=state, rollup=rollup, gone=gone, made=made)
    op.execute(sa.text(_escaped(installed)))
    op.execute(sa.text(f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"))
    op.execute(sa.text(_escaped(_TRIGGERS.format(name=names.uncount, logs=logs, function=function))))


def drop_uncount(names: Names, *, postgres: bool) -> None:
    """Drop the triggers, and the function, as far as they are there: it is also the way to mend them."""
    logs = names.qualified(names.logs)
    for suffix in ("", "_changed", "_all") if postgres else _SQLITE:
        op.execute(sa.text(f'DROP TRIGGER IF EXISTS "{names.uncount}{suffix}"' + (f" ON {logs}" if postgres else "")))
    if postgres:
        op.execute(sa.text(f"DROP FUNCTION IF EXISTS {names.qualified(names.uncount)}()"))


def _escaped(sql: str) -> str:
    """For ``sa.text``, to which a colon begins a parameter."""
    return sql.replace(":", "\\:")
