"""What the commands that change a database share: a connection, and a question before what cannot be undone."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import typer

from dblog.cli.common import EXIT_USAGE, ProfileOption, SchemaOption, TableOption, UrlOption, chosen, fail
from dblog.cli.output import Colour, output_for
from dblog.cli.profiles import Database

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = [
    "Choose", "KeepOption", "LevelOption", "YesOption", "administers", "confirm", "connection_to", "many", "print_json",
]  # fmt: skip

Choose: TypeAlias = Callable[[], Database]
Command = TypeVar("Command", bound=Callable[..., None])

LevelOption = Annotated[
    str | None,
    typer.Option(metavar="LEVEL", show_default=False, help="With --older-than: only entries up to this level."),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LEVEL=AGE",
        show_default=False,
        help="A level's own age: a longer one for those above as well, a shorter one for those below.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]


def connection_to(database: Database, timeout: float | None = None, *, clickhouse: bool = False) -> AdminConnection:
    """An administrator's connection, not yet opened.

    Args:
        database: which.
        timeout: seconds, of one statement.
        clickhouse: whether the command knows ClickHouse; without, one to it is refused.
    """
    from dblog.admin.connection import TIMEOUT, AdminConnection
    from dblog.url import dialect_of

    kind = AdminConnection
    if clickhouse and dialect_of(database.url) == "clickhouse":
        from dblog.admin.clickhouse import ClickHouseConnection

        kind = ClickHouseConnection
    return kind(
        database.url,
        schema=database.schema,
        table=database.table,
        password_file=database.password_file,
        timeout=timeout or TIMEOUT,
    )


def administers(command: Command) -> Callable[..., None]:
    """Give a command the options that name a database.

    The command's own parameters come first; ``choose`` gives the database that the options mean, or raises
    ``ConfigurationError``. A command with a ``timeout`` of its own has what that says in it.
    """

    def options(
        *, url: UrlOption = None, profile: ProfileOption = None, schema: SchemaOption = None, table: TableOption = None
    ) -> None:
        pass

    shared = inspect.signature(options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        database = {name: given.pop(name) for name in shared}
        command(**given, choose=functools.partial(chosen, **database, timeout=given.get("timeout")))

    kept = [each.replace(kind=each.KEYWORD_ONLY) for name, each in own.items() if name not in ("choose", "timeout")]
    last = [each for name, each in own.items() if name == "timeout"]
    run.__signature__ = inspect.Signature([*kept, *shared.values(), *last])  # type: ignore[attr-defined]  # what typer looks at
    run.__annotations__ = {}
    return run


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
