"""${message}.

Every statement may be executed twice: IF NOT EXISTS, IF EXISTS. On a cluster the rows are in
``place.rows``, and ``logs`` over it needs the same columns.
"""

from __future__ import annotations

from alembic import op

from dblog_migrations.clickhouse.running import current_place
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
