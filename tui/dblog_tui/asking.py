"""``Asking``: what is looked at, and the questions that are under way about it; ``Paging`` asks them."""

from __future__ import annotations

import enum
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog.entry import LogEntry
from dblog.errors import DblogError
from dblog.levels import BANDS
from dblog_tui.row import LAST, behind
from dblog_tui.tasks import Tasks
from dblog_tui.view import View
from dblog_tui.window import Window, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query import Query
    from dblog.reading.values import Cursor, TailBatch
    from dblog_tui.source import Reached, Source
    from dblog_tui.window import Key

__all__ = ["ASKED", "Asking", "Gap", "Mode", "News"]

_AGAIN: Final = 2.0
ASKED: Final = ("load", "jump", "older", "newer", "seek")
"""Tasks somebody waits for."""


class Mode(enum.Enum):
    """What the newest row on the screen has to do with the present."""

    LIVE = "LIVE"
    PAUSED = "PAUSED"
    HISTORY = "HISTORY"


@dataclass(slots=True)
class News:
    """What was logged since one stopped following."""

    bands: list[int] = field(default_factory=lambda: [0] * BANDS)
    skipped: int = 0
    """Of which nobody has looked at the level."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.bands) + self.skipped


@dataclass(slots=True)
class Gap:
    """Entries between two places that the tail had no room for while one followed, until they are loaded."""

    count: int = 0
    """Nobody can have looked at these: none of them was ever loaded."""
    _low: Key = (0, 0)
    _high: Key = (0, 0)
    _total: int = 0
    """What lies between the two places and was not brought."""
    _brought: int = 0
    """What does, and was."""
    _behind: int = 0
    """What was brought from the second place on."""

    def passed(self, batch: TailBatch, newest: Key | None) -> None:
        """The tail has brought something; ``newest`` was the newest row till then, None where that is not known."""
        keys = [key_of(entry) for entry in batch.entries]
        if not batch.skipped:
            inside = bisect_left(keys, self._high)
            self._brought += inside
            self._behind += len(keys) - inside
            return
        self._high = keys[0] if keys else behind(newest or self._high)
        if not self.count:
            self._low, self._total, self._brought, self._behind = newest or self._high, 0, 0, 0
        self._brought += self._behind
        self._behind = len(keys)
        self._total += batch.skipped
        self.count += batch.skipped

    def loaded(self, window: Window) -> None:
        """Rows have come into the window: what of it is there is skipped no more."""
        if self.count:
            rows = window.rows[window.index(behind(self._low)) : window.index(self._high)]
            here = sum(isinstance(row, LogEntry) for row in rows)
            self.count = min(self.count, max(self._total + self._brought - here, 0))


class Asking:
    """A view, a window of its rows, and questions about it, each in a task of its own.

    Args:
        source: where from.
        changed: see ``Browser``.
        failed: see ``Browser``.
    """

    def __init__(
        self, source: Source, changed: Callable[[str], None], failed: Callable[[Exception], None] | None = None
    ) -> None:
        self.source = source
        self.window = Window()
        self.view = View()
        self.query: Query | str = ""
        """The view's, as it was asked last."""
        self.shown_at = 0
        """µs: what the view's relative times count from."""
        self.mode = Mode.LIVE
        self.news = News()
        self.trouble = ""
        """A sentence about the last question that failed."""
        self.gate: Reached | None = None
        """A search waits for somebody to say that it may take this long."""
        self.loading = False
        """The first page is being asked for, or what is around a place."""
        self.took = 0.0
        """Seconds the first page took."""
        self.again = _AGAIN
        """Seconds until a question that failed is asked again."""
        self._changed, self._failed = changed, failed
        self._tasks = Tasks(self._ended, self._unexpected)
        self._slow = False
        """The view's query has no index."""
        self._loaded = False
        """The rows are the view's: its first page has come."""
        self.reached: Reached | None = None
        """How far a search without an index has come; None where there is none."""
        self._began: int | None = None
        """µs: where the search of this view began, however often it was stopped since."""
        self.sought: Reached | None = None
        """As ``reached``, of the search for one entry somewhere else."""

    @property
    def busy(self) -> bool:
        """A question is being answered."""
        return self.loading or self._tasks.running(*ASKED)

    # -- places -----------------------------------------------------------------------------------------------

    def place(self, entry: LogEntry | None) -> Cursor | None:
        """Where an entry stands."""
        return self.cursor(key_of(entry)) if entry is not None else None

    def cursor(self, key: Key | None) -> Cursor | None:
        """A row's place, as the reader has it."""
        if key is None:
            return None
        from uuid import UUID  # noqa: PLC0415 - only here

        from dblog.reading.values import Cursor  # noqa: PLC0415 - behind the first paint

        return Cursor(key[0], UUID(int=min(key[1], LAST - 1)))

    def _is_slow(self) -> bool:
        if isinstance(self.query, str):
            return False
        from dblog_tui.cost import indexed  # noqa: PLC0415 - behind the first paint

        extent = self.source.known_extent
        return not indexed(self.query.tree, extent.rows_between if extent is not None else None)

    # -- how it went ------------------------------------------------------------------------------------------

    def _unexpected(self, error: Exception) -> None:
        """What should not have happened; that a question was stopped is none of it."""
        if isinstance(error, DblogError):
            return
        if self._failed is None:
            raise error
        self._failed(error)

    def _without_rows(self, sentence: str, *, pause: bool = True) -> None:
        """The first rows of the view have not come: nothing is shown, rather than the view before."""
        self.window.abandon((self.shown_at, 0))
        if pause and self.mode is Mode.LIVE:
            self.mode, self.news = Mode.PAUSED, News()
        self.trouble = sentence
        self._changed("rows")

    def _well(self) -> None:
        """A question has been answered."""
        raise NotImplementedError

    def _ended(self, name: str, error: Exception | None) -> None:
        """A task has come to its end."""
        raise NotImplementedError
