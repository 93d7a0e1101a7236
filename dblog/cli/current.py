"""``dblog current``: the database's revision."""

from __future__ import annotations

import typer

from dblog.cli.common import DEFAULT_TABLE, SchemaOption, TableOption, UrlOption, chosen

__all__ = ["current"]


def current(url: UrlOption = None, schema: SchemaOption = None, table: TableOption = DEFAULT_TABLE) -> None:
    """Print the database's revision; `none` when dblog's tables are not there."""
    target = chosen(url)
    from dblog import migrate

    typer.echo(migrate.current(target, schema=schema, table=table) or "none")
