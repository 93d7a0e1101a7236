"""``import``: lines of JSON into a database; a repeated import of the same lines stores each once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from dblog.admin.storing import Storing, made_id
from dblog.errors import ConfigurationError
from dblog.interchange import from_json

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from dblog.admin.connection import AdminConnection
    from dblog.entry import LogEntry

__all__ = ["MOST_LINE", "Import", "Line", "Summary", "lines_of"]

MOST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one line at most."""
_BATCH: Final = 1000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_REMEMBERED: Final = 200_000
"""Different lines without an id, at least, within which the n-th of equal ones is known as such; twice as many take
about 50 MB."""
_NAMED: Final = 1000
"""Refused lines whose reasons are kept."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank."""

    number: int
    """From 1."""
    text: bytes | None
    """Without its line break; None of one that is too long."""


@dataclass(slots=True)
class Summary:
    """What an import did."""

    read: int = 0
    """Lines that are not blank."""
    stored: int = 0
    present: int = 0
    """Were there already."""
    refused: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)
    """Line number and sentence of the first thousand refused; no sentence shows the line."""
    days: list[dt.date] = field(default_factory=list)
    """Partitions made."""


def lines_of(file: BinaryIO) -> Iterator[Line]:
    """The lines of a file; one that is too long is passed over in pieces."""
    number = 0
    while text := file.readline(MOST_LINE + 1):
        number += 1
        if len(text) > MOST_LINE and not text.endswith(b"\n"):
            while (text := file.readline(MOST_LINE)) and not text.endswith(b"\n"):
                pass
            yield Line(number, None)
        elif text := text.strip():
            yield Line(number, text.removeprefix(b"\xef\xbb\xbf"))


class Import:
    """Stores lines in batches.

    Args:
        connection: None to only read them.
        rejects: where refused lines are written as they were; those that were too long are left out.
        report: called with the summary so far, after each batch.
    """

    def __init__(
        self,
        connection: AdminConnection | None,
        *,
        rejects: BinaryIO | None = None,
        report: Callable[[Summary], None] = lambda _: None,
    ) -> None:
        self.summary = Summary()
        self._storing = None if connection is None else Storing(connection)
        if self._storing is not None:
            self.summary.days = self._storing.days.made
        self._rejects, self._report = rejects, report
        self._batch: list[tuple[Line, LogEntry]] = []
        self._bytes = 0
        self._recent: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def run(self, lines: Iterator[Line]) -> Summary:
        """Read all lines; what was stored stays, whatever happens meanwhile.

        Raises:
            StoreError: the database cannot be used; ``summary`` says how far it got.
        """
        for line in lines:
            self.summary.read += 1
            entry = self._entry(line)
            if entry is None:
                continue
            self._batch.append((line, entry))
            self._bytes += len(line.text or b"")
            if len(self._batch) >= _BATCH or self._bytes >= _BATCH_BYTES:
                self._flush()
        self._flush()
        return self.summary

    def _entry(self, line: Line) -> LogEntry | None:
        if line.text is None:
            self._refuse(line, f"line {line.number} is longer than {MOST_LINE >> 20} MiB")
            return None
        try:
            entry = from_json(line.text, line.number)
        except ConfigurationError as error:
            self._refuse(line, str(error))
            return None
        if entry.id is not None:
            return entry
        return entry._replace(id=made_id(entry.timestamp, self._seed(line.text)))

    def _seed(self, text: bytes) -> bytes:
        """The line and how many like it went before: equal lines are several entries, in each import the same."""
        digest = hashlib.sha256(text).digest()
        short = int.from_bytes(digest[:8])
        count = self._recent.get(short, self._older.get(short, 0)) + 1
        if len(self._recent) >= _REMEMBERED and short not in self._recent:
            self._older, self._recent = self._recent, {}
        self._recent[short] = count
        return digest + count.to_bytes(8)

    def _flush(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        if self._storing is not None and batch:
            outcome = self._storing.store([entry for _, entry in batch])
            self.summary.stored += outcome.stored
            self.summary.present += outcome.present
            for index, reason in outcome.refused:
                line = batch[index][0]
                self._refuse(line, f"line {line.number}: {reason}")
        self._report(self.summary)

    def _refuse(self, line: Line, reason: str) -> None:
        self.summary.refused += 1
        if len(self.summary.reasons) < _NAMED:
            self.summary.reasons.append((line.number, reason))
        if self._rejects is not None and line.text is not None:
            self._rejects.write(line.text + b"\n")
