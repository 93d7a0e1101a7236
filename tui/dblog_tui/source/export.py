"""``Export``: what matches, into a file, while the screen goes on: in a thread, with a connection of its own.

The file appears when it is complete. What is interrupted is kept beside it and gone on with, here by running again,
or by ``dblog export --resume`` with the same query.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.admin.partfile import PartFile
    from dblog.query import Query
    from dblog.reader import LogReader
    from dblog_tui.source.source import Source

__all__ = ["SHAPES", "Export", "Written", "path_of", "shape_of"]

SHAPES: Final = ("ndjson", "json", "csv")
"""As ``dblog.admin.formats.FORMATS``."""


@dataclass(frozen=True, slots=True)
class Written:
    """How far an export has come."""

    count: int = 0
    size: int = 0
    """Bytes, before they are compressed."""
    reached: int | None = None
    """µs of the last entry written; the oldest go first."""


def shape_of(name: str) -> str:
    """The format that a file's name asks for."""
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    return {".csv": "csv", ".json": "json"}.get(ending, "ndjson")


def path_of(name: str) -> Path:
    """The file a name means.

    Raises:
        ConfigurationError: it cannot be one.
    """
    if not name.strip():
        raise ConfigurationError("a file needs a name")
    if not name.isprintable():
        raise ConfigurationError("the name of a file is to be seen in full")
    try:
        path = Path(name.strip()).expanduser().absolute()
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder: name a file in it")
        if path.exists():
            raise ConfigurationError(f"{path} is there already: give another name, or remove it")
        if not path.parent.is_dir():
            raise ConfigurationError(f"there is no folder {path.parent}")
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{name.strip()[:80]!r} cannot be the name of a file") from None
    return path


class Export:
    """One export into one file.

    Args:
        source: the database.
        query: what matches.
        path: the file; with ``.gz`` at its end it is compressed.
        shape: one of ``SHAPES``.
        columns: columns of the table, in their order; every one where None.
    """

    def __init__(
        self, source: Source, query: Query, path: Path, *, shape: str = "ndjson", columns: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self.written = Written()
        self.began = time.monotonic()
        self._database, self._safe_url, self._zone = source.database, source.safe_url, source.zone
        self._query, self._shape, self._columns = query, shape, columns
        self.stopped = False
        """Nothing more is to be written."""
        self._task: asyncio.Task[int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """What it is, as ``dblog export`` remembers it."""
        from dblog.interchange import COLUMNS  # noqa: PLC0415 - behind the first paint

        database = self._database
        return {
            "database": {"url": self._safe_url, "schema": database.schema, "table": database.table},
            "query": str(self._query), "since": None, "until": None, "format": self._shape,
            "columns": list(self._columns or COLUMNS), "limit": None, "raw": False,
        }  # fmt: skip

    async def run(self) -> int:
        """Write, or go on; how many entries the file then holds.

        Cancelling ends it, and it can be gone on with; where the file is complete by then, it is as if nobody had.

        Raises:
            StoreError: the database is away, or takes too long; run again.
            ConfigurationError: the file cannot be written.
        """
        self.stopped, self.began = False, time.monotonic()
        thread = asyncio.create_task(asyncio.to_thread(self._in_thread))
        try:
            count = await asyncio.shield(thread)
        except asyncio.CancelledError:
            self._stop()
            with contextlib.suppress(StoreError, ConfigurationError):
                if (count := await thread) is not None:
                    return count
            raise
        if count is None:
            raise asyncio.CancelledError
        return count

    def discard(self) -> None:
        """Remove what is unfinished."""
        for ending in (".part", ".part.json"):
            with contextlib.suppress(OSError):
                self.path.with_name(f"{self.path.name}{ending}").unlink()

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self.stopped = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel)

    def _in_thread(self) -> int | None:
        try:
            return asyncio.run(self._main())
        except asyncio.CancelledError:
            return None
        except (ConfigurationError, StoreError):
            raise
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from None
        finally:
            self._task = self._loop = None

    async def _main(self) -> int:
        from dblog.admin.partfile import PartFile  # noqa: PLC0415 - loads SQLAlchemy
        from dblog.reader import LogReader  # noqa: PLC0415 - as above

        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self.stopped:
            raise asyncio.CancelledError
        database = self._database
        async with LogReader(
            database.url,
            schema=database.schema,
            table=database.table,
            statement_timeout=database.statement_timeout,
            password_file=database.password_file,
            tail_overlap=database.tail_overlap,
            timezone=self._zone,
        ) as reader:
            with PartFile(self.path) as file:
                return await self._write(reader, file)

    async def _write(self, reader: LogReader, file: PartFile) -> int:
        from dblog.admin.exporting import Progress, export  # noqa: PLC0415 - as above
        from dblog.admin.formats import format_of  # noqa: PLC0415 - as above

        asked = self.asked
        state = self._begin(file, asked)
        return await export(
            reader,
            self._query,
            format_of(self._shape, tuple(asked["columns"])),
            _Watched(file, self),
            asked={"asked": asked, "query": str(self._query)},
            since=Progress.of(state) if "cursor" in state else None,
        )

    def _begin(self, file: PartFile, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin, or go on: the state to go on from, empty at the beginning."""
        if not file.part.exists():
            file.begin({"asked": asked, "query": str(self._query)})
            return {}
        state = file.resume()
        if state and state.get("asked") != asked:
            raise ConfigurationError(
                f"{file.part} is of another export, and unfinished: give another name, or remove it"
            )
        return state


class _Watched:
    """The file, and what is written to it counted."""

    def __init__(self, file: PartFile, export: Export) -> None:
        self._file, self._export = file, export

    def append(self, piece: bytes, state: dict[str, Any]) -> None:
        """Write a piece, unless it was stopped: between pieces it can be gone on with."""
        if self._export.stopped:
            raise asyncio.CancelledError
        self._file.append(piece, state)
        before = self._export.written
        reached = int(str(state["cursor"]).rpartition("-")[0]) if state["count"] else None
        self._export.written = Written(state["count"], before.size + len(piece), reached)

    def finish(self) -> None:
        """Put the file in its place."""
        self._file.finish()
