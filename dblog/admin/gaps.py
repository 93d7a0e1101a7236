"""``dblog audit``: why is each number missing that is missing?

Every writer counts its records from 1, those it lost included. A number without a row is explained by a ``dblog.loss``
row, by the drop counters of its writer, by rows that were deleted with an audit row or with their whole day, or by a
writer that is alive and still has it. What is left is unexplained.

All is asked in one snapshot. ClickHouse has none: there what was taken while the rows were read is read at the end. The
log table is walked in slices of its time index, each small enough to be sorted in memory; of a slice only the ranges
come back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog.admin.evidence import Evidence, Writer
from dblog.admin.holes import Claim, Hole, Island, ends_of, holes_between, matched, merged
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from dblog.admin.connection import AdminConnection

__all__ = ["Account", "audit"]

_SLICE: Final = 50_000
"""Rows of one slice, but for those of one µs."""
_SLACK: Final = 60_000_000
"""µs before ``since`` from which on rows are read: numbers are not given in the order of times.

Also those after which an INSERT's rows are there, where there is no snapshot."""
_EVER: Final = 1 << 62
_FIRST: Final = -(1 << 50)
"""µs; before any entry: in 1934."""
_KEPT: Final = 31 * 86_400_000_000
"""µs a spool is kept at most."""
_COUNTED, _COMING = "counted", "on_its_way"
_SHORTEST: Final = 8
"""Digits of an id."""


@dataclass(slots=True)
class Account:
    """One writer's numbers."""

    writer: Writer
    last: int
    """The highest number it is known to have given."""
    missing: int = 0
    """Numbers without a row, in the time that was asked for."""
    lost: dict[str, int] = field(default_factory=dict)
    """Of these, said by loss rows and dead letters; by reason."""
    counted: int = 0
    """Said by the writer's counters only."""
    deleted: dict[str, int] = field(default_factory=dict)
    """Deleted since: ``pruned``, ``erased``, ``day_dropped``, ``expired``."""
    on_its_way: int = 0
    unexplained: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)
    """The unexplained ones, first and last; where a loss row's range holds others too, any of its numbers."""


def audit(connection: AdminConnection, *, since: int | None = None, instance: str | None = None) -> list[Account]:
    """The accounts of all writers, those with something unexplained first, then the last seen.

    Args:
        connection: of a role that may select.
        since: µs; only numbers given at this time or later.
        instance: only this writer; its id, or how that begins or ends, with 8 digits or more.

    Raises:
        ConfigurationError: ``instance`` names no writer, or several.
        StoreError: the database cannot be used.
    """
    snapshot = connection.dialect != "clickhouse"
    with connection.snapshot() if snapshot else nullcontext():
        evidence = Evidence(connection)
        chosen = None if instance is None else _named(evidence, instance)
        start = None if since is None else since - _SLACK
        islands = _islands(connection, start, chosen)
        if not snapshot:
            began, evidence = evidence.now, Evidence(connection)
            taken = [connection.moment(moment) for moment in (began - _SLACK, start or _FIRST)]
            _read(connection, islands, "ingested_at >= ? AND timestamp >= ?", taken, chosen)
        accounts = []
        for identity in evidence.writers.keys() | evidence.losses.keys() | islands.keys():
            writer = evidence.writers.get(identity) or Writer(identity)
            if (chosen is None or identity == chosen) and (identity in islands or writer.seen_after(start)):
                accounts.append(_account(connection, evidence, writer, merged(islands[identity]), since))
    return sorted(accounts, key=lambda each: (not each.unexplained, -(each.writer.last_seen or 0), each.writer.id))


def _named(evidence: Evidence, text: str) -> UUID:
    digits = text.replace("-", "").lower()
    known = evidence.writers.keys() | evidence.losses.keys()
    fit = [each for each in known if each.hex.startswith(digits) or each.hex.endswith(digits)]
    if len(digits) < _SHORTEST or len(fit) != 1:
        why = "names several writers: give the whole id" if fit else "is no writer: see dblog instances --json"
        raise ConfigurationError(f"instance={text!r} {why}")
    return fit[0]


def _islands(connection: AdminConnection, start: int | None, chosen: UUID | None) -> defaultdict[UUID, list[Island]]:
    """The numbers that are there, by writer."""
    found: defaultdict[UUID, list[Island]] = defaultdict(list)
    for low, high in _slices(connection, start):
        bounds: list[object] = [connection.moment(low)]
        condition = "timestamp >= ?"
        if high is not None:
            condition += " AND timestamp < ?"
            bounds.append(connection.moment(high))
        _read(connection, found, condition, bounds, chosen)
    return found


