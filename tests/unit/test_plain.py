"""The total encoder: whatever it is handed, what it returns can be stored, is bounded, and hides secrets."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import types
import uuid
from collections import Counter, OrderedDict, UserDict, UserList, deque, namedtuple
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dblog.plain import DEFAULT_REDACT_KEYS, REDACTED, Limits, clean, dump_object, normal_key, plain, text
from tests.oracle import examples

LIMITS = Limits()
FLAGS = {"sanitized", "nonfinite", "unserializable", "truncated", "redacted"}
SECRETS = frozenset(DEFAULT_REDACT_KEYS)


class Raising:
    """Every method that could be asked for text raises."""

    def __init__(self, error: type[BaseException] = ValueError) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    def __repr__(self) -> str:
        raise self.error


class Liar:
    """Claims to be a dict."""

    __class__ = property(lambda _: dict)


class Unreadable(dict[Any, Any]):
    """A dict whose overridden methods all raise."""

    def items(self) -> NoReturn:
        raise LookupError

    __iter__ = keys = values = __len__ = __getitem__ = __repr__ = items  # type: ignore[assignment]  # each raises, whatever it should give


class Bottomless(Mapping[str, object]):
    """A mapping of more mappings than memory holds."""

    def __getitem__(self, key: str) -> object:
        return self

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"key{number}"

    def __len__(self) -> int:
        return 1

    def items(self) -> Any:
        return ((key, Bottomless()) for key in self)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError

    __repr__ = lower = encode = replace = isascii = __len__ = __contains__ = __str__  # type: ignore[assignment]  # each raises, whatever it should give


class Number(int):
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __int__ = __index__ = bit_length = __lt__ = __le__ = __float__ = __str__  # type: ignore[assignment]  # each raises, whatever it should give


class Real(float):
    def __float__(self) -> NoReturn:
        raise ValueError

    __repr__ = __str__ = __int__ = is_integer = __float__


class OddMeta(type):
    """A class that cannot be hashed, compared or asked for its name."""

    __hash__ = None  # type: ignore[assignment]  # how Python says unhashable

    @property
    def __name__(cls) -> str:  # type: ignore[override]  # a property in a string's place
        raise ValueError

    def __getattr__(cls, name: str) -> NoReturn:
        raise ValueError


class Odd(metaclass=OddMeta):
    pass


class HashRaises(str):
    __slots__ = ()

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise ValueError


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Whole(enum.IntEnum):
    ONE = 1


class Flagged(enum.StrEnum):
    ON = "on"


@dataclasses.dataclass
class Order:
    number: int
    password: str = "hunter2"
    hidden: str = dataclasses.field(default="hunter2", repr=False)


@dataclasses.dataclass(slots=True)
class Unset:
    number: int


Point = namedtuple("Point", "x y")  # noqa: PYI024 - both spellings are met


def _unset() -> Unset:
    return Unset.__new__(Unset)


def _cycle() -> list[Any]:
    loop: list[Any] = [1]
    loop.append({"again": loop})
    return loop


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


hostile_text = st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\ud800\udfff\u2400\ufffd\n\x1b"))
edges = st.sampled_from([2**53 - 1, 2**53, -(2**53), -(2**64)]) | st.just(5000).map(lambda digits: 10**digits)
numbers = st.integers() | edges | st.floats()
ODD = [Colour.RED, Colour.PAIR, Whole.ONE, Flagged.ON, Order(1), Point(1, "x"), Odd, object, range(9), _nested(5000)]
hostile = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    hostile_text,
    st.binary(),
    st.decimals(),
    st.uuids(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.complex_numbers(),
    hostile_text.map(Text),
    st.integers().map(Number),
    st.floats().map(Real),
    hostile_text.map(ValueError),
    st.integers(0, len(ODD) - 1).map(lambda index: ODD[index]),  # Hypothesis asks what it samples from for its repr
    st.builds(Raising, st.sampled_from([ValueError, RecursionError, MemoryError, StopIteration])),
    st.builds(Liar),
    st.builds(lambda: Odd()),  # noqa: PLW0108 - Hypothesis asks what it builds for its name
    st.builds(Bottomless),
    st.builds(_unset),
    st.builds(_cycle),
    st.builds(_released),
)
hashable = hostile_text | numbers | st.binary() | st.builds(Raising) | hostile_text.map(HashRaises) | st.tuples(numbers)
values = st.recursive(
    hostile,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.lists(inner).map(UserList),
        st.sets(hashable, max_size=1),
        # One key where comparing raises: the dict itself could not be built of more.
        st.dictionaries(hashable, inner, max_size=1),
        st.dictionaries(hostile_text | st.binary() | st.integers(), inner),
        st.dictionaries(hostile_text, inner).map(Unreadable),
        st.dictionaries(hostile_text, inner).map(UserDict),
        st.dictionaries(hostile_text, inner).map(types.MappingProxyType),
    ),
    max_leaves=12,
)
tight = st.builds(
    Limits,
    max_depth=st.integers(0, 12),
    max_nodes=st.integers(0, 60),
    max_attributes=st.integers(0, 6),
    max_bytes=st.integers(0, 600),
)
limits_ = st.just(LIMITS) | tight

already_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=5)
    ),
    max_leaves=10,
)


def assert_plain(value: object, depth: int = 200) -> int:
    """Only the types promised, by exact type; the number of values."""
    if type(value) is dict:
        assert all(type(key) is str for key in value)
        assert depth > 0
        return 1 + sum(assert_plain(item, depth - 1) for item in value.values())
    if type(value) is list:
        assert depth > 0
        return 1 + sum(assert_plain(item, depth - 1) for item in value)
    assert value is None or type(value) in {str, int, float, bool}
    if type(value) is int:
        assert abs(value) < 2**53
    return 1


def same(one: object, other: object) -> bool:
    """Equal in type too: 1, 1.0 and True are not the same, 0.0 and -0.0 are not."""
    return orjson.dumps(one) == orjson.dumps(other)


@given(values, limits_, st.sampled_from([frozenset(), SECRETS]))
def test_anything_becomes_json_that_every_database_takes(value: object, limits: Limits, redact: frozenset[str]) -> None:
    """plain is total: for any value and limits it returns only plain values, which orjson dumps without U+0000."""
    result, flags = plain(value, limits=limits, redact=redact)
    assert_plain(result)
    assert flags <= FLAGS
    data = orjson.dumps(result, option=orjson.OPT_STRICT_INTEGER)
    assert same(json.loads(data), result)
    assert "\0" not in json.dumps(result, ensure_ascii=False)


@given(values, tight)
def test_the_result_is_within_the_limits(value: object, limits: Limits) -> None:
    """Depth, nodes, keys of a mapping and bytes of the JSON never exceed their limits."""
    result, _ = plain(value, limits=limits, redact=())
    if result is None:  # what is left when not even one node may be kept
        return
    assert assert_plain(result, limits.max_depth) <= limits.max_nodes
    assert len(orjson.dumps(result)) <= limits.max_bytes
    todo = [result]
    while todo:
        match todo.pop():
            case dict() as fields:
                assert len(fields) <= limits.max_attributes
                todo += fields.values()
            case list() as items:
                todo += items
            case _:
                pass


@given(values, limits_, st.sampled_from([frozenset(), SECRETS]))
def test_a_second_pass_changes_nothing(value: object, limits: Limits, redact: frozenset[str]) -> None:
    """plain is idempotent, limits and redaction included: what one room encoded another can encode again."""
    once, _ = plain(value, limits=limits, redact=redact)
    twice, flags = plain(once, limits=limits, redact=redact)
    assert same(once, twice)
    assert not flags or once is None  # None: not even one node may be kept


@given(already_plain)
def test_plain_values_pass_as_they_are(value: object) -> None:
    """A value that is plain already is returned equal, unflagged, and as new containers."""
    result, flags = plain(value, limits=LIMITS, redact=())
    assert same(result, value)
    assert not flags
    assert result is not value or not isinstance(value, (dict, list))


canary = st.sampled_from(["hunter2-canary", "x" * 100_000 + "hunter2-canary"])
spelled = st.sampled_from(sorted(SECRETS)).flatmap(
    lambda key: st.sampled_from([key, key.upper(), key.title(), key.replace("_", "-"), key.encode(), Text(key)])
)
secret = canary | canary.map(str.encode) | canary.map(Text) | canary.map(ValueError) | canary.map(pathlib.PurePath)
secrets = st.recursive(
    secret,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner) | st.builds(Order, inner, inner, inner),
    max_leaves=4,
)


@given(st.dictionaries(spelled, secrets, min_size=1), st.lists(st.sampled_from("lmtd"), max_size=7), limits_)
def test_no_string_under_a_redacted_key_is_left(hidden: object, shape: list[str], limits: Limits) -> None:
    """At any depth, in any spelling of the key, in any container below it, whatever is cut: the secret is gone."""
    value = hidden
    for kind in shape:
        value = {"l": [value, "seen"], "m": {"seen": value}, "t": ("seen", value), "d": Order(1, "p", "h")}[kind]
        value = [value, hidden]
    result, _ = plain(value, limits=limits, redact=SECRETS)
    assert "canary" not in json.dumps(result)


def test_redaction_hides_strings_and_keeps_everything_else() -> None:
    """Under a redacted key numbers, booleans, None and nested key names stay; what would become a string is hidden."""
    value = {"Token": [1, 2.5, True, None, "s", b"s", float("nan"), 2**60, {"k": "s", "n": 1}], "tokens": "seen"}
    result, flags = plain(value, limits=LIMITS, redact=SECRETS)
    kept = [1, 2.5, True, None, REDACTED, REDACTED, REDACTED, REDACTED, {"k": REDACTED, "n": 1}]
    assert result == {"Token": kept, "tokens": "seen"}
    assert "redacted" in flags


def test_a_key_that_became_equal_to_a_redacted_one_is_redacted_too() -> None:
    """Two spellings of one secret key: both values are hidden, both are kept."""
    result, _ = plain({"token": "a", b"token": "b", Text("Token"): "c"}, limits=LIMITS, redact=SECRETS)
    assert result == {"token": REDACTED, "token~1": REDACTED, "Token": REDACTED}


def test_the_default_keys_are_normal_and_leave_the_session_id() -> None:
    """Every default key is spelled as it is compared; session_id has a column and is not one."""
    assert all(key == normal_key(key) for key in DEFAULT_REDACT_KEYS)
    assert len(SECRETS) == len(DEFAULT_REDACT_KEYS)
    assert normal_key("Set-Cookie") == "set_cookie"
    assert "session_id" not in SECRETS


@pytest.mark.parametrize(
    ("value", "expected", "flags"),
    [
        (float("nan"), "NaN", {"nonfinite"}),
        (float("inf"), "Infinity", {"nonfinite"}),
        (Real("-inf"), "-Infinity", {"nonfinite"}),
        (2**53 - 1, 2**53 - 1, set()),
        (1 - 2**53, 1 - 2**53, set()),
        (2**53, "9007199254740992", {"sanitized"}),
        (-(10**5000), "<int of 16610 bits>", {"sanitized"}),
        (Number(7), 7, set()),
        (Real(1.5), 1.5, set()),
        (Text("a\0b"), "a\u2400b", {"sanitized"}),
        ("\ud800x", "\ufffdx", {"sanitized"}),
        (True, True, set()),
        (b"caf\xc3\xa9 \xff\0", "café \\xff\u2400", {"sanitized"}),
        (bytearray(b"x"), "x", set()),
        (memoryview(b"x"), "x", set()),
        (decimal.Decimal("1.10"), "1.10", set()),
        (decimal.Decimal("NaN"), "NaN", set()),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001", set()),
        (dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC), "2024-01-02T03:04:05.000006+00:00", set()),
        (dt.date(2024, 1, 2), "2024-01-02", set()),
        (dt.time(3, 4), "03:04:00", set()),
        (dt.timedelta(minutes=1.5), 90.0, set()),
        (pathlib.PurePosixPath("/a/b"), "/a/b", set()),
        (pathlib.PurePosixPath("/a\udcff"), "/a\ufffd", {"sanitized"}),
        (Colour.RED, "red", set()),
        (Colour.PAIR, "PAIR", set()),
        (Whole.ONE, 1, set()),
        (Flagged.ON, "on", set()),
        (Order(1), {"number": 1, "password": "hunter2"}, set()),
        (Point(1, "x"), {"x": 1, "y": "x"}, set()),
        ((1, 2), [1, 2], set()),
        ({1}, [1], set()),
        (frozenset({1}), [1], set()),
        (deque([1]), [1], set()),
        ({"a": 1}.keys(), ["a"], set()),
        ({"a": 1}.values(), [1], set()),
        (Counter("a"), {"a": 1}, set()),
        (OrderedDict(a=1), {"a": 1}, set()),
        (Unreadable(a=1), {"a": 1}, set()),
        ({(1, 2): 1, None: 2, b"b": 3, 4: 4}, {"(1, 2)": 1, "None": 2, "b": 3, "4": 4}, set()),
        ({1: "a", "1": "b"}, {"1": "a", "1~1": "b"}, {"sanitized"}),
        (ValueError("no"), "ValueError: no", set()),
        (Raising(), "<unprintable Raising>", {"unserializable"}),
        (Raising(RecursionError), "<unprintable Raising>", {"unserializable"}),
        ({Raising(): 1}, {"<unprintable Raising>": 1}, set()),
        (_unset(), "<unprintable Unset>", {"unserializable"}),
        (int, "<class 'int'>", {"unserializable"}),
        (range(3), "range(0, 3)", {"unserializable"}),
        (_cycle(), [1, {"again": "<cycle>"}], {"unserializable"}),
    ],
    ids=lambda part: type(part).__name__,  # pytest would ask some of these for their text
)
def test_the_spelling_of_each_kind_of_value(value: object, expected: object, flags: set[str]) -> None:
    """What a value of each kind becomes, and what is flagged."""
    assert plain(value, limits=LIMITS, redact=()) == (expected, flags)
    result, _ = plain(value, limits=LIMITS, redact=())
    assert same(result, expected)


def test_the_same_object_twice_is_no_cycle() -> None:
    """Only an object inside itself is a cycle; shared ones are written out each time."""
    shared = {"a": 1}
    assert plain([shared, shared], limits=LIMITS, redact=()) == ([shared, shared], set())


def test_depth_needs_no_recursion() -> None:
    """100,000 levels are walked to the limit and cut there, even by a limit deeper than orjson allows."""
    deep, _ = plain(_nested(100_000), limits=LIMITS, redact=())
    assert deep == [[[[[[[["<truncated>"]]]]]]]]
    deepest, flags = plain(_nested(100_000), limits=Limits(max_depth=10**6), redact=())
    assert orjson.dumps(deepest)
    assert flags == {"truncated"}


def test_what_explodes_when_written_out_is_cut() -> None:
    """2**100 shared leaves cost no more than the node limit."""
    value: object = "leaf"
    for _ in range(100):
        value = [value, value]
    result, flags = plain(value, limits=Limits(max_depth=100), redact=())
    assert assert_plain(result) <= LIMITS.max_nodes
    assert "truncated" in flags


def test_a_huge_value_does_not_push_its_neighbours_out() -> None:
    """What is near the top is kept first: a flood under one key is cut, the keys after it stay."""
    result, flags = plain({"flood": [list(range(100))] * 5000, "order": 17}, limits=LIMITS, redact=())
    assert isinstance(result, dict)
    assert result["order"] == 17
    assert flags == {"truncated"}


def test_a_long_text_keeps_its_head_its_tail_and_says_its_length() -> None:
    """5 MB of text becomes at most 64 Ki characters that start and end as it did."""
    result, flags = plain("head" + "x" * 5_000_000 + "tail", limits=LIMITS, redact=())
    assert isinstance(result, str)
    assert result.startswith("headx")
    assert result.endswith("xtail")
    assert "5000008 characters" in result
    assert len(result) <= 65536
    assert flags == {"truncated"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_propagates(error: type[BaseException]) -> None:
    """An interrupt raised within a value's own code is the caller's to account for, never swallowed."""
    for value in (Raising(error), [Raising(error)], {Raising(error): 1}, ValueError(Raising(error))):
        with pytest.raises(error):
            plain(value, limits=LIMITS, redact=())
    with pytest.raises(error):
        text(Raising(error))


def _numpy(name: str, **members: Any) -> Any:
    """A stand-in for a numpy type: numpy is known by the module of the type, never imported."""
    return type(name, (), {"__module__": "numpy", **members})()


def test_numpy_is_read_without_importing_it() -> None:
    """Scalars give their item, arrays their nested lists; one too large, or of dimension 0, its repr."""
    scalar = _numpy("int64", item=lambda _: 7)
    truth = _numpy("bool", item=lambda _: True)
    same_again = _numpy("longdouble", item=lambda self: self, __repr__=lambda _: "1.5")
    array = _numpy("ndarray", size=2, tolist=lambda _: [[1], [scalar]])
    large = _numpy("ndarray", size=10**9, tolist=None, __repr__=lambda _: "array([0, ..., 9])")
    single = _numpy("ndarray", size=1, tolist=lambda _: 7, __repr__=lambda _: "array(7)")
    result, _ = plain([scalar, truth, same_again, array, large, single], limits=LIMITS, redact=())
    assert result == [7, True, "1.5", [[1], [7]], "array([0, ..., 9])", "array(7)"]


def test_a_dict_changed_meanwhile_is_stored_readable() -> None:
    """A mapping whose iteration raises half-way gives its text, and the rest is kept."""

    class Changing(UserDict[str, int]):
        def items(self) -> Any:
            yield "a", 1
            raise RuntimeError

        def __repr__(self) -> str:
            return "Changing()"

    result, flags = plain({"it": Changing(), "rest": 1}, limits=LIMITS, redact=())
    assert result == {"it": "Changing()", "rest": 1}
    assert flags == {"unserializable"}


@given(values, st.integers(0, 200))
@example(b"\xff" * 1000, 3)
def test_text_is_total_and_capped(value: object, limit: int) -> None:
    """Any value has a text: an exact str, no longer than the limit."""
    shown = text(value, limit)
    assert type(shown) is str
    assert len(shown) <= limit
    assert text(shown, limit) == shown


@given(hostile_text)
def test_text_of_a_string_is_the_string(value: str) -> None:
    """Short strings pass as they are, subclasses without running their own methods."""
    assert text(value) == value
    assert text(Text(value)) == value


@given(hostile_text)
def test_clean_keeps_the_length_and_what_is_storable(value: str) -> None:
    """Only U+0000 and surrogates change; without any, the very same object is returned."""
    cleaned = clean(value)
    assert len(cleaned) == len(value)
    assert "\0" not in cleaned
    cleaned.encode()
    changed = [old for old, new in zip(value, cleaned, strict=True) if old != new]
    assert all(char == "\0" or "\ud800" <= char <= "\udfff" for char in changed)
    assert changed or cleaned is value
    assert type(clean(Text(value))) is str


@given(st.dictionaries(hostile_text, values))
@examples(50)
def test_dump_object_is_one_json_object_or_none(mapping: dict[str, object]) -> None:
    """The bytes are plain's own result; nothing is stored for nothing."""
    data = dump_object(mapping, redact=SECRETS)
    result, _ = plain(mapping, limits=LIMITS, redact=SECRETS)
    assert (data is None) == (not mapping)
    assert data is None or orjson.loads(data) == result


def test_dump_object_of_a_mapping_that_cannot_be_read_is_still_an_object() -> None:
    """Its text is kept under one key, so the column always holds a JSON object."""

    class Broken(UserDict[str, int]):
        def items(self) -> NoReturn:
            raise OSError

        def __repr__(self) -> str:
            return "Broken()"

    assert dump_object(Broken()) == b'{"value":"Broken()"}'
