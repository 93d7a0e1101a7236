"""One kind of fault, and the course of every test of one: well, faulty, well again, judged."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from tests.faults.judge import explained, look_up, verdict, word_of
from tests.faults.records import crc, message
from tests.oracle import until

if TYPE_CHECKING:
    from tests.faults.harness import Bench, System
    from tests.faults.judge import Row

__all__ = ["Fault", "run"]

_SLOWEST = 3.0
"""Seconds a logging call may take on a machine that is busy; a database is waited for by nobody."""


class Fault:
    """What happens to a system. A subclass says how it starts, how one sees that it took effect, and how it stops."""

    databases: ClassVar[tuple[str, ...]] = ("sqlite", "postgresql")
    server: ClassVar[bool] = False
    """It stops or freezes the database's server, which is one of its own then."""
    options: ClassVar[dict[str, Any]] = {}
    threads: ClassVar[int] = 2
    pace: ClassVar[float] = 0.002
    """Seconds between two records of a thread."""
    well_before: ClassVar[bool] = True
    """The system is seen to work before the fault starts."""
    losses: ClassVar[frozenset[str]] = frozenset()
    """Reasons for which records may be dropped or fail, and some must."""
    spills: ClassVar[bool] = False
    """What it would cost goes to disk instead, where there is a spool: then nothing is lost."""
    sometimes: ClassVar[frozenset[str]] = frozenset()
    """Reasons for which records may be dropped, and need not."""
    leaves: ClassVar[bool] = False
    """Processes of its own end in it, and leave what the next one finds."""
    noise: ClassVar[str] = ""
    """What it may say on stderr that looks like trouble."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.system: System
        self.kept: list[str] = []
        """Further files that hold rows."""
        self.promised: dict[tuple[int, int], int] = {}
        """What must be there although nobody acknowledged it."""

    def prepare(self) -> None:
        """Before the system starts."""

    def inside(self, system: System) -> None:
        """Before it logs."""

    def start(self) -> None:
        """The fault begins."""

    def fired(self) -> int:
        """How often it has taken effect."""
        raise NotImplementedError

    def stop(self) -> None:
        """It is over."""

    def close(self) -> None:
        """Nothing is left of it, whatever happened."""

    def owed(self, _found: list[Row]) -> list[str]:
        """What the next process has not done yet for a dead one."""
        return []

    def overflowed(self) -> int:
        """How many records found no room in the queue."""
        return sum(each["dropped"] + each["spooled"] for each in self.system.stats()["stats"])

    def promise(self, lanes: dict[str, int]) -> None:
        """Everything these lanes have logged has to be there."""
        for lane, last in lanes.items():
            for number in range(1, last + 1):
                self.promised[int(lane), number] = crc(message(self.bench.seed, int(lane), number))


def run(bench: Bench, kind: type[Fault]) -> int:
    """See a fault through; how many rows were judged. What is wrong is an ``AssertionError``, with the seed."""
    fault = kind(bench)
    try:
        fault.prepare()
        fault.system = system = bench.start(**fault.options)
        fault.inside(system)
        system.load(fault.threads, fault.pace)
        if fault.well_before:
            system.acknowledged()
            assert system.tell("flush", timeout=10), system.stats()
        fault.start()
        until(fault.fired, 20, say=lambda: f"the fault did not fire; {system.errors.read_text()[-2000:]}")
        fault.stop()
        if system.status is not None or fault.leaves:
            bench.start(**fault.options)  # what a dead one left behind is the next one's
        wrong, count = _aftermath(bench, fault)
    finally:
        fault.close()
    assert not wrong, f"{kind.__name__}, seed {bench.seed}: {len(wrong)} wrong, {wrong[:5]} … {wrong[-5:]}"
    return count


def _aftermath(bench: Bench, fault: Fault) -> tuple[list[str], int]:
    """The faults are over: all is stored, a fresh record too, and the books are right."""
    living = [system for system in bench.systems if system.status is None]
    wrong, told = [], []
    promised = dict(fault.promised)
    for system in bench.systems:
        promised.update(system.acks)
    if fault.leaves or len(living) < len(bench.systems):
        _inherited(bench, fault, promised)
    for system in living:
        system.tell("halt")
        wrong += _a_fresh_record(system)
        system.tell("close")
        told.append(system.stats())
        if (status := system.end()) != 0:
            wrong.append(f"exit status {status}")
    for system in bench.systems:
        promised.update(system.acks)
    found = look_up(bench.place.owner, *fault.kept)
    lost = sum(each["dropped"] + each["failed"] for one in told for each in one["stats"])
    wrong += verdict(found, promised, bench.seed, lost) + fault.owed(found)
    for one in told:
        wrong += word_of(one, found) + explained(one, found) + _manners(one)
    wrong += _reasons(told, fault)
    for system in bench.systems:
        noise = system.errors.read_text()
        if "Traceback" in noise and not (fault.noise and fault.noise in noise):
            wrong.append(noise[-1500:])
    return wrong, len(found)


def _inherited(bench: Bench, fault: Fault, promised: dict[tuple[int, int], int]) -> None:
    """Wait for what the living do for the dead; what is not done in time is found wrong later."""

    def done() -> bool:
        found = look_up(bench.place.owner, *fault.kept)
        return not verdict(found, promised, bench.seed) and not fault.owed(found)

    for system in bench.systems[-1:]:
        system.tell("log", count=1)  # it has to know that the database is well
        system.tell("flush", timeout=20)
    with contextlib.suppress(AssertionError):
        until(done, 15)


def _a_fresh_record(system: System) -> list[str]:
    """What waited is stored in time, and so is what comes now."""
    if not system.tell("flush", timeout=20):
        return [f"not stored when all was well again: {system.stats()}"]
    before = len(system.acks)
    system.tell("log", count=1)
    if not system.tell("flush", timeout=5):
        return [f"a fresh record is not stored: {system.stats()}"]
    until(lambda: len(system.acks) > before, 5)
    until(lambda: not system.waiting(), 20, say=system.stats)
    return []


def _manners(told: dict[str, Any]) -> list[str]:
    slowest = told["slowest"]
    return [f"a logging call took {slowest:.1f} s"] if slowest > _SLOWEST else []


def _reasons(told: list[dict[str, Any]], fault: Fault) -> list[str]:
    """Records are lost for the reasons that the fault allows, and for one of those at least."""
    cells = [each[cell] for one in told for each in one["stats"] for cell in ("dropped_by", "failed_by")]
    seen = {reason for cell in cells for reason in cell}
    meant = frozenset() if fault.spills and fault.bench.mode.survives else fault.losses
    if unmeant := seen - meant - fault.sometimes:
        return [f"lost for {unmeant}: {cells}"]
    return [f"nothing was lost, where {set(meant)} was meant"] if meant and not seen else []
