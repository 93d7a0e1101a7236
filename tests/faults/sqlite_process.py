"""A writer in a process of its own, asked and told by a test (``sqlite_child.py`` is its program)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.oracle import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = Path(__file__).with_name("sqlite_child.py")


class Child:
    """A writer in a process of its own.

    Args:
        url: its database.
        how: ``"as anybody"``: the super-user, too, meets the modes of files.
        prefix: the command that starts it, to which its own is added.
        options: its handler's.
    """

    def __init__(self, url: str, how: str = "as it is", prefix: tuple[str, ...] = (), **options: Any) -> None:
        pipe = subprocess.PIPE
        command = [*prefix, sys.executable, str(_PROGRAM), how, url, json.dumps(options)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.instance = self._answer()["ready"]

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def __call__(self, *words: object) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def blocked(self, needle: str) -> None:
        """Wait until it says that somebody has to act, and why; nothing is lost meanwhile."""
        until(lambda: self("stats")["state"] == "BLOCKED", say=lambda: self("stats"))
        stats = self("stats")
        assert needle in stats["last_error"]
        assert (stats["dropped"], stats["failed"]) == (0, 0)

    def end(self) -> None:
        """Let it end by itself."""
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors


@contextlib.contextmanager
def child(url: str, how: str = "as it is", prefix: tuple[str, ...] = (), **options: Any) -> Iterator[Child]:
    """One that ends with the block, however that ends."""
    made = Child(url, how, prefix, **options)
    try:
        yield made
        made.end()
    finally:
        made.process.kill()
        made.process.communicate()
