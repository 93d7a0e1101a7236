"""``dblog init``: lay dblog's tables out on a cluster of ClickHouse."""

from __future__ import annotations

from typing import Annotated

import typer

from dblog.cli.common import ProfileOption, SchemaOption, TableOption, UrlOption, chosen, say
from dblog.cli.options import examples

__all__ = ["EPILOG", "init"]

EPILOG = examples(
    "dblog init --cluster prod --url clickhouse://node1/dblog",
    "dblog init --cluster prod --url clickhouse://node1/dblog --run",
)


def init(
    *,
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The cluster, as the servers' remote_servers name it.")],
    run: Annotated[bool, typer.Option("--run", help="Run it, on the node the URL names.")] = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Print the SQL that makes dblog's tables on every node of a cluster of ClickHouse; --run executes it.

    The nodes need Keeper and the macros {shard} and {replica}. One server needs none of this: dblog upgrade.
    """
    target = chosen(url, profile, schema, table)
    from dblog import migrate

    if not run:
        typer.echo(migrate.cluster_sql(target.url, cluster=cluster, schema=target.schema, table=target.table), nl=False)
        return
    migrate.init_cluster(target.login, cluster=cluster, schema=target.schema, table=target.table, progress=say)
    typer.echo(str(migrate.check(target.login, schema=target.schema, table=target.table)))
