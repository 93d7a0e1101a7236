"""Views somebody has given a name: ``views.toml``, beside the profiles of ``dblog``, made to be read and edited.

A relative range stays relative. A file with a mistake in it is left alone, and the mistake is said with its place.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError
from dblog_tui import userfiles
from dblog_tui.view import LEVELS, Span, View, duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SavedView", "SavedViews", "checked_name", "views_path"]

_KEYS: Final = ("query", "last", "since", "until", "level", "columns")
_LONGEST: Final = 60
_DURATION: Final = re.compile(r"([0-9]{1,12})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view with a name; where the cursor was is not kept."""

    name: str
    view: View
    columns: tuple[str, ...] | None = None
    """None: as they are set when it is looked at."""


def views_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where they lie: beside the profiles."""
    from dblog.cli.profiles import config_path  # noqa: PLC0415 - behind the first paint

    return config_path(environment).with_name("views.toml")


def checked_name(name: str) -> str:
    """A name as it may be given, without blanks around it.

    Raises:
        ConfigurationError: it may not.
    """
    name = name.strip()
    if not name:
        raise ConfigurationError("a view needs a name")
    if not name.isprintable() or len(name) > _LONGEST:
        raise ConfigurationError(f"a name has at most {_LONGEST} characters, all of which can be seen")
    return name


class SavedViews:
    """The views of one file.

    Args:
        path: the file; ``views_path()`` where None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or views_path()

    def all(self) -> tuple[SavedView, ...]:
        """Every view, by name; read anew, as another program may have saved one.

        Raises:
            ConfigurationError: the file cannot be read, or there is a mistake in it.
        """
        return tuple(sorted(self._read().values(), key=lambda saved: saved.name.lower()))

    def get(self, name: str) -> SavedView:
        """The view of that name.

        Raises:
            ConfigurationError: there is none; and as ``all``.
        """
        views = self._read()
        if (found := views.get(name.strip())) is None:
            known = f"there are {', '.join(sorted(views))}" if views else "none is saved yet"
            raise ConfigurationError(f"there is no view {name.strip()[:80]!r}: {known}")
        return found

    def save(self, saved: SavedView) -> bool:
        """Keep a view, instead of one of the same name; whether there was one.

        Raises:
            ConfigurationError: the name is none, or the file cannot be written; and as ``all``.
        """
        name = checked_name(saved.name)
        with userfiles.alone(self.path):
            views = self._read()
            was_there = name in views
            views[name] = SavedView(name, saved.view, saved.columns)
            self._write(views)
        return was_there

    def remove(self, name: str) -> None:
        """Forget a view; one that is not there is forgotten.

        Raises:
            ConfigurationError: as ``save``.
        """
        with userfiles.alone(self.path):
            views = self._read()
            if views.pop(name, None) is not None:
                self._write(views)

    def _read(self) -> dict[str, SavedView]:
        import tomllib  # noqa: PLC0415 - only where views are asked for

        text = userfiles.read(self.path)
        try:
            document = tomllib.loads(text or "")
        except ValueError as error:
            raise ConfigurationError(f"{self.path} is not TOML: {error}") from None
        tables = document.get("views", {})
        if not isinstance(tables, dict) or document.keys() - {"views"}:
            raise ConfigurationError(f"{self.path}: only tables [views.NAME] are allowed")
        try:
            return {name: _view_of(name, table) for name, table in tables.items()}
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.path}: {error}") from None

    def _write(self, views: Mapping[str, SavedView]) -> None:
        ordered = sorted(views.values(), key=lambda saved: saved.name.lower())
        userfiles.write(self.path, "\n".join(map(_table, ordered)))


# -- reading ---------------------------------------------------------------------------------------------------


def _view_of(name: str, table: Any) -> SavedView:
    place = f"views.{name}"
    if not isinstance(table, dict):
        raise ConfigurationError(f"{place} is no table: write [{place}]")
    for key, value in table.items():
        if key not in _KEYS:
            raise ConfigurationError(f"{place}.{key} is not allowed: use {', '.join(_KEYS)}")
        if key == "columns" and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            raise ConfigurationError(f"{place}.columns={value!r} is not allowed: give a list of texts")
        if key in ("query", "last", "level") and not isinstance(value, str):
            raise ConfigurationError(f"{place}.{key}={value!r} is not allowed: give a text")
    level = table.get("level", LEVELS[0])
    if level not in LEVELS:
        raise ConfigurationError(f"{place}.level={level!r} is not allowed: use {', '.join(LEVELS)}")
    columns = table.get("columns")
    view = View(table.get("query", ""), _span(place, table), LEVELS.index(level))
    return SavedView(name, view, None if columns is None else tuple(columns))


def _span(place: str, table: Mapping[str, Any]) -> Span:
    since, until = (_moment(place, key, table.get(key)) for key in ("since", "until"))
    if (last := table.get("last")) is None:
        return Span(since=since, until=until)
    match = _DURATION.fullmatch(last)
    if match is None or not int(match[1]) or since is not None or until is not None:
        raise ConfigurationError(f"{place}.last={last!r} is not allowed: write 15m, 1h or 7d, and no since or until")
    return Span(last=int(match[1]) * _UNITS[match[2]])


def _moment(place: str, key: str, value: Any) -> int | None:
    """The µs of a time; TOML has times of its own."""
    if value is None:
        return None
    with_zone = isinstance(value, dt.datetime) and value.tzinfo is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not with_zone:
        raise ConfigurationError(f"{place}.{key}={value!r} is not allowed: give a time such as 2026-11-20T10:00:00Z")
    moment: int = (value - _EPOCH) // _MICROSECOND
    return moment


# -- writing ---------------------------------------------------------------------------------------------------


def _table(saved: SavedView) -> str:
    name = saved.name if _BARE.fullmatch(saved.name) else _quoted(saved.name)
    view, span = saved.view, saved.view.span
    lines = [f"[views.{name}]", f"query = {_quoted(view.query)}"]
    if span.last is not None:
        lines.append(f'last = "{duration_text(span.last)}"')
    lines += [f"{key} = {_time(at)}" for key, at in (("since", span.since), ("until", span.until)) if at is not None]
    if view.least:
        lines.append(f'level = "{LEVELS[view.least]}"')
    if saved.columns is not None:
        lines.append(f"columns = [{', '.join(map(_quoted, saved.columns))}]")
    return "\n".join((*lines, ""))


def _time(moment: int) -> str:
    try:
        return (_EPOCH + moment * _MICROSECOND).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(moment)


def _quoted(text: str) -> str:
    return f'"{"".join(_shown(char) for char in text)}"'


def _shown(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() or "\ud800" <= char <= "\udfff":  # these are refused when they are written
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"  # noqa: PLR2004 - TOML's two forms
