"""What may stand at the cursor of a query: names of fields, their values, times; pure functions of text and values."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog_tui.highlight import TIME_KEYS, Part, Piece, pieces
from dblog_tui.spelled import LEVEL_FIELDS, paths_of, spelled_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "Candidate", "Place", "Slot", "as_text", "field_names", "names_at", "paths_of", "place_at", "spelled_value",
    "taken", "times_at", "uses_of", "values_at",
]  # fmt: skip


class Slot(enum.Enum):
    """What may stand at a place."""

    FIELD = "field"
    """The name of a field, with an operator behind it; or a word."""
    NAME = "name"
    """The name alone: its operator is there already, or it stands in ``has()``."""
    VALUE = "value"
    TIME = "time"
    NOTHING = "nothing"
    """Texts to search for, regexes, numbers."""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at the cursor, and what a suggestion would replace."""

    slot: Slot
    start: int
    end: int
    typed: str
    """From the start to the cursor; of a string without its quote."""
    field: str = ""
    """Whose value."""
    listed: bool = False
    """Among several values, in a list or a range."""
    ordered: bool = False
    """Behind ``>`` or its kin, or in a range."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One suggestion."""

    insert: str
    """What it writes."""
    shown: str
    note: str = ""
    """A word about it."""
    count: int | None = None
    """Entries that have it."""
    again: bool = False
    """More is needed behind it, so it is no end of a term."""


def place_at(text: str, cursor: int, names: Collection[str] = ()) -> Place:
    """The place of the cursor in a query."""
    found = pieces(text, names)
    operator = ""
    for index, piece in enumerate(found):
        if piece.start >= cursor:
            break
        if piece.part is Part.OPERATOR or (piece.part is Part.BRACKET and text[piece.start] in "[{"):
            operator = text[piece.start : piece.end]
        inside = cursor <= piece.end
        if inside and not (piece.end == cursor and _is_sign(piece)):
            after = found[index + 1] if index + 1 < len(found) else None
            return _place_in(text, cursor, piece, after, operator)
    before = max((piece for piece in found if piece.end <= cursor), key=lambda piece: piece.end, default=None)
    if before is not None and before.expects:
        return _value(text, cursor, cursor, before, operator)
    if before is not None and before.field and before.part is not Part.FIELD and _within(found, cursor, before.field):
        return Place(Slot.NOTHING, cursor, cursor, "")
    is_has = before is not None and before.part is Part.BRACKET and text[: before.start].lower().endswith("has")
    return Place(Slot.NAME if is_has else Slot.FIELD, cursor, cursor, "")


def _is_sign(piece: Piece) -> bool:
    return piece.part in (Part.OPERATOR, Part.BRACKET, Part.NEGATION) or (piece.part is Part.KEYWORD and piece.expects)


def _within(found: Sequence[Piece], cursor: int, field: str) -> bool:
    """In a list or a range that is not closed before the cursor."""
    opened = [piece for piece in found if piece.part is Part.BRACKET and piece.field == field and piece.end <= cursor]
    return bool(opened) and opened[-1].expects


def _place_in(text: str, cursor: int, piece: Piece, after: Piece | None, operator: str) -> Place:
    typed = text[piece.start : cursor]
    if piece.part is Part.FIELD:
        followed = after is not None and (after.part is Part.OPERATOR or text[after.start] == ")")
        at = piece.start + (text[piece.start] == "@")
        name = Slot.NAME if followed and text[piece.start] != "*" else Slot.FIELD
        return Place(name, at, piece.end, typed.removeprefix("@"))
    if piece.part is Part.WORD:
        at = piece.start + (text[piece.start] == "@")
        return Place(Slot.FIELD, at, piece.end, typed.removeprefix("@"))
    if piece.part in (Part.VALUE, Part.STRING) and piece.field:
        return _value(text, cursor, piece.start, piece, operator, end=piece.end)
    return Place(Slot.NOTHING, piece.start, piece.end, typed)


def _value(text: str, cursor: int, start: int, piece: Piece, operator: str, *, end: int | None = None) -> Place:
    typed, sign = text[start:cursor], operator.lower().replace(" ", "")
    if piece.part is Part.STRING:
        typed = typed[1:].removesuffix(typed[0])
    ordered = sign[-1:] in ("<", ">", "[", "{") or sign.endswith((">=", "<="))
    listed = piece.part is not Part.OPERATOR and (piece.expects or sign[-1:] in ("[", "{") or _in_list(text, start))
    slot = Slot.VALUE
    if piece.field in TIME_KEYS or piece.field in _TIMES:
        slot = Slot.TIME
    elif sign in ("~", "!~", "=~") or sign.endswith(("contains", "like")) or piece.field == "*":
        slot = Slot.NOTHING  # a part of a value, not one of them
    elif ordered and piece.field not in LEVEL_FIELDS:
        slot = Slot.NOTHING
    return Place(slot, start, cursor if end is None else end, typed, piece.field, listed, ordered)


def _in_list(text: str, start: int) -> bool:
    head = text[:start].rstrip()
    return head.endswith(("(", ",")) or head.lower().endswith((" or", "|"))


_TIMES: Final = ("timestamp", "ts", "time", "ingested_at")
_RANKS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_AGO: Final = (
    ("5m", "five minutes ago"), ("15m", "a quarter of an hour ago"), ("1h", "an hour ago"), ("24h", "a day ago"),
    ("7d", "a week ago"), ("today", "midnight"), ("yesterday", "the midnight before"),
    ("10:42", "the latest 10:42"), ("2026-11-20T10:42", "a date and a time"),
)  # fmt: skip
_AROUND: Final = (("10:42", "five minutes to each side"), ("10:42±30s", "so much to each side"))