def _read(
    connection: AdminConnection,
    found: defaultdict[UUID, list[Island]],
    condition: str,
    bounds: list[object],
    chosen: UUID | None,
) -> None:
    """Add the ranges of the rows a condition is true of; each number counts once, however often it is there."""
    if chosen is not None:
        condition, bounds = f"{condition} AND instance_id = ?", [*bounds, connection.identity(chosen)]
    oldest, newest = (connection.micros(f"{edge}(timestamp)") for edge in ("min", "max"))
    rows = connection.rows(
        f"SELECT instance_id, min(seq), max(seq), {oldest}, {newest} FROM ("  # noqa: S608 - our own
        "SELECT instance_id, seq, timestamp,"
        " seq - dense_rank() OVER (PARTITION BY instance_id ORDER BY seq) AS island"
        f" FROM {connection.logs} WHERE {condition} AND seq IS NOT NULL AND instance_id IS NOT NULL"
        ") AS numbered GROUP BY instance_id, island",
        *bounds,
    )
    for identity, *figures in rows:
        found[connection.uuid(identity)].append(Island(*map(int, figures)))


def _slices(connection: AdminConnection, start: int | None) -> Iterator[tuple[int, int | None]]:
    """From and until, in µs; the last one has no end."""
    moment = connection.micros("timestamp")
    if start is None:
        start = connection.value(f"SELECT {moment} FROM {connection.logs} ORDER BY timestamp LIMIT 1")  # noqa: S608 - a checked name
    while start is not None:
        end = connection.value(
            f"SELECT {moment} FROM {connection.logs} WHERE timestamp >= ? ORDER BY timestamp LIMIT 1 OFFSET {_SLICE}",  # noqa: S608 - as above
            connection.moment(start),
        )
        end = None if end is None else max(int(end), start + 1)
        yield start, end
        start = end


def _account(
    connection: AdminConnection, evidence: Evidence, writer: Writer, islands: list[Island], since: int | None
) -> Account:
    losses = evidence.losses.get(writer.id, [])
    there = islands[-1].last if islands else 0
    last = max([there, writer.emitted, *(claim.last for claim in losses)])
    account = Account(writer, last)
    base = _base(writer, islands, since)
    holes = _holes(writer, islands, last, base, since)
    left, used = matched(holes, [*losses, *_claims(writer, losses, there, evidence.now)])
    if since is not None and left:
        left = _still_missing(connection, writer, left, since - _SLACK)
    account.counted, account.on_its_way = used.pop(_COUNTED, 0), used.pop(_COMING, 0)
    account.lost = dict(sorted(used.items()))
    deleted: Counter[str] = Counter()
    first = islands[0].first if islands else _EVER
    left = [rest for hole in left for rest in evidence.deleted(hole, deleted, leading=not base and hole.last < first)]
    account.deleted = dict(sorted(deleted.items()))
    account.holes = [(hole.first, hole.last) for hole in left]
    account.unexplained = sum(hole.size for hole in left)
    explained = used.total() + deleted.total() + account.counted + account.on_its_way
    account.missing = explained + account.unexplained
    return account


def _base(writer: Writer, islands: list[Island], since: int | None) -> int:
    """The number up to which nothing is asked for."""
    if since is None or (writer.started_at is not None and writer.started_at >= since):
        return 0
    # What came before the first row that was read; without any, what it had settled when it was last seen.
    return islands[0].first - 1 if islands else max(0, writer.emitted - writer.waiting)


def _holes(writer: Writer, islands: list[Island], last: int, base: int, since: int | None) -> list[Hole]:
    """What is missing, in order; with ``since``, of what was given then or later."""
    before, after = ends_of(islands, last, writer.started_at, writer.last_seen, base=base)
    holes = [*filter(None, [before]), *holes_between(islands), *filter(None, [after])]
    return [hole for hole in holes if since is None or hole.high is None or hole.high >= since]


def _claims(writer: Writer, losses: Iterable[Claim], there: int, now: int) -> Iterator[Claim]:
    """What the writer's own row says: what it lost, as far as no loss row says so, and what it still has."""
    said: Counter[str] = Counter()
    for claim in losses:
        said[claim.reason] += claim.places
    if count := sum(max(0, lost - said[reason]) for reason, lost in writer.lost.items()):
        yield Claim(1, writer.emitted, count, _COUNTED)
    if writer.spooled and writer.last_seen is not None and now - writer.last_seen <= _KEPT:
        # On disk, for whoever comes next if not for itself; the newest are stored first.
        yield Claim(1, writer.emitted, writer.spooled, _COMING)
    if not writer.alive(now):
        return
    if (queued := writer.waiting - writer.spooled) and writer.emitted > there:
        yield Claim(there + 1, writer.emitted, queued, _COMING)
    yield Claim(writer.emitted + 1, _EVER, _EVER, _COMING)  # since it last said something


def _still_missing(connection: AdminConnection, writer: Writer, holes: list[Hole], before: int) -> list[Hole]:
    """Without the numbers whose rows are older than what was read: somebody gave them a time of their own."""
    rows = connection.rows(
        f"SELECT seq FROM {connection.logs} WHERE instance_id = ? AND seq BETWEEN ? AND ? AND timestamp < ?",  # noqa: S608 - a checked name
        connection.identity(writer.id),
        holes[0].first,
        holes[-1].last,
        connection.moment(before),
    )
    there = [Claim(int(seq), int(seq), 1, "") for (seq,) in rows]
    return matched(holes, there)[0] if there else holes
