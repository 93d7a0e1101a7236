"""Spool files that somebody has changed: no crash, no wrong row, and what is whole is found."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from dblog.adoption import Adoption
from dblog.estate import Terms
from dblog.spool import QUARANTINE, dead
from dblog.testing import MemorySink
from tests.spooled import append, item, made, origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dblog.sink import Origin

RECORDS = 150


def left_behind(folder: Path) -> Origin:
    """A dead writer's directory: two segments and a bit, a hole, an acknowledged beginning."""
    from dblog.spool import Counts, encode

    whose = origin()
    spool = made(folder, whose, max_bytes=1 << 20)
    for seq in range(1, RECORDS + 1):
        body = encode(item(seq, f"{seq}:" + "x" * (seq * 7 % 900)))
        while not append(spool, seq, body, alone=bool(seq % 3)):
            assert spool.grow()
        if seq == 20:
            spool.place[0] += 128  # somebody was killed here
        if seq == 10:
            spool.read(5, 10**9)
            spool.acknowledge(3)
    with spool.lock:
        spool.counters.mirror(Counts(emitted=RECORDS, spooled=RECORDS))
    spool.abandon()
    return whose


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 2, 10, 100])):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _grow(data: bytearray, rng: random.Random) -> None:
    data += rng.randbytes(rng.randrange(1, 9000))


def _zero(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + 4096] = bytes(len(data[at : at + 4096]))


def _copy(data: bytearray, rng: random.Random) -> None:
    length, source, target = rng.randrange(8, 5000), rng.randrange(len(data)), rng.randrange(len(data))
    piece = data[source : source + length]
    data[target : target + len(piece)] = piece


def _shift(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(8 * rng.randrange(1, 100))


def _noise(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    length = len(data[at : at + rng.randrange(1, 20_000)])
    data[at : at + length] = rng.randbytes(length)


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [_flip, _flip, _cut, _grow, _zero, _copy, _shift, _noise]


def _mutate(folder: Path, whose: Origin, rng: random.Random) -> str:
    """Change one file of the directory, or put another in its place; its name."""
    own = folder / str(whose.instance_id)
    files = sorted(path for path in own.iterdir() if path.name != "owner.lock")
    victim = rng.choice(files)
    if rng.random() < 0.05:
        victim.rename(victim.with_suffix(".swap"))
        other = rng.choice([path for path in files if path != victim])
        shutil.copy(other, victim)
    elif rng.random() < 0.03:
        victim.unlink()
        if rng.random() < 0.5:
            victim.symlink_to("/etc/passwd")
        elif rng.random() < 0.5:
            os.mkfifo(victim)
        else:
            victim.mkdir()
    else:
        # Where something is, most of the time: a segment is mostly room.
        data = bytearray(victim.read_bytes())
        busy = len(data.rstrip(b"\0")) if rng.random() < 0.9 else len(data)
        head = data[:busy]
        rng.choice(MUTATIONS)(head, rng)
        victim.write_bytes(head + data[busy:])
    return victim.name


@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])], ids=["short", "full"]
)
def test_mutated_files_give_no_wrong_row(tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of a dead writer, each changed at random: adoption ends, and every row it stores is one that was appended.

    With its own text and number, once, as its writer's; and everything in the files that nobody touched is stored.
    """
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    folder = tmp_path / "root" / "t"
    whose = left_behind(folder)
    template = tmp_path / "template"
    shutil.copytree(folder, template)
    expected = {one.seq: f"{one.number:06d}.seg" for each in dead(folder) for one in each.frames()}
    assert len(expected) >= RECORDS - 10
    found = corrupt = 0
    for number in range(count):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        victim = _mutate(folder, whose, rng)
        sink = MemorySink()
        adoption = Adoption(sink, folder, mine=list, terms=Terms(1e9, lambda: 30.0))
        adopted = adoption.run(1e9)
        say = f"seed {seed}, file {number}"
        assert not adopted.waiting, say
        rows = [(seq, entry) for seq, entry in sink.rows if seq is not None]
        assert len(rows) == len({seq for seq, _ in rows}), say
        for seq, entry in rows:
            assert entry.message == f"{seq}:" + "x" * (seq * 7 % 900), say
            assert (entry.instance_id, entry.service, entry.host) == (whose.instance_id, "shop", "h"), say
            assert 1 <= seq <= RECORDS, say
        assert {seq for seq, name in expected.items() if name != victim} <= {seq for seq, _ in rows}, say
        assert sink.letters == [], say
        found += len(rows)
        corrupt += adopted.corrupt
        assert {path.name for path in folder.glob("*")} <= {QUARANTINE}, say
    with capsys.disabled():
        print(f"\n  {count} mutated files: {found / count / len(expected):.1%} of the records, {corrupt} damages")
    assert found > 0.5 * count * len(expected)
    assert corrupt
