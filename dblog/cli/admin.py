"""What the commands that change a database share: a connection, and a question before what cannot be undone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.common import EXIT_USAGE, fail
from dblog.cli.output import Colour, output_for

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection
    from dblog.cli.profiles import Database

__all__ = ["YesOption", "confirm", "connection_to", "many", "print_json"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]


def connection_to(database: Database) -> AdminConnection:
    """An administrator's connection, not yet opened."""
    from dblog.admin.connection import AdminConnection

    return AdminConnection(
        database.url, schema=database.schema, table=database.table, password_file=database.password_file
    )


def confirm(question: str, answer: str, *, yes: bool) -> None:
    """Go on only when the answer was typed; ends the command otherwise.

    Args:
        question: a sentence that says what to type.
        answer: what has to be typed.
        yes: it was said on the command line.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        fail("nobody can be asked, for stdin is not a terminal: give --yes", EXIT_USAGE)
    typer.echo(f"{question}: ", nl=False, err=True)  # typer.prompt would write to stdout as well
    if sys.stdin.readline().strip() != answer:
        fail("nothing was changed", EXIT_USAGE)


def print_json(fields: dict[str, Any]) -> None:
    """One object in one line, in which nothing acts on a terminal."""
    output_for(json=True, text=False, colour=Colour.AUTO, utc=False).objects([fields])


def many(count: int, one: str, more: str | None = None) -> str:
    """``1 entry``, ``2,000 entries``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
