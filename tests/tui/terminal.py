"""A program in a pseudo-terminal: keys in, bytes out, each with its time, and what they make on a screen.

The program gets an environment of its own: folders of its own for settings and state, no ``DBLOG_URL``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from tests.tui.vt import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["DOWN", "END", "PAGE_DOWN", "PAGE_UP", "UP", "Pressed", "Terminal", "command", "environment_in"]

UP, DOWN, PAGE_UP, PAGE_DOWN, END = b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~", b"\x1b[F"
_ANSWERS: Final = {
    "?2026$p": b"\x1b[?2026;2$y", "?2048$p": b"\x1b[?2048;0$y", "6n": b"\x1b[1;1R", "c": b"\x1b[?62c",
}  # fmt: skip
"""Synchronized output is known, reports of the size in the stream are not; the last two are other programs'."""
_QUESTION: Final = re.compile(rb"\x1b\[(\?20(?:26|48)\$p|6n|c)")
_ROOT: Final = Path(__file__).parents[2]
_LOOK: Final = 0.002
"""Seconds between two looks at what the program does."""
_GLANCE: Final = 0.005
"""The same, where it is to be quiet for longer."""
_UNNOTICED: Final = 0.1
"""Seconds until a key that the program has not noticed is taken for one that it never will."""
_AT_WORK: Final = frozenset("RD")
"""States of a thread that is at work, or waits for a processor, or for a disk."""
_UNKNOWN: Final = 0.03
"""Seconds without a byte that are a rest where nothing else tells."""


class Pressed(NamedTuple):
    """What a key has brought."""

    seconds: float
    """Until the last byte; 0 where nothing came."""
    bytes: int
    """So many."""


def command(*arguments: str) -> list[str]:
    """The command line of ``dblog-tui``."""
    return [sys.executable, "-m", "dblog_tui", *arguments]


