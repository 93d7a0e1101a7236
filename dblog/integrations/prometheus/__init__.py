"""The metrics of a service for Prometheus, with the official client: HTTP, database, pool and business figures.

::

    metrics = AppMetrics("shop")
    app = metrics.asgi_app(TrackingMiddleware(app, metrics=metrics.http))   # answers /metrics
    metrics.watch(engine)
    orders = metrics.counter("orders_total", "Orders.", labels={"status": ("paid", "refused")})
    orders.inc(status="paid")

No label can explode: routes are templates and capped, tables are those of the
application, and a business label is an enumeration declared beforehand. Nothing here
raises in the code it measures, runs SQL, or waits. ``METRICS_ENABLED=false`` in the
environment turns all of it off.
"""

from __future__ import annotations

from dblog.errors import MissingExtraError

try:
    import prometheus_client  # noqa: F401 - found missing here, in one line, and not somewhere below
except ImportError:
    raise MissingExtraError("prometheus_client", "metrics") from None

from dblog.integrations.prometheus.app import AppMetrics
from dblog.integrations.prometheus.business import Counter, Gauge, Histogram

__all__ = ["AppMetrics", "Counter", "Gauge", "Histogram"]
