"""What ``dblog demo`` has done, by its ledgers and by the database: the figures, and one trace."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dblog.demo.services import SERVICES

__all__ = ["Step", "Summary", "summarize"]


class Step(NamedTuple):
    """One row of a trace, as it stands in the database."""

    timestamp: int
    """µs since 1970-01-01 UTC."""
    service: str
    level: str
    message: str


@dataclass(slots=True)
class Summary:
    """What happened, from the three ledgers and from the database."""

    emitted: int = 0
    stored: int = 0
    dropped: int = 0
    failed: int = 0
    seconds: float = 0.0
    """From the first record to the last commit."""
    cost: float = 0.0
    """Seconds a call of ``logger.info`` took, median over all processes' medians."""
    found: int = 0
    """Rows of this run in the table."""
    trace_id: str = ""
    trace: list[Step] = field(default_factory=list)


def summarize(url: str, began: float, final: dict[str, dict[str, Any]]) -> Summary:
    """The services' last reports in one, with what the database holds of this run."""
    found = Summary(
        **{name: sum(each[name] for each in final.values()) for name in ("emitted", "stored", "dropped", "failed")}
    )
    found.seconds = max(each["ended"] for each in final.values()) - min(each["began"] for each in final.values())
    found.cost = sorted(each["cost"] for each in final.values())[len(final) // 2]
    found.trace_id = final[SERVICES[-1]]["trace_id"]
    _read(url, began, found)
    return found


def _read(url: str, began: float, found: Summary) -> None:
    import sqlalchemy as sa  # noqa: PLC0415 - the processes that log do not wait for it

    from dblog.schema import metadata_for  # noqa: PLC0415 - as above
    from dblog.url import dialect_of, sync_url  # noqa: PLC0415 - as above

    dialect, since = dialect_of(url), int(began * 1e6)
    logs = metadata_for(dialect).tables["logs"]
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    starts: dict[str, Any] = {
        "sqlite": since,
        "postgresql": sa.func.to_timestamp(began),
        "clickhouse": sa.func.fromUnixTimestamp64Micro(since, "UTC"),
    }
    try:
        with engine.connect() as connection:
            recent = logs.c.timestamp >= starts[dialect]
            mine = sa.and_(recent, logs.c.service.in_(SERVICES), logs.c.seq.is_not(None))
            found.found = connection.scalar(sa.select(sa.func.count(logs.c.id.distinct())).where(mine)) or 0
            columns = (logs.c.timestamp, logs.c.service, logs.c.level, logs.c.message)
            one = (
                sa.select(*columns)
                .where(logs.c.trace_id == found.trace_id, recent)
                .order_by(logs.c.timestamp, logs.c.id)
            )
            found.trace = [Step(_microseconds(when), *rest) for when, *rest in connection.execute(one)]
    finally:
        engine.dispose()


def _microseconds(when: Any) -> int:
    if isinstance(when, int):
        return when
    # ClickHouse's driver leaves the zone out.
    moment: dt.datetime = when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)
    return round(moment.timestamp() * 1e6)
