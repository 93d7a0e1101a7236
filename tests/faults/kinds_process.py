"""Faults of the process: its ends, its children, its threads, and what it logs."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING, Any, ClassVar

from tests.faults.fault import Fault
from tests.faults.harness import pause
from tests.oracle import execute, until

if TYPE_CHECKING:
    from tests.faults.harness import System
    from tests.faults.judge import Row

# -- ways out -------------------------------------------------------------------------------------------------


class _WayOut(Fault):
    """A1, A3: a process that ends by itself stores what it has; nobody called flush."""

    how: ClassVar[str]
    status: ClassVar[int] = 0
    more: ClassVar[int] = 0
    """Records it logs on its way."""

    def start(self) -> None:
        self.system.tell("log", count=200)
        lanes = self.system.tell("halt")
        first = min(lanes, key=int)
        self.promise({**lanes, first: lanes[first] + self.more})
        assert self.system.end(self.how) == self.status

    def fired(self) -> int:
        return self.system.status == self.status


class EndOfMain(_WayOut):
    how = "end"


class SysExit(_WayOut):
    how, status = "sys_exit", 3


class UnhandledException(_WayOut):
    how, status, noise = "raise", 1, "LookupError: the program's own trouble"


class AtExit(_WayOut):
    how, more = "at_exit", 20


class _Crash(Fault):
    """A5, A6: what was acknowledged is there, whenever the process went."""

    signal: ClassVar[int]

    def start(self) -> None:
        pause(random.Random(self.bench.seed).random() * 0.05)
        self.system.kill(self.signal)

    def fired(self) -> int:
        return self.system.status == -self.signal


class Sigterm(_Crash):
    signal = signal.SIGTERM


class Sigkill(_Crash):
    signal = signal.SIGKILL


class OsExit(Fault):
    """A6: nothing runs at all."""

    def start(self) -> None:
        self.system.end("os._exit")

    def fired(self) -> int:
        return self.system.status == 7


class KilledWhileWaiting(Fault):
    """A6: what was in memory only is lost, and the next process says exactly how much that was."""

    options: ClassVar[dict[str, Any]] = {"flush_interval": 60.0}

    def start(self) -> None:
        self.system.tell("halt")
        self.system.tell("log", count=300)
        told = self.system.stats()
        self.emitted = told["stats"][0]["emitted"]
        self.instance = told["instances"][0].replace("-", "")
        self.system.kill(signal.SIGKILL)

    def fired(self) -> int:
        return self.system.status == -signal.SIGKILL

    def owed(self, found: list[Row]) -> list[str]:
        mine = [row for row in found if row.instance == self.instance]
        there = sum(row.seq is not None for row in mine)
        told = sum(loss["count"] for row in mine for loss in row.metadata.get("dblog", {}).get("loss", ()))
        exact = there + told == self.emitted and (told > 0) is not self.bench.mode.at_once
        return [] if exact else [f"{self.emitted} emitted, {there} stored, {told} said to be lost"]


# -- inside of the process ------------------------------------------------------------------------------------


class _Act(Fault):
    """Something happens inside, so many times."""

    act: ClassVar[str]
    given: ClassVar[dict[str, Any]]
    least: ClassVar[int] = 1
    count = 0

    def start(self) -> None:
        self.count = self.system.act(self.act, **self.given)

    def fired(self) -> int:
        return self.count >= self.least


class ForkStorm(_Act):
    """A7, A9: children are born beside threads that log, log themselves, and end in every way."""

    act, given, least, leaves = "forks", {"times": 6}, 6, True


class Struck(_Act):
    """A11: exceptions out of nowhere in the writer's thread."""

    act, given = "strike", {"times": 10}


class Reconfigured(_Act):
    """A13: dictConfig under load."""

    act, given, least = "reconfigure", {"times": 5}, 5


class Reentrant(_Act):
    """E2: records whose arguments log while they are formatted; the deepest are counted."""

    act, given, losses = "talk", {"times": 20}, frozenset({"reentrant"})


