"""What a dead writer leaves: stored once by whoever comes later, and what it took along is counted exactly."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.adoption import Adopted, Adoption
from dblog.chores import LOSS_LOGGER
from dblog.errors import ErrorClass, StoreError
from dblog.estate import Terms
from dblog.item import expand
from dblog.ledger import REASON, REASONS
from dblog.options import Options
from dblog.spool import EMITTED, QUARANTINE, Counts, decode, encode
from dblog.store import opener
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import examples
from tests.spooled import append, item, made, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from dblog.ledger import Stats
    from dblog.sink import Heir, Origin, Sink


class Asked(MemorySink):
    """A sink that can be asked which numbers of a writer are stored."""

    tells = True

    def __call__(self, origin: Origin) -> Any:
        """One writer's view, with the question."""
        view: Any = super().__call__(origin)

        def present(first: int, last: int, since: int) -> set[int] | None:
            if not self.tells:
                return None
            mine = [
                seq for seq, entry in self.rows if entry.instance_id == origin.instance_id and entry.timestamp >= since
            ]
            return {seq for seq in mine if seq is not None and first <= seq <= last}

        view.present = present
        return view

    @property
    def losses(self) -> list[dict[str, Any]]:
        """What loss rows say, together."""
        rows = [entry for seq, entry in self.rows if seq is None and entry.logger == LOSS_LOGGER]
        return [each for row in rows for each in row.attributes["dblog"]["loss"]]


def adoption(sink: MemorySink, folder: Path, **options: Any) -> Adoption:
    given: dict[str, Any] = {"max_age": 1e9, "patience": lambda: 30.0, "wait": lambda _seconds: None}
    return Adoption(sink, folder, mine=list, terms=Terms(**(given | options)))


class Writer:
    """A writer in steps small enough to be killed between: it keeps to the order that ``Counters`` asks for."""

    def __init__(self, folder: Path, sink: MemorySink) -> None:
        self.origin = origin()
        self.sink: Sink = sink(self.origin)
        self.spool = made(folder, self.origin)
        self.emitted = self.stored = self.began = 0
        self.lost, self.told = [0] * len(REASONS), [0] * len(REASONS)
        self.queue: list[int] = []
        self.framed: set[int] = set()
        self.flying: list[int] = []
        self.back: list[int] = []

    def _emit(self) -> int:
        self.emitted += 1
        self.spool.counters.words[EMITTED] = self.emitted
        return self.emitted

    def _append(self, seq: int, *, alone: bool) -> None:
        while not append(self.spool, seq, alone=alone):
            assert self.spool.grow()
        self.framed.add(seq)

    def _mirror(self) -> None:
        first, last = (self.flying[0], self.flying[-1]) if self.flying else (0, 0)
        waiting = self.queue + self.flying
        self.settled = min(waiting) - 1 if waiting else self.emitted
        counts = Counts(
            *(self.emitted, self.stored, sum(self.lost), 0, 0, self.settled),
            *(first, last, self.began, len(self.flying), self.spool.reached if not self.back else self.reached),
            *(1, self.in_hand),
        )
        with self.spool.lock:
            self.spool.counters.mirror(counts, self.lost, self.told)

    reached = 0
    settled = 0
    in_hand = 0

    def _write(self, seqs: list[int], *, replay: bool) -> None:
        self.sink.write([(seq, expand(item(seq))) for seq in seqs], replay=replay)

    def queued(self, _: int) -> Iterator[None]:
        """A record comes into memory."""
        self.queue.append(self._emit())
        yield

    def kept(self, _: int) -> Iterator[None]:
        """A record comes into memory, and on disk."""
        seq = self._emit()
        yield
        self.queue.append(seq)
        self._append(seq, alone=False)
        yield

    def aside(self, _: int) -> Iterator[None]:
        """A record goes to disk alone."""
        seq = self._emit()
        yield
        self._append(seq, alone=True)
        yield

    def refused(self, _: int) -> Iterator[None]:
        """A record finds no room."""
        self._emit()
        self.lost[REASON["queue_full"]] += 1
        self._mirror()
        yield

    def evicted(self, _: int) -> Iterator[None]:
        """A record finds no room, and the page does not know yet."""
        self._emit()
        self.lost[REASON["evicted"]] += 1
        yield

    def confessed(self, _: int) -> Iterator[None]:
        """A loss row of its own says what it dropped."""
        self.told = self.lost.copy()
        self._mirror()
        yield

    def spilled(self, _: int) -> Iterator[None]:
        """What waits goes to disk."""
        while self.queue:
            self._append(self.queue[0], alone=True)
            yield
            self.queue.pop(0)
            yield

    def stores(self, size: int) -> Iterator[None]:
        """A batch from memory."""
        self.began, self.flying, self.queue = self.stored, self.queue[:size], self.queue[size:]
        if not self.flying:
            return
        self._mirror()
        yield
        self._write(self.flying, replay=True)
        yield
        self.stored += len(self.flying)
        self.flying = []
        self._mirror()
        yield
        self.spool.acknowledge(self.settled)
        yield

    def stores_back(self, size: int) -> Iterator[None]:
        """A batch from disk: live records are stored first."""
        if self.queue:
            return
        self.reached = self.spool.reached
        self.back = [seq for seq, _ in self.spool.read(size, 10**9)]
        self.in_hand = self.spool.reached
        yield
        self._mirror()
        yield
        self._write(self.back, replay=True)
        yield
        self.stored += len(self.back)
        self.back = []
        self._mirror()
        yield
        self.spool.acknowledge(self.settled)
        yield


