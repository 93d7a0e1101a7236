"""``dblog grants``: the SQL that gives each role what it needs."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import DEFAULT_TABLE, SchemaOption, TableOption, UrlOption

__all__ = ["grants"]


def grants(
    *,
    writer: Annotated[str | None, typer.Option(help="A role that may only add rows.")] = None,
    reader: Annotated[str | None, typer.Option(help="A role that may only read them.")] = None,
    admin: Annotated[str | None, typer.Option(help="A role that becomes the tables' owner.")] = None,
    url: UrlOption = None,
    schema: SchemaOption = None,
    table: TableOption = DEFAULT_TABLE,
) -> None:
    """Print the SQL for existing Postgres roles; nothing is executed. Pipe it into psql as the tables' owner."""
    from dblog.grants import grants as sql
    from dblog.url import dialect_of

    dialect = dialect_of(url) if url else "postgresql"
    typer.echo(sql(dialect, writer=writer, reader=reader, admin=admin, schema=schema, table=table))
