"""What a database knows of rows that are not in it: its writers' figures, loss rows, dead letters, deletions."""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dblog.admin.deleting import AUDIT_LOGGER
from dblog.admin.holes import Claim, Hole, matched
from dblog.admin.partitions import day_of
from dblog.admin.pruning_clickhouse import shortest_age
from dblog.admin.timescale import whole_days
from dblog.chores import LOSS_LOGGER

if TYPE_CHECKING:
    from collections import Counter
    from uuid import UUID

    from dblog.admin.connection import AdminConnection

__all__ = ["Evidence", "Writer"]

_SILENT: Final = 30_000_000
"""µs without a word after which a writer counts as down, as in ``dblog instances``."""
_WARNING: Final = 13
_POISON: Final = "poison"
_FIELDS: Final = ("service", "host", "pid", "state")
_COUNTS: Final = ("emitted", "queued", "in_flight", "spooled")


@dataclass(frozen=True, slots=True)
class Writer:
    """A row of ``log_instances``, or only the id of one that has none."""

    id: UUID
    service: str | None = None
    host: str | None = None
    pid: int | None = None
    state: str | None = None
    emitted: int = 0
    queued: int = 0
    in_flight: int = 0
    spooled: int = 0
    started_at: int | None = None
    """µs since 1970 UTC."""
    last_seen: int | None = None
    lost: dict[str, int] = field(default_factory=dict)
    """Dropped and failed, by reason."""

    @property
    def waiting(self) -> int:
        """Records it had not settled when it was last seen."""
        return self.queued + self.in_flight + self.spooled

    def alive(self, now: int) -> bool:
        """Whether it may still store what it has."""
        return self.last_seen is not None and self.state != "CLOSED" and now - self.last_seen <= _SILENT

    def seen_after(self, moment: int | None) -> bool:
        """Whether it was there at this time (µs) or later."""
        return moment is None or (self.last_seen is not None and self.last_seen >= moment)


@dataclass(slots=True)
class _Deletion:
    """Rows that somebody deleted and told of: so many, of before a time in µs."""

    reason: str
    before: int
    count: int


