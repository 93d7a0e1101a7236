"""What a spool is on disk: ours alone, allocated or not there, locked while its writer lives, gone when it is done."""

from __future__ import annotations

import errno
import gc
import os
import re
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog.levels import BANDS
from dblog.mounts import NETWORK
from dblog.spool import MAX_AGE, Counts, Spool, SpoolUnavailable, check_age, dead, encode, need, spool_root, target_name
from dblog.spool.counters import BANK, Counters, read_page
from dblog.spool.frames import ALONE
from tests.spooled import SEGMENT, append, item, made, origin

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "root" / "t"


def modes(folder: Path) -> dict[str, int]:
    """The permissions of everything there is."""
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.lstat().st_mode)
        for path in [folder.parent, *folder.parent.rglob("*")]
    }


def test_nobody_else_can_read_it(folder: Path) -> None:
    """Whatever the umask: directories 0700, files 0600."""
    before = os.umask(0)
    try:
        spool = made(folder)
        append(spool, 1)
        found = modes(folder)
    finally:
        os.umask(before)
    assert len(found) == 7
    assert set(found.values()) == {0o700, 0o600}
    assert all(mode == (0o700 if (folder.parent / name).is_dir() else 0o600) for name, mode in found.items())
    spool.close()


def _open() -> int:
    """How many descriptors this process has, but for those that earlier tests have left to the collector."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def _wide(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    folder.chmod(0o755)


def _linked(folder: Path) -> None:
    folder.parent.mkdir(mode=0o700)
    elsewhere = folder.parent.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)


def _a_file(folder: Path) -> None:
    folder.parent.mkdir(mode=0o700)
    folder.write_text("")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (_wide, "has the mode 0755: others must not read it, chmod it to 0700"),
        (_linked, "cannot be used: "),
        (_a_file, "cannot be used: "),
    ],
)
def test_a_place_that_is_not_ours_is_refused(folder: Path, prepare: Any, says: str) -> None:
    """With a sentence that names the directory and says what to do; nothing is left open, nothing made."""
    prepare(folder)
    before = _open()
    with pytest.raises(SpoolUnavailable, match=says) as error:
        made(folder)
    assert repr("t") in str(error.value) or str(folder) in str(error.value)
    assert _open() == before
    assert not list(folder.parent.rglob("*.seg"))


def test_another_users_place_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else made it could read what is put there, or put something there to be stored as ours."""
    folder.parent.mkdir(mode=0o700)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(SpoolUnavailable, match=f"belongs to user {mine}, not to this process's {mine + 1}: name ano"):
        made(folder)


@pytest.mark.parametrize("kind", [*sorted(NETWORK), "ext4", "tmpfs", "overlay", "fuseblk"])
def test_another_hosts_disk_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Mapped files there are as safe as the network, and locks may hold on one host only; a local one will do."""
    mounts = folder.parent.parent / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {folder.parent.parent} {kind} rw 0 0\n")
    monkeypatch.setattr("dblog.mounts.MOUNTS", mounts)
    if kind not in NETWORK:
        made(folder).close()
        return
    says = rf"'{folder}' is on a network file system \({re.escape(kind)}\): name one on a local disk in spool_dir"
    with pytest.raises(SpoolUnavailable, match=says):
        made(folder)
    assert not folder.parent.exists()


def test_what_is_read_later_was_written_by_no_link(folder: Path, tmp_path: Path) -> None:
    """A segment that is a link, a pipe or somebody's directory is never opened."""
    whose = origin()
    spool = made(folder, whose)
    append(spool, 1)
    spool.abandon()
    own = folder / str(whose.instance_id)
    secret = tmp_path / "secret"
    (own / "000001.seg").rename(secret)
    (own / "000001.seg").symlink_to(secret)
    os.mkfifo(own / "000002.seg")
    for each in dead(folder):
        assert list(each.frames()) == []
    assert secret.exists()


def test_a_living_writers_lock_is_its_own(folder: Path) -> None:
    """The same writer twice is refused, and a second one beside it is not."""
    whose = origin()
    first = made(folder, whose)
    with pytest.raises(SpoolUnavailable):
        made(folder, whose)
    second = made(folder)
    assert list(dead(folder)) == []
    first.close()
    second.close()
    assert not folder.exists()


