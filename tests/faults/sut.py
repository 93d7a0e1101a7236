"""The system under test: it logs, acknowledges on a pipe what it was promised, and obeys its control socket.

It is never the judge: what it tells of itself is compared with the pipe and the database.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import dblog
from dblog.testing import assert_conserved
from tests.faults.records import ACK, ODD, crc, message

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

MADE: list[Counted] = []
"""Every handler of this process, closed ones too."""
CALLS: list[None] = []
"""One for each call of ``handle()``: ``append`` is one step, whatever interrupts it."""
_LOOK_EVERY = 16
_AT_ONCE = 4096 // ACK.size


class _Here(threading.local):
    handled = False


here = _Here()


class Counted(dblog.DatabaseHandler):
    """Counts from outside what its ledger counts inside."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        MADE.append(self)

    def handle(self, record: logging.LogRecord, filtered: bool = False) -> bool:
        CALLS.append(None)
        here.handled = True
        return super().handle(record, filtered)


class Lane:
    """One thread's records."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = 0
        """The last of them whose logging call has returned."""
        self.acknowledged = 0
        self.slowest = 0.0


class System:
    """One process with one handler, which orders make log, flush, suffer and end."""

    def __init__(self, order: dict[str, Any], control: socket.socket, acks: int) -> None:
        self.order = order
        self.seed: int = order["seed"]
        self.control = control
        self.acks = acks
        self.at_once: bool = order["at_once"]
        """A record is promised when its logging call returns; else when a flush says so."""
        self.logger = logging.getLogger("sut")
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.lanes: list[Lane] = []
        self.wrong: list[str] = []
        self.looks = 0
        self.pause = 0.0
        self.litter: Any = None
        """Called for each record of a lane, where a fault wants it."""
        self._first_lane: int = order["lane"]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._acking = threading.Lock()

    def run(self) -> None:
        """Obey until the end is ordered, or nobody is there to order it."""
        self.logger.addHandler(Counted(self.order["url"], **self.order["options"]))
        for line in self.control.makefile("r"):
            order = json.loads(line)
            if order["do"] == "end":
                self._end(**order["with"])
                return
            try:
                answer = getattr(self, f"do_{order['do']}")(**order["with"])
            except BaseException as error:
                answer = {"raised": f"{type(error).__name__}: {error}"}
            self.control.sendall(json.dumps(answer).encode() + b"\n")

    # -- orders -----------------------------------------------------------------------------------------------

    def do_load(self, threads: int, pause: float) -> None:
        """Log from so many threads until told to halt, and acknowledge."""
        self.pause = pause
        self._stop.clear()
        for lane in [self.new_lane() for _ in range(threads)]:
            self._spawn(self._load, lane)
        if not self.at_once:
            self._spawn(self._acknowledge_again)

    def do_halt(self) -> dict[str, int]:
        """End the load; how far each lane came."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        return {str(lane.number): lane.done for lane in self.lanes}

    def do_log(self, count: int) -> None:
        """Log so many records in this thread."""
        lane = self.new_lane()
        for _ in range(count):
            self.log(lane)

    def do_paced(self, rate: float, seconds: float) -> dict[str, float]:
        """Log at a steady rate, late or not; how long the calls took, in µs."""
        lane, took = self.new_lane(), []
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            text = message(self.seed, lane.number, lane.done + 1)
            before = time.perf_counter_ns()
            self.emit(logging.INFO, text)
            took.append(time.perf_counter_ns() - before)
            lane.done += 1
        took.sort()
        shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "most": 1.0}
        return {name: took[min(len(took) - 1, int(len(took) * share))] / 1000 for name, share in shares.items()}

    def do_flush(self, timeout: float) -> bool:
        """Flush, and acknowledge what that promises."""
        return self.at_once_or_flushed(timeout)

    def do_stats(self) -> dict[str, Any]:
        """What the ledgers say, how often they were called, what was seen to be wrong."""
        calls = len(CALLS)
        return {
            "stats": [dataclasses.asdict(handler.stats()) for handler in MADE],
            "instances": [str(handler._writer.origin.instance_id) for handler in MADE],
            "calls": calls,
            "looks": self.looks,
            "wrong": self.wrong,
            "slowest": max((lane.slowest for lane in self.lanes), default=0.0),
            "restarts": sum(handler._writer.restarts for handler in MADE),
        }

    def do_close(self) -> None:
        """Close the handler."""
        for handler in MADE:
            handler.close()

    def do_act(self, act: str, **given: Any) -> Any:
        """Something happens inside of the process; see ``tests.faults.sut_acts``."""
        from tests.faults import sut_acts

        return getattr(sut_acts, act)(self, **given)

    def _end(self, how: str) -> None:
        from tests.faults import sut_acts

        self.do_halt()
        sut_acts.WAYS_OUT[how](self)

    # -- logging ----------------------------------------------------------------------------------------------

    def new_lane(self) -> Lane:
        """A lane nobody has used."""
        lane = Lane(self._first_lane + len(self.lanes))
        self.lanes.append(lane)
        return lane

    def log(self, lane: Lane) -> None:
        """The next record of a lane; again where no handler saw it, as in the middle of ``dictConfig``."""
        text = message(self.seed, lane.number, lane.done + 1)
        here.handled = False
        while not here.handled:
            began = time.monotonic()
            self.emit(logging.INFO, text)
            lane.slowest = max(lane.slowest, time.monotonic() - began)
        lane.done += 1
        if self.at_once:
            self._acknowledge([(lane, lane.done)])

    def emit(self, level: int, text: Any, *arguments: Any, **more: Any) -> None:
        """Log; nothing may escape."""
        try:
            self.logger.log(level, text, *arguments, **more)
        except Exception as error:
            self.wrong.append(f"{type(error).__name__} escaped from a logging call")

    def odd(self, text: str = "", level: int = logging.INFO, **more: Any) -> None:
        """A record outside of the lanes."""
        self.emit(level, ODD + text, **more)

    def look(self) -> None:
        """The ledgers add up at this moment, whatever is under way."""
        self.looks += 1
        for handler in MADE:
            try:
                assert_conserved(handler.stats())
            except AssertionError as error:
                self.wrong.append(str(error))

    def at_once_or_flushed(self, timeout: float) -> bool:
        """Whether everything logged is safe, which is then acknowledged."""
        marks = [(lane, lane.done) for lane in list(self.lanes)]
        flushed = all(handler.flush(timeout) for handler in list(MADE))
        if flushed and not self.at_once:
            self._acknowledge(marks)
        return flushed

    def _spawn(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _load(self, lane: Lane) -> None:
        while not self._stop.is_set():
            self.log(lane)
            if self.litter is not None:
                self.litter()
            if not lane.done % _LOOK_EVERY:
                self.look()
            if self.pause:
                self._stop.wait(self.pause)

    def _acknowledge_again(self) -> None:
        while not self._stop.wait(0.02):
            self.at_once_or_flushed(0.5)

    def _acknowledge(self, marks: Iterable[tuple[Lane, int]]) -> None:
        frames = []
        with self._acking:
            for lane, last in marks:
                texts = [
                    (number, message(self.seed, lane.number, number))
                    for number in range(lane.acknowledged + 1, last + 1)
                ]
                frames += [ACK.pack(lane.number, number, crc(text)) for number, text in texts]
                lane.acknowledged = max(lane.acknowledged, last)
        for start in range(0, len(frames), _AT_ONCE):  # a pipe keeps so much together, whoever else writes
            os.write(self.acks, b"".join(frames[start : start + _AT_ONCE]))

    def lane_of_child(self, number: int) -> int:
        """The first lane of a forked child."""
        return self._first_lane + 100_000 + 10 * number

    def after_fork(self, lane: int) -> None:
        """In a child: the parent's threads, lanes and counts are the parent's."""
        CALLS.clear()
        self._acking = threading.Lock()
        self._threads, self.lanes, self._first_lane = [], [], lane


def leave(status: int) -> None:
    """End at once, as a crash does: nothing is flushed but the streams."""
    sys.stderr.flush()
    os._exit(status)
