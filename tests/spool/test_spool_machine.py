"""The spool against a model of lists: appended, read, struck, acknowledged, expired, full, dead, found by the next."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dblog.levels import BANDS, band_of
from dblog.spool import Spool, dead, encode, need
from dblog.spool.frames import FRAME
from tests.oracle import examples
from tests.spooled import SEGMENT, append, item, made, origin, text_of

FAR = 10.0**11
"""A time at which everything is old."""


class Spooled(RuleBasedStateMachine):
    """{append, append in vain, grow, disk full, read, struck, acknowledge, expire, close, kill and find}."""

    @initialize(segments=st.integers(4, 8))
    def start(self, segments: int) -> None:
        """An empty spool."""
        self.folder = Path(tempfile.mkdtemp(prefix="dblog-spool-")) / "root" / "target"
        self.segments = segments
        self.seq = 0
        self.full = False
        self._begin()

    def _begin(self) -> None:
        self.spool = made(self.folder, grown=False, max_bytes=self.segments * SEGMENT)
        self.alone: list[int] = []
        """In the order of the files, all that were ever appended."""
        self.kept: list[int] = []
        self.read = self.confirmed = 0
        """How many of ``alone``."""
        self.settled = 0

    def teardown(self) -> None:
        """Nothing is left open or on disk."""
        self.spool.close()
        shutil.rmtree(self.folder.parent.parent)

    @rule(
        alone=st.booleans(),
        size=st.sampled_from([1, 100, 5000, 20_000]),
        count=st.integers(1, 6),
        severity=st.integers(1, 24),
    )
    def append(self, alone: bool, size: int, count: int, severity: int) -> None:
        """Records of any size, as long as there is room."""
        for _ in range(count):
            body = encode(item(self.seq + 1, f"{self.seq + 1}:" + "x" * size, severity=severity))
            if not append(self.spool, self.seq + 1, body, alone=alone):
                return
            self.seq += 1
            (self.alone if alone else self.kept).append(self.seq)

    @rule(length=st.integers(FRAME.size + 1, 3000))
    def struck_while_appending(self, length: int) -> None:
        """Reserved, and never written."""
        length = need(bytes(length))
        if self.spool.place[0] + length <= self.spool.place[1]:
            self.spool.place[0] += length

    @rule()
    def grow(self) -> None:
        """Succeeds unless the disk or the cap says no, and then changes nothing."""
        wanted, size = self.spool.wants, self.spool.size
        with mock.patch("os.posix_fallocate", self._allocate):
            grown = self.spool.grow()
        if wanted and self.full:
            assert not grown
        if not self.full and self.spool.size + SEGMENT <= self.segments * SEGMENT:
            assert grown
            assert not self.spool.wants
        if not grown:
            assert self.spool.size == size or not self.full

    def _allocate(self, *arguments: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _fallocate(*arguments)

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:
        """The disk is full, or has room again."""
        self.full = full

    @rule(limit=st.integers(1, 20), limit_bytes=st.sampled_from([1, 6000, 10**9]))
    def next_batch(self, limit: int, limit_bytes: int) -> None:
        """The next ones, in order, each once, and one at least."""
        batch = self.spool.read(limit, limit_bytes)
        waiting = self.alone[self.read :]
        assert [seq for seq, _ in batch] == waiting[: len(batch)]
        assert all(text_of(body).startswith(f"{seq}:") for seq, body in batch)
        assert bool(batch) == bool(waiting)
        assert len(batch) <= limit
        assert len(batch) == 1 or sum(len(body) for _, body in batch) <= limit_bytes
        if limit_bytes == 10**9:
            assert len(batch) == min(limit, len(waiting))
        self.read += len(batch)

    @rule()
    def struck(self) -> None:
        """What was read and not acknowledged comes again."""
        self.spool.reread()
        self.read = self.confirmed

    @rule(more=st.integers(0, 30))
    def acknowledge(self, more: int) -> None:
        """What was read is done with, and of what waits in the queue what is settled."""
        self.settled = min(self.seq, self.settled + more)
        self.confirmed = self.read
        self.spool.acknowledge(self.settled)

    @rule()
    def expire_nothing(self) -> None:
        """Nothing is old now."""
        assert self.spool.expire(0.0) == []

    @rule()
    def expire(self) -> None:
        """Everything is old: what was not read yet is given up, unless something is in hand."""
        lost = self.spool.expire(FAR)
        if self.read != self.confirmed:
            assert lost == []
            return
        assert [seq for seq, _ in lost] == self.alone[self.read :]
        self.read = self.confirmed = len(self.alone)

    def _undone(self) -> set[int]:
        return {seq for seq in self.kept if seq > self.settled} | set(self.alone[self.confirmed :])

    @rule()
    def killed(self) -> None:
        """Whoever comes next finds everything that was not acknowledged, in order, and nothing that never was."""
        undone, appended = self._undone(), sorted(self.alone + self.kept)
        whose = self.spool._origin
        self.spool.abandon()  # as the kernel does at SIGKILL: descriptors closed, files as they are
        found = list(dead(self.folder))
        assert len(found) <= 1
        for each in dead(self.folder):
            assert (each.origin, each.instance_id) == (whose, whose.instance_id)
            left = list(each.frames())
            assert [one.seq for one in left] == sorted({one.seq for one in left})
            assert undone <= {one.seq for one in left} <= set(appended)
            assert {one.seq for one in left if one.alone} <= set(self.alone)
            assert all(text_of(one.body).startswith(f"{one.seq}:") for one in left)
            assert (each.corrupt, each.damaged) == (0, set())
            each.remove()
        assert not self.folder.exists()
        self._begin()

    @rule()
    def closed(self) -> None:
        """Of what is done with nothing stays; of anything else everything."""
        self.spool.acknowledge(self.settled)  # as a writer does at its end: also what is read
        self.confirmed = self.read
        undone = self._undone()
        self.spool.close()
        left = {one.seq for each in dead(self.folder) for one in each.frames()}
        assert undone <= left
        if not undone:
            assert not self.folder.exists()
        for each in dead(self.folder):
            each.remove()
        self._begin()

    @precondition(lambda self: not self._undone())
    @rule()
    def nothing_is_kept_for_nothing(self) -> None:
        """Where everything is done with, one segment and its successor are all that is on disk."""
        self.confirmed = self.read
        self.spool.acknowledge(self.settled)
        assert self.spool.size <= 2 * SEGMENT

    @invariant()
    def counted(self) -> None:
        """Pending is exact once everything was read; the cap holds; nobody else may have the directory."""
        spool = self.spool
        assert spool.pending == len(self.alone) - self.confirmed
        assert spool.size <= self.segments * SEGMENT
        files = list(self.folder.rglob("*.seg"))
        assert sum(path.stat().st_size for path in files) == spool.size
        assert spool.least == (0 if spool.used < 0.8 * self.segments * SEGMENT else spool.least)
        assert list(dead(self.folder)) == []


_fallocate = os.posix_fallocate


@pytest.mark.hypothesis  # no decorator of Hypothesis's says so here, and `nox -s long` goes by it
@pytest.mark.timeout(600)  # the long profile
def test_the_spool_is_what_the_model_says() -> None:
    """Whatever happens in whatever order: nothing is lost, nothing comes twice, nothing stays for ever."""
    run_state_machine_as_test(Spooled, settings=settings(examples(40), stateful_step_count=40))


def test_lower_severities_give_way_first(tmp_path: Path) -> None:
    """Below 80 % everything is taken, from there on WARNING and above, from 95 % on ERROR and above; full, nothing."""
    spool = made(tmp_path / "root" / "t", max_bytes=4 * SEGMENT)
    seen: dict[int, Any] = {}
    seq = 0
    while True:
        spool.grow()
        seen.setdefault(spool.least, spool.used / (4 * SEGMENT))
        seq += 1
        if not append(spool, seq):
            break
    spool.close()
    assert list(seen) == [0, band_of(13), band_of(17)]
    assert [round(share, 1) for share in seen.values()][1:] == [0.8, 1.0] or seen[band_of(17)] >= 0.95
    assert max(seen) < BANDS


@pytest.mark.parametrize("size", [SEGMENT - 3 * 4096 - FRAME.size, 200])
def test_a_frame_as_large_as_it_may_be_fits(tmp_path: Path, size: int) -> None:
    """``largest`` is what any fresh segment holds."""
    spool = made(tmp_path / "root" / "t")
    body = b"x" * min(size, spool.largest - FRAME.size)
    assert need(body) <= spool.largest
    assert append(spool, 1, body)
    assert spool.read(1, 1) == [(1, body)]
    spool.close()


def test_a_spool_says_whose_it_is(tmp_path: Path) -> None:
    """The origin comes back whole, also one that is longer than a page."""
    whose = origin(service="é" * 512, service_version='"' * 512, environment="\\" * 512, container="c" * 500)
    spool = Spool.create(tmp_path / "root" / "t", whose, max_bytes=10**7, max_age=10.0, lock=mock.MagicMock())
    assert spool.grow()
    assert append(spool, 1)
    spool.abandon()
    ((found, left),) = [(each.origin, list(each.frames())) for each in dead(tmp_path / "root" / "t")]
    assert found == whose
    assert [one.seq for one in left] == [1]
