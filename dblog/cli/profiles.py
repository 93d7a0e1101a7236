"""Which database a command means: its options, the environment, and profiles in a TOML file.

``--url`` goes before ``--profile``, then ``DBLOG_URL``, ``DBLOG_PROFILE``, and the file's ``default``. A URL that is
given outright takes nothing from the file, which is then not read at all.
"""

from __future__ import annotations

import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError
from dblog.names import DEFAULT_TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

__all__ = ["COLOURS", "Database", "Profiles", "config_path", "resolve"]

_KEYS: Final[dict[str, tuple[type, ...]]] = {
    "url": (str,),
    "schema": (str,),
    "table": (str,),
    "password_file": (str,),
    "statement_timeout": (int, float),
    "tail_overlap": (int, float),
    "colour": (str,),
    "admin_url": (str,),
}
_KINDS: Final = {str: "a text", int: "a number of seconds above 0"}

COLOURS: Final = ("red", "yellow", "green", "blue", "magenta", "cyan")
"""What a profile's ``colour`` may be: those every terminal has."""

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds a query may take where nothing says otherwise."""
DEFAULT_OVERLAP: Final = 10.0
"""Seconds a tail of ClickHouse looks back: the reader's own default, which is not loaded for it."""


@dataclass(frozen=True, slots=True)
class Database:
    """What a command works on."""

    url: str
    schema: str | None = None
    table: str = DEFAULT_TABLE
    password_file: Path | None = None
    statement_timeout: float = DEFAULT_TIMEOUT
    """Seconds."""
    tail_overlap: float = DEFAULT_OVERLAP
    """Seconds; of ClickHouse, how long a row may stay unseen after it was taken (``LogReader``)."""
    colour: str | None = None
    """Of the terminal application's header, as a warning: red where it is production."""
    admin_url: str | None = None
    """With which the terminal application may store dead letters again; nothing else uses it."""

    @property
    def login(self) -> str | URL:
        """The URL with the password of ``password_file`` in it, for what takes no password apart from a URL.

        Raises:
            ConfigurationError: the file cannot be read, or the URL is none.
        """
        if self.password_file is None:
            return self.url
        from dblog.url import sync_url

        try:
            password = self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            msg = f"password_file={str(self.password_file)!r} cannot be read: {why}"
            raise ConfigurationError(msg) from None
        return sync_url(self.url).set(password=password)


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of one file, checked one by one as they are asked for: a mistake in one does not bar the others."""

    path: Path
    tables: Mapping[str, Any]
    default: str | None

    @classmethod
    def read(cls, path: Path) -> Profiles:
        """The file's profiles; none where there is no file.

        Raises:
            ConfigurationError: it cannot be read, is not TOML, or holds something else.
        """
        import tomllib

        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return cls(path, {}, None)
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise ConfigurationError(msg) from None
        except ValueError as error:  # TOML, and UTF-8
            msg = f"{path} is not TOML: {error}"
            raise ConfigurationError(msg) from None
        tables, default = document.get("profiles", {}), document.get("default")
        if unknown := sorted(document.keys() - {"profiles", "default"}):
            msg = f"{path}: {unknown[0]!r} is not allowed at the top: use default and [profiles.NAME]"
            raise ConfigurationError(msg)
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            msg = f"{path}: 'profiles' holds tables only: write [profiles.NAME] and its keys below"
            raise ConfigurationError(msg)
        if default is not None and default not in tables:
            msg = f"{path}: default={default!r} is not a profile: {_known(tables)}"
            raise ConfigurationError(msg)
        return cls(path, tables, default)

    def get(self, name: str) -> Database:
        """The database of one profile.

        Raises:
            ConfigurationError: there is none of that name, or a key or a value in it is not allowed.
        """
        if name not in self.tables:
            msg = f"profile {name!r} is not in {self.path}: {_known(self.tables)}"
            raise ConfigurationError(msg)
        table = self.tables[name]
        for key, value in table.items():
            self._check(name, key, value)
        if "url" not in table:
            msg = f"{self.path}: profiles.{name} has no url"
            raise ConfigurationError(msg)
        # Beside the file that names it, wherever the command is run.
        file = self.path.parent / Path(table["password_file"]).expanduser() if "password_file" in table else None
        return Database(**{**table, "password_file": file})

    def _check(self, name: str, key: str, value: object) -> None:
        if key not in _KEYS:
            msg = f"{self.path}: profiles.{name}.{key} is not allowed: use {', '.join(_KEYS)}"
            raise ConfigurationError(msg)
        kinds = _KEYS[key]
        wrong = not isinstance(value, kinds) or isinstance(value, bool) or value == ""
        if wrong or (isinstance(value, (int, float)) and not 0 < value < float("inf")):
            shown = "" if key.endswith("url") else f"={value!r}"
            msg = f"{self.path}: profiles.{name}.{key}{shown} is not allowed: give {_KINDS[kinds[0]]}"
            raise ConfigurationError(msg)
        if key == "colour" and value not in COLOURS:
            msg = f"{self.path}: profiles.{name}.colour={value!r} is not allowed: use {', '.join(COLOURS)}"
            raise ConfigurationError(msg)

    @property
    def exposed(self) -> bool:
        """A URL in the file holds a password, and others than its owner may read it."""
        found = (table.get(key) for table in self.tables.values() for key in ("url", "admin_url"))
        urls = [url for url in found if isinstance(url, str)]
        return any(map(_has_password, urls)) and bool(self.path.stat().st_mode & 0o044)


def _known(tables: Mapping[str, Any]) -> str:
    return f"there are {', '.join(sorted(tables))}" if tables else "it has no profiles"


def _has_password(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return True  # a URL that cannot be taken apart, most often because of what is in its password
    return bool(parts.password) or "password" in urllib.parse.parse_qs(parts.query)


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the profiles lie: ``DBLOG_CONFIG``, or ``config.toml`` in the user's configuration of dblog."""
    if given := environment.get("DBLOG_CONFIG"):
        return Path(given)
    import platformdirs

    return platformdirs.user_config_path("dblog") / "config.toml"


def resolve(
    url: str | None, profile: str | None, environment: Mapping[str, str] = os.environ
) -> tuple[Database | None, str | None]:
    """The database that is meant, None where nothing names one; and a warning for people, if any.

    Raises:
        ConfigurationError: an option is given and empty, or the profile or its file is wrong.
    """
    for option, value, example in (("url", url, "postgresql://..."), ("profile", profile, "NAME")):
        if value is not None and not value.strip():
            # A script's unset variable, most likely: the default could be another database than the one it means.
            raise ConfigurationError(f"--{option} is empty: give --{option} {example}, or leave it out")
    if url := url or (None if profile else environment.get("DBLOG_URL")):
        return Database(url), None
    profiles = Profiles.read(config_path(environment))
    name = profile or environment.get("DBLOG_PROFILE") or profiles.default
    if not name:
        return None, None
    database = profiles.get(name)
    if not profiles.exposed:
        return database, None
    return database, f"{profiles.path} holds a password and others can read it: chmod 600, or use password_file"
