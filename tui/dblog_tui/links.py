"""A view, an entry or a trace as a command line that works in a shell and in ``:``; and back.

No password is ever in one. What a terminal or a shell could trip over (control characters, what reorders a line) is
written as ``%1B``, and ``--encoded`` says so: a command line is pasted, and must not act before Enter is pressed.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError
from dblog_tui.view import LEVELS, Span, View, duration_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from dblog.reading.values import Cursor

__all__ = [
    "Link", "arguments", "columns_of", "command_line", "is_link", "joined", "least_of", "link_of", "parse",
    "public_url",
]  # fmt: skip

PROGRAM: Final = "dblog-tui"

_TEXTS: Final = (
    "database", "schema", "table", "query", "since", "until", "level", "at", "trace", "entry", "columns", "tz",
)  # fmt: skip
_OPTIONS: Final = {"-q": "--query", **{f"--{name}": f"--{name}" for name in _TEXTS[1:]}}
_APPEARANCE: Final = {
    "--theme": True, "--ascii": False, "--slow": False, "--no-mouse": False, "--admin": False, "--profile-colour": True,
}  # fmt: skip
"""Options of the program that say nothing about what is looked at, and whether they take a value."""
_LEAST: Final = {
    **{name: index for index, name in enumerate(LEVELS)},
    "all": 0, "warn": 3, "err": 4, "crit": 5, "fatal": 5,
}  # fmt: skip
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LAST: Final = re.compile(r"([0-9]{1,12})([smhdw])")
_OURS: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")
_COLUMN: Final = re.compile(r"(?:[^,`]|`[^`]*(?:`|\Z))+")
_MASK: Final = "***"
_END: Final = "--"  # as a value ``argparse`` loses it


@dataclass(frozen=True, slots=True)
class Link:
    """What a command line says about what to look at."""

    database: str | None = None
    """A URL, a file or a profile's name; None: whatever the reader's own configuration names."""
    query: str = ""
    last: int | None = None
    """Seconds, as ``Span.last``; never together with the next two."""
    since: int | None = None
    """µs since 1970 UTC, included; ``until`` is excluded."""
    until: int | None = None
    least: int = 0
    """An index into ``view.LEVELS``."""
    at: Cursor | None = None
    trace: str | None = None
    """Show this trace."""
    entry: str | None = None
    """Show this entry: its UUID, or the last digits of it."""
    columns: tuple[str, ...] | None = None
    """None: as the reader has set them."""
    zone: str | None = None
    """A time zone's name, as ``goto.zone`` takes it; not checked here."""
    schema: str | None = None
    """None: as the profile says, or the server; so for the table."""
    table: str | None = None

    @classmethod
    def of(cls, view: View, **further: Any) -> Link:
        """The link of a view; ``further`` fields beside it."""
        span = view.span
        given: dict[str, Any] = {"since": span.since, "until": span.until} if span.last is None else {"last": span.last}
        return cls(**({"query": view.query, "least": view.least, "at": view.at, **given} | further))

    @property
    def view(self) -> View:
        """The view it names."""
        return View(self.query, Span(self.last, self.since, self.until), self.least, self.at)


def command_line(link: Link) -> str:
    """The link as a line for a shell, on which every character is visible; ``parse`` reads it back."""
    pairs = [(option, value) for option, value in _values(link) if value is not None]
    database = link.database
    texts = [value for _, value in pairs] + ([] if database is None else [database])
    encoded = not all(text.isprintable() and text != _END for text in texts)
    words = [PROGRAM, *(["--encoded"] if encoded else [])]
    for option, value in pairs:
        words += [option, _encoded(value) if encoded else value]
    if database is not None:
        database = _encoded(database) if encoded else database
        # Where people expect it, unless it would be taken for an option there.
        words[1:1] = [database] if not database.startswith("-") else []
        words += ["--", database] if database.startswith("-") else []
    return shlex.join(words)


def _values(link: Link) -> Iterator[tuple[str, str | None]]:
    yield "--schema", link.schema
    yield "--table", link.table
    yield "-q", link.query or None
    if link.last is not None:
        yield "--since", duration_text(link.last)
    yield "--since", None if link.since is None else _time(link.since)
    yield "--until", None if link.until is None else _time(link.until)
    yield "--level", LEVELS[link.least] if link.least else None
    yield "--at", None if link.at is None else str(link.at)
    yield "--trace", link.trace
    yield "--entry", link.entry
    yield "--columns", None if link.columns is None else ",".join(link.columns)
    yield "--tz", link.zone


def _time(moment: int) -> str:
    try:
        text = (_EPOCH + moment * _MICROSECOND).isoformat().removesuffix("+00:00")
    except OverflowError:
        return f"{moment}us"
    return f"{text.rstrip('0') if '.' in text else text}Z"


def _encoded(text: str) -> str:
    if text == _END:
        return "%2D%2D"
    return "".join(
        char if char.isprintable() and char != "%" else urllib.parse.quote(char.encode("utf-8", "surrogatepass"))
        for char in text
    )


def public_url(url: str) -> str | None:
    """A URL without its password, or None where what would be left names no database."""
    from dblog.safe_url import safe_url  # noqa: PLC0415 - only where a link is made

    base, mark, query = safe_url(url).replace(f":{_MASK}@", "@").partition("?")
    kept = "&".join(part for part in query.split("&") if part and _MASK not in part)
    return None if _MASK in base or "://" not in base else f"{base}{mark if kept else ''}{kept}"


