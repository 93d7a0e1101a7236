"""``dblog-tui --demo``: three services, each a process, that log into a database of their own while one looks.

``Demo`` is the application's side. It starts one process, the *conductor* (``conductor``), which makes the database
and twenty minutes of past, starts the services (``shop``, ``payments``), and ends all of it, folder included, when the
pipe from here closes: so nothing is left running when the application is killed. Every row goes through
``dblog.DatabaseHandler``.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dblog.errors import DblogError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PAST", "READY", "Demo"]

PAST: Final = 1200
"""Seconds of past that are there when it begins."""
READY: Final = "ready"
"""The conductor's last word before it waits."""
_PATIENCE: Final = 4.0
"""Seconds to wait for the conductor's end."""


class Demo:
    """A running demo; ``start`` makes it.

    Attributes:
        folder: of its own, gone after ``stop``.
        url: of its database, which is there when ``ready`` has returned.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.folder = folder
        self.url = f"sqlite:///{folder / 'logs.db'}"

    @classmethod
    def start(cls, past: int = PAST) -> Demo:
        """Begin; returns at once.

        Args:
            past: seconds.
        """
        folder = Path(tempfile.mkdtemp(prefix="dblog-tui-demo-")).resolve()
        # -P: what lies in the current folder is none of ours. A session of its own: Ctrl-C is the application's.
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own words
            [sys.executable, "-P", "-m", "dblog_tui.demo.conductor", str(folder), str(past)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return cls(process, folder)

    async def ready(self, progress: Callable[[float], None] = lambda _: None) -> None:
        """Wait until the past is there and the services log.

        Args:
            progress: is told which part of the past is there, 0 to 1.

        Raises:
            DblogError: the demo ended before.
        """
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        while line := await asyncio.to_thread(self._process.stdout.readline):
            if line.strip() == READY:
                return
            with contextlib.suppress(ValueError):
                progress(float(line))
        raise DblogError("the demo did not start: is there room in the folder for temporary files?")

    @property
    def running(self) -> bool:
        """The conductor is there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End its processes and remove its folder; does nothing the second time."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
