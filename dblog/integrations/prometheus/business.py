"""Counters, histograms and gauges of the business, with declared labels; ``AppMetrics`` makes them.

Using one never raises: what it cannot count, an amount that is negative or no number,
is told once on stderr and skipped.
"""

from __future__ import annotations

import itertools
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dblog.integrations.prometheus.exemplars import Counted, Observed
from dblog.integrations.prometheus.series import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.integrations.prometheus.declared import Declared

__all__ = ["Counter", "Gauge", "Histogram"]

_AT_ONCE = 100
"""Series made at zero with a counter, so that ``rate()`` sees its first event; with more, as they come."""


class _Metric:
    """A metric and the children it has made, by their labels' values.

    Args:
        metric: the client's; None where metrics are off.
        declared: its labels.
        exemplars: whether the client keeps them.
    """

    def __init__(self, metric: Any, declared: Declared, *, exemplars: bool) -> None:
        self.declared = declared
        self._metric = metric
        self._exemplars = exemplars
        self._children: dict[tuple[str, ...], Any] = {}

    def forget(self) -> None:
        """In a forked child: the children are the parent's."""
        self._children = {}

    def _child(self, labels: dict[str, object]) -> Any:
        key = self.declared.key(labels)
        child = self._children.get(key)
        if child is None:  # two threads may make it at once: both get the same one of the client's
            child = self._children[key] = self._made(self._metric.labels(*key) if key else self._metric)
        return child

    def _made(self, child: Any) -> Any:
        return child


class Counter(_Metric):
    """Only goes up. ``counter.inc(status="paid")``."""

    def __init__(self, metric: Any, declared: Declared, *, exemplars: bool) -> None:
        super().__init__(metric, declared, exemplars=exemplars)
        self._at_zero()

    def inc(self, amount: float = 1, /, **labels: object) -> None:
        """Add ``amount``, which is finite and not negative, under the labels' values. Never raises."""
        if self._metric is not None:
            try:
                self._child(labels).inc(_finite(amount))
            except Exception as error:  # noqa: BLE001 - what is measured is never harmed
                told(self.declared.metric, error)

    def forget(self) -> None:
        """In a forked child: the children are the parent's."""
        super().forget()
        self._at_zero()

    def _made(self, child: Any) -> Any:
        return Counted(child) if self._exemplars else child

    def _at_zero(self) -> None:
        values = self.declared.values.values()
        if self._metric is not None and values and math.prod(map(len, values)) <= _AT_ONCE:
            for key in itertools.product(*values):
                self._metric.labels(*key)


class Histogram(_Metric):
    """How values are distributed. ``histogram.observe(0.2, kind="plan")``, ``with histogram.time(kind="plan"):``."""

    def __init__(self, metric: Any, declared: Declared, *, exemplars: bool, buckets: tuple[float, ...]) -> None:
        super().__init__(metric, declared, exemplars=exemplars)
        self.buckets = buckets

    def observe(self, value: float, /, **labels: object) -> None:
        """Count a finite value under the labels' values. Never raises."""
        if self._metric is not None:
            try:
                self._child(labels).observe(_finite(value))
            except Exception as error:  # noqa: BLE001 - what is measured is never harmed
                told(self.declared.metric, error)

    @contextmanager
    def time(self, **labels: object) -> Iterator[None]:
        """Observe the seconds the block takes, also where it raises."""
        since = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - since, **labels)

    def _made(self, child: Any) -> Any:
        return Observed(child, self.buckets) if self._exemplars else child


class Gauge(_Metric):
    """Goes up and down. ``gauge.set(7, pool="a")``; with several processes it is their sum."""

    def set(self, value: float, /, **labels: object) -> None:
        """Make it a finite value. Never raises."""
        self._do("set", value, labels)

    def inc(self, amount: float = 1, /, **labels: object) -> None:
        """Add a finite amount. Never raises."""
        self._do("inc", amount, labels)

    def dec(self, amount: float = 1, /, **labels: object) -> None:
        """Take a finite amount away. Never raises."""
        self._do("dec", amount, labels)

    @contextmanager
    def track(self, **labels: object) -> Iterator[None]:
        """One more while the block runs."""
        self.inc(**labels)
        try:
            yield
        finally:
            self.dec(**labels)

    def _do(self, verb: str, amount: float, labels: dict[str, object]) -> None:
        if self._metric is not None:
            try:
                getattr(self._child(labels), verb)(_finite(amount))
            except Exception as error:  # noqa: BLE001 - what is measured is never harmed
                told(self.declared.metric, error)


def _finite(amount: Any) -> float:
    """As a float: a NaN, once added, would stay for ever."""
    number = float(amount)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
