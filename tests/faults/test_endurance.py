"""The figures: a thousand kills, fifty crashes of the server, a thousand forks, a minute of silence, ten gigabytes.

By default each is a short cut; ``long`` runs the full length and prints what it measured.
"""

from __future__ import annotations

import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from dblog.testing import FaultProxy
from tests.faults.harness import DURABLE, MEMORY, MODES, SPOOL, Bench, Mode, System, pause
from tests.faults.judge import look_up, verdict
from tests.faults.kinds_database import Locked
from tests.oracle import until

if TYPE_CHECKING:
    from tests.faults.conftest import MakesBenches

BOTH = ["sqlite", "postgresql"]
LONG = pytest.mark.long
_MiB = 1 << 20


HOUR = 3600


def full(*arguments: Any) -> Any:
    """The full length."""
    return pytest.param(*arguments, marks=[LONG, pytest.mark.timeout(HOUR)])


def all_modes(short: Mode) -> list[Any]:
    """Each mode; one of them by default."""
    return [pytest.param(mode, id=mode.name, marks=[] if mode is short else [LONG]) for mode in MODES]


def drained(system: System, patience: float = 30) -> dict[str, Any]:
    """Everything is stored, from the queue and from disk; its own word."""
    assert system.tell("flush", timeout=patience, patience=patience + 5), system.stats()
    until(lambda: not system.waiting(), patience, say=system.stats)
    return system.stats()


def settled(bench: Bench, promised: dict[tuple[int, int], int], seconds: float) -> int:
    """What the dead left is taken over within so many seconds; all that was promised is there, once, as it was.

    How many rows there are.
    """
    alive = sum(system.status is None for system in bench.systems)
    left = partial(bench.folder.glob, "spool/*/*-*-*-*-*")
    until(lambda: len([*left()]) <= alive, seconds, say=lambda: f"seed {bench.seed}: {len([*left()])} are left")
    last: list[str] = []

    def done() -> bool:
        last[:] = verdict(look_up(bench.place.owner), promised, bench.seed)
        return not last

    until(done, 20, say=lambda: f"seed {bench.seed}: {len(last)} wrong, {last[:5]}")
    return len(look_up(bench.place.owner))


@pytest.mark.parametrize("times", [3, full(1000)])
@pytest.mark.parametrize("name", BOTH)
def test_kills(bench_at: MakesBenches, name: str, times: int) -> None:
    """SIGKILL at random instants, ``durable``: 0 acknowledged lost, 0 twice, whoever comes last.

    Some live long enough to take over what others left, and are killed while they do.
    """
    bench, promised = bench_at(name, DURABLE), dict[tuple[int, int], int]()
    rng = random.Random(bench.seed)
    began = time.monotonic()
    for _ in range(times):
        system = bench.start()
        system.load(2, 0.001)
        system.acknowledged(1)
        pause(rng.random() ** 3 * 0.3)
        assert system.kill(signal.SIGKILL) == -signal.SIGKILL
        promised.update(bench.retire(system))
    heir = bench.start()
    heir.tell("log", count=1)
    count = settled(bench, promised, 30 + 3 * times)
    assert heir.end() == 0
    took = time.monotonic() - began
    figures = f"{len(promised)} acknowledged, 0 lost, 0 doubled, {count} rows"
    print(f"{times} kills on {name}, {bench.mode.name}: {figures}, {took:.0f} s")


@pytest.mark.parametrize("times", [2, full(50)])
@pytest.mark.parametrize("mode", all_modes(SPOOL))
def test_crashes_of_the_server(bench_at: MakesBenches, mode: Mode, times: int) -> None:
    """PostgreSQL killed (-9) and restarted under load: 0 acknowledged rows lost."""
    bench = bench_at("postgresql", mode, server=True)
    assert bench.server is not None
    system, slowest = bench.start(queue_size=200_000), 0.0
    system.load(2, 0.001)
    for _ in range(times):
        system.acknowledged()
        bench.server.kill()
        until(system.last_errors, say=system.stats)
        bench.server.start()
        back = time.monotonic()
        stored = system.stats()["stats"][0]["stored"]
        until(lambda stored=stored: system.stats()["stats"][0]["stored"] > stored, say=system.stats)  # type: ignore[misc]  # mypy infers no type for a default
        slowest = max(slowest, time.monotonic() - back)
    system.tell("halt")
    told = drained(system)
    assert bench.wrong(system, told) == []
    print(f"{times} crashes, {mode.name}: {len(system.acks)} acknowledged, 0 lost; stored again in {slowest:.2f} s")
    assert slowest < 2


