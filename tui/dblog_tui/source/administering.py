"""What the terminal does beside reading: it examines, as ``dblog doctor`` does, and stores refused rows again.

Both are synchronous, on connections of their own, so they run in threads. Storing needs the administrator's URL, which
is used for that one call and for nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from uuid import UUID

    from dblog.admin.findings import Finding
    from dblog_tui.source.source import Source

__all__ = ["Restored", "examine", "retry"]

_TIMEOUT: Final = 30.0
"""Seconds of one of the administrator's statements."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of dead letters."""

    stored: int
    present: int
    """Their entries were there already; the letters are gone as well."""
    kept: tuple[tuple[UUID, str], ...]
    """Letters that are still there, and why."""


async def examine(source: Source) -> AsyncGenerator[Finding, None]:
    """What ``dblog doctor`` finds, each finding as soon as it is known.

    Whoever stops listening lets the examination end after the check that is being made.
    """
    loop, findings, left = asyncio.get_running_loop(), asyncio.Queue["Finding | None"](), threading.Event()

    def told(finding: Finding | None) -> None:
        if not left.is_set():
            with suppress(RuntimeError):  # the loop was closed a moment ago
                loop.call_soon_threadsafe(findings.put_nowait, finding)

    # A daemon: leaving the terminal does not wait for the integrity check of a large file.
    threading.Thread(target=_examine, args=(source, told, left), name="dblog-tui-doctor", daemon=True).start()
    try:
        while (finding := await findings.get()) is not None:
            yield finding
    finally:
        left.set()


def _examine(source: Source, told: Callable[[Finding | None], None], left: threading.Event) -> None:
    from dblog.admin import doctor  # noqa: PLC0415 - loads Alembic, in this thread
    from dblog.admin.findings import fail  # noqa: PLC0415 - as above

    database = source.database
    place = doctor.Place(
        url=database.url,
        login=lambda: database.login,
        source=source.name if source.name != source.safe_url else "the command line",
        schema=database.schema,
        table=database.table,
        password_file=database.password_file,
    )
    try:
        for finding in doctor.examine(place):
            if left.is_set():
                return
            told(finding)
    except Exception as error:  # noqa: BLE001 - the end of a thread nobody watches
        told(fail(f"the examination broke off ({type(error).__name__})", "run dblog doctor"))
    finally:
        told(None)


async def retry(source: Source, admin_url: str, ids: Sequence[UUID] | None) -> Restored:
    """Store the entries of dead letters, as ``dblog dead-letters retry`` does.

    Args:
        source: names schema and table.
        admin_url: of a role that may select and delete dead letters and insert log rows.
        ids: which letters; all of them where None.

    Raises:
        DblogError: the database cannot be used, or there is no letter of an id.
    """
    return await asyncio.to_thread(_retry, source, admin_url, ids)


def _retry(source: Source, admin_url: str, ids: Sequence[UUID] | None) -> Restored:
    from dblog.admin import letters  # noqa: PLC0415 - the administrator's half, for those who ask for it
    from dblog.admin.connection import AdminConnection  # noqa: PLC0415 - as above

    database = source.database
    with AdminConnection(admin_url, schema=database.schema, table=database.table, timeout=_TIMEOUT) as connection:
        named = letters.letters(connection) if ids is None else letters.named(connection, [each.hex for each in ids])
        done = letters.retry(connection, named)
    return Restored(done.stored, done.present, tuple(done.kept))
