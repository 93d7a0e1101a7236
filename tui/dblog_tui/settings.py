"""What somebody has set for the terminal application: ``tui.toml``, beside the profiles of ``dblog``.

Reading loads nothing of Textual, whose own environment depends on what is read; ``checked`` then asks Textual which
themes and keys there are. The file is optional. A mistake in it is said with its place, and nothing is guessed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

__all__ = ["DEFAULT_COLUMNS", "GLYPHS", "Settings", "load", "settings_path", "zone_of"]

DEFAULT_COLUMNS: Final = ("time", "level", "service", "message")
GLYPHS: Final = ("auto", "unicode", "ascii")
_LONGEST: Final = 256
_MOST_COLUMNS: Final = 20
_KINDS: Final = {str: "a text", bool: "true or false", tuple: "a list of texts", dict: "a table of ids and keys"}
_THEME_LIGHT: Final = "ansi-light"
_THEME: Final = "ansi-dark"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set; a flag of the command line goes before the file."""

    theme: str = ""
    """A theme of Textual; empty: the terminal's own sixteen colours (``for_terminal``)."""
    glyphs: str = "auto"
    """``unicode``, ``ascii``, or ``auto``: by the terminal's encoding."""
    timezone: str = ""
    """``UTC``, ``Europe/Berlin``; empty: the machine's."""
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    mouse: bool = True
    slow: bool = False
    """A slow line: fewer frames a second."""
    wrap: bool = False
    """Long rows are wrapped, not cut."""
    keymap: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Ids of ``keys.KEYS`` to keys, several separated by commas."""

    @property
    def zone(self) -> dt.tzinfo | None:
        """Of times; None is the machine's."""
        return zone_of(self.timezone)

    def for_terminal(self, environment: Mapping[str, str], encoding: str | None) -> Settings:
        """With what was left to the terminal decided: its own colours, and glyphs that it can show.

        Args:
            environment: ``COLORFGBG`` tells a light background where the terminal sets it.
            encoding: of stdout.
        """
        utf8 = (encoding or "").lower().replace("-", "") == "utf8" and environment.get("TERM") not in _PLAIN_TERMINALS
        light = environment.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"}
        return replace(
            self,
            theme=self.theme or (_THEME_LIGHT if light else _THEME),
            glyphs=("unicode" if utf8 else "ascii") if self.glyphs == "auto" else self.glyphs,
        )

    def checked(self) -> Settings:
        """With keys in Textual's names.

        Raises:
            ConfigurationError: there is no such theme, id or key.
        """
        from textual.theme import BUILTIN_THEMES  # noqa: PLC0415 - Textual reads its environment when it is imported

        from dblog_tui.keymap import resolved  # noqa: PLC0415 - as above

        if self.theme and self.theme not in BUILTIN_THEMES:
            raise ConfigurationError(f"theme={self.theme!r} is not one of {', '.join(sorted(BUILTIN_THEMES))}")
        return replace(self, keymap=MappingProxyType(resolved(self.keymap)))


_PLAIN_TERMINALS: Final = frozenset({"linux", "vt100", "vt220", "dumb"})
"""Their fonts have the letters of one language."""


def settings_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the settings lie: ``DBLOG_TUI_CONFIG``, or ``tui.toml`` in the user's configuration of dblog."""
    if given := environment.get("DBLOG_TUI_CONFIG"):
        return Path(given)
    import platformdirs  # noqa: PLC0415 - not needed where the environment says it

    return platformdirs.user_config_path("dblog") / "tui.toml"


def load(path: Path | None = None) -> Settings:
    """The settings of a file; the defaults where there is none.

    Raises:
        ConfigurationError: it cannot be read, is not TOML, or holds what it must not.
    """
    import tomllib  # noqa: PLC0415 - needed only where there is a file

    path = path or settings_path()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # TOML, and UTF-8
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    try:
        return Settings(**{name: _value(name, value) for name, value in document.items()})
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def zone_of(name: str) -> dt.tzinfo | None:
    """The time zone of a name; None for the machine's, which is meant by an empty name and by ``local``.

    Raises:
        ConfigurationError: there is none of that name.
    """
    import datetime as dt  # noqa: PLC0415 - with zoneinfo, which is needed only where a zone is named
    import zoneinfo  # noqa: PLC0415 - as above

    if name.lower() in {"", "local"}:
        return None
    if name.upper() in {"UTC", "Z"}:
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"timezone={name[:80]!r} is not known: write UTC, local or a name such as Europe/Berlin"
        raise ConfigurationError(msg) from None


def checked_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Columns' names, each once.

    Raises:
        ConfigurationError: one is no name, is named twice, or there is none or too many.
    """
    for name in names:
        if not name.isprintable() or not name.strip() or len(name) > _LONGEST:
            raise ConfigurationError(f"columns: {name[:80]!r} is neither a column nor a key of metadata")
        if names.count(name) > 1:
            raise ConfigurationError(f"columns: {name!r} is there twice")
    if not 1 <= len(names) <= _MOST_COLUMNS:
        raise ConfigurationError(f"columns: give 1 to {_MOST_COLUMNS} names")
    return names


def _value(name: str, value: Any) -> Any:
    """A value of the file as a field's.

    Raises:
        ConfigurationError: it is not allowed.
    """
    kinds = {each.name: type(getattr(_DEFAULTS, each.name)) for each in fields(Settings)}
    if name not in kinds:
        raise ConfigurationError(f"{name!r} is not allowed: use {', '.join(kinds)}")
    if name == "keymap":
        return _keymap(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = tuple(value)
    if not isinstance(value, kinds[name]):
        raise ConfigurationError(f"{name}={value!r} is not allowed: give {_KINDS[kinds[name]]}")
    if name == "columns":
        return checked_columns(value)
    if name == "glyphs" and value not in GLYPHS:
        raise ConfigurationError(f"glyphs={value!r} is not allowed: use {', '.join(GLYPHS)}")
    if name == "timezone":
        zone_of(value)
    return value


def _keymap(value: Any) -> Mapping[str, str]:
    """Ids and keys as texts; TOML makes tables of ``logs.find = "x"`` without quotes, which are ids as well."""
    if not isinstance(value, dict):
        raise ConfigurationError(f"keymap={value!r} is not allowed: give {_KINDS[dict]}")
    found: dict[str, str] = {}
    for name, keys in value.items():
        if isinstance(keys, dict):
            found |= {f"{name}.{rest}": text for rest, text in _keymap(keys).items()}
        elif isinstance(keys, str):
            found[name] = keys
        elif isinstance(keys, list) and all(isinstance(key, str) for key in keys):
            found[name] = ",".join(keys)
        else:
            raise ConfigurationError(f"keymap.{name}={keys!r} is not allowed: give a key, or a list of keys")
    return MappingProxyType(found)


_DEFAULTS: Final = Settings()
