"""What several commands share: the options that name a database and a table in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dblog.errors import ConfigurationError
from dblog.names import DEFAULT_TABLE

if TYPE_CHECKING:
    from dblog.migrate import Step

__all__ = ["DEFAULT_TABLE", "SchemaOption", "TableOption", "UrlOption", "chosen", "say"]

UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="DBLOG_URL", show_default=False, help="postgresql://... or sqlite:///path/to/file.db"),
]
SchemaOption = Annotated[str | None, typer.Option("--schema", help="The Postgres schema.", show_default=False)]
TableOption = Annotated[str, typer.Option("--table", help="The log table; the other names follow from it.")]


def chosen(url: str | None) -> str:
    """The URL, or the sentence that says how to give one."""
    if url:
        return url
    msg = "no database named: give --url, or set DBLOG_URL"
    raise ConfigurationError(msg)


def say(step: Step) -> None:
    """The progress line of one revision."""
    typer.echo(str(step))