class Hostile(_Act):
    """D: whatever a record holds, it is stored."""

    act, given, least = "hostile", {}, 30


class _Toggled(Fault):
    """Something goes on inside, until it is told to stop."""

    act: ClassVar[str]
    flag: ClassVar[str]

    def start(self) -> None:
        self.system.act(self.act, on=True)

    def fired(self) -> int:
        return int(self.system.act("counted", name=self.flag))

    def stop(self) -> None:
        self.system.act(self.act, on=False)


class Finalisers(_Toggled):
    """A15: the collector runs finalisers that log, wherever it pleases: in the writer's thread too."""

    act, flag, sometimes = "collect", "litter", frozenset({"self", "reentrant"})


class Signals(_Toggled):
    """A16: a signal handler logs in the middle of a logging call."""

    act, flag = "signals", "signal"


class Chatter(_Toggled):
    """E1: what a driver says in the writer's thread is counted, and never stored."""

    act, flag, losses = "chatter", "chatter", frozenset({"self"})


class NoThread(_Toggled):
    """A10: no thread is to be had: callers store their own records."""

    act, flag, well_before = "no_threads", "thread", False

    def inside(self, system: System) -> None:
        system.act("no_threads", on=True)

    def start(self) -> None:
        self.system.acknowledged()


class ManyWriters(Fault):
    """C1: several processes store to one database."""

    def start(self) -> None:
        for _ in range(3):
            self.bench.start().load(1)
        for system in self.bench.systems:
            system.acknowledged()

    def fired(self) -> int:
        return len({system.pid for system in self.bench.systems if system.acks}) == 4


# -- too much -------------------------------------------------------------------------------------------------


class Poison(_Act):
    """D17: rows the database refuses; their neighbours are stored."""

    act, given, losses = "poison", {"count": 5}, frozenset({"poison"})

    def prepare(self) -> None:
        when = "NEW.message LIKE 'odd poison%'"
        if self.bench.place.postgres:
            refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$"
            trigger = f"CREATE TRIGGER no BEFORE INSERT ON logs FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
            execute(self.bench.place.owner, refuse, trigger)
        else:
            abort = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            execute(self.bench.place.owner, f"CREATE TRIGGER no BEFORE INSERT ON logs WHEN {when} {abort}")


class Storm(Fault):
    """F1, F2: more than can be stored; what gives way is counted, and told by loss rows."""

    options: ClassVar[dict[str, Any]] = {"queue_size": 50}
    threads, pace, losses, spills = 4, 0.0, frozenset({"queue_full", "evicted"}), True

    def start(self) -> None:
        until(self.overflowed, 20)

    def fired(self) -> int:
        return 1


class Heavy(_Act):
    """F3: long messages fill the queue by bytes."""

    act, given = "heavy", {"count": 30, "size": 900_000}
    losses, spills = frozenset({"queue_full", "evicted"}), True
    options: ClassVar[dict[str, Any]] = {"queue_bytes": 4 << 20, "max_record_bytes": 1 << 20}

    def start(self) -> None:
        before = self.system.act("memory")
        super().start()
        grown = self.system.act("memory") - before
        # The queue, the batch in hand as text and as rows, and one record in the making.
        assert grown < 12 * (4 << 20), f"{grown >> 20} MiB more in memory"


class Frozen(Fault):
    """The process itself is stopped for longer than every deadline, as a laptop is that sleeps."""

    def start(self) -> None:
        os.kill(self.system.pid, signal.SIGSTOP)
        pause(1.2)
        os.kill(self.system.pid, signal.SIGCONT)
        self.system.acknowledged()

    def fired(self) -> int:
        return 1


KINDS: list[type[Fault]] = [
    EndOfMain, SysExit, UnhandledException, AtExit, Sigterm, Sigkill, OsExit, KilledWhileWaiting,
    ForkStorm, Struck, Reconfigured, Finalisers, Signals, NoThread, ManyWriters, Frozen,
    Reentrant, Chatter, Hostile, Poison, Storm, Heavy,
]  # fmt: skip
