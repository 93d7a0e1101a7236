"""What a test logs, recorded in memory by a real handler; and whether a ledger adds up."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from dblog.handler import DatabaseHandler
from dblog.memory_sink import MemorySink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.entry import LogEntry
    from dblog.ledger import Stats

__all__ = ["Recording", "assert_conserved", "recording"]


def assert_conserved(stats: Stats) -> None:
    """Every record is counted in exactly one place; ``AssertionError`` with the figures when not."""
    places = stats.stored + stats.dropped + stats.failed + stats.queued + stats.in_flight + stats.spooled
    assert stats.emitted == places, f"{stats.emitted} records emitted, {places} accounted for: {stats}"  # noqa: S101 - its purpose
    assert stats.dropped == sum(stats.dropped_by.values()), f"reasons do not add up: {stats}"  # noqa: S101 - as above
    assert stats.failed == sum(stats.failed_by.values()), f"reasons do not add up: {stats}"  # noqa: S101 - as above


class Recording:
    """What a test logs, stored in memory by a real handler; the fixture ``dblog_sink`` is one.

    Attributes:
        handler: the ``DatabaseHandler``, on the root logger.
        sink: its ``MemorySink``; ``sink.down()``, ``sink.fail(3)`` … make it fail.
    """

    def __init__(self, handler: DatabaseHandler, sink: MemorySink) -> None:
        self.handler = handler
        self.sink = sink

    def wait(self, timeout: float = 5.0, **wanted: object) -> list[LogEntry]:
        """Wait until everything logged so far is stored, and give the entries that match.

        Args:
            timeout: seconds; then ``AssertionError`` with the handler's stats.
            wanted: values of fields of ``LogEntry``, or of extras; all must be equal.
        """
        assert self.handler.flush(timeout), f"not stored within {timeout} s: {self.handler.stats()}"  # noqa: S101 - its purpose
        return self.entries(**wanted)

    def entries(self, **wanted: object) -> list[LogEntry]:
        """The entries stored so far that match; see ``wait``."""
        return [entry for entry in self.sink.entries if all(_is(entry, name, value) for name, value in wanted.items())]

    @property
    def messages(self) -> list[str]:
        """The messages of everything logged so far."""
        return [entry.message for entry in self.wait()]


def _is(entry: LogEntry, name: str, value: object) -> bool:
    if name in entry._fields:
        return bool(getattr(entry, name) == value)
    attributes = entry.attributes
    return name in attributes and bool(attributes[name] == value)


@contextlib.contextmanager
def recording(level: int | str = logging.DEBUG, **options: Any) -> Iterator[Recording]:
    """Record in memory what the block logs: a handler on the root logger, and the root's level as low as ``level``.

    Args:
        level: the handler's.
        options: of ``DatabaseHandler``.
    """
    root, sink = logging.getLogger(), MemorySink()
    handler = DatabaseHandler(sink=sink, level=level, **options)
    handler.set_name("dblog_sink")
    before = root.level
    root.setLevel(min(before, handler.level) if before else before)
    root.addHandler(handler)
    try:
        yield Recording(handler, sink)
        handler.flush()
        assert_conserved(handler.stats())
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()
