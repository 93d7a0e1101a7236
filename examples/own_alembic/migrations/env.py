"""The application's Alembic environment. Two lines in it are about dblog: the import, and ``include_name``."""

from __future__ import annotations

from alembic import context
from model import Base  # type: ignore[import-not-found]  # beside main.py, which puts its folder on the path

from dblog.names import names_for

DBLOG = names_for()  # names_for(schema, table), where those options are used


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Autogenerate leaves dblog's tables alone: without this it would write a revision that drops the log."""
    return kind != "table" or name is None or not DBLOG.owns(name)


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, include_name=include_name)
with context.begin_transaction():
    context.run_migrations()
