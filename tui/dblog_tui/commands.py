"""What can be typed behind ``:``: one table, which parsing, completion, the palette and the help are made of.

A command without its argument does what its key does, where it has one: it asks for it. Names may be shortened as long
as they are one command's only. A pasted ``dblog-tui …`` is a command as well.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from dblog.errors import ConfigurationError
from dblog_tui import links
from dblog_tui.keys import KEYS
from dblog_tui.view import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dblog_tui.links import Link

__all__ = ["COMMANDS", "SETTINGS", "Command", "Completion", "Known", "Spec", "complete", "parse"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One command."""

    name: str
    says: str
    argument: str = ""
    """What it takes, in capitals; in brackets where it may be left out."""
    kind: str = ""
    """What completes it: a key of ``_VALUES``."""
    aliases: tuple[str, ...] = ()
    key: str = ""
    """The id of the key that does it, and asks for what it takes."""

    @property
    def usage(self) -> str:
        """As it is typed."""
        return f":{self.name} {self.argument}".rstrip()

    @property
    def action(self) -> str:
        """What the key does; empty without one."""
        return _ACTIONS.get(self.key, "")


_ACTIONS: Final = {key.id: f"app.{key.action}" if key.where == "everywhere" else key.action for key in KEYS}

COMMANDS: Final = (
    Spec("filter", "only entries that match; without a query: all", "[QUERY]", "query", ("f",)),
    Spec("find", "jump to what matches, hide nothing", "QUERY", "query", key="logs.find"),
    Spec("goto", "go to a time: 14:05, -2h, yesterday", "TIME", "time", ("g",), "logs.goto"),
    Spec("range", "look at a range: 15m, all, 10:00 .. 11:00, yesterday", "RANGE", "range", ("r", "time")),
    Spec("level", "the least level that is shown", "LEVEL", "level"),
    Spec("tz", "show times in this zone", "ZONE", "zone"),
    Spec("columns", "choose columns: time,level,service,message", "[NAMES]", "columns", ("cols",), "logs.columns"),
    Spec("export", "write what matches into a file", "[FILE]", "file", ("w", "write"), "logs.export"),
    Spec("link", "copy this view and row as a command line", aliases=("share", "xc"), key="logs.link"),
    Spec("view", "load, save or rm a named view", "load|save|rm NAME", "view"),
    Spec("views", "saved views", key="logs.views"),
    Spec("watch", "look every 10 s how many match, and ring; without a query: no more", "[QUERY]", "query"),
    Spec("note", "mark this row with a note", "[TEXT]", key="logs.note"),
    Spec("conn", "open another database", "[URL|PROFILE]", "profile", ("connect", "open")),
    Spec("health", "writers, dead letters, the table", key="logs.health"),
    Spec("trace", "a whole trace; without an id: this row's", "[ID]", key="logs.trace"),
    Spec("entry", "go to an entry; the last 8 digits of its id are enough", "ID"),
    Spec("context", "what was logged around this row", "[N]", key="logs.context"),
    Spec("patterns", "templates, and how many entries of each", key="logs.patterns"),
    Spec("compare", "what differs here from everything else", key="logs.compare"),
    Spec("fields", "fields and their values, with counts", key="logs.fields"),
    Spec("histogram", "into the histogram", aliases=("hist",), key="logs.histogram"),
    Spec("theme", "colours: ansi-dark, textual-dark, nord", "NAME", "theme"),
    Spec("set", "change a setting until you leave", "NAME=VALUE", "setting"),
    Spec("sql", "the SQL of this view", key="logs.sql"),
    Spec("help", "the keys, and these commands", aliases=("h",), key="everywhere.help"),
    Spec("quit", "quit", aliases=("q", "exit"), key="everywhere.quit"),
)
"""In the order in which people read them."""

SETTINGS: Final = {"wrap": ("on", "off"), "relative": ("on", "off"), "mouse": ("on", "off")}
"""What ``:set`` sets, and to what."""

_BY_NAME: Final = {name: spec for spec in COMMANDS for name in (spec.name, *spec.aliases)}
_VERBS: Final = ("load", "save", "rm")


@dataclass(frozen=True, slots=True)
class Command:
    """What was typed."""

    name: str
    """Of a ``Spec``; ``open`` of a command line."""
    argument: str = ""
    verb: str = ""
    """Of ``:view``."""
    link: Link | None = None
    """Of a command line."""

    @property
    def action(self) -> str:
        """The action that does it, where no argument says more; empty: it is done by its name."""
        spec = _BY_NAME.get(self.name)
        return spec.action if spec is not None and not self.argument else ""


def parse(text: str, *, now: int | None = None) -> Command:
    """The command of a line.

    Args:
        text: with or without its colon.
        now: µs; what the times of a command line count from.

    Raises:
        ConfigurationError: it is none, or its argument is missing or wrong.
    """
    if links.is_link(text):
        return Command("open", link=links.parse(text, now=now))
    name, _, argument = text.strip().lstrip(":").strip().partition(" ")
    spec, argument = _named(name), argument.strip()
    if argument and not spec.argument:
        raise ConfigurationError(f":{spec.name} takes nothing behind it")
    if not argument and spec.argument and not spec.argument.startswith("[") and not spec.action:
        raise ConfigurationError(f"{spec.usage}: {spec.argument.partition(' ')[0]} is missing")
    check = _CHECKS.get(spec.name)
    return check(argument) if check is not None and argument else Command(spec.name, argument)