def test_nothing_is_read_before_it_was_made(folder: Path) -> None:
    """A directory half made when its maker was killed is nobody's; it goes after a minute, and not before."""
    whose = origin()
    spool = made(folder, whose)
    spool.abandon()
    young = folder / f".new-{whose.instance_id}"
    (folder / str(whose.instance_id)).rename(young)
    assert list(dead(folder)) == []
    assert young.exists()
    os.utime(young, (time.time() - 3600,) * 2)
    assert list(dead(folder)) == []
    assert not young.exists()


def test_closing_leaves_nothing_open(folder: Path) -> None:
    """No descriptor, and no map of a file: closed, abandoned, or refused."""
    before = _open()
    for end in ("close", "abandon"):
        spool = made(folder)
        append(spool, 1)
        spool.read(9, 9)
        spool.acknowledge(0)
        getattr(spool, end)()
        spool.close()
        assert not append(spool, 2)
        del spool
    assert _open() == before
    for each in dead(folder):
        each.remove()


def test_a_spare_is_no_record_of_anybody(folder: Path) -> None:
    """What is appended after a read that found nothing, with a successor allocated already, is read."""
    spool = made(folder)
    body = encode(item(1, "x" * 20_000))
    append(spool, 1, body, alone=False)
    assert spool.grow()
    assert spool.size == 2 * SEGMENT
    assert spool.read(9, 10**6) == []
    append(spool, 2, body)
    assert [seq for seq, _ in spool.read(9, 10**6)] == [2]
    spool.close()


def test_a_record_damaged_in_a_living_spool_is_given_up(folder: Path) -> None:
    """Somebody writes into a mapped file: that record is told once, the others are read, nothing pends."""
    spool = made(folder)
    for seq in (1, 2, 3):
        append(spool, seq)
    (segment,) = spool._segments.values()
    at = segment.map.find(b"record 2")
    segment.map[at : at + 1] = b"R"
    assert [seq for seq, _ in spool.read(9, 10**6)] == [1, 3]
    spool.acknowledge(0)
    assert spool.expire(0.0) == []
    assert (spool.damaged(), spool.damaged()) == ([2], [])
    assert spool.pending == 0
    spool.close()
    assert not folder.exists()


# -- no room --------------------------------------------------------------------------------------------------

_LIMITED = """
import os, resource, sys, threading
from pathlib import Path
from dblog.spool import SpoolUnavailable
from tests.spooled import SEGMENT, append, made
limit = int(sys.argv[2])
spool = made(Path(sys.argv[1]), grown=False, segment_bytes=1 << 20, max_bytes=1 << 24)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print(spool.grow(), spool.place, append(spool, 1), spool.size, spool.wants)
print(sorted(os.listdir(Path(sys.argv[1]) / os.listdir(sys.argv[1])[0])))
spool.close()
"""


def test_a_segment_that_does_not_fit_is_none(folder: Path) -> None:
    """A disk that takes 100 kB where a segment needs 1 MB: no map, no file, no signal, and ``append`` says no."""
    command = [sys.executable, "-c", _LIMITED, str(folder), str(100_000)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "False [0, 0] False 0 True",
        "['counters', 'origin', 'owner.lock']",
    ]


_FULL = """
import sys
from pathlib import Path
from tests.spooled import append, made
spool = made(Path(sys.argv[1]) / "root" / "t", max_bytes=1 << 30)
seq = 0
while spool.grow() or spool.place[1] - spool.place[0] > 1000:
    assert append(spool, seq + 1)
    seq += 1
got = []
while batch := spool.read(100, 1 << 20):
    got += [number for number, _ in batch]
spool.acknowledge(0)
print(got == list(range(1, seq + 1)), seq > 1000, spool.grow(), append(spool, seq + 1))
"""


