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
    from collections.abc import Iterable

START: Final = int(dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000
"""Timestamps of entries are from here on, within a second."""
DAYS: Final = (dt.date(2026, 1, 15), dt.date(2026, 1, 16))
"""The day of all entries, and the one behind it."""

LETTERS: Final = "aAbkKsSiIßẞẗİıΣσςſ\u212aéÉ\u0301ŉǅ%_\\*?'\"\n 01.-/(){}[]:<日😀"
"""Wildcards, quotes, and letters that case mappings treat in a way of their own."""
WORDS: Final = (
    "", "a", "A", "ab", "aB", "AB", "ABC", "ss", "SS", "ß", "aß", "Straße", "STRASSE", "İ", "i̇", "I", "ı", "Σ", "ς",
    "σας", "ſ", "\u212a", "k", "é", "e\u0301", "É", "ŉ", "%", "_", "a%b", "a_b", "\\", "\\%", "a\\", "'", '"', "a\nb",
    "\n", "\t", "*", "?", "true", "True", "TRUE", "false", "null", "None", "日本", "😀", "\uffff", "\ue000", "a b", " a",
    "timeout after 30 s", "Timeout", "\u2400", "\ufffd", "\x7f", "\x85", "\u2028",
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


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """An entry as the writer stores it; without ``id`` and what else a database or a writer adds."""
    level, severity = draw(st.sampled_from(LEVELS))
    # Most columns of text are alike to a query: few are drawn, the rest stay absent.
    optional = ["template", "module", "exc_type", "exc_text", "async_task", "service", *ID_FIELDS]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=4, unique=True))
    further: dict[str, Any] = {name: draw(texts()) for name in chosen}
    return LogEntry(
        timestamp=START + draw(st.integers(0, 9) | st.integers(0, 999_999)),
        level=level,
        severity=severity,
        logger=draw(st.sampled_from(["app", "app.db", "App", ""])),
        message=draw(texts()),
        metadata=draw(_sometimes(extras().map(_metadata))),
        lineno=draw(_sometimes(st.sampled_from([0, 1, 30, 500, 2**31 - 1]))),
        pid=draw(_sometimes(st.sampled_from([1, 2**31 - 1]))),
        seq=draw(_sometimes(st.sampled_from([1, 2, 2**53 + 1, 2**63 - 1]))),
        instance_id=draw(_sometimes(st.sampled_from(UUIDS))),
        ingested_at=START + draw(st.integers(0, 9)),
        **further,
    )


# -- the parts of a tree ---------------------------------------------------------------------------------------


def columns(*kinds: Kind) -> st.SearchStrategy[Field]:
    """A column of one of these kinds."""
    return st.sampled_from([field for field in COLUMNS.values() if field.kind in kinds])


def paths() -> st.SearchStrategy[Field]:
    """A path into metadata, as backquotes and brackets can write it."""
    keys = st.sampled_from([*KEYS, *filter(_nameable, ODD_KEYS)])
    steps = st.lists(keys | st.sampled_from(KEYS[:5]) | st.integers(0, 2) | st.just(2**31 - 1), max_size=3)
    return st.builds(lambda first, rest: path(first, *rest), keys, steps)


def _nameable(key: str) -> bool:
    return not any(char in '`"\\' or unicodedata.category(char) == "Cc" for char in key)


def patterns() -> st.SearchStrategy[t.Pattern]:
    """Literal pieces and wildcards in any order the parser can make."""
    piece = (st.sampled_from(WORDS) | st.sampled_from(NUMERALS) | st.text(LETTERS, max_size=4)).filter(bool)
    wild = st.sampled_from(list(Wild))
    contained = st.builds(lambda text: (Wild.ANY, text, Wild.ANY), piece)
    return contained | st.lists(piece | wild | wild, max_size=5).map(_pattern)


def _pattern(parts: Iterable[str | Wild]) -> t.Pattern:
    """Without two literal pieces or two stars in a row."""
    joined: list[str | Wild] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        elif not (part is Wild.ANY and joined[-1:] == [Wild.ANY]):
            joined.append(part)
    return tuple(joined)


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
_TEXTS: Final = texts()
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
        st.builds(lambda low, high, low_open, high_open: t.Range(field, low, high, low_open, high_open),
                  bound, bound, opened, opened),
        st.builds(lambda low, low_open: t.Range(field, low, None, low_open), bound, opened),
        st.builds(lambda high, high_open: t.Range(field, None, high, high_open=high_open), bound, opened),
    )  # fmt: skip


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


