"""What the commands share: the options that name a database, how errors become exit codes, and a reader to ask."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from dblog.cli.profiles import Database, Profiles, config_path, resolve
from dblog.errors import ConfigurationError, DblogError, QuerySyntaxError, QueryTimeout, StoreError
from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dblog.migrate import Step
    from dblog.reader import LogReader

__all__ = [
    "EXIT_INTERRUPTED", "EXIT_NOTHING", "EXIT_PIPE", "EXIT_QUERY", "EXIT_STORE", "EXIT_TERMINATED", "EXIT_TIMEOUT",
    "EXIT_USAGE", "ProfileOption", "SchemaOption", "TableOption", "TimeoutOption", "UrlOption", "chosen", "exit_code",
    "fail", "reading", "say", "sentence", "sought", "warn",
]  # fmt: skip

EXIT_QUERY: Final = 1
"""The query cannot be read."""
EXIT_NOTHING: Final = 1
"""What was named is not there; ``check``: the schema is behind."""
EXIT_USAGE: Final = 2
EXIT_STORE: Final = 3
"""The database refused, or could not be reached; asking again later may help."""
EXIT_TIMEOUT: Final = 124
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141
"""Whoever read our output has stopped; as a shell shows an end by SIGPIPE."""
EXIT_TERMINATED: Final = 143

_CONNECTING: Final = 5.0
"""Seconds to wait for a connection at most; less where a query may take less, but a second."""


def _profiles(incomplete: str) -> list[str]:
    """Names that begin so, for the shell's completion; it has nowhere to say that the file is wrong."""
    try:
        names = Profiles.read(config_path()).tables
    except ConfigurationError:
        return []
    return [name for name in names if name.startswith(incomplete)]


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        show_default=False,
        help="postgresql://..., clickhouse://... or sqlite:///path/to/file.db [env var: DBLOG_URL]",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        show_default=False,
        help="A database of your config.toml, instead of --url. [env var: DBLOG_PROFILE]",
        autocompletion=_profiles,
    ),
]
SchemaOption = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="The Postgres schema, or ClickHouse's database.", show_default=False),
]
TableOption = Annotated[
    str | None,
    typer.Option(
        "--table", metavar="NAME", show_default=False, help="The log table (logs); the other names follow from it."
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0.001, show_default=False, help="What a query may take (30)."),
]

T = TypeVar("T")


def sought(
    url: str | None,
    profile: str | None = None,
    schema: str | None = None,
    table: str | None = None,
    timeout: float | None = None,
) -> Database | None:
    """The database the options and the environment name; None where they name none.

    ``schema``, ``table`` and ``timeout`` go before those of the profile.

    Raises:
        ConfigurationError: the profile is wrong.
    """
    database, warning = resolve(url, profile)
    if warning:
        warn(warning)
    if database is None:
        return None
    return dataclasses.replace(
        database,
        schema=database.schema if schema is None else schema,
        table=database.table if table is None else table,
        statement_timeout=database.statement_timeout if timeout is None else timeout,
    )


def chosen(
    url: str | None,
    profile: str | None = None,
    schema: str | None = None,
    table: str | None = None,
    timeout: float | None = None,
) -> Database:
    """As ``sought``, or the sentence that says how to name a database.

    Raises:
        ConfigurationError: nothing names one, or the profile is wrong.
    """
    database = sought(url, profile, schema, table, timeout)
    if database is None:
        msg = "no database named: give --url or --profile, or set DBLOG_URL"
        raise ConfigurationError(msg)
    return database


def reading(database: Database, body: Callable[[LogReader], Coroutine[Any, Any, T]]) -> T:
    """Run ``body`` with a reader of the database, and close it whatever happens.

    Ctrl-C and SIGTERM cancel what is awaited, and with it the query in the database.
    """
    import asyncio

    from dblog.cli.signals import Signals
    from dblog.reader import LogReader

    async def run() -> T:
        async with LogReader(
            database.url,
            schema=database.schema,
            table=database.table,
            statement_timeout=database.statement_timeout,
            connect_timeout=min(_CONNECTING, max(1.0, database.statement_timeout)),
            password_file=database.password_file,
            tail_overlap=database.tail_overlap,
        ) as reader:
            return await body(reader)

    async def watched() -> T:
        with signals.cancelling():
            return await run()

    with Signals() as signals:
        try:
            result = asyncio.run(watched())
        except asyncio.CancelledError:  # by nobody else
            signals.end()
    if signals.number:  # it came at the last moment
        signals.end()
    return result


def sentence(error: DblogError) -> str:
    """What an error says, in words of the command line."""
    return str(error).replace("raise statement_timeout", "raise --timeout")


def exit_code(error: DblogError) -> int:
    """The exit code that tells a script what kind of error it was."""
    if isinstance(error, QuerySyntaxError):
        return EXIT_QUERY
    if isinstance(error, QueryTimeout):
        return EXIT_TIMEOUT
    return EXIT_STORE if isinstance(error, StoreError) else EXIT_USAGE


def warn(said: str) -> None:
    """A sentence on stderr; what it quotes cannot act on the terminal."""
    typer.echo(f"dblog: {visible(said, lines=True)}", err=True)


def fail(said: str, code: int = EXIT_NOTHING) -> NoReturn:
    """Say why on stderr and end."""
    warn(said)
    raise typer.Exit(code)


def say(step: Step) -> None:
    """The progress line of one revision."""
    typer.echo(str(step))
