"""``dblog check``: is the schema at head?"""

from __future__ import annotations

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, chosen

__all__ = ["check"]


def check(
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Exit 0 when the schema is at head, else 1, and say what to run."""
    target = chosen(url, profile, schema, table)
    from dblog import migrate

    found = migrate.check(target.login, schema=target.schema, table=target.table)
    typer.echo(str(found), err=not found.ok)
    if not found.ok:
        raise typer.Exit(1)
