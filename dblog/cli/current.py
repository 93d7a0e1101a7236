"""``dblog current``: the database's revision."""

from __future__ import annotations

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, chosen

__all__ = ["current"]


def current(
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Print the database's revision; `none` when dblog's tables are not there."""
    target = chosen(url, profile, schema, table)
    from dblog import migrate

    typer.echo(migrate.current(target.login, schema=target.schema, table=target.table) or "none")