_KINDS = ["queued", "queued", "kept", "aside", "refused", "evicted", "confessed", "spilled", "stores", "stores_back"]
_schedules = st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(1, 6)), min_size=1, max_size=25)


def killed(folder: Path, sink: MemorySink, schedule: list[tuple[str, int]], after: int) -> Writer:
    """A writer that went through the schedule and was killed after so many steps."""
    writer = Writer(folder, sink)
    steps = (step for kind, size in schedule for step in getattr(writer, kind)(size))
    for _ in zip(range(after), steps, strict=False):
        pass
    steps.close()
    writer.spool.abandon()
    return writer


def told_of(writer: Writer, sink: Asked) -> tuple[int, int]:
    """How many records are stored, and how many are lost by the loss rows."""
    seqs = [seq for seq, entry in sink.rows if seq is not None and entry.instance_id == writer.origin.instance_id]
    assert len(seqs) == len(set(seqs))
    assert set(seqs) <= set(range(1, writer.emitted + 1))
    assert all(entry.message == f"record {seq}" for seq, entry in sink.rows if seq is not None)
    return len(seqs), sum(each["count"] for each in sink.losses)


FATES: dict[str, dict[str, Any]] = {"stored": {}, "too old": {"max_age": -1.0}, "thrown away": {"discard": True}}


@given(schedule=_schedules, after=st.integers(0, 60), tells=st.booleans(), fate=st.sampled_from([*FATES]))
@examples(100)
def test_the_number_lost_is_exact(schedule: list[tuple[str, int]], after: int, tells: bool, fate: str) -> None:
    """Whatever a writer did, killed between any two steps: stored + told + lost is what it emitted, to the record.

    Whether what it left is stored, too old, or thrown away; what was stored before is never told as lost. Where the
    database cannot be asked, the row says how many of a batch on its way are in doubt, and no more.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root" / "t"
        sink = Asked()
        sink.tells = tells
        writer = killed(folder, sink, schedule, after)
        adopted = adoption(sink, folder, **FATES[fate]).run(60.0)
        stored, lost = told_of(writer, sink)
        missing = writer.emitted - sum(writer.told) - stored
        doubt = sum(each.get("in_doubt", 0) for each in sink.losses)
        assert lost - doubt <= missing <= lost
        assert not (tells and doubt)
        assert adopted.lost + adopted.expired + adopted.discarded == lost
        assert (adopted.waiting, adopted.corrupt) == (False, 0)
        stats = closed(writer, sink)
        assert stats.stored <= stored <= stats.stored + doubt
        assert not folder.exists()
        assert fate != "stored" or writer.framed <= {seq for seq, _ in sink.rows}


def closed(writer: Writer, sink: Asked) -> Stats:
    """The writer's last row: its counts add up, and by reason they are what all loss rows say together."""
    status = sink.statuses[-1]
    assert (status.posthumous, status.origin.instance_id) == (True, writer.origin.instance_id)
    stats = status.stats
    assert_conserved(stats)
    assert (stats.emitted, stats.queued, stats.in_flight, stats.spooled) == (writer.emitted, 0, 0, 0)
    said = Counter(dict(zip(REASONS, writer.told, strict=True)))
    for each in sink.losses:
        said[each["reason"]] += each["count"]
    assert stats.dropped_by == {reason: said[reason] for reason in stats.dropped_by}
    assert sum(stats.dropped_by.values()) == said.total() == stats.dropped
    return stats


class Killed(BaseException):
    """Stands for SIGKILL."""


