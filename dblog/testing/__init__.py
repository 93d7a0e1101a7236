"""For tests, yours and ours: a sink in memory that fails on demand, a faulty network, a clock put forward.

::

    pytest_plugins = ["dblog.testing"]            # conftest.py

    def test_checkout_is_logged(dblog_sink):
        checkout()
        (entry,) = dblog_sink.wait(level="WARNING")

A ``MemorySink`` without pytest is ``dblog.DatabaseHandler(sink=MemorySink())``. What it
keeps is what a database would hold: entries with service, host, id and seq filled in.
It refuses to stand in for SQL: there is nothing to query. ``docs/testing.md`` has an
example of everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dblog.memory_sink import MemorySink
from dblog.testing.clock import VirtualClock
from dblog.testing.proxy import FaultProxy
from dblog.testing.recording import Recording, assert_conserved, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FaultProxy", "MemorySink", "Recording", "VirtualClock", "assert_conserved", "recording"]

try:
    import pytest
except ImportError:  # the rest is of use without it
    pass
else:

    @pytest.fixture
    def dblog_clock() -> Iterator[VirtualClock]:
        """The time dblog waits by; name it before ``dblog_sink``, whose handler ends before the clock does."""
        with VirtualClock() as clock:
            yield clock

    @pytest.fixture
    def dblog_sink() -> Iterator[Recording]:
        """What the test logs, as it would be stored: a ``dblog.testing.Recording``."""
        with recording() as made:
            yield made
