"""Faults between a system and its PostgreSQL server, and of the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dblog.testing import FaultProxy
from tests.faults.fault import Fault
from tests.faults.harness import pause
from tests.oracle import until

if TYPE_CHECKING:
    from tests.postgres import Private


class _Line(Fault):
    """B4: a proxy stands between, and misbehaves."""

    databases = ("postgresql",)

    def prepare(self) -> None:
        self.proxy = FaultProxy(self.bench.place.url)
        self.bench.url = self.proxy.url

    def fired(self) -> int:
        return self.proxy.fired

    def stop(self) -> None:
        self.proxy.heal()

    def close(self) -> None:
        self.proxy.__exit__()


class _Cut(_Line):
    """B3: the server did it, and nobody heard."""

    needle: ClassVar[bytes]

    def start(self) -> None:
        for _ in range(3):
            self.proxy.cut_after(self.needle)
            until(lambda: self.proxy.fired)
            self.system.acknowledged()


class CommitReplyLost(_Cut):
    needle = b"COMMIT"


class CopyReplyLost(_Cut):
    needle = b"COPY"


class BlackHole(_Line):
    """Longer than an operation may take."""

    def start(self) -> None:
        self.proxy.black_hole()
        pause(1.2)


class Slow(_Line):
    def start(self) -> None:
        self.proxy.delay(0.01)
        self.system.acknowledged()


class Sliced(_Line):
    def start(self) -> None:
        self.proxy.slices(1)
        self.system.acknowledged()


class Reset(_Line):
    def start(self) -> None:
        self.proxy.reset()


class CutAnywhere(_Line):
    """Each connection ends after so many bytes, wherever that is."""

    count = 0

    def start(self) -> None:
        for step in range(6):
            self.proxy.limit_bytes(500 + 700 * step)
            pause(0.06)
            self.count += self.proxy.fired

    def fired(self) -> int:
        return self.count


class _Server(Fault):
    """B5, B10, B11: the server stops, dies, freezes."""

    databases, server = ("postgresql",), True

    @property
    def theirs(self) -> Private:
        assert self.bench.server is not None
        return self.bench.server

    def fired(self) -> int:
        return bool(self.system.last_errors())

    def stop(self) -> None:
        self.theirs.start()


class DownAtStart(_Server):
    """B1: nobody is there yet."""

    well_before = False

    def prepare(self) -> None:
        self.theirs.stop("immediate")


class ServerKilled(_Server):
    def start(self) -> None:
        self.theirs.kill()


class ServerStopped(_Server):
    def start(self) -> None:
        self.theirs.stop("fast")


class ServerCrashed(_Server):
    def start(self) -> None:
        self.theirs.stop("immediate")


class ServerFrozen(_Server):
    def start(self) -> None:
        self.theirs.freeze()

    def stop(self) -> None:
        self.theirs.thaw()


KINDS: list[type[Fault]] = [
    CommitReplyLost, CopyReplyLost, BlackHole, Slow, Sliced, Reset, CutAnywhere,
    DownAtStart, ServerKilled, ServerStopped, ServerCrashed, ServerFrozen,
]  # fmt: skip