def environment_in(folder: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing of the user's is found; ``given`` comes on top."""
    passed = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    places = {name: str(folder / name.lower()) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    return passed | places | {
        "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC",
        "PYTHONPATH": os.pathsep.join((str(_ROOT / "tui"), str(_ROOT))), **(given or {}),
    }  # fmt: skip


class Terminal:
    """A running program.

    Args:
        words: its command line.
        folder: where its user's folders are, and where it runs.
        size: columns and rows.
        environment: on top of the isolated one.
        watched: keep a screen; without one only bytes and times are, which costs nothing between two reads.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        *,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
        watched: bool = True,
    ) -> None:
        self._watched = watched
        self.screen = Screen(*size)
        self.output = bytearray()
        self.reads: list[tuple[float, int]] = []
        """When (``perf_counter``), and how many bytes."""
        self._master, slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._set_size(*size)
        name = os.ttyname(slave)
        self.attributes: Final = termios.tcgetattr(slave)
        """As the program found them."""
        # The leader of a session that has no terminal gets the first one that it opens; no fork of our own is needed.
        script = f'exec "$0" "$@" <>{name} >&0 2>&1'
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", script, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=slave,
            start_new_session=True,
            cwd=folder,
            env=environment_in(folder, environment),
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the program."""
        return self.process.pid

    def pump(self, seconds: float) -> bytes:
        """Read what comes first within so many seconds; questions of the program are answered."""
        with contextlib.suppress(BlockingIOError, OSError):
            if not select.select([self._master], [], [], seconds)[0]:
                return b""
            data = os.read(self._master, 65_536)  # OSError: nobody has the terminal open any more
            self.reads.append((time.perf_counter(), len(data)))
            self.output += data
            self._answer(data)
            return data
        return b""

    def _answer(self, data: bytes) -> None:
        if self._watched:
            self.screen.feed(data)
            while self.screen.questions:
                self.send(_ANSWERS[self.screen.questions.pop(0)])
        else:
            for question in _QUESTION.findall(data):
                self.send(_ANSWERS[question.decode()])

    def send(self, data: bytes) -> None:
        """Keys, or answers."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._master, view) :]
            except BlockingIOError:
                self.pump(0.01)

    def press(self, key: bytes, quiet: float = 0.06) -> Pressed:
        """Press a key; over when nothing has come for so long."""
        began = last = time.perf_counter()
        count = 0
        self.send(key)
        while (now := time.perf_counter()) - last < quiet:
            if data := self.pump(quiet - (now - last)):
                last, count = self.reads[-1][0], count + len(data)
        return Pressed(last - began if count else 0.0, count)

    def act(self, key: bytes, rest: float = 0.012) -> None:
        """Press a key; over when the program has done something, and then nothing at all for so long."""
        before, began = self._done(), time.monotonic()
        self.send(key)
        while self._done() == before is not None and time.monotonic() - began < _UNNOTICED:
            self.pump(_LOOK)
        self.rest(rest)

    def rest(self, seconds: float, longest: float = 30.0) -> None:
        """Wait until the program has done nothing for so long, which is less than it waits between two looks.

        What it would do if the machine let it counts as well.

        Where nobody can say what it does, as outside of Linux, it is what it writes that counts.

        Raises:
            AssertionError: it never rests; the message shows the screen.
        """
        done, began = self._done(), time.monotonic()
        last, enough = began, seconds if done is not None else max(seconds, _UNKNOWN)
        while (now := time.monotonic()) - last < enough:
            assert now - began < longest, f"it never rests; the screen:\n{self.screen.text}"
            came, then = self.pump(_LOOK), self._done()
            if came or then != done or self._states() & _AT_WORK:
                last, done = time.monotonic(), then

    def _done(self) -> int | None:
        """ns the program has been at work; None where that is not to be known."""
        try:
            return sum(int(each.read_text().split()[0]) for each in self._tasks("schedstat"))
        except (OSError, ValueError, IndexError):
            return None

    def _states(self) -> set[str]:
        """Of its threads."""
        with contextlib.suppress(OSError):
            return {each.read_text().rpartition(")")[2].split()[0] for each in self._tasks("stat")}
        return set()

    def _tasks(self, name: str) -> list[Path]:
        folder = Path("/proc", str(self.pid), "task")
        return [each / name for each in folder.iterdir()]

    def until(self, condition: str | Callable[[Screen], Any], seconds: float = 30.0) -> float:
        """Wait until a text is on the screen, or until something else holds; seconds since the program's start.

        Raises:
            AssertionError: it never held; the message shows the screen.
        """
        deadline = time.monotonic() + seconds
        while not (condition in self.screen.text if isinstance(condition, str) else condition(self.screen)):
            assert time.monotonic() < deadline, f"not within {seconds} s; the screen:\n{self.screen.text}"
            if not self.pump(0.02) and self.process.poll() is not None:
                held = condition in self.screen.text if isinstance(condition, str) else condition(self.screen)
                assert held, f"the program has ended ({self.process.returncode}); its screen:\n{self.screen.text}"
        return (self.reads[-1][0] if self.reads else time.perf_counter()) - self.started

    def find(self, pattern: bytes, seconds: float = 60.0) -> float:
        """Wait until what was written from the start on matches; seconds since the start.

        Raises:
            AssertionError: it never did.
        """
        compiled, deadline = re.compile(pattern), time.monotonic() + seconds
        while not compiled.search(self.output):
            assert time.monotonic() < deadline, f"no {pattern!r} in {bytes(self.output[-2000:])!r}"
            self.pump(0.02)
        return self.reads[-1][0] - self.started

    def settle(self, quiet: float = 0.3, seconds: float = 30.0) -> int:
        """Wait until nothing comes for so long, in which the machine let it; how many bytes came."""
        count, last = 0, time.monotonic()
        deadline = last + seconds
        while (now := time.monotonic()) - last < quiet and now < deadline:
            data = self.pump(min(_GLANCE, quiet - (now - last)))
            count += len(data)
            if data or self._states() & _AT_WORK:
                last = time.monotonic()
        return count

    def listen(self, seconds: float) -> int:
        """Read for so long; how many bytes came."""
        count, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            count += len(self.pump(left))
        return count

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as its user does with the mouse."""
        self.screen.resize(columns, rows)
        self._set_size(columns, rows)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self, seconds: float = 20.0) -> int:
        """Wait for the program's end; its exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it has not ended; the screen:\n{self.screen.text}"
            self.pump(0.02)
        while self.pump(0.0):
            pass
        return self.process.returncode

    @property
    def restored(self) -> bool:
        """The terminal is as the program found it: modes, keyboard, attributes."""
        same = termios.tcgetattr(self._master) == self.attributes
        return same and self.screen.modes == {"7", "25"} and self.screen.keyboard == 0

    def close(self) -> None:
        """End the program, if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)