def trees(leaf: st.SearchStrategy[t.Node] | None = None) -> st.SearchStrategy[t.Node]:
    """Trees within the parser's bounds: no And within an And, no Or within an Or, no Not of a Not."""
    grown = st.recursive(
        leaves() if leaf is None else leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(partial(_joined, t.And)),
            st.lists(inner, min_size=2, max_size=3).map(partial(_joined, t.Or)),
            inner.map(lambda part: part.part if isinstance(part, t.Not) else t.Not(part)),
        ),
        max_leaves=5,
    )
    # One in thirty is empty; `|` would make it one in two.
    return st.integers(1, 30).flatmap(lambda number: st.just(t.All()) if number == 30 else grown)


def _joined(kind: type[t.And | t.Or], parts: list[t.Node]) -> t.Node:
    flat: list[t.Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else [part]
    return kind(tuple(flat))


# -- trees that are about an entry -----------------------------------------------------------------------------


def trees_about(entry: LogEntry) -> st.SearchStrategy[t.Node]:
    """Trees whose leaves nearly all name a field that the entry has, and a value near the one it has there."""
    near = st.sampled_from(_facts(entry)).flatmap(lambda fact: _near(*fact))
    return trees(near | near | near | leaves())


def _facts(entry: LogEntry) -> list[tuple[Field, Any]]:
    """Every field of the entry that is there, with its value."""
    found = [(field, getattr(entry, name)) for name, field in COLUMNS.items() if name != "metadata"]
    pending: list[tuple[tuple[str | int, ...], Any]] = [((key,), value) for key, value in entry.attributes.items()]
    while pending:
        steps, value = pending.pop()
        if not all(isinstance(step, int) or _nameable(step) for step in steps):
            continue
        found.append((path(*steps), value))
        if isinstance(value, dict):
            pending += [((*steps, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*steps, index), inner) for index, inner in enumerate(value)]
            found += [(path(*steps), inner) for inner in value]
    return [(field, value) for field, value in found if value is not None]


def _near(field: Field, value: Any) -> st.SearchStrategy[t.Node]:
    found: list[st.SearchStrategy[t.Node]] = [st.just(t.Has(field))]
    if field.kind is Kind.LEVEL:
        value_or_rank: Any = dict(LEVELS)[value]
    elif isinstance(value, float) and (abs(value) > MOST_INT or f"{value:.15g}" != f"{value:.17g}"):
        value_or_rank = round(value, 1) if abs(value) <= MOST_INT else 1
    else:
        value_or_rank = value
    if isinstance(value_or_rank, (str, int, float, UUID)):
        found.append(st.builds(partial(t.Equal, field, value_or_rank), st.booleans()))
    if isinstance(value_or_rank, (str, int, float)) and not isinstance(value_or_rank, bool):
        opened = st.booleans()
        found.append(st.builds(lambda low_open: t.Range(field, value_or_rank, None, low_open), opened))
        found.append(st.builds(lambda high_open: t.Range(field, None, value_or_rank, high_open=high_open), opened))
    if isinstance(value, (str, int)) and not isinstance(value, bool) and field.kind is not Kind.TIME:
        found += [st.builds(partial(t.Like, field), _near_pattern(str(value))),
                  st.builds(partial(t.Search, field), _near_regex(str(value)))]  # fmt: skip
    return st.one_of(found)


@st.composite
def _part(draw: st.DrawFn, text: str) -> tuple[str, bool, bool]:
    """A slice of the text, and whether it begins and ends where the text does."""
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text[start:end], start == 0, end == len(text)


@st.composite
def _near_pattern(draw: st.DrawFn, text: str) -> t.Pattern:
    part, first, last = draw(_part(text) | st.just((text, True, True)))
    cases = (part, part.upper(), part.lower(), part.swapcase(), part.capitalize())
    cased = draw(st.sampled_from(cases))
    hidden = draw(st.sets(st.integers(0, 5), max_size=2))
    inner = [Wild.ONE if index in hidden else char for index, char in enumerate(cased)]
    return _pattern([*([] if first else [Wild.ANY]), *inner, *([] if last else [Wild.ANY])])


@st.composite
def _near_regex(draw: st.DrawFn, text: str) -> regex.Regex:
    part, first, last = draw(_part(text))
    hidden = draw(st.sets(st.integers(0, 5), max_size=2))
    chars = ["." if index in hidden else _ours(char) for index, char in enumerate(part)]
    times = draw(st.sampled_from(["", "*", "+", "?"])) if chars else ""
    anchors = "^" if first and draw(st.booleans()) else "", "$" if last and draw(st.booleans()) else ""
    return regex.parse(f"{anchors[0]}{''.join(chars)}{times}{anchors[1]}", ignore_case=draw(st.booleans()))


def _ours(char: str) -> str:
    return char if char.isalnum() else f"\\{char}"
