"""Children of histograms and counters that keep an exemplar: the trace somebody can look up behind a figure.

An exemplar costs as much as the observation itself, and only the last one is kept. So
each bucket, and each counter, gets a new one at most once a second. They are shown where
Prometheus asks for OpenMetrics; with several processes the client keeps none.
"""

from __future__ import annotations

from bisect import bisect_left
from time import monotonic
from typing import TYPE_CHECKING

from dblog.context import inject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import Counter, Histogram

__all__ = ["Counted", "Observed", "trace"]

_EVERY = 1.0
"""Seconds between two exemplars of a bucket."""
_TRACE_ID, _SPAN_ID = slice(3, 35), slice(36, 52)
"""Where W3C ``traceparent`` has them."""


def trace() -> dict[str, str] | None:
    """The trace and span the calling code runs in, as a record would carry them; None outside of any."""
    headers: dict[str, str] = {}
    inject(headers)
    found = headers.get("traceparent")
    return None if found is None else {"trace_id": found[_TRACE_ID], "span_id": found[_SPAN_ID]}


class Observed:
    """A histogram's child; ``buckets`` are its upper bounds without infinity."""

    __slots__ = ("_bounds", "_due", "_observe")

    def __init__(self, child: Histogram, buckets: Sequence[float]) -> None:
        self._observe = child.observe
        self._bounds = tuple(buckets)
        self._due = [0.0] * (len(self._bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value, with an exemplar where one is due."""
        bucket, now = bisect_left(self._bounds, value), monotonic()
        if now < self._due[bucket]:
            self._observe(value)
        else:
            self._due[bucket] = now + _EVERY
            self._observe(value, trace())


class Counted:
    """A counter's child."""

    __slots__ = ("_due", "_inc")

    def __init__(self, child: Counter) -> None:
        self._inc = child.inc
        self._due = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add, with an exemplar where one is due."""
        now = monotonic()
        if now < self._due:
            self._inc(amount)
        else:
            self._due = now + _EVERY
            self._inc(amount, trace())
