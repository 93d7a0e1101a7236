"""Health of a service over HTTP, for Kubernetes' three probes and whoever asks: an ASGI and a WSGI application.

::

    health = Health(
        ready={"database": database(engine), "logs": advisory(writer())},
        startup={"database_migration": schema(engine), "log_writer": started()},
    )
    app = health.asgi_app(app)   # answers /health… in front of it

``/health`` says ``{"status":"ok"}`` and asks nobody, for ever; so does ``/health/live`` in its
words. ``/health/ready`` runs the checks named, ``/health/startup`` those of the start until all
have passed once. An answer holds names, states, times and what a check says on purpose: no
text of an exception, no URL.
"""

from __future__ import annotations

from dblog.integrations.health.answers import Health
from dblog.integrations.health.builtin import advisory, database, schema, started, writer
from dblog.integrations.health.results import Result, failed, passed, skipped

__all__ = [
    "Health", "Result", "advisory", "database", "failed", "passed", "schema", "skipped", "started", "writer",
]  # fmt: skip
