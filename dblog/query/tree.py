"""The tree of a query: what the grammar makes, and what SQL, the predicate and canonical text are made of.

Everything is resolved here: aliases to columns, level names to severities, times to µs, units to the
field's own. Trees are values: equal queries have equal trees, and ``canonical`` text parses back to the
same one. ``docs/query-language.md`` says in words what each node means.

Three readings have to agree on every node, so each is two-valued: a leaf is false, never unknown, where
its field is absent. Absent is what is missing, SQL NULL, JSON null, or metadata that is no JSON.

They agree on every row dblog can have written. Others no query fails for, but a key that occurs twice in an
object, or an integer with an exponent (``1e3``), is what the database's own JSON makes of it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.query.regex import Regex

__all__ = [
    "All",
    "And",
    "Equal",
    "Field",
    "Has",
    "Kind",
    "Like",
    "Node",
    "Not",
    "Or",
    "Pattern",
    "Range",
    "Search",
    "Value",
    "Wild",
    "both",
    "either",
    "has_regex",
    "negated",
]  # fmt: skip


class Kind(enum.Enum):
    """What a field holds, and so which operators it has."""

    TEXT = "text"
    """A column of text."""
    KEY = "key"
    """An identifier (``trace_id``, ``user_id`` …): ``:`` finds it as typed, in lower and in upper case, which
    an index can answer; ``trace_id`` has one."""
    LEVEL = "level"
    """``level``: compared by rank, which is the column ``severity``; patterns look at the name."""
    INT = "int"
    """``severity``, ``pid``, ``lineno``, ``seq``."""
    TIME = "time"
    """``timestamp``, ``ingested_at``: values are µs since 1970 UTC."""
    UUID = "uuid"
    """``id``, ``instance_id``: equality only."""
    PATH = "path"
    """A path into ``metadata``."""
    METADATA = "metadata"
    """The whole of ``metadata``: only ``has(metadata)``."""
    ANY = "any"
    """``*:``: every TEXT and KEY column, the level's name, and every string and integer in ``metadata``, at any depth.
    Only in ``Like``."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a path into ``metadata``."""

    name: str
    """The column's name (``metadata`` for a path); ``*`` for any."""
    kind: Kind
    path: tuple[str | int, ...] = ()
    """Keys of objects (str) and indexes of arrays (int, 0 to 2**31 - 1), at most ``MOST_STEPS``; only of Kind.PATH.

    No key has a quotation mark, a backslash, a backquote or a control character in it: SQLite cannot look for those.
    """

    @property
    def places(self) -> tuple[tuple[str | int, ...], ...]:
        """Where in ``metadata`` the value may be: nested, and, for names only, under one key with dots in it.

        ``http.status`` finds ``{"http": {"status": 500}}`` and ``{"http.status": 500}``, as OpenTelemetry
        instrumentations write it. A field has the values of all its places.
        """
        if len(self.path) > 1 and all(isinstance(step, str) for step in self.path):
            return self.path, (".".join(map(str, self.path)),)
        return (self.path,)


class Wild(enum.Enum):
    """The wildcards of a pattern."""

    ANY = "*"
    """Any number of characters, none included."""
    ONE = "?"
    """Exactly one character (code point)."""


Pattern: TypeAlias = tuple[str | Wild, ...]
"""Literal pieces (never empty, never two in a row), wildcards (never two ``*`` in a row); ``()`` is the empty text."""

Value: TypeAlias = str | int | float | bool | UUID
"""A literal, by kind of field. No text holds U+0000 or a lone surrogate, which neither database can be asked for.

===========  ==========================================================================================
TEXT, KEY    ``str``; in ``Range`` also a number, which compares with texts that are one
LEVEL        ``int``: a severity, 1-24
INT          ``int`` or ``float``
TIME         ``int``: µs
UUID         ``UUID``
PATH         ``str``; ``int`` or ``float`` (both within ±(2**53 - 1), floats of at most 15 digits); ``bool``
===========  ==========================================================================================
"""


@dataclass(frozen=True, slots=True)
class All:
    """The empty query: every entry."""


@dataclass(frozen=True, slots=True)
class And:
    """Two parts or more, none of them an And."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two parts or more, none of them an Or."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is false, absent fields included; never of a Not."""

    part: Node


@dataclass(frozen=True, slots=True)
class Has:
    """The field is there: not NULL, not JSON null. An empty text, list or object is there."""

    field: Field


@dataclass(frozen=True, slots=True)
class Equal:
    """``=``, ``!=``, ``in``, and ``:`` with a number, ``true`` or ``false``.

    Texts are equal code point by code point. In ``metadata`` a number equals JSON numbers within
    ±(2**53 - 1) and strings that are a number (see ``values.number_of``); a bool equals that JSON bool and the strings
    ``true`` or ``false`` in any case; a str equals strings and, by their digits, integers. Arrays: any element.
    """

    field: Field
    value: Value
    negated: bool = False
    """``!=``: the field is there, and no element of it is equal."""


@dataclass(frozen=True, slots=True)
class Range:
    """``< <= > >=`` and ``[a TO b]``; one bound at least, no bool. In an array one element lies within both bounds.

    Numbers compare with numbers and with strings that are one; texts with texts, by code point (not with
    numbers).
    """

    field: Field
    low: Value | None = None
    high: Value | None = None
    low_open: bool = False
    """The low bound itself is outside."""
    high_open: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """The whole text form fits the pattern, A-Z and a-z being the same: ``:``, ``like``, ``~``, and bare words.

    The text form of a column is its text, or an integer's digits; in ``metadata`` that of strings, and of integers
    within ±(2**53 - 1); nothing else has one. Arrays: any element. Letters beyond ASCII fit as typed, all lower, all
    upper, or capitalised (see ``values.variants``).
    """

    field: Field
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Search:
    """``=~``: the regex is found somewhere in the text form."""

    field: Field
    regex: Regex


Node: TypeAlias = All | And | Or | Not | Has | Equal | Range | Like | Search


def both(parts: Iterable[Node]) -> Node:
    """The parts ANDed; those of an And among them are its parts."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def either(parts: Iterable[Node]) -> Node:
    """The parts ORed, likewise."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def negated(part: Node) -> Node:
    """The opposite of a part."""
    return part.part if isinstance(part, Not) else Not(part)


def has_regex(tree: Node) -> bool:
    """Whether there is a Search in it."""
    if isinstance(tree, And | Or):
        return any(map(has_regex, tree.parts))
    return has_regex(tree.part) if isinstance(tree, Not) else isinstance(tree, Search)


MOST_TERMS: Final = 64
"""Leaves of a tree at most."""
MOST_DEPTH: Final = 32
"""And, Or and Not inside each other at most; parentheses in the text as well."""
MOST_STEPS: Final = 32
"""Keys and indexes of a path at most."""
MOST_LENGTH: Final = 4096
"""Characters of a query at most."""
