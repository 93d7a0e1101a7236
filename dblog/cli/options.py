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
from dblog.errors import ConfigurationError, QuerySyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dblog.query import Query
    from dblog.query.tree import Range

__all__ = [
    "QueryArgument", "QueryCommand", "SinceOption", "UntilOption", "bounds_of", "examples", "query_of", "reads",
    "seconds_of",
]  # fmt: skip

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
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|m|h|d|w)", re.ASCII)
_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
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
            if isinstance(value, list | tuple):  # older versions of typer give a tuple
                ctx.params[name] = [word.removeprefix(_MARK) if isinstance(word, str) else word for word in value]
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
            "output": output_for(json=json, text=text, colour=Colour(color), utc=utc),  # typer gives the value
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
        ConfigurationError: a time cannot be.
    """
    from dblog.query import Query, parse
    from dblog.query.tree import All, And, Node

    query = parse(" ".join(words or ()))
    bounds = [_bound(name, value) for name, value in (("since", since), ("until", until)) if value]
    if not bounds:
        return query
    own: tuple[Node, ...] = () if isinstance(query.tree, All) else (query.tree,)
    parts = [*(own[0].parts if own and isinstance(own[0], And) else own), *bounds]
    return Query(query.text, parts[0] if len(parts) == 1 else And(tuple(parts)))


def bounds_of(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """``--since`` and ``--until`` in µs.

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    low = _bound("since", since).low if since else None
    high = _bound("until", until).high if until else None
    return (low if isinstance(low, int) else None), (high if isinstance(high, int) else None)


def _bound(name: str, value: str) -> Range:
    """A time as queries have it, ``15m`` or ``2026-11-20 10:00``, as a range of one end."""
    from dblog.query import parse
    from dblog.query.tree import Range

    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    try:
        tree = parse(f'{name}:"{quoted}"').tree
    except QuerySyntaxError as error:
        raise ConfigurationError(f"--{name} {value!r}: {error.reason}") from None
    if not isinstance(tree, Range):
        raise ConfigurationError(f"--{name} {value!r} is not a time")
    return tree


def seconds_of(text: str) -> float:
    """``90s``, ``1m``, ``2.5h`` in seconds.

    Raises:
        ConfigurationError: it is no such duration, or none at all.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not (seconds := float(match[1]) * _UNITS[match[2]]):
        raise ConfigurationError(f"{text[:80]!r} is not a duration: write 500ms, 10s, 1m, 1h, 1d or 1w")
    return seconds
