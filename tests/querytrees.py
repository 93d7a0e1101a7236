"""Hypothesis strategies for queries: entries whose values are easy to hit, and trees as the parser can build them.

Alphabets are small, so that things match, and hold what databases are known to disagree about.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from hypothesis import strategies as st

from dblog.entry import ID_FIELDS, LogEntry
from dblog.plain import dump_object
from dblog.query import regex
from dblog.query import tree as t
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.tree import Field, Kind, Wild
from dblog.query.values import MOST_INT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

START: Final = int(dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000
"""Timestamps of entries are from here on, within a second."""
DAYS: Final = (dt.date(2026, 1, 15), dt.date(2026, 1, 16))
"""The day of all entries, and the one behind it."""

LETTERS: Final = "aAbkKsSiIßẞẗİıΣσςſ\u212aéÉ\u0301ŉǅ%_\\*?'\"\n 01.-/(){}[]:<日😀"
"""Wildcards, quotes, and letters that case mappings treat in a way of their own."""
WORDS: Final = (
    "", "a", "A", "ab", "aB", "AB", "ABC", "ss", "SS", "ß", "aß", "Straße", "STRASSE", "İ", "i̇", "I", "ı", "Σ", "ς",
    "σας", "ſ", "\u212a", "k", "é", "e\u0301", "É", "ŉ", "%", "_", "a%b", "a_b", "\\", "\\%", "a\\", "'", '"', "a\nb",
    "\n", "\t", "*", "?", "true", "True", "TRUE", "false", "null", "None", "日本", "😀", "\uffff", "\ue000", "a b",
    " a", "timeout after 30 s", "Timeout", "\u2400", "\ufffd", "\x7f", "\x85", "\u2028",
)  # fmt: skip
NUMERALS: Final = (
    "0", "1", "-1", "00", "007", "-0", "+1", "1.50", "1.5", "-1.5", "1.", ".5", "1e3", "1E3", "0x1", " 1", "1 ", "1\n",
    "500", "500.0", "0.1", "0.30000000000000004", "0.3", "1,5", "1_000", "NaN", "Infinity", "1e400", "٣", "²",
    "9007199254740991", "-9007199254740991", "9007199254740992", "99999999999999999", "123456789012.345",
    "1234567890123.456", "0.00000000000001", "99999999999999.9", "00.5", "-", "", "--1", "1-1",
)  # fmt: skip
INTEGERS: Final = (0, 1, -1, 2, 13, 30, 500, 501, MOST_INT, MOST_INT - 1, -MOST_INT)
FLOATS: Final = (
    0.0, -0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5, -1.5, 499.99, 500.0, 500.5, 1e-7, 5e-324, 1e15, 123456789012.345, 2.5e15,
)  # fmt: skip
"""Of at most fifteen digits, as a query can write them."""
LONG_FLOATS: Final = (0.1 + 0.2, 1 / 3, 2.0**53, 1e16, 1.7976931348623157e308, 4503599627370496.5, -1e300, 1e22, 1e-5)
"""What only metadata can hold."""
KEYS: Final = ("a", "b", "A", "http", "status", "http.status", "a.b", "a.b.c", "dblog", "ß", "é", "0", "a b", "'", "$")
ODD_KEYS: Final = ('q"', "b\\c", "n\nl", "", "\x01", "[0]", 'a"."b', "\\u0061", "*", "%", "#", "\u2028", "`")
"""Keys that no query, or only one with backquotes, can name."""
LEVELS: Final = (
    ("DEBUG", 5), ("INFO", 9), ("NOTICE", 11), ("WARNING", 13), ("warn", 13), ("ERROR", 17), ("CRITICAL", 21),
    ("Größe", 24), ("TRACE", 1),
)  # fmt: skip
UUIDS: Final = (UUID(int=0), UUID("01890a5d-ac96-774b-bcce-b302099a8057"), UUID(int=2**128 - 1))


def texts() -> st.SearchStrategy[str]:
    """Texts as they are stored."""
    return st.sampled_from(WORDS) | st.sampled_from(NUMERALS) | st.text(LETTERS, max_size=6)


# -- entries ---------------------------------------------------------------------------------------------------


def _scalars() -> st.SearchStrategy[Any]:
    return st.one_of(
        texts(),
        st.sampled_from(INTEGERS),
        st.sampled_from([2**53, -(2**60), 10**25]),
        st.sampled_from(FLOATS),
        st.sampled_from(LONG_FLOATS),
        st.sampled_from([True, False, None, float("nan"), [], {}]),
    )


def extras() -> st.SearchStrategy[dict[str, Any]]:
    """What a program may log beside its message."""
    keys = st.sampled_from(KEYS) | st.sampled_from(KEYS[:4]) | st.sampled_from(ODD_KEYS)
    values = st.recursive(
        _scalars(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=6,
    )
    return st.dictionaries(keys, values, max_size=4)


def _metadata(values: dict[str, Any]) -> str | None:
    data = dump_object(values)
    return None if data is None else data.decode()


def _sometimes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


_TEXTS: Final = texts()
_LEVEL: Final = st.sampled_from(LEVELS)
# Most columns of text are alike to a query: few are drawn, the rest stay absent.
_OPTIONAL: Final = st.dictionaries(
    st.sampled_from(["template", "module", "exc_type", "exc_text", "async_task", "service", *ID_FIELDS]),
    _TEXTS,
    max_size=4,
)
_NUMBERS_OF_ENTRIES: Final = st.fixed_dictionaries(
    {
        "timestamp": st.integers(START, START + 9) | st.integers(START, START + 999_999),
        "lineno": _sometimes(st.sampled_from([0, 1, 30, 500, 2**31 - 1])),
        "pid": _sometimes(st.sampled_from([1, 2**31 - 1])),
        "seq": _sometimes(st.sampled_from([1, 2, 2**53 + 1, 2**63 - 1])),
        "ingested_at": st.integers(START, START + 9),
    }
)
_LOGGER: Final = st.sampled_from(["app", "app.db", "App", ""])
_METADATA: Final = _sometimes(extras().map(_metadata))


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """An entry as the writer stores it; without ``id`` and what else a database or a writer adds."""
    level, severity = draw(_LEVEL)
    further: dict[str, Any] = {**draw(_NUMBERS_OF_ENTRIES), **draw(_OPTIONAL)}
    return LogEntry(
        level=level,
        severity=severity,
        logger=draw(_LOGGER),
        message=draw(_TEXTS),
        metadata=draw(_METADATA),
        **further,
    )


# -- the parts of a tree ---------------------------------------------------------------------------------------


def columns(*kinds: Kind) -> st.SearchStrategy[Field]:
    """A column of one of these kinds."""
    return st.sampled_from([field for field in COLUMNS.values() if field.kind in kinds])


def paths() -> st.SearchStrategy[Field]:
    """A path into metadata, as backquotes and brackets can write it."""
    keys = st.sampled_from([*KEYS, *filter(nameable, ODD_KEYS)])
    steps = st.lists(keys | st.sampled_from(KEYS[:5]) | st.integers(0, 2) | st.just(2**31 - 1), max_size=3)
    return st.builds(lambda first, rest: path(first, *rest), keys, steps)


def nameable(key: str) -> bool:
    """Whether a query can name the key."""
    return not any(char in '`"\\' or unicodedata.category(char) == "Cc" for char in key)


def patterns() -> st.SearchStrategy[t.Pattern]:
    """Literal pieces and wildcards in any order the parser can make."""
    piece = (st.sampled_from(WORDS) | st.sampled_from(NUMERALS) | st.text(LETTERS, max_size=4)).filter(bool)
    wild = st.sampled_from(list(Wild))
    contained = st.builds(lambda text: (Wild.ANY, text, Wild.ANY), piece)
    return contained | st.lists(piece | wild | wild, max_size=5).map(joined)


def joined(parts: Iterable[str | Wild]) -> t.Pattern:
    """Without two literal pieces or two stars in a row."""
    result: list[str | Wild] = []
    for part in parts:
        if result and isinstance(part, str) and isinstance(result[-1], str):
            result[-1] += part
        elif not (part is Wild.ANY and result[-1:] == [Wild.ANY]):
            result.append(part)
    return tuple(result)


_ATOMS: Final = (
    ".", "a", "b", "A", "k", "K", "s", "ſ", "ß", "é", "1", "0", " ", "\n", "-", "/", "日", r"\d", r"\w", r"\s", r"\D",
    r"\W", r"\S", r"\.", r"\\", r"\n", r"\x41", r"\u00e9", r"\*", r"\[", r"\{", "[ab]", "[^a]", "[a-z]", "[A-Zß-é]",
    r"[^\w]", r"[\d.]", "[]x]", "[^]x]", "[a-]", r"[\n\t]", r"[\]\\^]", "[ -~]", r"[\s\S]", "'", '"', "%", "_", "😀",
)  # fmt: skip
_TIMES: Final = ("*", "+", "?", "{0,1}", "{1}", "{2}", "{1,}", "{0,2}", "{2,3}", "*?", "+?", "??", "{1,2}?")


def regex_sources() -> st.SearchStrategy[str]:
    """Text of regexes in the subset."""
    atoms = st.sampled_from(_ATOMS)
    asserted = st.sampled_from([*_ATOMS, "^", "$", r"\b"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({}){}".format, inner, st.sampled_from([*_TIMES, ""])),
            st.builds("(?:{}|{})".format, inner, inner),
            st.builds("{}{}".format, inner, inner),
            st.builds("{}|{}".format, inner, inner),
            st.builds("({}|){}".format, inner, inner),
        )

    simple = st.builds("{}{}".format, atoms, st.sampled_from([*_TIMES, "", "", ""])) | asserted
    whole = st.recursive(simple, grown, max_leaves=6)
    return st.builds("{}{}".format, st.sampled_from(["", "", "(?i)"]), whole).filter(_readable)


def _readable(source: str) -> bool:
    """All but an assertion that is repeated, which the parts above can come to."""
    try:
        regex.parse(source)
    except regex.RegexSyntaxError:
        return False
    return True


def regexes() -> st.SearchStrategy[regex.Regex]:
    """Parsed regexes."""
    return regex_sources().map(regex.parse)


# -- trees -----------------------------------------------------------------------------------------------------

_NUMBERS: Final = st.sampled_from(INTEGERS) | st.sampled_from(FLOATS)
_MOMENTS: Final = st.integers(START - 2, START + 11)
_INTS: Final = st.one_of(
    st.sampled_from([0, 1, 2, 13, 17, 30, 500, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(10**20)]),
    st.sampled_from([0.5, 1.5, 13.0, 29.999, 1e300]),
)


def values(field: Field, *, order: bool = False) -> st.SearchStrategy[t.Value]:
    """Literals the field can be compared with; ``order`` for ``Range``."""
    match field.kind:
        case Kind.TEXT | Kind.KEY:
            return _TEXTS | _NUMBERS if order else _TEXTS
        case Kind.LEVEL:
            return st.integers(1, 24) | st.sampled_from([9, 13, 17])
        case Kind.INT:
            return _INTS
        case Kind.TIME:
            return _MOMENTS
        case Kind.UUID:
            return st.sampled_from(UUIDS)
        case _:
            return _TEXTS | _NUMBERS if order else _TEXTS | _NUMBERS | st.booleans()


def _on(fields: st.SearchStrategy[Field], make: Any) -> st.SearchStrategy[Any]:
    return fields.flatmap(make)


_COMPARED: Final = paths() | columns(Kind.TEXT, Kind.KEY, Kind.LEVEL, Kind.INT, Kind.TIME, Kind.UUID)
_ORDERED: Final = paths() | columns(Kind.TEXT, Kind.KEY, Kind.LEVEL, Kind.INT, Kind.TIME)
_TEXTUAL: Final = paths() | columns(Kind.TEXT, Kind.KEY, Kind.LEVEL, Kind.INT)


def _equals(field: Field) -> st.SearchStrategy[t.Node]:
    return st.builds(partial(t.Equal, field), values(field), st.booleans())


def _ranges(field: Field) -> st.SearchStrategy[t.Node]:
    bound = values(field, order=True)
    opened = st.booleans()
    return st.one_of(
        st.builds(partial(_between, field), bound, bound, opened, opened),
        st.builds(lambda low, low_open: t.Range(field, low, None, low_open), bound, opened),
        st.builds(lambda high, high_open: t.Range(field, None, high, high_open=high_open), bound, opened),
    )  # fmt: skip


def _between(field: Field, one: t.Value, other: t.Value, low_open: bool, high_open: bool) -> t.Range:
    """The lower bound first, as the parser wants it; and one value is within bounds."""
    if isinstance(one, str) is not isinstance(other, str):
        return t.Range(field, one, other, low_open, high_open)
    low, high = sorted((one, other))
    return t.Range(field, low, high, low_open and low != high, high_open and low != high)


def leaves() -> st.SearchStrategy[t.Node]:
    """Trees of one node."""
    fields = st.sampled_from(list(COLUMNS.values())) | paths()
    return st.one_of(
        _on(_COMPARED, _equals),
        _on(paths(), _equals),
        _on(_ORDERED, _ranges),
        _on(paths(), _ranges),
        st.builds(t.Like, _TEXTUAL | st.just(ANYWHERE), patterns()),
        st.builds(t.Like, paths() | st.just(COLUMNS["message"]), patterns()),
        st.builds(t.Search, _TEXTUAL, regexes()),
        st.builds(t.Has, fields),
    )


_LEAVES: Final = leaves()
_SHAPES: Final = st.sampled_from(["leaf"] * 5 + ["not", "and", "or"])
_WIDTHS: Final = st.integers(2, 3)
_EMPTY: Final = st.integers(1, 30).map((30).__eq__)


@st.composite
def trees(draw: st.DrawFn) -> t.Node:
    """Trees within the parser's bounds: no And within an And, no Or within an Or, no Not of a Not."""
    return grown(draw, partial(draw, _LEAVES))


def grown(draw: st.DrawFn, leaf: Callable[[], t.Node]) -> t.Node:
    """A tree of these leaves; one in thirty is empty."""
    return t.All() if draw(_EMPTY) else _node(draw, leaf, 3)


def _node(draw: st.DrawFn, leaf: Callable[[], t.Node], depth: int) -> t.Node:
    shape = draw(_SHAPES) if depth else "leaf"
    if shape == "leaf":
        return leaf()
    if shape == "not":
        part = _node(draw, leaf, depth - 1)
        return part.part if isinstance(part, t.Not) else t.Not(part)
    kind = t.And if shape == "and" else t.Or
    flat: list[t.Node] = []
    for _ in range(draw(_WIDTHS)):
        part = _node(draw, leaf, depth - 1)
        flat += part.parts if isinstance(part, kind) else [part]
    return kind(tuple(flat))
