"""``dblog index``: the indexes that are paid for with every entry that is stored, and what they cost here."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Annotated

import typer

from dblog.cli.admin import Choose, YesOption, administers, confirm, connection_to, many, print_json
from dblog.cli.common import EXIT_USAGE, fail
from dblog.cli.options import examples
from dblog.cli.progress import Progress

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = ["EPILOG", "index"]

EPILOG = examples("dblog index", "dblog index add message", "dblog index drop logger --yes")


class Action(enum.StrEnum):
    """What to do with them."""

    LIST = "list"
    ADD = "add"
    DROP = "drop"


@administers
def index(
    *,
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.LIST,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", show_default=False, help="add, drop: message, metadata (Postgres) or logger."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="list: one JSON object per line.")] = False,
    yes: YesOption = False,
    choose: Choose,
) -> None:
    """Indexes for searches in messages, metadata and loggers; what one costs is measured, and said before it is built.

    Nobody who stores waits while it is built, but for logger on SQLite. ClickHouse has its own from the start: list.
    """
    from dblog.admin import indexes

    with connection_to(choose(), clickhouse=True) as connection:
        if action == Action.LIST:
            _list(connection, as_json=as_json)
            return
        indexes.changeable(connection)
        if kind is None:
            fail(f"dblog index {action} needs to know which: {', '.join(indexes.KINDS)}", EXIT_USAGE)
        elif action == Action.ADD:
            typer.echo(_price(connection, kind))
            confirm("type yes to build it", "yes", yes=yes)
            with Progress("partitions" if connection.postgres else "entries") as progress:
                indexes.add(connection, kind, report=progress)
            typer.echo(f"the index on {kind} is ready")
        else:
            confirm(f"type yes to drop the index on {kind}", "yes", yes=yes)
            gone = indexes.drop(connection, kind)
            typer.echo(f"the index on {kind} is gone" if gone else f"there is no index on {kind}")


def _list(connection: AdminConnection, *, as_json: bool) -> None:
    from dblog.admin import indexes

    for each in indexes.indexes(connection):
        if as_json:
            print_json(dataclasses.asdict(each))
        else:
            size = "" if each.bytes is None else f"{each.bytes:,} bytes"
            typer.echo(f"{each.kind:<10}{each.state:<13}{size}".rstrip())
    if connection.dialect == "clickhouse" and not as_json:
        typer.echo(indexes.UNCHANGING)


def _price(connection: AdminConnection, kind: str) -> str:
    from dblog.admin import indexes

    found = indexes.price(connection, kind)
    if not found.sample:
        return "there are no entries to measure with: it takes disk for each that comes, and makes storing slower"
    said = (
        f"measured with {many(found.sample, 'entry', 'entries')}: {found.bytes_each:.0f} bytes each,"
        f" about {found.bytes_each * found.rows / 1e6:,.1f} MB for {many(found.rows, 'entry', 'entries')};"
        f" storing takes {max(1.0, found.slower):.1f} times as long"
    )
    if kind == "logger" and not connection.postgres:
        said += "; SQLite keeps writers waiting until it is built"
    return said
