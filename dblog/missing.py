"""What a dead writer took along: the records that are neither counted as ended nor on disk, as a loss row.

Every record it emitted is stored, dropped, failed, on disk, or was in memory. Its page counts the first three, its
files hold the fourth; what is left is exact, but for a batch that was on its way when it was killed: those rows are
asked for, or, where nothing may be asked, said to be in doubt. What it lost itself, and had no time to tell of, is told
for it. In the end its row in ``log_instances`` gets the counts that it would have come to.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import orjson

from dblog.chores import LOSS_LOGGER
from dblog.entry import LogEntry
from dblog.ledger import FAIL_REASONS, Stats
from dblog.levels import BAND_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from dblog.spool import Counts, Dead
    from dblog.spool.counters import Page

__all__ = ["Missing", "counted", "detail", "final", "loss_row", "missing"]

_MILLISECOND = 1000
_OWN = "self"
"""Of dblog's own records alone nobody is told, as in ``Ledger.has_losses``."""


class Missing(NamedTuple):
    """What is to be told of a dead writer, as entries of ``metadata.dblog.loss``; none where nothing is missing."""

    gone: list[dict[str, Any]]
    """What it did not count as lost itself."""
    untold: list[dict[str, Any]]
    """What it did, and no loss row of its own says."""
    emitted: int
    """As far as can be found."""


def missing(found: Dead, present: Callable[[int, int, int], Collection[int] | None]) -> Missing:
    """What is missing of one dead writer.

    Args:
        found: what it left.
        present: which ``seq`` between two are stored, with times from the third on, in µs; None where that cannot be
            asked.
    """
    counts = None if found.page is None else found.page.counts
    safe: set[int] = set()
    copies: set[int] = set()
    """Of records that were in memory as well."""
    highest = 0
    for left in found.frames():
        highest = max(highest, left.seq)
        safe.add(left.seq)
        if not left.alone:
            copies.add(left.seq)
    damaged = sorted(found.damaged - safe)
    if found.page is None or counts is None:
        return Missing(_uncounted(damaged, known=not found.corrupt), [], highest)
    emitted = max(found.page.emitted, highest)
    gone, doubt = _gone(counts, emitted, safe, copies, present)
    damaged = damaged[: max(0, gone)]
    told = [detail("damaged", [(seq, 0) for seq in damaged])] if damaged else []
    if gone > len(damaged):
        killed: dict[str, Any] = {"reason": "killed", "count": gone - len(damaged), "levels": {}}
        killed |= {"seq_from": counts.settled + 1, "seq_to": emitted}
        told.append(killed | ({"in_doubt": doubt} if doubt > 0 else {}))
    return Missing(told, _untold(found.page, emitted, also_own=bool(told)), emitted)


def _gone(
    counts: Counts,
    emitted: int,
    safe: set[int],
    copies: set[int],
    present: Callable[[int, int, int], Collection[int] | None],
) -> tuple[int, int]:
    """How many are nowhere, and how many of them may be stored."""
    stored = counts.began if counts.flying else counts.stored
    gone = emitted - stored - counts.dropped - counts.failed - len(safe)
    if not counts.flying:
        return gone, 0
    flying = max(0, counts.flying - sum(counts.first <= seq <= counts.last for seq in copies))
    there = present(counts.first, counts.last, counts.since)
    if there is None:
        return gone, min(flying, gone)
    return gone - min(flying, len(set(there) - safe)), 0


def _untold(page: Page, emitted: int, *, also_own: bool) -> list[dict[str, Any]]:
    lost = page.dropped | page.failed
    owed = {reason: count - page.told.get(reason, 0) for reason, count in lost.items()}
    owed = {reason: count for reason, count in owed.items() if count > 0}
    if not also_own and not owed.keys() - {_OWN}:
        return []
    span = {"levels": {}, "seq_from": 1, "seq_to": emitted}
    return [{"reason": reason, "count": count, **span} for reason, count in owed.items()]


def _uncounted(damaged: list[int], *, known: bool) -> list[dict[str, Any]]:
    """Without a page: what is damaged can be told, what was in memory cannot."""
    told = [detail("damaged", [(seq, 0) for seq in damaged])] if damaged else []
    return told if known else [*told, {"reason": "killed", "count": 0, "levels": {}, "uncounted": True}]


def detail(reason: str, lost: list[tuple[int, int]]) -> dict[str, Any]:
    """One entry of ``metadata.dblog.loss``: of ``(seq, severity band)`` each."""
    levels = Counter(BAND_NAMES[band] for _, band in lost)
    numbers = [seq for seq, _ in lost]
    span = {"seq_from": min(numbers), "seq_to": max(numbers)}
    return {"reason": reason, "count": len(lost), "levels": {} if reason == "damaged" else dict(levels), **span}


def counted(details: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many these entries tell of, by reason."""
    sums: Counter[str] = Counter()
    for each in details:
        sums[each["reason"]] += each["count"]
    return dict(sums)


def final(found: Dead) -> Stats | None:
    """What a dead writer's ledger comes to, once all that it left is settled; None where its page does not say."""
    page, settled = found.page, found.settled
    if page is None:
        return None
    added = {reason: count for reason, count in settled.lost.items() if count}
    dropped, failed = Counter(page.dropped), Counter(page.failed)
    for reason, count in added.items():
        (failed if reason in FAIL_REASONS else dropped)[reason] += count
    stored = settled.emitted - dropped.total() - failed.total()
    if stored < 0:  # what it says is not what it was
        return None
    return Stats(
        emitted=settled.emitted,
        stored=stored,
        dropped=dropped.total(),
        failed=failed.total(),
        queued=0,
        in_flight=0,
        spooled=0,
        dropped_by=dict(dropped),
        failed_by=dict(failed),
        state="CLOSED",
        last_error=None,
        last_success=None,
        lag=None,
    )


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
