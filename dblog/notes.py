"""What dblog says about a record it had to change: the object ``dblog`` in its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dblog.plain import clean, dump_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Notes", "Suppressed", "cut", "with_notes"]


class Suppressed(NamedTuple):
    """How many records like this one were held back before it; what a ``RateLimit`` puts on a record."""

    records: int
    seconds: float
    """Since the first of them."""


class Notes:
    """What is to be said of one record, for ``metadata.dblog``."""

    __slots__ = ("flags", "info")

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.info: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The value of ``metadata.dblog``; empty when there is nothing to say."""
        return ({"flags": sorted(self.flags)} if self.flags else {}) | self.info

    def suppressed(self, note: Suppressed) -> None:
        """Records like this one were held back."""
        self.info |= {"suppressed": note.records, "suppressed_seconds": round(note.seconds, 3)}

    def clean(self, value: str) -> str:
        """``plain.clean``, noting when it changed something."""
        cleaned = clean(value)
        if cleaned != value:
            self.flags.add("sanitized")
        return cleaned

    def cut(self, field: str, value: str, limit: int) -> str:
        """``cut``, noting what the field measured."""
        shorter = cut(value, limit)
        if shorter is not value:
            self.flags.add("truncated")
            self.info.setdefault("original_bytes", {})[field] = len(value.encode())
        return shorter


def cut(value: str, limit: int) -> str:
    """``value`` in at most ``limit`` bytes of UTF-8: its head, how much is missing, its tail."""
    if len(value) * 4 <= limit:
        return value
    data = value.encode()
    if len(data) <= limit:
        return value
    mark = f" … {len(data)} bytes in all … "
    room = max(0, limit - len(mark.encode()))
    head, tail = room - room // 4, room // 4
    return data[:head].decode(errors="ignore") + mark + data[len(data) - tail :].decode(errors="ignore")


def with_notes(metadata: str | None, notes: Mapping[str, Any]) -> str | None:
    """``metadata`` with ``notes`` merged under ``dblog``; as it is when there are none."""
    if not notes:
        return metadata
    tree = orjson.loads(metadata) if metadata else {}
    known = tree.get("dblog")
    merged = dict(known) if isinstance(known, dict) else {}
    given = merged.pop("flags", None)  # of an entry made by hand: anything JSON knows
    flags = {flag for flag in (given if isinstance(given, list) else ()) if isinstance(flag, str)}
    flags.update(notes.get("flags", ()))
    tree["dblog"] = {**merged, **notes, **({"flags": sorted(flags)} if flags else {})}
    try:
        return orjson.dumps(tree).decode()
    except TypeError:  # orjson reads deeper than it writes
        return (dump_object(tree) or b"{}").decode()
