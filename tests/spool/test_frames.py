"""Records as bytes: what goes in comes out, what is no frame is none, wherever it stands."""

from __future__ import annotations

import mmap
import sys
import threading
import time
import timeit
import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.entry import ID_FIELDS, LogEntry
from dblog.item import ITEM_SIZE, compact, expand
from dblog.repair import repair
from dblog.spool import ALONE, FRAME, KEPT, decode, encode, need
from dblog.spool.frames import Bad, Frame, scan, write
from tests.hostile import entries, texts
from tests.oracle import until

if TYPE_CHECKING:
    from dblog.item import Item

SALT = 12_345
MOMENT = 1_700_000_000_000_000
_plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts
_ids = st.tuples(*[st.none() | texts] * len(ID_FIELDS))
_anything = st.recursive(
    _plain | st.uuids() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@st.composite
def captured(draw: st.DrawFn) -> Item:
    """What capture makes: texts that are not clean yet, extras that are not encoded yet."""
    site = (
        "INFO",
        9,
        draw(texts),
        draw(st.none() | texts),
        "f",
        draw(st.none() | texts),
        draw(st.none() | st.integers(0, 2**31)),
    )
    metadata = draw(st.none() | st.dictionaries(texts, _plain, max_size=5) | st.just('{"a":{"b":[1,2.50]}}'))
    rest = draw(
        st.none()
        | st.fixed_dictionaries({"exc_type": texts, "exc_message": texts, "exc_text": texts})
        | st.fixed_dictionaries({"id": st.uuids(), "pid": st.integers(0, 2**31), "host": texts})
    )
    moment = draw(st.integers(-(2**62), 2**62))
    return [
        *(draw(st.integers(1, 2**40)), moment, site, draw(texts), draw(st.none() | texts), metadata),
        *(draw(st.none() | texts), draw(st.none() | texts), draw(_ids), rest, draw(st.integers(0, 2**40))),
    ]


def test_items_come_out_as_the_same_entry() -> None:
    """Whatever capture makes, surrogates, NaN, integers of any size and UUIDs included: it expands to the same entry.

    It holds the same bytes as well: what is read back is bounded as what was queued.
    """
    unusual = 0

    @given(made=captured())
    def check(made: Item) -> None:
        nonlocal unusual
        body = encode(made)
        unusual += body.startswith(b"{")
        back = decode(body, made[0])
        assert (back[0], back[ITEM_SIZE]) == (made[0], made[ITEM_SIZE])
        assert expand(back) == expand(made)

    check()
    assert unusual


@given(entry=entries())
def test_entries_made_by_hand_come_out_the_same(entry: LogEntry) -> None:
    """An entry for ``enqueue``, repaired as there, with all its other fields."""
    made = compact(repair(entry))
    assert expand(decode(encode(made))) == expand(made)


@given(rest=st.dictionaries(st.text(max_size=4), _anything, max_size=3), message=_anything)
def test_everything_can_be_written(rest: dict[str, Any], message: Any) -> None:
    """Also what is no record at all: it is written, read, and looks the same the second time."""
    made = item_with(message, rest)
    body = encode(made)
    assert encode(decode(body)) == encode(decode(encode(decode(body))))


def item_with(message: Any, rest: dict[str, Any]) -> Item:
    return [0, 1, ("INFO", 9, "l", None, None, None, None), message, None, None, None, None, (None,) * 8, rest, 700]


class _Foreign:
    def __repr__(self) -> str:
        raise AssertionError("somebody else's code ran")


def test_a_foreign_object_is_named_by_its_type() -> None:
    """Nobody's code runs, and nothing is pickled."""
    assert decode(encode(item_with(_Foreign(), {})))[3] == "<_Foreign>"


@given(body=st.binary(max_size=60) | st.sampled_from([b"[]", b"{}", b'{"l":1}', b'{"l":[{"u":"x"}]}', b"[1]", b"null"]))
def test_what_is_no_payload_is_refused(body: bytes) -> None:
    """With a ValueError that holds nothing of it."""
    with pytest.raises(ValueError, match="a payload in the spool is no"):
        decode(body)


# -- frames ---------------------------------------------------------------------------------------------------

bodies = st.lists(
    st.binary(min_size=1, max_size=200) | st.integers(5000, 20_000).map(lambda n: b"x" * n), min_size=1, max_size=12
)


def filled(payloads: list[bytes], holes: frozenset[int] = frozenset()) -> tuple[mmap.mmap, list[int]]:
    """A map with these frames one after another; at ``holes`` somebody was killed between payload and header."""
    target = mmap.mmap(-1, sum(map(need, payloads)) + 4096)
    at, places = 8, []
    for index, body in enumerate(payloads):
        places.append(at)
        write(target, at, SALT, index + 1, MOMENT, body, ALONE if index % 2 else KEPT)
        if index in holes:
            target[at : at + FRAME.size] = bytes(FRAME.size)
        at += need(body)
    return target, [*places, at]


@given(payloads=bodies, holes=st.frozensets(st.integers(0, 11)))
def test_a_hole_hides_nothing(payloads: list[bytes], holes: frozenset[int]) -> None:
    """Of frames one after another, those whose writer was killed are passed over as torn, all others found."""
    target, places = filled(payloads, holes)
    found = list(scan(target, 8, len(target), SALT))
    whole = [each for each in found if isinstance(each, Frame)]
    left = [index for index in range(len(payloads)) if index not in holes]
    assert [(each.seq, each.flags, each.body) for each in whole] == [
        (index + 1, ALONE if index % 2 else KEPT, payloads[index]) for index in left
    ]
    assert [each.offset for each in whole] == [places[index] for index in left]
    assert all(each.torn for each in found if isinstance(each, Bad))
    assert all(at % 8 == 0 for at in places)


@given(payloads=bodies, data=st.data())
def test_a_damaged_frame_is_never_a_record(payloads: list[bytes], data: st.DataObject) -> None:
    """Any byte of a frame changed: that record is told as damaged or torn, and every other one is found."""
    target, places = filled(payloads)
    victim = data.draw(st.integers(0, len(payloads) - 1))
    at = data.draw(st.integers(places[victim], places[victim] + FRAME.size + len(payloads[victim]) - 1))
    target[at] ^= data.draw(st.integers(1, 255))
    found = list(scan(target, 8, len(target), SALT))
    assert [each.seq for each in found if isinstance(each, Frame)] == [
        index + 1 for index in range(len(payloads)) if index != victim
    ]
    assert [type(each) for each in found].count(Bad) == 1


@given(payloads=bodies, shift=st.integers(1, 40))
def test_a_frame_elsewhere_is_none(payloads: list[bytes], shift: int) -> None:
    """Frames that were moved within the file, or read as another file's, are no records: none is taken twice."""
    target, places = filled(payloads)
    assert not [each for each in scan(target, 8, len(target), SALT + 1) if isinstance(each, Frame)]
    content = target[8 : places[-1]]
    moved = bytes(8 + 8 * shift) + content
    assert not [each for each in scan(moved, 8, len(moved), SALT) if isinstance(each, Frame)]


@given(cut=st.integers(0, FRAME.size - 1))
def test_a_header_half_written_is_torn(cut: int) -> None:
    """Killed at any byte of the header, which is written from front to back: nobody was promised anything."""
    target, places = filled([b"first", b"second"])
    target[places[1] + cut : places[1] + FRAME.size] = bytes(FRAME.size - cut)
    found = list(scan(target, 8, len(target), SALT))
    assert [each.seq for each in found if isinstance(each, Frame)] == [1]
    assert all(each.torn for each in found if isinstance(each, Bad)) or cut > FRAME.size - 4


def test_a_text_is_no_frame() -> None:
    """A record whose message holds a frame's very bytes: JSON has no zeros, so nobody logs frames into a spool."""
    inner = mmap.mmap(-1, 4096)
    write(inner, 0, SALT, 9, MOMENT, b"forged", ALONE)
    body = encode(item_with(inner[:64].decode("latin-1"), {}))
    assert b"\0" not in body


def test_writing_never_lets_go_of_the_gil() -> None:
    """While frames of 300 kB are written no other thread runs; while the same bytes are summed in one go, one does."""
    target, body = mmap.mmap(-1, 1 << 20), b"x" * 300_000
    ticks = 0
    stop = threading.Event()

    def other() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(600.0)
    thread = threading.Thread(target=other)
    thread.start()
    try:
        until(lambda: ticks)  # from here on the other waits for as long as it takes: it runs where this one lets go
        seen = ticks
        for _ in range(50):
            write(target, 0, SALT, 1, MOMENT, body, ALONE)
        assert ticks == seen
        while ticks == seen:
            zlib.crc32(body)
    finally:
        stop.set()
        sys.setswitchinterval(before)
        thread.join()


def test_what_an_append_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Microseconds per record, printed; a frame of half a kilobyte takes no ten of them anywhere."""
    made = compact(LogEntry.now("x" * 300))
    rich = [*made[:5], {"order": 17, "amount": 12.5, "user": "x" * 40}, *made[6:]]
    target, body = mmap.mmap(-1, 4096), encode(made)
    figures = {
        "fill": timeit.repeat(lambda: write(target, 0, SALT, 1, MOMENT, body, ALONE), number=5000, repeat=5),
        "encode, plain": timeit.repeat(lambda: encode(made), number=5000, repeat=5),
        "encode, rich": timeit.repeat(lambda: encode(rich), number=5000, repeat=5),
    }
    costs = {name: min(times) / 5000 * 1e6 for name, times in figures.items()}
    with capsys.disabled():
        print("".join(f"\n  {name}: {cost:.2f} µs" for name, cost in costs.items()))
    assert max(costs.values()) < 10


def test_uuids_survive() -> None:
    """An id given by hand is the id that is stored."""
    identity = UUID(int=7)
    assert decode(encode(item_with("m", {"id": identity})))[9] == {"id": identity}
