"""The formats of an export: NDJSON, one JSON array, CSV. Each is made in pieces that only have to be joined."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, Protocol

from dblog.errors import ConfigurationError
from dblog.interchange import COLUMNS, iso, to_json
from dblog.query.fields import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.entry import LogEntry

__all__ = ["FORMATS", "Format", "columns_of", "format_of", "tamed"]

FORMATS: Final = ("ndjson", "json", "csv")
_FORMULAS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for a formula, in the widths of East Asian scripts too."""
_CONTROLS: Final = ("\t", "\r", "\n")


class Format(Protocol):
    """How entries become bytes."""

    def head(self) -> bytes:
        """What goes before everything."""

    def body(self, entries: Sequence[LogEntry], *, first: bool) -> bytes:
        """Some entries; ``first`` says that none went before them."""

    def tail(self, *, empty: bool) -> bytes:
        """What goes behind everything; ``empty`` says that there was no entry."""


def columns_of(text: str | None) -> tuple[str, ...]:
    """The columns named in a list with commas, in its order; every one where None. Aliases are understood.

    Raises:
        ConfigurationError: one is no column.
    """
    if text is None:
        return COLUMNS
    columns: list[str] = []
    for name in filter(None, map(str.strip, text.split(","))):
        found = column(name)
        if found is None:
            raise ConfigurationError(f"columns={name!r} is not a column: use {', '.join(COLUMNS)}")
        columns.append(found.name)
    if not columns:
        raise ConfigurationError(f"columns={text!r} names no column: use {', '.join(COLUMNS)}")
    return tuple(dict.fromkeys(columns))


def format_of(name: str, columns: tuple[str, ...] = COLUMNS, *, raw: bool = False) -> Format:
    """The format of that name.

    Args:
        name: one of ``FORMATS``.
        columns: which, in their order (CSV only; JSON has the order of the columns).
        raw: CSV: leave formulas as they are.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name == "csv":
        return _Csv(columns, raw=raw)
    chosen = None if columns == COLUMNS else frozenset(columns)
    if name == "json":
        return _Json(chosen)
    if name == "ndjson":
        return _Ndjson(chosen)
    raise ConfigurationError(f"format={name!r} is not a format: use one of {', '.join(FORMATS)}")


class _Ndjson:
    def __init__(self, columns: frozenset[str] | None) -> None:
        self._columns = columns

    def head(self) -> bytes:
        return b""

    def body(self, entries: Sequence[LogEntry], *, first: bool) -> bytes:  # noqa: ARG002 - the protocol's
        return b"".join([to_json(entry, self._columns) + b"\n" for entry in entries])

    def tail(self, *, empty: bool) -> bytes:  # noqa: ARG002 - as above
        return b""


class _Json(_Ndjson):
    def head(self) -> bytes:
        return b"["

    def body(self, entries: Sequence[LogEntry], *, first: bool) -> bytes:
        lines = b",\n".join([to_json(entry, self._columns) for entry in entries])
        return (b"\n" if first else b",\n") + lines if entries else b""

    def tail(self, *, empty: bool) -> bytes:
        return b"]\n" if empty else b"\n]\n"


class _Csv:
    """RFC 4180: CRLF, quotes where they are needed, a header. An absent value is an empty cell."""

    def __init__(self, columns: tuple[str, ...], *, raw: bool) -> None:
        self._columns, self._raw = columns, raw

    def head(self) -> bytes:
        return self._lines([list(self._columns)])

    def body(self, entries: Sequence[LogEntry], *, first: bool) -> bytes:  # noqa: ARG002 - the protocol's
        return self._lines([[self._cell(name, getattr(entry, name)) for name in self._columns] for entry in entries])

    def tail(self, *, empty: bool) -> bytes:  # noqa: ARG002 - as above
        return b""

    def _cell(self, name: str, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, int):
            return iso(value) if name in {"timestamp", "ingested_at"} else str(value)
        return str(value) if self._raw else tamed(str(value))

    def _lines(self, rows: list[list[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode(errors="replace")


def tamed(cell: str) -> str:
    """A cell no spreadsheet takes for a formula: with an apostrophe before what would begin one.

    Blanks before it do not help: some programs strip them (OWASP, "CSV Injection").
    """
    if cell.startswith(_CONTROLS) or cell.lstrip().startswith(_FORMULAS):
        return f"'{cell}"
    return cell
