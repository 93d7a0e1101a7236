"""Runs one fault against one system: a process of its own, an oracle that holds every promise, and a judge.

::

    with Bench(...) as bench:
        system = bench.start()      # forked from a process that has imported everything
        system.load()               # it logs, and acknowledges on a pipe what it was promised
        …                           # the fault
        bench.judge(…)              # missing, corrupted, spurious, doubled: none

Nothing here believes the system: what it says of itself has to agree with the pipe
and with the database.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from dblog.options import Options
from tests.faults.judge import look_up, verdict, word_of
from tests.faults.records import ACK
from tests.oracle import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.conftest import Place
    from tests.postgres import Private

ROOT = Path(__file__).parents[2]
_PYTHON = (sys.executable, "-W", "error", "-W", "ignore:This process")
"""Warnings are errors, but for the one that every fork beside a thread brings."""
_QUICKER = 15
_LEAST = 0.3
"""Seconds an operation gets at least: the machine may be busy."""


def _deadlines() -> dict[str, float]:
    """The defaults, so many times quicker."""
    waits = ("flush_interval", "retry_initial", "retry_max")
    limits = ("connect_timeout", "statement_timeout", "operation_timeout")
    defaults = {name: getattr(Options(), name) / _QUICKER for name in (*waits, *limits)}
    return {name: max(value, _LEAST) if name in limits else value for name, value in defaults.items()}


DEADLINES = _deadlines()


class Mode(NamedTuple):
    """A kind of durability: what it promises when, and what outlives the process."""

    name: str
    at_once: bool = False
    """A record is promised when its logging call returns; else when a flush says so."""
    survives: bool = False
    """What a process leaves behind is stored by the next one."""


MEMORY = Mode("memory")
SPOOL = Mode("spool", survives=True)
DURABLE = Mode("durable", at_once=True, survives=True)
MODES = [MEMORY, SPOOL, DURABLE]
"""What the writer has; the matrix is filled for each."""


class ForkServer:
    """The process systems are forked from; one is enough for a test run."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*_PYTHON, "-m", "tests.faults.forkserver", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "DBLOG_URL": ""},
                pass_fds=(theirs.fileno(),),
            )

    def start(self, order: dict[str, Any], fds: Sequence[int]) -> int:
        """A new system; its process id."""
        socket.send_fds(self._door, [json.dumps(order).encode()], list(fds))
        return int(json.loads(self._door.recv(4096)))

    def wait(self, pid: int) -> int:
        """The exit status of a system that has ended, or is about to."""
        self._door.send(json.dumps({"wait": pid}).encode())
        return int(json.loads(self._door.recv(4096)))

    def close(self) -> None:
        """No more orders."""
        self._door.close()
        self._process.wait(10)


