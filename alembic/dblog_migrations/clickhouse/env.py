"""Alembic's environment for ClickHouse; where to connect is said as in the environment beside it.

``-x cluster=NAME`` builds the tables on a cluster, the first time; later it is found in the database.
"""

from __future__ import annotations

from alembic import context

from dblog_migrations.clickhouse import running
from dblog_migrations.running import as_command_error

if context.is_offline_mode():
    as_command_error(running.offline)
elif context.config.attributes.get("connection") is not None:
    running.online(context.config.attributes["connection"])
else:
    as_command_error(running.connect_and_run)
