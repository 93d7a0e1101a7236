"""The ledger for Prometheus, with the official client: ``dblog.metrics.enable()``, once per process.

Counters get the difference since the last tick, once a second at most, from the
writer's thread: never in ``emit``, and never by a custom collector, so that
``PROMETHEUS_MULTIPROC_DIR`` works. Every label comes from an enumeration (levels,
reasons, error classes, states) or is a handler's name, of which only the first
hundred are told apart: no logger, message or exception type can make a series.
``prometheus_client`` is loaded by ``enable``, not by importing this module.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from dblog import __version__
from dblog.errors import ConfigurationError, ErrorClass, MissingExtraError
from dblog.ledger import (
    BY_BAND,
    BYTES,
    DROP_REASONS,
    FAIL_REASONS,
    IN_FLIGHT,
    LOST,
    QUEUED,
    RANGE,
    REASON,
    SPOOLED,
    STATES,
    STORED,
    UNSAVED,
)
from dblog.levels import BAND_NAMES, BANDS
from dblog.metric_specs import METRICS, Spec
from dblog.observe import observers
from dblog.plain import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from prometheus_client import CollectorRegistry

__all__ = ["METRICS", "Metrics", "disable", "enable"]

_NAMESPACE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MAX_HANDLERS = 100
_MAX_WRITERS = 1000
"""Writers whose last cells are kept; the longest silent is forgotten first."""
_NAME_LENGTH = 100
_OTHER = "other"

_ADOPTED = ("stored", "failed", "killed", "damaged", "spool_expired")
_NOT_STORING = frozenset({"RETRY", "BLOCKED", "CLOSED", "DETACHED"})

_GAUGES = {"queue_records": QUEUED, "queue_bytes": BYTES, "inflight_records": IN_FLIGHT, "spooled_records": SPOOLED}


class _Seen:
    """What one writer told last."""

    __slots__ = ("before", "cells", "label", "state")

    def __init__(self, label: str) -> None:
        self.label = label
        self.before = [0] * RANGE
        """What the counters hold of this writer."""
        self.cells: Sequence[int] = self.before
        self.state = ""


class Metrics:
    """Listens to this process's writers (a ``dblog.observe.Observer``); ``enable`` makes it."""

    def __init__(self, registry: CollectorRegistry, namespace: str) -> None:
        self.registry = registry
        self.namespace = namespace
        self._metrics: dict[str, Any] = {}
        self._writers: OrderedDict[UUID, _Seen] = OrderedDict()
        self._handlers: dict[str, list[Any]] = {}
        """By label: the counter of each cell, or None."""
        try:
            for name, spec in METRICS.items():
                self._metrics[name] = _make(name, spec, registry, namespace)
        except ValueError as error:
            self._unregister()
            raise ConfigurationError(f"namespace={namespace!r} is in use in this registry: {error}") from None
        self._say_version()

    def disable(self) -> None:
        """Stop listening and take the metrics out of the registry; any number of times."""
        if self in observers:
            observers.remove(self)
            self._unregister()

    # -- what writers tell ------------------------------------------------------------------------------------

    def tick(
        self, handler: str, instance_id: UUID, cells: Sequence[int], state: str, last_success: float | None
    ) -> None:
        """Add what happened since this writer's last tick; gauges are the sum over the handler's writers."""
        with _updating:
            label = self._label(handler)
            seen = self._writers.setdefault(instance_id, _Seen(label))
            self._writers.move_to_end(instance_id)
            for index, counter in enumerate(self._handlers[label]):
                if counter is not None and (delta := cells[index] - seen.before[index]):
                    counter.inc(delta)
                    seen.before[index] = cells[index]
            renamed, seen.label, seen.cells, seen.state = seen.label, label, cells, state
            for each in {label, renamed}:
                self._set_gauges(each)
            if last_success is not None:
                self._metrics["last_success_timestamp_seconds"].labels(label).set(last_success)
            if len(self._writers) > _MAX_WRITERS:
                self._writers.popitem(last=False)

    def batch(self, handler: str, records: int, seconds: float, lag: float | None, *, stored: bool) -> None:
        """One attempt to store a batch."""
        with _updating:
            label = self._label(handler)
            outcome = "stored" if stored else "failed"
            self._metrics["flush_duration_seconds"].labels(label, outcome).observe(seconds)
            if stored:
                self._metrics["batch_records"].labels(label).observe(records)
            if lag is not None:
                self._metrics["delivery_lag_seconds"].labels(label).observe(lag)

    def retry(self, handler: str, kind: ErrorClass) -> None:
        """An attempt failed and will be made again."""
        with _updating:
            self._metrics["flush_retries_total"].labels(self._label(handler), kind.value).inc()

    def bisection(self, handler: str) -> None:
        """A batch was split."""
        with _updating:
            self._metrics["bisections_total"].labels(self._label(handler)).inc()

    def adopted(self, handler: str, outcomes: Mapping[str, int]) -> None:
        """What dead writers counted as lost themselves is in the metrics of theirs."""
        with _updating:
            label = self._label(handler)
            for outcome in _ADOPTED:
                if count := outcomes.get(outcome, 0):
                    self._metrics["records_adopted_total"].labels(label, outcome).inc(count)

    # -- inside -----------------------------------------------------------------------------------------------

    def _label(self, handler: str) -> str:
        """The label of a handler's name; its series are made, at zero, when it is first heard of."""
        label = clean(handler)[:_NAME_LENGTH]  # a lone surrogate would break the whole page
        if label not in self._handlers:
            if len(self._handlers) >= _MAX_HANDLERS:
                label = _OTHER
            self._handlers.setdefault(label, self._counters(label))
        return label

    def _counters(self, label: str) -> list[Any]:
        counters = [None] * RANGE
        for name, index, *labels in _counted():
            counters[index] = self._metrics[name].labels(label, *labels)
        for kind in ErrorClass:
            self._metrics["flush_retries_total"].labels(label, kind.value)
        self._metrics["bisections_total"].labels(label)
        for outcome in _ADOPTED:
            self._metrics["records_adopted_total"].labels(label, outcome)
        return counters

    def _set_gauges(self, label: str) -> None:
        # Set, not moved by a difference: a process that got a dead one's id gets its multiprocess file too.
        writers = [seen for seen in self._writers.values() if seen.label == label]
        for name, cell in _GAUGES.items():
            self._metrics[name].labels(label).set(sum(seen.cells[cell] for seen in writers))
        for state in STATES:
            self._metrics["writer_state"].labels(label, state).set(sum(seen.state == state for seen in writers))
        self._metrics["writer_up"].labels(label).set(sum(seen.state not in _NOT_STORING for seen in writers))

    def _say_version(self) -> None:
        self._metrics["build_info"].labels(__version__).set(1)

    def _unregister(self) -> None:
        for metric in self._metrics.values():
            self.registry.unregister(metric)

    def after_fork(self) -> None:
        """In a forked child: the parent's records are the parent's."""
        self._writers.clear()
        self._handlers.clear()
        if _multiprocess():
            return  # the values live in a file per process: the child's start at zero by themselves
        for metric in self._metrics.values():
            metric._lock = threading.Lock()  # noqa: SLF001 - a scrape in the parent may have held it at the fork
            metric.clear()
        self._say_version()