def _named(name: str) -> Spec:
    if not name:
        raise ConfigurationError("type a command; Tab completes it")
    if (spec := _BY_NAME.get(name.lower())) is not None:
        return spec
    meant = {spec.name: spec for key, spec in _BY_NAME.items() if key.startswith(name.lower())}
    if len(meant) == 1:
        return next(iter(meant.values()))
    if meant:
        raise ConfigurationError(f":{name} may be {', '.join(f':{each}' for each in meant)}")
    near = difflib.get_close_matches(name.lower(), _BY_NAME, 1)
    hint = f"did you mean :{near[0]}?" if near else "Tab shows what there is"
    raise ConfigurationError(f"there is no command :{name[:40]}; {hint}")


def _view(argument: str) -> Command:
    verb, _, name = argument.partition(" ")
    if verb not in _VERBS:
        return Command("view", argument, "load")
    if not name.strip():
        raise ConfigurationError(f":view {verb} NAME: which view?")
    return Command("view", name.strip(), verb)


def _level(argument: str) -> Command:
    return Command("level", LEVELS[links.least_of(argument)])


def _number(argument: str) -> Command:
    if not (argument.isascii() and argument.isdigit() and 0 < int(argument) <= _MOST_CONTEXT):
        raise ConfigurationError(f":context N: a number of rows, 1 to {_MOST_CONTEXT}")
    return Command("context", argument)


def _setting(argument: str) -> Command:
    name, value = ([*re.split(r"\s*=\s*|\s+", argument, maxsplit=1), ""])[:2]
    if name not in SETTINGS:
        raise ConfigurationError(f"there is no setting {name[:40]!r}: use {', '.join(SETTINGS)}")
    if value not in SETTINGS[name]:
        raise ConfigurationError(f":set {name}={'|'.join(SETTINGS[name])}")
    return Command("set", f"{name}={value}")


_MOST_CONTEXT: Final = 500
_CHECKS: Final[Mapping[str, Callable[[str], Command]]] = {
    "view": _view, "level": _level, "context": _number, "set": _setting,
}  # fmt: skip


# -- completion ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to complete with."""

    views: Sequence[str] = ()
    columns: Sequence[str] = ()
    profiles: Sequence[str] = ()
    themes: Sequence[str] = ()
    query: Callable[[str], Sequence[str]] | None = None
    """Whole queries that go on from one that is begun."""


class Completion(NamedTuple):
    """A line that may be meant."""

    text: str
    """The whole line, without the colon."""
    says: str
    """What it does, or nothing."""


def complete(text: str, known: Known | None = None) -> list[Completion]:
    """What the line may become, the likeliest first."""
    line = text.lstrip().lstrip(":").lstrip()
    if links.is_link(line):
        return []
    name, blank, argument = line.partition(" ")
    if not blank:
        specs = [spec for spec in COMMANDS if spec.name.startswith(name.lower())]
        specs += [_BY_NAME[alias] for alias in _BY_NAME if alias == name.lower() and _BY_NAME[alias] not in specs]
        return [Completion(f"{spec.name} " if spec.argument else spec.name, spec.says) for spec in specs]
    try:
        spec = _named(name)
    except ConfigurationError:
        return []
    values = _VALUES.get(spec.kind)
    if values is None:
        return []
    return [Completion(f"{name} {value}", "") for value in values(argument.lstrip(), known or Known())]


def _beginning(argument: str, values: Sequence[str]) -> Iterator[str]:
    """Those that begin so, then those that have it within."""
    lower = argument.lower()
    yield from (value for value in values if value.lower().startswith(lower))
    if lower:
        yield from (value for value in values if lower in value.lower()[1:] and not value.lower().startswith(lower))


def _zones(argument: str, _known: Known) -> Iterator[str]:
    from dblog_tui.goto import zone_names  # noqa: PLC0415 - reads a folder

    return _beginning(argument, zone_names())


def _columns(argument: str, known: Known) -> Iterator[str]:
    before, comma, last = argument.rpartition(",")
    taken = set(before.split(","))
    return (f"{before}{comma}{name}" for name in _beginning(last.strip(), known.columns) if name not in taken)


def _views(argument: str, known: Known) -> Iterator[str]:
    verb, blank, name = argument.partition(" ")
    if not blank:
        yield from (f"{each} " for each in _beginning(verb, _VERBS))
        yield from (f"load {view}" for view in _beginning(verb, known.views))
    elif verb in _VERBS:
        yield from (f"{verb} {view}" for view in _beginning(name.strip(), known.views))


_SETTING: Final = tuple(f"{name}={value}" for name, values in SETTINGS.items() for value in values)
_TIMES: Final = ("-15m", "-1h", "-1d", "today", "yesterday", "now")
_RANGES: Final = ("15m", "1h", "24h", "7d", "today", "yesterday", "all")

_VALUES: Final[Mapping[str, Callable[[str, Known], Iterator[str]]]] = {
    "query": lambda argument, known: iter(known.query(argument) if known.query else ()),
    "time": lambda argument, _: _beginning(argument, _TIMES),
    "range": lambda argument, _: _beginning(argument, _RANGES),
    "level": lambda argument, _: _beginning(argument, LEVELS),
    "zone": _zones,
    "columns": _columns,
    "view": _views,
    "profile": lambda argument, known: _beginning(argument, known.profiles),
    "theme": lambda argument, known: _beginning(argument, known.themes),
    "setting": lambda argument, _: _beginning(argument, _SETTING),
}
