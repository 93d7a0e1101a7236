"""``dblog downgrade``: take revisions back."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, chosen, say

__all__ = ["downgrade"]


def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to go; base drops the tables with all their rows.")],
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Take revisions back. `base` drops the tables WITH ALL THEIR ROWS."""
    target = chosen(url, profile, schema, table)
    from dblog import migrate

    migrate.downgrade(target.login, revision=revision, schema=target.schema, table=target.table, progress=say)
    left = migrate.current(target.login, schema=target.schema, table=target.table)
    typer.echo(f"the schema is at {left or 'base: nothing is left'}")