def is_link(text: str) -> bool:
    """It begins as a command line does, with the name of the program."""
    words = text.lstrip("$: ").split(maxsplit=1)
    return bool(words) and words[0].rpartition("/")[2] == PROGRAM


def parse(text: str, *, now: int | None = None) -> Link:
    """What a command line names, as ``command_line`` writes it or as people do.

    Args:
        text: with the program's name; a shell's prompt before it does not matter.
        now: µs; what relative times count from.

    Raises:
        ConfigurationError: it is none, or one of its options cannot be read.
    """
    from argparse import SUPPRESS, ArgumentParser  # noqa: PLC0415 - only where one is read

    class Parser(ArgumentParser):
        def error(self, message: str) -> Any:
            raise ConfigurationError(f"{PROGRAM}: {message}")

    if not is_link(text):
        raise ConfigurationError(f"a command line begins with {PROGRAM}")
    try:
        words = shlex.split(text.lstrip("$: "))
    except ValueError as error:
        raise ConfigurationError(f"this is no command line: {str(error).lower()}") from None
    parser = Parser(PROGRAM, add_help=False, allow_abbrev=False)
    arguments(parser)
    for option, takes_value in _APPEARANCE.items():
        parser.add_argument(option, action="store" if takes_value else "store_true", help=SUPPRESS)
    return link_of(parser.parse_args(joined(words[1:])), now=now)


def arguments(parser: ArgumentParser) -> None:
    """Give a parser the arguments of a link."""
    from argparse import SUPPRESS  # noqa: PLC0415 - as above

    add = parser.add_argument
    add("database", nargs="?", metavar="URL|PROFILE", help="postgresql://..., a file of SQLite, or a profile")
    add("--schema", metavar="NAME", help="the Postgres schema")
    add("--table", metavar="NAME", help="the log table (logs)")
    add("-q", "--query", default="", metavar="QUERY", help="what to look for: level>=warn service:api")
    add("--since", metavar="TIME", help="15m (and on from there), today, 10:42, 2026-11-20T10:00")
    add("--until", metavar="TIME", help="as --since; that moment excluded")
    add("--level", metavar="LEVEL", help="this level and above: warning")
    add("--at", metavar="CURSOR", help="with the cursor on this place")
    add("--trace", metavar="ID", help="show a trace")
    add("--entry", metavar="ID", help="show an entry; the last 8 digits of its id are enough")
    add("--columns", metavar="NAMES", help="columns of the rows, with commas")
    add("--tz", metavar="ZONE", help="show times so: UTC, local, Europe/Berlin")
    add("--encoded", action="store_true", help=SUPPRESS)


def joined(words: Sequence[str]) -> list[str]:
    """The words for ``argparse``, each option with its value in one, which may then begin with a dash (``-q -a:b``)."""
    made: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*made, word, *rest]
        option = _OPTIONS.get(word)
        value = None if option is None else next(rest, None)
        made.append(word if value is None else f"{option}={value}")
    return made


def link_of(given: Namespace, *, now: int | None = None) -> Link:
    """The link that the arguments of a parser name (see ``arguments``).

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    texts = {name: getattr(given, name) for name in _TEXTS}
    if given.encoded:
        texts = {name: None if text is None else _decoded(text) for name, text in texts.items()}
    zone, columns, level = texts["tz"], texts["columns"], texts["level"]
    last = None if texts["since"] is None or texts["until"] is not None else _seconds(texts["since"])
    return Link(
        database=texts["database"],
        schema=texts["schema"],
        table=texts["table"],
        query=texts["query"],
        last=last,
        since=None if last is not None else _moment("--since", texts["since"], zone, now),
        until=_moment("--until", texts["until"], zone, now),
        least=0 if level is None else least_of(level),
        at=None if texts["at"] is None else _cursor(texts["at"]),
        trace=texts["trace"],
        entry=texts["entry"],
        columns=None if columns is None else columns_of(columns),
        zone=zone,
    )


def _decoded(text: str) -> str:
    try:
        return urllib.parse.unquote_to_bytes(text).decode("utf-8", "surrogatepass")
    except UnicodeError:
        raise ConfigurationError("--encoded: what is encoded here is no text") from None


def least_of(level: str) -> int:
    """The index into ``LEVELS`` of a level's name; ``all`` is 0.

    Raises:
        ConfigurationError: there is none of that name.
    """
    found = _LEAST.get(level.strip().lower())
    if found is None:
        raise ConfigurationError(f"{level[:80]!r} is not a level: use {', '.join(LEVELS)}")
    return found


def columns_of(text: str) -> tuple[str, ...]:
    """Names with commas between them; one in a name in `backquotes` is no such comma."""
    return tuple(_COLUMN.findall(text))


def _cursor(text: str) -> Cursor:
    from dblog.reading.values import Cursor  # noqa: PLC0415 - only where one is named

    return Cursor.parse(text)


def _seconds(text: str) -> int | None:
    """Of a length of time that goes on with time; None of any other text."""
    match = _LAST.fullmatch(text.strip().removeprefix("-"))
    return (int(match[1]) * _UNITS[match[2]] or None) if match else None


def _moment(option: str, text: str | None, zone: str | None, now: int | None) -> int | None:
    if text is None:
        return None
    if _OURS.fullmatch(text):
        try:
            return (dt.datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            raise ConfigurationError(f"{option} {text}: there is no such time") from None
    if re.fullmatch(r"-?[0-9]{17,25}us", text):  # of a time no calendar has
        return int(text[:-2])
    from dblog_tui import goto  # noqa: PLC0415 - loads the query language

    try:
        return goto.moment(text, now=now, zone=None if zone is None else goto.zone(zone))
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}") from None
