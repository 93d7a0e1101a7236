"""What the reading commands have in common: their options, their query, and how they are put together."""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperCommand

from dblog.cli.common import (
    ProfileOption,
    SchemaOption,
    TableOption,
    TimeoutOption,
    UrlOption,
    chosen,
)
from dblog.cli.output import Colour, output_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dblog.query import Query

__all__ = ["QueryArgument", "QueryCommand", "SinceOption", "UntilOption", "examples", "query_of", "reads"]

QueryArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUERY", show_default=False, help="What to look for; several words need no quotes."),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", show_default=False, help="As in a query: 15m, today, 2026-11-20T10:00."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", show_default=False, help="As --since; that moment excluded.")
]

_NEGATED: Final = re.compile(r"-(?!-)[^\s:=<>!~]*[:=<>!~].+", re.DOTALL)
"""``-level:debug``: no option looks like it, for options take no value after one of these characters."""
_MARK: Final = "\ufdd0"
"""A character that is none, before an argument that begins with a dash and is no option."""

Command = TypeVar("Command", bound="Callable[..., Any]")


class QueryCommand(TyperCommand):
    """A command whose QUERY may begin with a dash, as ``-level:debug`` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take what looks like ``-field:value`` for a word of the query."""
        end = args.index("--") if "--" in args else len(args)
        marked = [_MARK + arg if _NEGATED.fullmatch(arg) else arg for arg in args[:end]] + args[end:]
        rest: list[str] = super().parse_args(ctx, marked)
        for name, value in ctx.params.items():
            if isinstance(value, list):
                ctx.params[name] = [word.removeprefix(_MARK) for word in value]
            elif isinstance(value, str):
                ctx.params[name] = value.removeprefix(_MARK)
        return rest


def examples(*lines: str) -> str:
    """The end of a command's help; a form feed of typer's keeps the lines as they are."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def reads(command: Command) -> Callable[..., None]:
    """Give a command the options every reading command has, and call it with what they mean.

    The command's own parameters come first; ``database`` and ``output`` are made of the options.
    """

    def options(
        *,
        json: Annotated[bool, typer.Option("--json", help="JSON lines; what there is unless on a terminal.")] = False,
        text: Annotated[bool, typer.Option("--text", help="Text, also into a pipe or a file.")] = False,
        color: Annotated[Colour, typer.Option("--color", help="Colours in text.")] = Colour.AUTO,
        utc: Annotated[bool, typer.Option("--utc", help="Show times in UTC instead of your zone.")] = False,
        url: UrlOption = None,
        profile: ProfileOption = None,
        schema: SchemaOption = None,
        table: TableOption = None,
        timeout: TimeoutOption = None,
    ) -> dict[str, Any]:
        return {
            "output": output_for(json=json, text=text, colour=color, utc=utc),
            "database": chosen(url, profile, schema, table, timeout),
        }

    shared = inspect.signature(options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = options(**{name: given.pop(name) for name in shared})
        command(**given, **made)

    kept = [each.replace(kind=each.KEYWORD_ONLY) for name, each in own.items() if name not in ("output", "database")]
    run.__signature__ = inspect.Signature([*kept, *shared.values()])  # type: ignore[attr-defined]  # what typer looks at
    run.__annotations__ = {}
    return run


def query_of(words: Iterable[str] | None, since: str | None = None, until: str | None = None) -> Query:
    """The query of a command's arguments; ``--since`` and ``--until`` narrow it.

    Raises:
        QuerySyntaxError: it cannot be read.
    """
    from dblog.query import Query, parse
    from dblog.query.tree import All, And, Node

    query = parse(" ".join(words or ()))
    bounds = [parse(f"{field}:{_quoted(value)}") for field, value in (("since", since), ("until", until)) if value]
    trees = [each.tree for each in (query, *bounds) if not isinstance(each.tree, All)]
    parts: list[Node] = [part for tree in trees for part in (tree.parts if isinstance(tree, And) else (tree,))]
    if not bounds or not parts:
        return query
    return Query(query.text, parts[0] if len(parts) == 1 else And(tuple(parts)))


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value and '"' not in value else value
