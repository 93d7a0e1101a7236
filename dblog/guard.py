"""Which threads are dblog's own, and how deep a thread is inside dblog.

A record logged by a writer thread (its driver's debug lines) is never fed back:
without this, one record became 15,415 rows in three seconds. A record logged while
another is being captured (from a ``__str__``) is stored once; deeper ones are counted.
"""

from __future__ import annotations

import threading

__all__ = ["FORKING", "MAX_DEPTH", "OWN", "here", "own_thread"]

OWN = 1_000_000
"""The depth of a thread that belongs to dblog."""
MAX_DEPTH = 2
"""Records captured inside one another at most: one, and one logged while it is captured."""
FORKING = 1_000_000_000
"""Taken off the depth of a thread that forks, until both sides have settled; see ``dblog.lifecycle.beside_fork``."""


class _Here(threading.local):
    depth = 0
    """How many captures are under way in this thread; ``OWN`` in dblog's own threads, negative while one forks."""


here = _Here()


class own_thread:  # noqa: N801 - used as a with statement's verb
    """While the block runs, this thread works for dblog: what it logs is counted as dropped{self}."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = here.depth
        here.depth = OWN

    def __exit__(self, *_exc: object) -> None:
        here.depth = self._before
