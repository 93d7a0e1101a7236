"""Alembic's environment: where to connect, which names, one transaction, one upgrader at a time.

The connection is ``config.attributes["connection"]``, else one to ``-x url=...``, else
to ``DBLOG_URL``, else to ``sqlalchemy.url`` of an ``alembic.ini``. ``schema`` and
``table`` come from ``config.attributes`` or ``-x schema=... -x table=...``. The user's
logging is left alone: there is no ``fileConfig`` here.
"""

from __future__ import annotations

from alembic import context

from dblog_migrations import running

if context.is_offline_mode():
    running.as_command_error(running.offline)
elif context.config.attributes.get("connection") is not None:
    running.online(context.config.attributes["connection"])
else:
    running.as_command_error(running.connect_and_run)
