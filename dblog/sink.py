"""The border between the writer and a database: what a sink must do, and the words both use.

The writer knows no database; it is handed a ``Sink``. ``dblog.store`` makes the
real ones, ``dblog.testing.MemorySink`` one that keeps rows in a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from dblog.entry import LogEntry
    from dblog.ledger import Stats

__all__ = ["DeadLetter", "Heir", "Origin", "Row", "Sink", "Status"]

Row: TypeAlias = "tuple[int | None, LogEntry]"
"""``(seq, entry)``; ``seq`` is None for a row dblog adds itself, such as a loss row."""


@dataclass(slots=True)
class Origin:
    """What is the same for every row of one writer; it does not change once the first of them is written."""

    instance_id: UUID
    service: str | None
    service_version: str | None
    environment: str | None
    host: str
    pid: int
    started_at: int
    """µs since 1970-01-01 UTC."""
    container: str | None = None
    """Container or pod name, where one can be told."""

    def complete(self, known: Mapping[str, str]) -> None:
        """Fill in what is not known yet; for the writer, before its first row."""
        self.service = self.service or known.get("service")
        self.service_version = self.service_version or known.get("service_version")
        self.environment = self.environment or known.get("environment")


class DeadLetter(NamedTuple):
    """A row the database refused for its content, kept readable."""

    id: UUID
    failed_at: int
    """µs since 1970-01-01 UTC."""
    instance_id: UUID
    seq: int | None
    error_class: str
    code: str
    """SQLSTATE, ``sqlite_errorname`` or exception class name."""
    attempts: int
    payload: str
    """The row as ASCII JSON."""


@dataclass(frozen=True, slots=True)
class Status:
    """One heartbeat of a writer: its row in ``log_instances``."""

    origin: Origin
    last_seen: int
    """µs since 1970-01-01 UTC."""
    stats: Stats
    posthumous: bool = False
    """Its last one, by who settled what it left: of a row that is there only the counts change."""


class Sink(Protocol):
    """Where batches go. Called by one thread, except ``abort`` and ``abandon``.

    Every method but ``abort``, ``abandon`` and ``close`` may raise
    ``dblog.errors.StoreError`` and nothing else; after one, the sink is usable again
    (it rolls back, or reconnects at the next call).
    """

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """Store the rows in one transaction, connecting first where needed.

        With ``replay`` some of them may already be stored: those are left as they are.
        """

    def refused_days(self, rows: Sequence[Row]) -> Sequence[int]:
        """Make room for the days of these rows; the indices of rows whose day is refused."""

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Store rows that can be stored nowhere else."""

    def report(self, status: Status) -> None:
        """Write or refresh the writer's row in ``log_instances``."""

    def prune(self, budget: float) -> int:
        """Delete expired rows for about ``budget`` seconds; how many went. 0 where retention is not ours."""

    def reachable(self) -> bool:
        """A cheap look whether a new attempt is worth it; never raises, at most about a second."""

    def abort(self) -> None:
        """Free a blocked call, from any thread; that call then raises."""

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""

    def abandon(self) -> None:
        """In a forked child: forget the parent's connection without touching it."""


class Heir(Sink, Protocol):
    """What a sink can do more for the rows of dead writers; one that cannot is opened for each, and leaves a doubt."""

    def present(self, first: int, last: int, since: int) -> Collection[int]:
        """Which of the writer's ``seq`` between two are stored, with times from ``since`` (µs) on."""

    def turn_to(self, origin: Origin) -> None:
        """From now on the rows are another writer's."""
