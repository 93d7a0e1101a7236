"""``dblog grants``: the SQL that gives each role what it needs."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, sought
from dblog.names import DEFAULT_TABLE

__all__ = ["grants"]


def grants(
    *,
    writer: Annotated[str | None, typer.Option(help="A role that may only add rows.")] = None,
    reader: Annotated[str | None, typer.Option(help="A role that may only read them.")] = None,
    admin: Annotated[str | None, typer.Option(help="A role that becomes the tables' owner.")] = None,
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Print the SQL for existing roles of Postgres or ClickHouse; nothing is executed. Run it as the tables' owner."""
    from dblog.grants import grants as sql
    from dblog.url import dialect_of

    database = sought(url, profile, schema, table)
    dialect = dialect_of(database.url) if database else "postgresql"
    names = (database.schema, database.table) if database else (schema, table or DEFAULT_TABLE)
    typer.echo(sql(dialect, writer=writer, reader=reader, admin=admin, schema=names[0], table=names[1]))
