"""Connections: how many a pool holds, may hold, and how many callers wait for one.

Looked at when somebody scrapes; with several processes, of which only one is scraped,
also in passing, every 15 seconds at most. SQLAlchemy says how large a pool is; the limit
and who waits stand only inside of it. They are read where they are known to stand, and
NaN where not. Pools without a size (``NullPool``, ``StaticPool``) have no figures.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import Gauge
from sqlalchemy.pool import QueuePool

from dblog.integrations.prometheus.series import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa
    from prometheus_client import Metric

    from dblog.integrations.prometheus.series import Series

__all__ = ["Figures", "Pools", "figures"]

_EVERY = 15.0


class Figures(NamedTuple):
    """Of one pool, or the sum of several; None where it cannot be told."""

    open: int
    most: float | None
    """Infinity without a limit."""
    waiting: int | None


def figures(pool: Any) -> Figures | None:
    """A pool's figures; None for a pool without a size."""
    if not isinstance(pool, QueuePool):  # AsyncAdaptedQueuePool is one
        return None
    overflow, queue = getattr(pool, "_max_overflow", None), getattr(pool, "_pool", None)
    most = None if overflow is None else math.inf if overflow < 0 else pool.size() + overflow
    return Figures(pool.checkedin() + pool.checkedout(), most, _waiting(queue))


def _waiting(queue: Any) -> int | None:
    """Who waits in the pool's queue: threads at its condition, or tasks at the asyncio.Queue within."""
    waiters = getattr(getattr(queue, "not_empty", None), "_waiters", None)
    if waiters is None:
        getters = getattr(getattr(queue, "_queue", None), "_getters", None)
        waiters = None if getters is None else [getter for getter in tuple(getters) if not getter.done()]
    return None if waiters is None else len(waiters)


class Pools:
    """The pools of the engines watched, as three gauges without labels: their sum."""

    def __init__(self, series: Series) -> None:
        pools, self._engines = self, weakref.WeakSet[Any]()
        self._due = 0.0
        self._summed = series.multiprocess

        class Sampled(Gauge):
            """Looks at the pools before it is read."""

            def collect(self) -> Iterable[Metric]:
                pools.sample()
                return super().collect()

        self._open = series.gauge("db_connections_open", "Connections the pools hold.", kind=Sampled)
        self._most = series.gauge("db_connections_max", "Connections the pools may hold.", kind=Sampled)
        self._waiting = series.gauge("db_connections_waiting", "Callers waiting for a connection.", kind=Sampled)

    def add(self, engine: sa.Engine) -> None:
        """Look at this engine's pool from now on; an engine that is gone counts no more."""
        self._engines.add(engine)

    def clear(self) -> None:
        """Look at none."""
        self._engines.clear()

    def sample_if_due(self, now: float) -> None:
        """Look, unless somebody did less than 15 seconds ago."""
        if now >= self._due:
            self._due = now + _EVERY
            self.sample()

    def sample(self) -> None:
        """Set the gauges. Never raises."""
        try:
            # An engine's pool is replaced by dispose().
            found = [each for engine in list(self._engines) if (each := figures(engine.pool)) is not None]
            columns = (self._open, self._most, self._waiting)
            for gauge, values in zip(columns, zip(*found, strict=True) if found else [()] * 3, strict=True):
                self._set(gauge, values)
        except Exception as error:  # noqa: BLE001 - a scrape is never harmed
            told("pools", error)

    def _set(self, gauge: Gauge, values: Sequence[float | None]) -> None:
        told_all = bool(values) and None not in values
        if told_all:
            gauge.set(sum(value for value in values if value is not None))
        elif not self._summed:  # a sum over processes would be none any more
            gauge.set(math.nan)
