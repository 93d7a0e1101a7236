"""What makes the client's metrics: one registry, one namespace, several processes or one, and forks.

In several processes (``PROMETHEUS_MULTIPROC_DIR``) the client keeps values in files, one
per process; everything made here is a plain counter, gauge or histogram and adds up there.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dblog.diagnostics import complain
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Series", "multiprocess", "told"]

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def told(where: str, error: Exception) -> None:
    """Say once that our own code failed; what it measures goes on."""
    complain(f"metrics: {where}", f"metrics: {where} raised {type(error).__name__}, and was skipped")


def multiprocess() -> bool:
    """Whether the client keeps its values in files for several processes."""
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.environ.get("prometheus_multiproc_dir"))  # noqa: SIM112 - prometheus_client's own


class Series:
    """Makes metrics, and undoes them.

    Args:
        registry: where they are registered.
        namespace: what every name starts with; empty for nothing.

    Raises:
        ConfigurationError: a namespace that cannot begin a metric's name.
    """

    def __init__(self, registry: CollectorRegistry, namespace: str) -> None:
        if namespace and not _NAME.fullmatch(namespace):
            raise ConfigurationError(f"namespace={namespace!r} cannot begin a metric's name: use letters, digits and _")
        self.registry = registry
        self.namespace = namespace
        self.multiprocess = multiprocess()
        self.forgetting: list[Callable[[], None]] = []
        """Called in a forked child: who keeps children of these metrics lets go of them."""
        self._made: list[Any] = []
        _alive.add(self)

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """A counter; ``name`` without the namespace."""
        made: Counter = self._register(Counter, name, text, labels)
        return made

    def histogram(self, name: str, text: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> Histogram:
        """A histogram; the bucket for everything above the last one is the client's."""
        made: Histogram = self._register(Histogram, name, text, labels, buckets=buckets)
        return made

    def gauge(self, name: str, text: str, labels: Sequence[str] = (), *, kind: type[Gauge] = Gauge) -> Gauge:
        """A gauge; with several processes it is the sum over those that live."""
        made: Gauge = self._register(kind, name, text, labels, multiprocess_mode="livesum")
        return made

    def _register(self, kind: Any, name: str, text: str, labels: Sequence[str], **more: Any) -> Any:
        if not _NAME.fullmatch(name):  # the client takes any text, Prometheus 2 does not
            raise ConfigurationError(f"the metric {name!r} cannot be made: use letters, digits and _ in its name")
        try:
            made = kind(name, text, labels, namespace=self.namespace, registry=self.registry, **more)
        except (ValueError, TypeError) as error:  # a name or a label that cannot be one, one that is taken, buckets
            raise ConfigurationError(f"the metric {name!r} cannot be made: {error}") from None
        self._made.append(made)
        return made

    def unregister(self) -> None:
        """Take everything made here out of the registry; any number of times."""
        while self._made:
            self.registry.unregister(self._made.pop())

    def after_fork(self) -> None:
        """In a forked child: start at zero, with locks that nobody holds.

        A thread of the parent may have held one of them at the fork. With several
        processes the child's values live in files of its own, and start at zero by themselves.
        """
        self.registry._lock = threading.Lock()  # noqa: SLF001 - the client has no way to renew a lock
        for metric in self._made:
            if metric._labelnames:  # noqa: SLF001 - as above
                metric._lock = threading.Lock()  # noqa: SLF001 - as above
            if not self.multiprocess:
                metric.clear() if metric._labelnames else metric._metric_init()  # noqa: SLF001 - as above
        for forget in self.forgetting:
            forget()


_alive: weakref.WeakSet[Series] = weakref.WeakSet()


def _in_child() -> None:
    for series in list(_alive):
        series.after_fork()


os.register_at_fork(after_in_child=_in_child)
