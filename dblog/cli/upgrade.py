"""``dblog upgrade``: create dblog's tables, or bring them to a newer revision."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import DEFAULT_TABLE, SchemaOption, TableOption, UrlOption, chosen, say

__all__ = ["upgrade"]


def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to go.")] = "head",
    url: UrlOption = None,
    schema: SchemaOption = None,
    table: TableOption = DEFAULT_TABLE,
) -> None:
    """Create dblog's tables, or bring them up to date; safe to run at every start, by every replica."""
    target = chosen(url)
    from dblog import migrate

    migrate.upgrade(target, revision=revision, schema=schema, table=table, progress=say)
    typer.echo(str(migrate.check(target, schema=schema, table=table)))
