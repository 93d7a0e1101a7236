"""Where a spool lies, and whether it may: the root, a target's name, directories that are ours alone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from dblog.errors import ConfigurationError, DblogError
from dblog.mounts import network_of

__all__ = [
    "MAX_AGE",
    "SpoolGone",
    "SpoolUnavailable",
    "allocate",
    "check_age",
    "directory",
    "lock",
    "refuse_network",
    "spool_root",
    "target_name",
]

MAX_AGE = 31 * 86_400.0
"""Seconds a record may wait on disk at most: later, its day may have been dropped from the table."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
LOCK_NAME = "owner.lock"


class SpoolUnavailable(DblogError):  # noqa: N818 - a state of the disk, named as StoreUnavailable is
    """There can be no spool here now; the sentence says why and what to do."""


class SpoolGone(SpoolUnavailable):
    """The directory went while it was opened: the last who needed it has taken it away."""


def spool_root(given: str | None) -> Path:
    """The directory all spools lie in: the option, else ``DBLOG_SPOOL_DIR``, else the user's state directory.

    Raises:
        ConfigurationError: what was given is no absolute path.
        SpoolUnavailable: it is in a home directory, and there is none.
    """
    name = "spool_dir"
    if given is None:
        name, given = "DBLOG_SPOOL_DIR", os.environ.get("DBLOG_SPOOL_DIR") or None
    try:
        path = _of_the_user() if given is None else Path(given).expanduser()
    except RuntimeError:
        path = Path("~")
    if path.is_absolute() and "\0" not in str(path):
        return path
    if path.parts[:1] == ("~",):
        raise SpoolUnavailable("there is no home directory to keep a spool in: name a place in spool_dir")
    raise ConfigurationError(f"{name}={given!r} is not an absolute path: the working directory may change")


def _of_the_user() -> Path:
    import platformdirs  # noqa: PLC0415 - only where nothing was given

    return platformdirs.user_state_path("dblog") / "spool"


def refuse_network(path: Path) -> None:
    """Not on another host's disk.

    A file mapped there is written back when the network allows, and whoever logs would wait for it, or be killed by
    SIGBUS. A lock may hold on one host only: another would take a living writer's files for a dead one's.

    Raises:
        SpoolUnavailable: it lies there.
    """
    if (kind := network_of(path)) is not None:
        what = f"the spool directory {str(path)!r} is on a network file system ({kind})"
        raise SpoolUnavailable(f"{what}: name one on a local disk in spool_dir or DBLOG_SPOOL_DIR")


def target_name(*parts: object) -> str:
    """The name of one place to store to: dialect, host, port, database or resolved file, schema, table."""
    text = "\0".join("" if part is None else str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_age(name: str, seconds: float) -> float:
    """The option that bounds how long a record waits on disk.

    Raises:
        ConfigurationError: it is not positive, or above 31 days.
    """
    if not 0 < seconds <= MAX_AGE:
        raise ConfigurationError(f"{name}={seconds!r} is not allowed: give seconds, up to 31 days ({MAX_AGE:.0f})")
    return seconds


def directory(path: Path | str, *, parent: int | None = None, make: bool = True) -> int:
    """The descriptor of a directory that is ours alone, made where it is missing.

    Raises:
        SpoolGone: it is missing, or went meanwhile.
        SpoolUnavailable: it is not ours alone, or cannot be made.
    """
    try:
        if make:
            if parent is None:
                Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.mkdir(path, 0o700, dir_fd=parent)
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        kind = SpoolGone if error.errno == errno.ENOENT else SpoolUnavailable
        sentence = f"the spool directory {str(path)!r} cannot be used: {error.strerror}; spool_dir names another"
        raise kind(sentence) from None
    found = os.fstat(descriptor)
    mine = found.st_uid == os.geteuid()
    if mine and not stat.S_IMODE(found.st_mode) & 0o077:
        return descriptor
    os.close(descriptor)
    if mine:
        sentence = f"has the mode {stat.S_IMODE(found.st_mode):04o}: others must not read it, chmod it to 0700"
    else:
        sentence = f"belongs to user {found.st_uid}, not to this process's {os.geteuid()}: name another in spool_dir"
    raise SpoolUnavailable(f"the spool directory {str(path)!r} {sentence}")


def allocate(descriptor: int, size: int) -> None:
    """Give a new file room for all its bytes, by writing them where the system knows no other way.

    Raises:
        OSError: there is none.
    """
    reserve = getattr(os, "posix_fallocate", None)
    if reserve is not None:
        try:
            reserve(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
        else:
            return
    zeros = bytes(min(size, 1 << 20))
    left = size
    while left > 0:
        left -= os.write(descriptor, zeros[:left])


_NO_SUCH_CALL = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


def lock(parent: int, *, make: bool = True) -> int | None:
    """The descriptor of a directory's lock, held as long as it is open; None when somebody else holds or held it.

    Args:
        parent: the directory's descriptor.
        make: a file where there is none.

    Raises:
        OSError: there can be none, or is none.
    """
    descriptor = os.open(LOCK_NAME, _LOCK if make else _LOCK & ~os.O_CREAT, 0o600, dir_fd=parent)
    held = False
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor).st_nlink > 0  # else whoever held it has just taken all of it away
    finally:
        if not held:
            os.close(descriptor)
    return descriptor if held else None