def enable(registry: CollectorRegistry | None = None, *, namespace: str = "dblog") -> Metrics:
    """Export this process's handlers, those that exist and those to come.

    Call it once per process, before or after the handlers are made. A forked child
    inherits it and starts at zero; a spawned one calls it itself.

    Args:
        registry: where to register; None is ``prometheus_client.REGISTRY``, which the endpoint you have serves.
        namespace: what every name starts with.

    Returns:
        What listens; the one that listens already when called again with the same arguments.

    Raises:
        MissingExtraError: ``prometheus_client`` is not installed.
        ConfigurationError: a namespace that cannot be one, or names that are taken in this registry.
    """
    try:
        import prometheus_client  # noqa: PLC0415 - an optional extra, loaded by who asks for it
    except ImportError:
        raise MissingExtraError("prometheus_client", "metrics") from None
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(f"namespace={namespace!r} cannot begin a metric's name: use letters, digits and _")
    chosen = prometheus_client.REGISTRY if registry is None else registry
    for each in _enabled():
        if each.registry is chosen and each.namespace == namespace:
            return each
    metrics = Metrics(chosen, namespace)
    observers.append(metrics)
    return metrics


def disable() -> None:
    """Undo every ``enable`` of this process."""
    for each in list(_enabled()):
        each.disable()


def _enabled() -> Iterator[Metrics]:
    return (observer for observer in observers if isinstance(observer, Metrics))


def _make(name: str, spec: Spec, registry: CollectorRegistry, namespace: str) -> Any:
    from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415 - see `enable`

    if spec.kind == "counter":
        return Counter(name, spec.help, spec.labels, namespace=namespace, registry=registry)
    if spec.kind == "histogram":
        return Histogram(name, spec.help, spec.labels, namespace=namespace, registry=registry, buckets=spec.buckets)
    mode: Any = spec.mode
    return Gauge(name, spec.help, spec.labels, namespace=namespace, registry=registry, multiprocess_mode=mode)


def _counted() -> Iterator[tuple[Any, ...]]:
    """``(metric, cell, *labels after the handler)`` of everything that is counted."""
    yield "records_stored_total", STORED
    yield "records_unsaved_total", UNSAVED
    for band, level in enumerate(BAND_NAMES):
        yield "records_emitted_total", BY_BAND + band, level
        for reason in DROP_REASONS:
            yield "records_dropped_total", LOST + REASON[reason] * BANDS + band, reason, level
        for reason in FAIL_REASONS:
            yield "records_failed_total", LOST + REASON[reason] * BANDS + band, reason


def _multiprocess() -> bool:
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.environ.get("prometheus_multiproc_dir"))  # noqa: SIM112 - prometheus_client's own


_updating = threading.RLock()
"""Held while values change, and by a fork: no child inherits a lock of a value that was just being changed."""


def _hold() -> None:
    _updating.acquire()


def _let_go() -> None:
    _updating.release()


def _in_child() -> None:
    for each in _enabled():
        each.after_fork()
    _let_go()  # not a new one: a hook of somebody else's may have logged, and the writer wait for this one


os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_in_child)