class Evidence:
    """All of it, read once.

    Args:
        connection: of a role that may select.

    Raises:
        StoreError: the database cannot be used.
    """

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self.now = connection.now()
        self.writers = self._read_writers()
        self.losses: defaultdict[UUID, list[Claim]] = defaultdict(list)
        """What loss rows and dead letters say, by writer."""
        self._deletions: list[_Deletion] = []
        self._read_rows()
        self._read_letters()
        self._days: list[int] | None = None
        self._oldest: int | None = None
        self._lasting: int | None = None
        """ClickHouse: what is older than this may have been deleted by the table's TTL."""
        if connection.postgres:
            days = whole_days(connection)
            self._days = sorted(each.day.toordinal() for each in days if each.attached)
            if (
                days and days[0].begin is not None
            ):  # a chunk is made by its first row: of a day without any there is none
                self._days = list(range(self._days[0], day_of(self.now).toordinal() + 2))
        else:
            moment = connection.micros("timestamp")
            oldest = connection.value(f"SELECT {moment} FROM {connection.logs} ORDER BY timestamp LIMIT 1")  # noqa: S608 - a checked name
            self._oldest = self.now if oldest is None else int(oldest)
            if connection.dialect == "clickhouse" and (age := shortest_age(connection)):
                self._lasting = self.now - age

    def deleted(self, hole: Hole, counts: Counter[str], *, leading: bool) -> list[Hole]:
        """What of a hole no deletion explains; what is explained is added to ``counts``.

        Args:
            hole: without what is explained otherwise.
            counts: numbers by kind of deletion.
            leading: it begins with its writer's first number.
        """
        if self._day_is_gone(hole):
            counts["day_dropped"] += hole.size
            return []
        for each in self._deletions:
            taken = min(each.count, hole.size) if hole.low is None or hole.low < each.before else 0
            each.count -= taken
            if taken:
                counts[each.reason] += taken
            if taken == hole.size:
                return []
            hole = hole.part(hole.first + taken, hole.last)
        if self._has_expired(hole, leading=leading):
            counts["expired"] += hole.size
            return []
        return [hole]

    def _has_expired(self, hole: Hole, *, leading: bool) -> bool:
        """Whether its rows may have gone unseen: by a TTL, or with those that told of it."""
        if self._lasting is not None and (hole.low is None or hole.low < self._lasting):
            return True
        pruned = self._oldest is not None and any(each.reason == "pruned" for each in self._deletions)
        return leading and pruned and (hole.low is None or hole.low < (self._oldest or 0))

    def _day_is_gone(self, hole: Hole) -> bool:
        """PostgreSQL: whether a day in which its rows may have been has no partition any more."""
        ends = [day_of(moment).toordinal() for moment in (hole.low, hole.high) if moment is not None]
        if self._days is None or not ends:
            return False
        first = ends[0] if hole.low is not None else ends[-1]
        return bisect_right(self._days, ends[-1]) - bisect_left(self._days, first) < ends[-1] - first + 1

    def _read_writers(self) -> dict[UUID, Writer]:
        connection = self._connection
        moments = ", ".join(connection.micros(name) for name in ("started_at", "last_seen"))
        rows = connection.rows(
            f"SELECT instance_id, {', '.join((*_FIELDS, *_COUNTS))}, {moments}, dropped_by, failed_by"  # noqa: S608 - our own
            f" FROM {connection.instances}"
        )
        found = {}
        names = (*_FIELDS, *_COUNTS, "started_at", "last_seen")
        for identity, *values, dropped, failed in rows:
            fields: dict[str, Any] = dict(zip(names, values, strict=True))
            writer = connection.uuid(identity)
            lost = {reason: _whole(count) for tree in (dropped, failed) for reason, count in _tree(tree).items()}
            found[writer] = Writer(writer, **fields, lost=lost)
        return found

    def _read_rows(self) -> None:
        """Loss rows, and the rows of those who deleted."""
        connection = self._connection
        rows = connection.rows(
            f"SELECT logger, {connection.micros('timestamp')}, instance_id, metadata FROM {connection.logs}"  # noqa: S608 - our own
            " WHERE severity >= ? AND logger IN (?, ?) AND seq IS NULL ORDER BY timestamp, id",
            _WARNING,  # for the index of what is at least a warning
            LOSS_LOGGER,
            AUDIT_LOGGER,
        )
        for logger, moment, identity, metadata in rows:
            tree = _tree(metadata)
            if logger == AUDIT_LOGGER:
                self._note_deletion(int(moment), tree)
            elif identity is not None:
                losses = _tree(tree.get("dblog")).get("loss")
                claims = map(_claim, losses if isinstance(losses, list) else ())
                self.losses[connection.uuid(identity)] += [claim for claim in claims if claim is not None]

    def _note_deletion(self, moment: int, tree: dict[str, Any]) -> None:
        count, rules = tree.get("count"), tree.get("rules")
        if type(count) is not int:
            return
        if tree.get("action") == "erase":
            self._deletions.append(_Deletion("erased", moment, count))
        elif tree.get("action") in {"prune", "maintain"} and isinstance(rules, list):
            before = max((_micros(_tree(rule).get("before")) for rule in rules), default=0)
            self._deletions.append(_Deletion("pruned", before, count))

    def _read_letters(self) -> None:
        """Dead letters say exactly which number is missing; loss rows count the same ones once more."""
        connection = self._connection
        rows = connection.rows(
            f"SELECT instance_id, seq FROM {connection.dead_letters} WHERE seq IS NOT NULL ORDER BY instance_id, seq"  # noqa: S608 - a checked name
        )
        letters: defaultdict[UUID, list[int]] = defaultdict(list)
        for identity, seq in rows:
            letters[connection.uuid(identity)].append(int(seq))
        for writer, seqs in letters.items():
            claims = self.losses[writer]
            numbered = [claim._replace(reason=str(place)) for place, claim in enumerate(claims)]
            poisoned = [each for each, claim in zip(numbered, claims, strict=True) if claim.reason == _POISON]
            _, twice = matched([Hole(seq, seq, None, None) for seq in seqs], poisoned)
            self.losses[writer] = [
                claim._replace(places=claim.places - twice[str(place)]) for place, claim in enumerate(claims)
            ] + [Claim(seq, seq, 1, _POISON) for seq in seqs]


def _claim(loss: Any) -> Claim | None:
    """One element of a loss row; None where it is none."""
    loss = _tree(loss)
    first, last, count = (_whole(loss.get(name)) for name in ("seq_from", "seq_to", "count"))
    reason = loss.get("reason")
    return Claim(first, last, count, reason) if isinstance(reason, str) and 0 < first <= last else None


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _tree(value: Any) -> dict[str, Any]:
    """An object as the driver gives it; empty where it is none."""
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    return value if isinstance(value, dict) else {}


def _micros(text: Any) -> int:
    """µs of a time as audit rows have it; 0 where it cannot be read."""
    try:
        delta = dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    except (ValueError, TypeError):
        return 0
    return delta // dt.timedelta(microseconds=1)
