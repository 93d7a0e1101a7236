"""The command line of ``dblog-tui``: what may be written beside a link's arguments, and which database it means.

Loads neither Textual nor a database, so that ``--help`` and a mistake are answered at once. A name that is neither a
URL nor a file nor a profile is a mistake, and not the name of a new database.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dblog.cli.profiles import COLOURS, Database, Profiles, config_path, resolve
from dblog.errors import ConfigurationError, DblogError
from dblog_tui.links import arguments, joined
from dblog_tui.settings import zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dblog_tui.links import Link
    from dblog_tui.settings import Settings
    from dblog_tui.source import Source

__all__ = ["Chosen", "database_of", "is_at", "linked", "named", "placed", "read", "settings_of"]

_EXAMPLES: Final = """\
examples:
  dblog-tui                          the database of DBLOG_URL, or of your default profile
  dblog-tui ./logs.db                an SQLite file
  dblog-tui prod -q 'service:payments' --since 1h --level warning
  dblog-tui postgresql:///app --trace 4bf92f3577b34da6a3ce929d0e0e4736
  dblog-tui --demo                   three services, an incident every minute"""
_MAGIC: Final = b"SQLite format 3\0"


def read(words: Sequence[str]) -> argparse.Namespace:
    """The words of a command line; ends the program where they are none, or ask for help."""
    parser = argparse.ArgumentParser(
        prog="dblog-tui",
        description="Browse the logs in a database: live, by filter, by trace. Nothing is written to it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    arguments(parser)
    screen = parser.add_argument_group("how it looks")
    screen.add_argument("--theme", metavar="NAME", help="ansi-dark (the terminal's own colours), textual-dark, ...")
    screen.add_argument("--ascii", action="store_true", help="no glyphs beyond ASCII")
    screen.add_argument("--slow", action="store_true", help="for a slow line: four frames a second")
    screen.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    other = parser.add_argument_group("which database")
    other.add_argument("--demo", action="store_true", help="one of its own, with three services that log into it")
    other.add_argument("--admin", action="store_true", help="dead letters may be stored again, with the same URL")
    other.add_argument("--profile-colour", metavar="NAME", choices=COLOURS, help=f"the header's: {', '.join(COLOURS)}")
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser.parse_args(joined(words))


class Chosen(NamedTuple):
    """A database, as somebody named it."""

    database: Database | None
    """None: nothing names one."""
    name: str | None = None
    """A profile's or a file's; None of a URL, which has no other."""
    warning: str | None = None
    """For people, if any."""


def database_of(asked: argparse.Namespace, text: str | None, environment: Mapping[str, str] = os.environ) -> Chosen:
    """The database that is meant.

    Args:
        asked: for the options that go before the profile's.
        text: a URL, a file or a profile.
        environment: what says it where ``text`` does not.

    Raises:
        ConfigurationError: it is neither a URL, nor an SQLite file, nor a profile.
    """
    given = {"schema": asked.schema, "table": asked.table, "colour": asked.profile_colour}
    return _changed(named(text, environment), given)


def _changed(found: Chosen, given: Mapping[str, str | None]) -> Chosen:
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return found._replace(database=found.database and dataclasses.replace(found.database, **changed))


def named(text: str | None, environment: Mapping[str, str] = os.environ) -> Chosen:
    """The database of one word, which can be a URL, a file or a profile; of none, what the environment names.

    Raises:
        ConfigurationError: it is none of them.
    """
    if text is None:
        database, warning = resolve(None, None, environment)
        by_url = database is None or bool(environment.get("DBLOG_URL"))
        name = None if by_url else environment.get("DBLOG_PROFILE") or Profiles.read(config_path(environment)).default
        return Chosen(database, name, warning)
    if "://" in text:
        return Chosen(Database(text))
    path = Path(text).expanduser()
    if path.is_file():
        return Chosen(Database(f"sqlite:///{_sqlite(path)}"), path.name)
    names = Profiles.read(config_path(environment)).tables
    if text in names:
        database, warning = resolve(None, text, environment)
        return Chosen(database, text, warning)
    known = f"profiles are {', '.join(sorted(names))}" if names else "there are no profiles"
    raise ConfigurationError(f"{text[:200]!r} is neither a URL, nor a file, nor a profile: {known}")


def placed(source: Source) -> dict[str, Any]:
    """What a link says to name the database of a source: schema and table where its address alone means others."""
    database, plain = source.database, _plain(source.address)
    return {
        "database": source.address,
        "schema": None if database.schema == plain.schema else database.schema,
        "table": None if database.table == plain.table else database.table,
    }


def is_at(link: Link, source: Source) -> bool:
    """The link means what the source reads."""
    return linked(link, source).database == source.database


def linked(link: Link, source: Source | None = None, environment: Mapping[str, str] = os.environ) -> Chosen:
    """The database that a link means.

    Args:
        link: names it.
        source: which is read now; a link has no password, and the same database is read with the one that is known.
        environment: what says it where the link does not.

    Raises:
        ConfigurationError: it is neither a URL, nor an SQLite file, nor a profile.
    """
    given = {"schema": link.schema, "table": link.table}
    if source is None or link.database not in (None, source.address, source.database.url):
        return _changed(named(link.database, environment), given)
    here = Chosen(source.database, None if source.name == source.safe_url else source.name)
    if link.database is not None and here.database is not None:
        plain = _plain(source.address)
        here = here._replace(database=dataclasses.replace(here.database, schema=plain.schema, table=plain.table))
    return _changed(here, given)


def _plain(address: str) -> Database:
    """What is meant by an address where nothing else is said."""
    try:
        return named(address).database or Database(address)
    except DblogError:  # the profile has been taken away since
        return Database(address)


def _sqlite(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    if start != _MAGIC:
        raise ConfigurationError(f"{path} is no SQLite database; dblog import reads NDJSON into one")
    if "?" in str(path.resolve()):
        raise ConfigurationError(f"{path} has a question mark in its path, which a URL cannot hold: rename it")
    return path.resolve()


def settings_of(asked: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with the command line's over them.

    Raises:
        ConfigurationError: there is no such zone.
    """
    given: dict[str, object] = {}
    if asked.tz is not None:
        zone_of(asked.tz)
        given["timezone"] = asked.tz
    if asked.theme is not None:
        given["theme"] = asked.theme
    if asked.ascii:
        given["glyphs"] = "ascii"
    if asked.slow:
        given["slow"] = True
    if asked.no_mouse:
        given["mouse"] = False
    return dataclasses.replace(settings, **given)  # type: ignore[arg-type]  # each of its field's type, as set above