def test_a_full_disk_loses_nothing_and_kills_nobody(tmp_path: Path) -> None:
    """On a file system of 1 MB: appended until it says no; every record that was taken is read, and room comes back."""
    alone = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Urm")
    small = ("sh", "-c", 'mount -t tmpfs -o size=1m,mode=0700 none "$0" && exec "$@"', str(tmp_path))
    command = [*alone, *small, sys.executable, "-c", _FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4


def test_no_segment_is_ever_partly_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by the disk, a segment leaves no file; tried again with room, it is whole."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    spool = made(folder, grown=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        assert not spool.grow()
    assert not list(folder.rglob("*.seg"))
    assert spool.grow()
    assert [path.stat().st_size for path in folder.rglob("*.seg")] == [SEGMENT]
    assert [path.stat().st_blocks * 512 >= SEGMENT for path in folder.rglob("*.seg")] == [True]
    spool.close()


@pytest.mark.parametrize("code", [None, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_where_nothing_can_be_allocated_it_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    """Without ``posix_fallocate``, or on a file system that does not know it: zeros are written, never left out."""

    def refuse(*_: object) -> None:
        assert code is not None
        raise OSError(code, os.strerror(code))

    if code is None:
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    spool = made(folder)
    (segment,) = folder.rglob("*.seg")
    assert (segment.stat().st_size, segment.stat().st_blocks * 512 >= SEGMENT) == (SEGMENT, True)
    assert append(spool, 1)
    assert [seq for seq, _ in spool.read(9, 9)] == [1]
    spool.close()


# -- processes ------------------------------------------------------------------------------------------------

_PARENT = """
import os, signal, sys
from pathlib import Path
from tests.spooled import append, made
spool = made(Path(sys.argv[1]))
append(spool, 1)
if os.fork() == 0:
    spool.abandon()
    assert not append(spool, 2)
    print("child", flush=True)
    os.close(1)
    sys.stdin.read()
    os._exit(0)
signal.pause()
"""


def test_a_child_holds_nothing_of_its_parents(folder: Path) -> None:
    """Its parent killed, a forked child lives on: the parent's records are found all the same."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == "child\n"
        assert list(dead(folder)) == []
        parent.kill()
        parent.wait()
        # The child still reads from our end of the pipe.
        assert [left.seq for each in dead(folder) for left in each.frames()] == [1]
        parent.stdin.close()


def test_threads_append_side_by_side(folder: Path) -> None:
    """Eight threads, small segments that turn all the time, a reader that acknowledges: each record once, in order."""
    spool = made(folder, max_bytes=1 << 26)
    counter, number = threading.Lock(), 0
    stop = threading.Event()

    def work() -> None:
        nonlocal number
        body = encode(item(0, "x" * 200))
        length = need(body)
        for _ in range(300):
            while True:
                with spool.lock:
                    if (at := spool.reserve(length, BANDS - 1)) >= 0:
                        number += 1
                        spool.fill(at, number, time.time_ns() // 1000, body, ALONE)
                        break
                with counter:
                    spool.grow()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    got: list[int] = []
    while any(thread.is_alive() for thread in threads) or not stop.is_set():
        if not any(thread.is_alive() for thread in threads):
            stop.set()
        while batch := spool.read(64, 1 << 20):
            got += [seq for seq, _ in batch]
            spool.acknowledge(0)
    assert got == list(range(1, 2401))
    assert spool.pending == 0
    spool.close()
    assert not folder.exists()


def test_the_last_one_takes_the_folder_along(folder: Path) -> None:
    """Of a thousand databases that come and go none leaves a folder; and whoever comes while it goes gets a new one."""
    failed: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(200):
                made(folder).close()
                assert list(dead(folder)) == []
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(folder.parent.iterdir()) == []


# -- the page -------------------------------------------------------------------------------------------------


@pytest.fixture
def counters(folder: Path) -> Iterator[tuple[Counters, Path]]:
    """A page, and the file it is in."""
    whose = origin()
    spool = made(folder, whose, grown=False)
    yield spool.counters, folder / str(whose.instance_id) / "counters"
    spool.close()


def test_the_page_is_of_one_moment(counters: tuple[Counters, Path]) -> None:
    """Whatever bytes of the next counts were written when the writer was killed: those of before are found."""
    page, path = counters
    old = Counts(emitted=100, stored=60, dropped=3, failed=1, settled=64, first=65, last=80, began=60, flying=16)
    new = Counts(emitted=130, stored=76, dropped=4, failed=2, settled=82)
    page.mirror(old)
    before = path.read_bytes()
    page.mirror(new)
    after = path.read_bytes()
    changed = [at for at in range(len(before)) if before[at] != after[at] and at // 8 != BANK]
    for written in range(len(changed) + 1):
        partly = bytearray(before)
        for at in changed[:written]:
            partly[at] = after[at]
        found = read_page(bytes(partly))
        # The word every record writes comes before the one that says which counts are valid.
        assert found is not None
        assert found.counts == old
    found = read_page(after)
    assert found is not None
    assert (found.counts, found.emitted) == (new, 130)


@given(at=st.integers(0, 4095), bit=st.integers(0, 7))
def test_a_damaged_page_says_nothing_wrong(at: int, bit: int) -> None:
    """Any bit turned: the page is not believed, or says what it said, but for how many were emitted meanwhile."""
    import mmap

    page = mmap.mmap(-1, 4096)
    counts = Counts(emitted=100, stored=60, dropped=3)
    Counters(page).mirror(counts)
    data = bytearray(page[:])
    data[at] ^= 1 << bit
    found = read_page(bytes(data))
    # Of two moments the older one, where the word that says which is what turned.
    assert found is None or found.counts in {counts, Counts()}


# -- options --------------------------------------------------------------------------------------------------


def test_where_a_spool_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The option, else the variable, else the user's state directory; a relative path is refused by its name."""
    monkeypatch.setenv("DBLOG_SPOOL_DIR", str(tmp_path / "variable"))
    assert spool_root(str(tmp_path / "option")) == tmp_path / "option"
    assert spool_root(None) == tmp_path / "variable"
    monkeypatch.setenv("DBLOG_SPOOL_DIR", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert spool_root(None) == tmp_path / "dblog" / "spool"
    with pytest.raises(ConfigurationError, match="spool_dir='spool' is not an absolute path"):
        spool_root("spool")
    for nowhere in (_no_home, lambda _: Path("~/.local/state/dblog")):  # a later platformdirs, and an earlier one
        monkeypatch.setattr("platformdirs.user_state_path", nowhere)
        with pytest.raises(SpoolUnavailable, match="no home directory to keep a spool in: name a place in spool_dir"):
            spool_root(None)
    with pytest.raises(SpoolUnavailable, match="no home directory"):
        spool_root("~nobody-of-this-name/spool")
    monkeypatch.setenv("DBLOG_SPOOL_DIR", "here")
    with pytest.raises(ConfigurationError, match="DBLOG_SPOOL_DIR='here' is not an absolute path"):
        spool_root(None)


def _no_home(_: str) -> Path:
    raise RuntimeError


@given(parts=st.lists(st.none() | st.text(max_size=4) | st.integers(0, 99), min_size=6, max_size=6, unique=True))
def test_targets_have_names_of_their_own(parts: list[Any]) -> None:
    """The same place has the same name, any other another; nothing of a URL is in it."""
    assert target_name(*parts) == target_name(*parts)
    assert target_name(*parts) != target_name(*parts[::-1])
    assert set(target_name(*parts)) <= set("0123456789abcdef")


@pytest.mark.parametrize("seconds", [0.0, -1.0, MAX_AGE + 1, float("nan"), float("inf")])
def test_no_record_waits_for_longer_than_a_month(seconds: float) -> None:
    """Its day may be gone from the table by then."""
    assert check_age("spool_max_age", MAX_AGE) == MAX_AGE
    with pytest.raises(ConfigurationError, match="spool_max_age="):
        check_age("spool_max_age", seconds)


def test_a_tiny_cap_still_holds_two_files(folder: Path) -> None:
    """However small: files get smaller with it, and a record fits."""
    spool = Spool.create(folder, origin(), max_bytes=1 << 18, max_age=10.0, lock=threading.RLock())
    assert spool.grow()
    assert append(spool, 1)
    assert spool.size == 1 << 16
    spool.close()


def test_closing_waits_for_whoever_allocates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread allocates a segment while the writer closes: its descriptor is not taken away, nothing is left."""
    spool = made(folder, grown=False)
    inside, go_on = threading.Event(), threading.Event()
    allocate = os.posix_fallocate

    def slow(descriptor: int, offset: int, size: int) -> None:
        inside.set()
        assert go_on.wait(10)
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", slow)
    growing = threading.Thread(target=spool.grow)
    growing.start()
    assert inside.wait(10)
    closing = threading.Thread(target=spool.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    go_on.set()
    closing.join(10)
    growing.join(10)
    assert spool.place == [0, 0]
    assert not folder.exists()