class System:
    """One system under test, as the harness holds it."""

    def __init__(self, server: ForkServer, order: dict[str, Any], errors: Path) -> None:
        self._server = server
        self.acks: dict[tuple[int, int], int] = {}
        """Lane and number of each record it was promised, with the checksum it had."""
        self.errors = errors
        self.status: int | None = None
        self._closed = False
        self._control, theirs = socket.socketpair()
        self._answers = self._control.makefile("r")
        self._pipe, write = os.pipe()
        with theirs, errors.open("a") as stderr:
            self.pid = server.start(order, [theirs.fileno(), write, stderr.fileno()])
        os.close(write)
        self._handle = os.pidfd_open(self.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        rest = b""
        while data := os.read(self._pipe, 65_536):
            data = rest + data
            whole = len(data) - len(data) % ACK.size
            for lane, number, checksum in ACK.iter_unpack(data[:whole]):
                self.acks[lane, number] = checksum
            rest = data[whole:]

    def tell(self, do: str, /, patience: float = 30, **given: Any) -> Any:
        """An order, and its answer, which may take so long."""
        self._control.settimeout(patience)
        self._control.sendall(json.dumps({"do": do, "with": given}).encode() + b"\n")
        line = self._answers.readline()
        assert line, f"the system ended meanwhile: {self.errors.read_text()[-2000:]}"
        answer = json.loads(line)
        assert not (isinstance(answer, dict) and "raised" in answer), answer
        return answer

    def act(self, name: str, /, **given: Any) -> Any:
        """Something happens inside of it; see ``sut_acts``."""
        return self.tell("act", act=name, **given)

    def load(self, threads: int = 2, pause: float = 0.002) -> None:
        """It logs from now on."""
        self.tell("load", threads=threads, pause=pause)

    def stats(self) -> dict[str, Any]:
        """Its own word: the ledgers' cells, and what it saw."""
        answer: dict[str, Any] = self.tell("stats")
        return answer

    def waiting(self) -> int:
        """How many records are on their way, in memory or on disk."""
        return sum(each["queued"] + each["in_flight"] + each["spooled"] for each in self.stats()["stats"])

    def last_errors(self) -> str:
        """What its handlers say is wrong now."""
        return " ".join(str(each["last_error"]) for each in self.stats()["stats"] if each["last_error"])

    def acknowledged(self, more: int = 20) -> None:
        """Wait until it acknowledges so many records more."""
        target = len(self.acks) + more
        until(lambda: len(self.acks) >= target, 20, say=lambda: f"{len(self.acks)} acknowledged; {self._say()}")

    def _say(self) -> str:
        return f"{self.stats()}\n{self.errors.read_text()[-1500:]}"

    def end(self, how: str = "end") -> int:
        """Let it end in one of ``sut_acts.WAYS_OUT``; its exit status."""
        self._control.sendall(json.dumps({"do": "end", "with": {"how": how}}).encode() + b"\n")
        return self.ended()

    def kill(self, signal: int) -> int:
        """Send it a signal that ends it; its exit status."""
        os.kill(self.pid, signal)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end, which must come; its exit status."""
        if self.status is None:
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            if not poll.poll(30_000):
                os.kill(self.pid, 6)  # faulthandler shows where it hangs
                self.status = self._server.wait(self.pid)
                raise AssertionError(f"it hung: {self.errors.read_text()[-4000:]}")
            self.status = self._server.wait(self.pid)
            self._reader.join(10)
        return self.status

    def close(self) -> None:
        """It is gone afterwards, whatever happened."""
        if self._closed:
            return
        self._closed = True
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
            self.ended()
        self._reader.join(10)
        self._answers.close()
        self._control.close()
        for fd in (self._handle, self._pipe):
            os.close(fd)


@dataclasses.dataclass
class Bench:
    """One database, one mode, and the systems that log there."""

    forks: ForkServer
    place: Place
    folder: Path
    seed: int
    mode: Mode = MEMORY
    server: Private | None = None
    """The database's own server, for those faults that stop it."""
    longest: float = 55.0
    """Seconds a system may live: then it shows where its threads stand, and dies."""

    def __post_init__(self) -> None:
        self.url = self.place.url
        self.systems: list[System] = []

    def start(self, **options: Any) -> System:
        """Another system."""
        number = len(self.systems)
        places = {"durability": self.mode.name, "spool_dir": str(self.folder / "spool")}
        given = {"service": "faults", **places, **DEADLINES, **options}
        order = {
            "url": self.url,
            "options": given,
            "seed": self.seed,
            "lane": number * 1_000_000,
            "at_once": self.mode.at_once,
            "longest": self.longest,
        }
        self.systems.append(System(self.forks, order, self.folder / f"stderr-{number}"))
        return self.systems[-1]

    def retire(self, system: System) -> dict[tuple[int, int], int]:
        """A system that has ended is needed no longer; what it was promised."""
        system.close()
        return system.acks

    def wrong(self, system: System, told: dict[str, Any]) -> list[str]:
        """What is wrong with the rows and the word of the one system; nothing, normally."""
        found = look_up(self.place.owner)
        lost = sum(each["dropped"] + each["failed"] for each in told["stats"])
        return verdict(found, system.acks, self.seed, lost) + word_of(told, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for system in self.systems:
            system.close()


def pause(seconds: float) -> None:
    """Let a fault last: time is what it is made of."""
    threading.Event().wait(seconds)