@pytest.mark.parametrize(("times", "threads"), [(6, 4), full(1000, 8)])
@pytest.mark.parametrize("name", [pytest.param("sqlite", marks=[LONG]), "postgresql"])
def test_forks(bench_at: MakesBenches, name: str, times: int, threads: int) -> None:
    """Forks under threads that log: no child hangs, nothing is lost, no id is there twice."""
    bench = bench_at(name, DURABLE)
    system, ended = bench.start(queue_size=200_000), 0
    system.load(threads, 0.005)
    for start in range(0, times, 9):
        ended += system.act("forks", times=min(9, times - start), first=start, patience=120)
    assert ended == times
    system.tell("halt")
    drained(system)
    heir = bench.start()
    heir.tell("log", count=1)
    count = settled(bench, {**system.acks, **heir.acks}, 30 + 3 * times)
    print(f"{times} forks on {name}: {len(system.acks)} acknowledged, 0 lost, {count} rows")


@pytest.mark.parametrize("seconds", [1.5, full(60.0)])
@pytest.mark.parametrize("mode", all_modes(SPOOL))
def test_silence(bench_at: MakesBenches, mode: Mode, seconds: float) -> None:
    """A black hole at 1,000 records a second: nobody waits, all is stored afterwards."""
    bench = bench_at("postgresql", mode)
    with FaultProxy(bench.url) as proxy:
        bench.url = proxy.url
        system = bench.start(queue_size=200_000)
        system.tell("log", count=1)
        drained(system)
        proxy.black_hole()
        took = system.tell("paced", rate=1000, seconds=seconds, patience=seconds + 30)
        assert proxy.fired
        proxy.heal()
        told = drained(system)
        print(f"{seconds:.0f} s of silence, {mode.name}: " + ", ".join(f"{key} {took[key]:.0f} µs" for key in took))
        assert bench.wrong(system, told) == []
        assert told["stats"][0]["stored"] == int(seconds * 1000) + 1
        if seconds >= 60 and mode in {MEMORY, SPOOL}:
            assert took["p99.9"] <= 200


@pytest.mark.parametrize("backlog", [3000, full(100_000)])
@pytest.mark.parametrize(("name", "mode"), [("sqlite", SPOOL), ("postgresql", MEMORY)])
def test_recovery(bench_at: MakesBenches, name: str, mode: Mode, backlog: int) -> None:
    """After an hour's backlog a fresh record is stored within a second, and the backlog soon after."""
    bench = bench_at(name, mode)
    fault = Locked(bench)
    fault.system = system = bench.start(queue_size=max(1000, backlog // 2) if mode.survives else 2 * backlog)
    system.tell("log", count=10)
    drained(system)
    fault.start()
    try:
        system.tell("log", count=backlog, patience=120)
        until(fault.fired, say=system.stats)
    finally:
        fault.stop()
    back = time.monotonic()
    drained(system, 60)
    whole = time.monotonic() - back
    told = system.stats()
    print(f"{backlog} waiting on {name}, {mode.name}: stored {whole:.2f} s after the database was back")
    assert bench.wrong(system, told) == []
    assert whole < 1 + backlog / 3000


@pytest.mark.parametrize(("count", "bound"), [(40, 16 * _MiB), full(10_000, 64 * _MiB)])
@pytest.mark.parametrize("mode", all_modes(MEMORY))
def test_long_messages(bench_at: MakesBenches, mode: Mode, count: int, bound: int) -> None:
    """Messages of 1 MB while the database is away: memory stays within 1.5 times the bound of the queue.

    And a batch in the making, which has a bound of its own.
    """
    bench = bench_at("sqlite", mode)
    fault = Locked(bench)
    fault.system = system = bench.start(queue_bytes=bound, max_record_bytes=2 * _MiB)
    system.tell("log", count=10)
    drained(system)
    fault.start()
    try:
        before = system.act("memory")
        system.act("heavy", count=count, size=1_000_000, patience=1200)
        grown = system.act("memory") - before
    finally:
        fault.stop()
    drained(system, 120)
    print(f"{count} × 1 MB, {mode.name}: {grown / _MiB:.1f} MiB more in memory, bound {bound // _MiB} MiB")
    assert grown <= 1.5 * bound + 8 * _MiB