def dying(after: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wraps functions so that the one called after so many is the last, before or after it did its work."""
    calls = itertools.count()

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == after:
                raise Killed
            result = function(*args, **kwargs)
            if next(calls) == after:
                raise Killed
            return result

        return call

    return wrap


@given(schedule=_schedules, after=st.integers(0, 60), deaths=st.lists(st.integers(0, 25), max_size=5))
@examples(50)
def test_an_adopter_may_be_killed_too(schedule: list[tuple[str, int]], after: int, deaths: list[int]) -> None:
    """Killed before or after anything it writes, any number of times: the last one tells the same, and once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "root" / "t"
        sink = Asked()
        writer = killed(folder, sink, schedule, after)
        for death in deaths:
            wrap = dying(death)
            with (
                mock.patch.multiple(os, pwrite=wrap(os.pwrite), unlink=wrap(os.unlink), rmdir=wrap(os.rmdir)),
                mock.patch.object(sink, "write", wrap(sink.write)),
                mock.patch.object(sink, "report", wrap(sink.report)),
            ):
                try:
                    adoption(sink, folder, batch_size=3).run(60.0)
                except Killed:
                    continue
        adopted = adoption(sink, folder, batch_size=3).run(60.0)
        stored, lost = told_of(writer, sink)
        assert writer.emitted == sum(writer.told) + stored + lost
        assert len({repr(status.stats) for status in sink.statuses}) == 1
        assert closed(writer, sink).stored == stored
        assert not adopted.waiting
        assert not folder.exists()


def left_behind(folder: Path, seqs: range, **fields: Any) -> Origin:
    """A dead writer with these records alone on disk, and nothing lost."""
    whose = origin()
    spool = made(folder, whose)
    for seq in seqs:
        assert append(spool, seq, encode(item(seq, **fields)))
    spool.counters.mirror(Counts(emitted=len(seqs), spooled=len(seqs)))
    spool.abandon()
    return whose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "root" / "t"


def test_rows_keep_their_writer(folder: Path) -> None:
    """What is stored later says the dead writer's service, host, pid and instance, and its own number."""
    whose = left_behind(folder, range(1, 4))
    sink = MemorySink()
    assert adoption(sink, folder).run(60.0) == Adopted(directories=1, stored=3)
    assert [seq for seq, _ in sink.rows] == [1, 2, 3]
    assert {(e.instance_id, e.service, e.host, e.pid) for e in sink.entries} == {
        (whose.instance_id, "shop", "h", whose.pid)
    }


def test_the_living_are_left_alone(folder: Path) -> None:
    """A directory whose writer holds it is not touched, in this process or another; its files stay as they are."""
    spool = made(folder)
    append(spool, 1)
    sink = MemorySink()
    assert adoption(sink, folder).run(60.0) == Adopted()
    assert [seq for seq, _ in spool.read(9, 10**6)] == [1]
    spool.abandon()
    assert adoption(sink, folder).run(60.0).stored == 1


@pytest.mark.parametrize("kind", [ErrorClass.RECONNECT, ErrorClass.CONFIGURATION, ErrorClass.WAIT, ErrorClass.RESEND])
def test_a_database_that_is_away_costs_nothing(folder: Path, kind: ErrorClass) -> None:
    """It waits for another time, and all is stored then."""
    left_behind(folder, range(1, 4))
    sink = MemorySink()
    sink.down(kind)
    assert adoption(sink, folder).run(60.0) == Adopted(waiting=True)
    sink.up()
    assert adoption(sink, folder).run(60.0) == Adopted(directories=1, stored=3)


def test_time_is_kept(folder: Path) -> None:
    """Without any time left one batch is stored, and acknowledged: the next call goes on behind it."""
    left_behind(folder, range(1, 10))
    sink = MemorySink()
    for stored in (4, 4, 1):
        adopted = adoption(sink, folder, batch_size=4).run(0.0)
        assert (adopted.stored, adopted.waiting) == (stored, True)
    assert adoption(sink, folder).run(0.0) == Adopted(directories=1, waiting=True)
    assert adoption(sink, folder).run(0.0) == Adopted()
    assert [seq for seq, _ in sink.rows] == list(range(1, 10))


def test_the_old_are_given_up_and_told(folder: Path) -> None:
    """Records older than allowed are not stored; one row says how many, of which levels, from which to which."""
    left_behind(folder, range(1, 6), severity=17, level="ERROR")
    sink = Asked()
    assert adoption(sink, folder, max_age=-1.0).run(60.0) == Adopted(directories=1, expired=5)
    assert sink.entries == []
    assert sink.losses == [{"reason": "spool_expired", "count": 5, "levels": {"error": 5}, "seq_from": 1, "seq_to": 5}]


def test_what_the_database_refuses_is_a_dead_letter(folder: Path) -> None:
    """One bad row among others: the others are stored, it is kept readable; while letters are refused, all waits."""
    whose = left_behind(folder, range(1, 9))
    sink = MemorySink()
    sink.refuse("record 5")
    with mock.patch.object(sink, "dead_letter", side_effect=StoreError(ErrorClass.RECONNECT, "X", "away")):
        assert adoption(sink, folder).run(60.0).waiting
    sink.letters.clear()
    assert adoption(sink, folder).run(60.0) == Adopted(directories=1, stored=7, failed=1)
    assert [seq for seq, _ in sink.rows] == [1, 2, 3, 4, 6, 7, 8]
    assert [(letter.seq, letter.instance_id) for letter in sink.letters] == [(5, whose.instance_id)]


@pytest.mark.parametrize("moment", [0, -(2**62), 2**62])
def test_a_wrong_clock_is_put_right_once(folder: Path, moment: int, tmp_path: Path) -> None:
    """A record with an impossible time gets that of its arrival at every replay: the same id, one row."""
    whose = origin()
    spool = made(folder, whose)
    made_item = item(1)
    made_item[1] = moment
    append(spool, 1, encode(made_item))
    spool.counters.mirror(Counts(emitted=1))
    spool.abandon()
    shutil.copytree(folder, tmp_path / "again")
    sink = MemorySink()
    assert adoption(sink, folder).run(60.0).stored == 1
    assert not folder.exists()
    shutil.copytree(tmp_path / "again", folder)
    (first,) = sink.entries
    sink._stored.clear()
    assert adoption(sink, folder).run(60.0).stored == 1
    assert len({entry.id for entry in sink.entries}) == 1
    assert "clock" in first.attributes["dblog"]["flags"]


def test_damage_is_told(folder: Path) -> None:
    """A record damaged on disk is in the loss row by its number; the file is in quarantine, for its owner only."""
    whose = left_behind(folder, range(1, 6))
    (segment,) = (folder / str(whose.instance_id)).glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(b"record 3")] ^= 1
    segment.write_bytes(data)
    sink = Asked()
    adopted = adoption(sink, folder).run(60.0)
    assert (adopted.stored, adopted.lost) == (4, 1)
    assert [seq for seq, entry in sink.rows if seq is not None] == [1, 2, 4, 5]
    assert sink.losses == [{"reason": "damaged", "count": 1, "levels": {}, "seq_from": 3, "seq_to": 3}]
    (kept,) = (folder / QUARANTINE).iterdir()
    assert kept.read_bytes()[4096:] == bytes(data)[4096:]
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert decode(encode(item(3)))[0] == 0


