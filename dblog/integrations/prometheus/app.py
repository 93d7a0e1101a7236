"""``AppMetrics``: one per service, the face of this package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from dblog import metrics as writer_metrics
from dblog.errors import ConfigurationError
from dblog.integrations.prometheus.business import Counter, Gauge, Histogram
from dblog.integrations.prometheus.declared import Declared, LabelValues
from dblog.integrations.prometheus.http import HTTP_SECONDS, HttpMetrics, NoHttp
from dblog.integrations.prometheus.pages import AsgiPage, WsgiPage
from dblog.integrations.prometheus.series import Series, told
from dblog.observe import observers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine

    from dblog.integrations.http import HttpObserver
    from dblog.integrations.prometheus.database import DatabaseMetrics

__all__ = ["AppMetrics"]

_ENVIRONMENT = "METRICS_ENABLED"
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on", ""), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class AppMetrics:
    """The metrics of a service.

    Args:
        namespace: what every name starts with: ``shop`` makes ``shop_http_requests_total``. dblog's own
            keep ``dblog_``.
        registry: where they are registered; None for one of its own, with the process's figures
            (``process_*``, ``python_*``) in it. A registry given is left as it is.
        enabled: False turns all off: every method can still be called and does nothing, the page is 404.
            None is what ``METRICS_ENABLED`` in the environment says, which is on unless it says otherwise.
        writer: whether to export dblog's writers too (``dblog.metrics.enable``).

    Raises:
        ConfigurationError: a namespace that cannot be one, names that are taken in this registry, or
            a ``METRICS_ENABLED`` that is neither yes nor no.
    """

    def __init__(
        self,
        namespace: str = "",
        registry: CollectorRegistry | None = None,
        *,
        enabled: bool | None = None,
        writer: bool = True,
    ) -> None:
        self.enabled = _from_environment() if enabled is None else bool(enabled)
        """Whether anything is counted."""
        self.registry = CollectorRegistry() if registry is None else registry
        """What the page shows, unless there are several processes."""
        self._series = Series(self.registry, namespace)
        self.multiprocess = self._series.multiprocess
        """Whether the client keeps values in ``PROMETHEUS_MULTIPROC_DIR``."""
        self.http: HttpObserver = NoHttp()
        """For the middlewares of ``dblog.integrations.asgi`` and ``.wsgi``."""
        self._business: dict[str, tuple[Any, ...]] = {}
        self._database: DatabaseMetrics | None = None
        self._writer: writer_metrics.Metrics | None = None
        if self.enabled:
            try:
                self._start(own=registry is None, writer=writer)
            except BaseException:
                self.close()
                raise

    def _start(self, *, own: bool, writer: bool) -> None:
        self.http = HttpMetrics(self._series)
        self._refused = self._series.counter(
            "label_values_refused_total", "Label values that were not declared.", ("metric", "label")
        )
        if own and not self.multiprocess:
            for collector in (ProcessCollector, PlatformCollector, GCCollector):
                collector(registry=self.registry)
        if writer:
            others = [*observers]
            enabled = writer_metrics.enable(self.registry)
            self._writer = enabled if enabled not in others else None  # somebody else's is not ours to disable

    # -- the database -----------------------------------------------------------------------------------------

    def watch(self, engine: sa.Engine | AsyncEngine, *, tables: sa.MetaData | Iterable[str] | None = None) -> None:
        """Count and time what an engine executes, and show its pool; again for the same engine, nothing.

        ``db_queries_total{operation,table}`` and ``db_query_duration_seconds{operation,table}`` count each
        execution, also those that fail; ``db_connections_open``, ``_max`` and ``_waiting`` are the sum over
        the pools of all engines watched. Listens to SQLAlchemy's events: reads, runs no SQL, never raises.
        dblog's own engines are others, and are not watched.

        Args:
            engine: the application's.
            tables: whose names may be labels: a ``MetaData``, or their names; None for the first two hundred.

        Raises:
            ConfigurationError: ``engine`` or ``tables`` is something else.
        """
        if not self.enabled:
            return
        if self._database is None:
            from dblog.integrations.prometheus.database import (  # noqa: PLC0415 - SQLAlchemy, for who has an engine
                DatabaseMetrics,
            )

            self._database = DatabaseMetrics(self._series)
        self._database.watch(engine, tables)

    def sample(self) -> None:
        """Look at the pools now; a scrape does it by itself."""
        if self._database is not None:
            self._database.pools.sample()

    # -- the business -----------------------------------------------------------------------------------------

    def counter(self, name: str, text: str, *, labels: LabelValues | None = None) -> Counter:
        """A counter with declared labels; the same one when declared again alike.

        Args:
            name: without the namespace; where it does not end in ``_total``, the client adds that.
            text: one line of help.
            labels: label name → every value it can have (texts, numbers, bools, an Enum class).
                Anything else becomes ``other`` and is counted in ``label_values_refused_total{metric,label}``.

        Raises:
            ConfigurationError: a name or label that cannot be one, a name that is taken, or more than 10,000 series.
        """
        made: Counter = self._declare(Counter, name, text, labels)
        return made

    def histogram(
        self, name: str, text: str, *, labels: LabelValues | None = None, buckets: Sequence[float] = HTTP_SECONDS
    ) -> Histogram:
        """A histogram with declared labels; see ``counter``.

        Args:
            name: without the namespace.
            text: one line of help.
            labels: as for ``counter``.
            buckets: upper bounds, rising; 5 ms to 10 s by default.

        Raises:
            ConfigurationError: as ``counter``, or buckets that do not rise.
        """
        made: Histogram = self._declare(Histogram, name, text, labels, tuple(buckets))
        return made

    def gauge(self, name: str, text: str, *, labels: LabelValues | None = None) -> Gauge:
        """A gauge with declared labels; see ``counter``. With several processes it is the sum over those that live.

        Raises:
            ConfigurationError: as ``counter``.
        """
        made: Gauge = self._declare(Gauge, name, text, labels)
        return made

    def _declare(self, kind: Any, name: str, text: str, labels: LabelValues | None, *buckets: Any) -> Any:
        declared = Declared(name, labels, self._refuser(name))
        known = self._business.get(name)
        if known is not None:
            if known[1:] != (kind, declared.values, buckets):
                raise ConfigurationError(f"the metric {name!r} was declared differently before: give it another name")
            return known[0]
        more: dict[str, Any] = {"buckets": buckets[0]} if buckets else {}
        metric = None
        if self.enabled:
            make: Any = getattr(self._series, kind.__name__.lower())
            metric = make(name, text, declared.names, **more)
        made = kind(metric, declared, exemplars=not self.multiprocess, **more)
        self._business[name] = (made, kind, declared.values, buckets)
        self._series.forgetting.append(made.forget)
        return made

    def _refuser(self, metric: str) -> Callable[[str], None]:
        def refused(label: str) -> None:
            try:
                self._refused.labels(metric, label).inc()
            except Exception as error:  # noqa: BLE001 - what is measured is never harmed
                told(metric, error)

        return refused

    @property
    def declared(self) -> dict[str, Counter | Histogram | Gauge]:
        """Every business metric, by its name without the namespace, in the order declared."""
        return {name: known[0] for name, known in self._business.items()}

    # -- the page ---------------------------------------------------------------------------------------------

    def asgi_app(self, app: Callable[..., Awaitable[None]] | None = None) -> AsgiPage:
        """An ASGI application that answers with the page; given ``app``, ``/metrics`` in front of it."""
        return AsgiPage(self, app)

    def wsgi_app(self, app: Callable[..., Iterable[bytes]] | None = None) -> WsgiPage:
        """A WSGI application that answers with the page; given ``app``, ``/metrics`` in front of it."""
        return WsgiPage(self, app)

    def close(self) -> None:
        """Watch nothing, and take everything out of the registry; any number of times."""
        if self._database is not None:
            self._database.close()
        if self._writer is not None:
            self._writer.disable()
        self.http = NoHttp()
        self.enabled = False
        self._series.unregister()


def _from_environment() -> bool:
    given = os.environ.get(_ENVIRONMENT, "")
    enabled = _WORDS.get(given.strip().lower())
    if enabled is None:
        raise ConfigurationError(f"{_ENVIRONMENT}={given!r} in the environment is not allowed: write true or false")
    return enabled
