"""``dblog downgrade``: take revisions back."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import DEFAULT_TABLE, SchemaOption, TableOption, UrlOption, chosen, say

__all__ = ["downgrade"]


def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to go; base drops the tables with all their rows.")],
    url: UrlOption = None,
    schema: SchemaOption = None,
    table: TableOption = DEFAULT_TABLE,
) -> None:
    """Take revisions back. `base` drops the tables WITH ALL THEIR ROWS."""
    target = chosen(url)
    from dblog import migrate

    migrate.downgrade(target, revision=revision, schema=schema, table=table, progress=say)
    typer.echo(f"the schema is at {migrate.current(target, schema=schema, table=table) or 'base: nothing is left'}")