def test_a_bug_in_a_sink_is_no_ones_end(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A sink that raises anything at all: nothing escapes, nothing is lost, and the error is told by its type."""
    left_behind(folder, range(1, 4))
    sink = MemorySink()

    def fault(_rows: Any) -> None:
        raise KeyError("secret text")

    sink.fault = fault
    with mock.patch.object(sink, "dead_letter", fault):
        assert adoption(sink, folder).run(60.0).waiting
    sink.up()
    assert adoption(sink, folder).run(60.0) == Adopted(directories=1, stored=3)
    assert "secret" not in capfd.readouterr().err


class Choosy(MemorySink):
    """A sink that does not take the rows of one writer: it says why, or hangs with them until it is aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: UUID | None = None
        self.kind: ErrorClass | None = None
        self.tried = 0

    def __call__(self, origin: Origin) -> Any:
        """One writer's view."""
        view: Any = super().__call__(origin)
        write, aborted = view.write, threading.Event()

        def choosy(rows: Any, *, replay: bool = False) -> None:
            self.tried += 1
            if origin.instance_id == self.bad:
                if self.kind is not None:
                    raise StoreError(self.kind, "X", "not this one")
                assert aborted.wait(10)
                raise StoreError(ErrorClass.RECONNECT, "X", "it took too long", ambiguous=True)
            write(rows, replay=replay)

        view.write, view.abort = choosy, aborted.set
        return view

    @contextlib.contextmanager
    def refusing(self, bad: UUID, kind: ErrorClass | None) -> Iterator[None]:
        """In the block."""
        self.bad, self.kind = bad, kind
        yield
        self.bad = None


@contextlib.contextmanager
def unreadable(folder: Path, whose: UUID, name: str, code: int) -> Iterator[None]:
    """A file in this writer's directory cannot be opened."""
    opened, own = os.open, (folder / str(whose)).stat().st_ino

    def refusing(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith(name) and "dir_fd" in kwargs and own == os.fstat(kwargs["dir_fd"]).st_ino:
            raise OSError(code, os.strerror(code))
        return opened(path, *args, **kwargs)

    with mock.patch.object(os, "open", refusing):
        yield


@pytest.mark.parametrize(
    ("trouble", "which"),
    [
        (None, 0),
        *itertools.product((ErrorClass.CONFIGURATION, ErrorClass.WAIT, ErrorClass.RESEND), range(3)),
        *itertools.product(itertools.product((".seg", "origin", "counters"), (errno.EMFILE, errno.EACCES)), range(3)),
    ],
    ids=str,
)
def test_one_that_cannot_be_settled_holds_up_no_other(folder: Path, trouble: Any, which: int) -> None:
    """Refused, hanging, not readable: the others are settled in the same run, and this one at its next try.

    That is half a minute later: until then nobody waits for it again. Nothing of it is taken for empty, or lost.
    """
    sink = Choosy()
    ids = sorted((left_behind(folder, range(1, 4)).instance_id for _ in range(3)), key=str)
    bad = ids[which]
    one = adoption(sink, folder, patience=lambda: 0.05)
    with unreadable(folder, bad, *trouble) if isinstance(trouble, tuple) else sink.refusing(bad, trouble):
        assert one.run(60.0) == Adopted(directories=2, stored=6, waiting=True)
        assert {entry.instance_id for entry in sink.entries} == {*ids} - {bad}
    tried = sink.tried
    assert one.run(60.0) == Adopted(waiting=True)
    assert sink.tried == tried
    with mock.patch("time.monotonic", lambda now=time.monotonic: now() + 31.0):
        assert one.run(60.0) == Adopted(directories=1, stored=3)
    assert len(sink.rows) == len({(entry.instance_id, seq) for seq, entry in sink.rows}) == 9


def test_a_database_that_is_away_is_not_asked_for_each(folder: Path) -> None:
    """Where it cannot be reached one directory is enough to know; all are settled as soon as it is back."""
    for _ in range(5):
        left_behind(folder, range(1, 4))
    sink = MemorySink()
    sink.down()
    one = adoption(sink, folder)
    assert one.run(60.0) == Adopted(waiting=True)
    assert sink.statements == 1
    sink.up()
    assert one.run(60.0) == Adopted(directories=5, stored=15)


def test_what_a_newer_dblog_wrote_is_left_to_it(folder: Path) -> None:
    """A segment of a version this one does not read: its directory stays as it is, and others are stored."""
    with mock.patch("dblog.spool.segment.VERSION", 2):
        newer = left_behind(folder, range(1, 4))
    left_behind(folder, range(1, 4))
    sink = MemorySink()
    adopted = adoption(sink, folder).run(60.0)
    assert (adopted.directories, adopted.stored, adopted.waiting, adopted.corrupt) == (1, 3, True, 0)
    assert [path.name for path in folder.iterdir()] == [str(newer.instance_id)]
    with mock.patch("dblog.spool.segment.VERSION", 2):
        assert adoption(sink, folder).run(60.0).stored == 3


def test_what_is_damaged_is_never_deleted(folder: Path) -> None:
    """Where no link can be made, the whole directory goes into quarantine, once what is whole in it is stored."""
    whose = left_behind(folder, range(1, 6))
    (segment,) = (folder / str(whose.instance_id)).glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(b"record 3")] ^= 1
    segment.write_bytes(data)
    sink = MemorySink()
    with mock.patch.object(os, "link", side_effect=PermissionError(1, "Operation not permitted")):
        assert adoption(sink, folder).run(60.0).stored == 4
    assert [path.name for path in folder.iterdir()] == [QUARANTINE]
    (kept,) = folder.rglob("*.seg")
    assert kept.read_bytes()[4096:] == bytes(data)[4096:]
    assert adoption(sink, folder).run(60.0) == Adopted()


def test_dblogs_own_sinks_can_say_what_is_stored(sqlite_url: str, postgres_url: str) -> None:
    """One connection asks for the rows of one dead writer after another: by number, and from a time on."""
    for url in (sqlite_url, postgres_url):
        first, second = origin(), origin()
        sink: Any = opener(url, Options())(first)
        heir: Heir = sink
        for whose in (first, second):
            heir.turn_to(whose)
            rows = [(seq, expand(item(seq))) for seq in range(1, 10, 2 if whose is first else 1)]
            heir.write(rows, replay=True)
        assert set(heir.present(2, 6, 0)) == {2, 3, 4, 5, 6}
        heir.turn_to(first)
        assert set(heir.present(2, 6, 0)) == {3, 5}
        assert not heir.present(2, 6, time.time_ns() // 1000 + 60_000_000)
        heir.close()
