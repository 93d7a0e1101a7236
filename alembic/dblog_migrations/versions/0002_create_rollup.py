"""Create log_rollup and log_rollup_state.

``dblog maintain`` fills them, from the first entry on; until then, and where they do not reach, ``logs`` is counted. No
row of ``logs`` is touched, and nobody waits: the triggers take a lock that is asked for in short turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from dblog.errors import ConfigurationError
from dblog_migrations.rollup import drop_uncount, install_uncount
from dblog_migrations.running import current_names

if TYPE_CHECKING:
    from dblog.names import Names

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    postgres, names = _target()
    if not context.is_offline_mode():
        _refuse_foreign(names)
    _rollup(names, postgres=postgres)
    _state(names, postgres=postgres)
    if postgres:
        _grant(names)
    install_uncount(names, postgres=postgres)


def downgrade() -> None:
    postgres, names = _target()
    if not postgres:
        _drop_full_text(names)
    drop_uncount(names, postgres=postgres)
    for table in reversed(names.rollups):
        op.execute(f"DROP TABLE IF EXISTS {names.qualified(table)}")


def _drop_full_text(names: Names) -> None:
    """What ``dblog index add message`` has made beside the table; an ordinary index goes with it."""
    name = names.index_on("message")
    for kind in ("insert", "delete", "update"):
        op.execute(f'DROP TRIGGER IF EXISTS "{name}_{kind}"')
    for table in (name, names.fts_state):
        op.execute(f'DROP TABLE IF EXISTS "{table}"')


def _target() -> tuple[bool, Names]:
    dialect = context.get_context().dialect.name
    return dialect == "postgresql", current_names(dialect)


def _refuse_foreign(names: Names) -> None:
    existing = sa.inspect(op.get_bind()).get_table_names(schema=names.schema)
    foreign = sorted(set(existing) & set(names.rollups))
    if foreign:
        where = f" in schema {names.schema}" if names.schema else ""
        message = f"a table {foreign[0]} that is not dblog's exists{where}: rename it, dblog upgrade needs the name"
        raise ConfigurationError(message)


def _rollup(names: Names, *, postgres: bool) -> None:
    small: Any = sa.SmallInteger() if postgres else sa.Integer()
    op.create_table(
        names.rollup,
        sa.Column("width", small, nullable=False),
        sa.Column("start", postgresql.TIMESTAMP(timezone=True) if postgres else sa.Integer(), nullable=False),
        sa.Column("severity", small, nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("has_service", small, nullable=False),
        sa.Column("entries", sa.BigInteger() if postgres else sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("width", "start", "severity", "service", "has_service", name=f"{names.rollup}_pkey"),
        schema=names.schema,
        sqlite_with_rowid=False,
    )


def _state(names: Names, *, postgres: bool) -> None:
    moment: Any = postgresql.TIMESTAMP(timezone=True) if postgres else sa.Integer()
    big: Any = sa.BigInteger() if postgres else sa.Integer()
    op.create_table(
        names.rollup_state,
        sa.Column("id", sa.SmallInteger() if postgres else sa.Integer(), nullable=False),
        sa.Column("token", sa.Text() if postgres else sa.Integer(), nullable=False),
        sa.Column("floor", moment),
        sa.Column("system", big),
        sa.Column("generation", big, nullable=False, server_default=sa.text("0")),
        sa.Column("refreshed_at", moment),
        sa.PrimaryKeyConstraint("id", name=f"{names.rollup_state}_pkey"),
        schema=names.schema,
    )
    nothing = "'1\\:1\\:'" if postgres else "0"
    op.execute(sa.text(f"INSERT INTO {names.qualified(names.rollup_state)} (id, token) VALUES (1, {nothing})"))


def _grant(names: Names) -> None:
    """Who may read the logs may read what is counted of them."""
    logs, *rollups = (names.qualified(name) for name in (names.logs, *names.rollups))
    op.execute(
        sa.text(
            f"""
DO $dblog$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
        FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = to_regclass('{logs}') AND privilege_type = 'SELECT' AND grantee <> relowner
    LOOP
        EXECUTE 'GRANT SELECT ON {", ".join(rollups)} TO ' || reader;
    END LOOP;
END
$dblog$
"""
        )
    )