def field_names() -> tuple[str, ...]:
    """Every column and alias. Loads the grammar at the first call."""
    from dblog.query.fields import names  # noqa: PLC0415 - behind the first paint

    return names()


def names_at(place: Place, uses: Mapping[str, int], paths: Iterable[str] = ()) -> list[Candidate]:
    """Fields whose name begins with what was typed, then those that have it within: by use, then by alphabet.

    Args:
        place: where; without a name typed, every field.
        uses: how often somebody has asked for a field, by the name as typed.
        paths: into ``metadata``, as queries write them.
    """
    found: dict[str, tuple[str, str]] = dict(_columns())
    aliased = {alias: note for alias, (_, note) in found.items() if note.startswith("= ")}
    for path in paths:
        found.setdefault(path, (path, "metadata"))
    matching = {name for name in found if _rank(name, place.typed) is not None}
    for alias, note in aliased.items():
        if note[2:] in matching and not uses.get(alias) and alias != place.typed:
            matching.discard(alias)
    if place.slot is Slot.NAME:
        matching -= {*TIME_KEYS, "has"}
    ordered = sorted(matching, key=lambda name: (_rank(name, place.typed), -uses.get(name, 0), name.lower(), name))
    return [made for name in ordered for made in _field(name, found[name][1], alone=place.slot is Slot.NAME)]


def _columns() -> Iterator[tuple[str, tuple[str, str]]]:
    from dblog.query.fields import ALIASES, COLUMNS  # noqa: PLC0415 - as above

    said = {"text": "text", "key": "identifier", "level": "level", "int": "number", "time": "time", "uuid": "UUID"}
    for name, column in COLUMNS.items():
        if column.kind.value in said:
            yield name, (name, said[column.kind.value])
    for alias, name in ALIASES.items():
        if name in COLUMNS and COLUMNS[name].kind.value in said:
            yield alias, (alias, f"= {name}")
    for key in TIME_KEYS:
        yield key, (key, "time")
    yield "has", ("has", "the field is there")


def _field(name: str, note: str, *, alone: bool) -> Iterator[Candidate]:
    if alone:
        yield Candidate(name, name, note)
    elif name == "has":
        yield Candidate("has(", "has(…)", note, again=True)
    elif name in ("level", "lvl"):
        yield Candidate(f"{name}>=", f"{name}>=", "this level and worse", again=True)
        yield Candidate(f"{name}:", f"{name}:", "this level", again=True)
    else:
        yield Candidate(f"{name}:", name, note, again=True)


def _rank(name: str, typed: str) -> int | None:
    """0 where the name begins so, 1 where a part of it does, 2 where it is within; None where it is not in it."""
    low, needle = name.lower(), typed.lower()
    if low.startswith(needle):
        return 0
    if len(needle) < _WITHIN or needle not in low:
        return None
    return 1 if any(low[at - 1] in "._-" for at in range(1, len(low)) if low.startswith(needle, at)) else 2


_WITHIN: Final = 2
"""Letters from which on names and values are also looked through, not only compared from their beginning."""


def values_at(place: Place, values: Iterable[tuple[str, int]]) -> list[Candidate]:
    """Values that begin with what was typed, then those that have it within; each by count.

    Levels stand in their order, and all of them, seen or not: who looks for the first error has seen none.
    """
    counts = dict(values)
    if place.field == "severity":
        return []
    if place.field in LEVEL_FIELDS:
        others = () if place.ordered else (level for level in counts if level not in _RANKS)
        shown = [(level, counts.get(level)) for level in (*reversed(_RANKS), *others)]
    else:
        shown = [(value, counts[value]) for value in sorted(counts, key=lambda value: (-counts[value], value))]
    ranked = [(rank, value, count) for value, count in shown if (rank := _rank(value, place.typed)) is not None]
    ranked.sort(key=lambda each: each[0])
    return [Candidate(spelled_value(value, place.field), value, count=count) for _, value, count in ranked]


def times_at(place: Place) -> list[Candidate]:
    """Examples of times."""
    known = _AROUND if place.field == "around" else _AGO
    return [Candidate(text, text, note) for text, note in known if text.startswith(place.typed)]


def taken(text: str, place: Place, candidate: Candidate) -> tuple[str, int]:
    """The query with a suggestion in it, and where the cursor is then."""
    head, tail = text[: place.start], text[place.end :]
    ends = not (candidate.again or place.listed or tail or place.slot is Slot.NAME)
    written = candidate.insert + " " * ends
    return head + written + tail, len(head) + len(written)


def as_text(text: str) -> str:
    """A query that looks for exactly this text in messages; one that does so already stays as it is."""
    from dblog.query import spelling  # noqa: PLC0415 - as above

    found = pieces(text)
    if not text.strip() or (len(found) == 1 and found[0].part is Part.STRING and text.strip()[-1] in "\"'"):
        return text.strip()
    return text if spelling.plain(text) else spelling.quoted(text)


def uses_of(queries: Iterable[str]) -> dict[str, int]:
    """How often each field is named."""
    uses: dict[str, int] = {}
    for query in queries:
        for piece in pieces(query):
            if piece.part is Part.FIELD:
                uses[piece.field] = uses.get(piece.field, 0) + 1
    return uses
