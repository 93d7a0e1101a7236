"""``dblog upgrade``: create dblog's tables, or bring them to a newer revision."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, chosen, say

__all__ = ["upgrade"]


def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to go.")] = "head",
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Create dblog's tables, or bring them up to date; safe to run at every start, by every replica."""
    target = chosen(url, profile, schema, table)
    from dblog import migrate

    migrate.upgrade(target.login, revision=revision, schema=target.schema, table=target.table, progress=say)
    typer.echo(str(migrate.check(target.login, schema=target.schema, table=target.table)))
