"""What a dead writer took along: the records that are neither counted as ended nor on disk, as a loss row.

Every record it emitted is stored, dropped, failed, on disk, or was in memory. Its page counts the first three, its
files hold the fourth; what is left is exact, but for a batch that was on its way when it was killed: those rows are
asked for, or, where nothing may be asked, said to be in doubt. What it dropped itself, and had no time to tell of,
is told for it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from dblog.chores import LOSS_LOGGER
from dblog.entry import LogEntry
from dblog.levels import BAND_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dblog.spool import Counts, Dead

__all__ = ["detail", "loss_row", "missing"]

_MILLISECOND = 1000


def missing(found: Dead, present: Callable[[int, int], Collection[int] | None]) -> list[dict[str, Any]]:
    """The entries of ``metadata.dblog.loss`` for one dead writer; none where nothing is missing.

    Args:
        found: what it left.
        present: which ``seq`` between two are stored; None where that cannot be asked.
    """
    counts = None if found.page is None else found.page.counts
    safe: set[int] = set()
    copies: set[int] = set()
    """Of records that were in memory as well."""
    highest = 0
    for left in found.frames():
        highest = max(highest, left.seq)
        if counts is None or (left.place > counts.reached if left.alone else left.seq > counts.settled):
            safe.add(left.seq)
            if not left.alone:
                copies.add(left.seq)
    damaged = sorted(found.damaged - safe)
    if found.page is None or counts is None:
        return _uncounted(damaged, known=not found.corrupt)
    emitted = max(found.page.emitted, highest)
    untold = counts.dropped + counts.failed - found.page.told
    if untold < 0:  # told of, and not among the counts yet
        counts = counts._replace(dropped=counts.dropped - untold)
    gone, doubt = _gone(counts, emitted, safe, copies, present)
    damaged = damaged[: max(0, gone)]
    told = [detail("damaged", [(seq, 0) for seq in damaged])] if damaged else []
    if gone > len(damaged):
        killed: dict[str, Any] = {"reason": "killed", "count": gone - len(damaged), "levels": {}}
        killed |= {"seq_from": counts.settled + 1, "seq_to": emitted}
        told.append(killed | ({"in_doubt": doubt} if doubt > 0 else {}))
    if untold > 0:
        told.append({"reason": "untold", "count": untold, "levels": {}, "seq_from": 1, "seq_to": emitted})
    return told


def _gone(
    counts: Counts,
    emitted: int,
    safe: set[int],
    copies: set[int],
    present: Callable[[int, int], Collection[int] | None],
) -> tuple[int, int]:
    """How many are nowhere, and how many of them may be stored."""
    stored = counts.began if counts.flying else counts.stored
    gone = emitted - stored - counts.dropped - counts.failed - len(safe)
    if not counts.flying:
        return gone, 0
    flying = max(0, counts.flying - sum(counts.first <= seq <= counts.last for seq in copies))
    there = present(counts.first, counts.last)
    if there is None:
        return gone, min(flying, gone)
    return gone - min(flying, len(set(there) - safe)), 0


def _uncounted(damaged: list[int], *, known: bool) -> list[dict[str, Any]]:
    """Without a page: what is damaged can be told, what was in memory cannot."""
    told = [detail("damaged", [(seq, 0) for seq in damaged])] if damaged else []
    return told if known else [*told, {"reason": "killed", "count": 0, "levels": {}, "uncounted": True}]


def detail(reason: str, lost: list[tuple[int, int]]) -> dict[str, Any]:
    """One entry of ``metadata.dblog.loss``."""
    levels: dict[str, int] = {}
    for _, band in lost:
        levels[BAND_NAMES[band]] = levels.get(BAND_NAMES[band], 0) + 1
    numbers = [seq for seq, _ in lost]
    span = {"seq_from": min(numbers), "seq_to": max(numbers)}
    return {"reason": reason, "count": len(lost), "levels": levels if reason == "spool_expired" else {}, **span}


def loss_row(instance_id: UUID, details: list[dict[str, Any]], moment: int, what: str) -> LogEntry:
    """A loss row whose id says what it is about, so that writing it twice stores one."""
    count = sum(detail["count"] for detail in details)
    reasons = ", ".join(f"{detail['reason']}: {detail['count']}" for detail in details)
    digest = hashlib.sha256(instance_id.bytes + what.encode()).digest()
    value = (moment // _MILLISECOND & (1 << 48) - 1) << 80 | int.from_bytes(digest[:10])
    value = value & ~(0xF << 76) | 0x7 << 76
    return LogEntry(
        timestamp=moment,
        level="WARNING",
        severity=13,
        logger=LOSS_LOGGER,
        message=f"{count} records lost ({reasons})",
        metadata=orjson.dumps({"dblog": {"loss": details}}).decode(),
        instance_id=instance_id,
        id=UUID(int=value & ~(0x3 << 62) | 0x2 << 62),
    )
