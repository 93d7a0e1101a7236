"""The metrics ``dblog.metrics`` exports: names, types, labels, help texts. It knows no Prometheus library."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["METRICS", "Spec"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)
_LAG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class Spec(NamedTuple):
    """What a metric is; ``mode`` is how the values of several processes become a gauge's one."""

    kind: str
    labels: tuple[str, ...]
    help: str
    buckets: Sequence[float] = ()
    mode: str = "livesum"


METRICS: dict[str, Spec] = {
    "records_emitted_total": Spec("counter", ("handler", "level"), "Records that reached the handler."),
    "records_stored_total": Spec("counter", ("handler",), "Records committed to the database."),
    "records_dropped_total": Spec("counter", ("handler", "reason", "level"), "Records let go by policy."),
    "records_failed_total": Spec("counter", ("handler", "reason"), "Records that could not be stored."),
    "records_unsaved_total": Spec("counter", ("handler",), "Records in memory only that were to be on disk."),
    "queue_records": Spec("gauge", ("handler",), "Records waiting."),
    "queue_bytes": Spec("gauge", ("handler",), "Bytes waiting, as captured."),
    "inflight_records": Spec("gauge", ("handler",), "Records the writer has in hand."),
    "spooled_records": Spec("gauge", ("handler",), "Records kept on disk until the database is back."),
    "writer_up": Spec("gauge", ("handler",), "Writers that are storing, or would: one per process unless in trouble."),
    "writer_state": Spec("gauge", ("handler", "state"), "Writers in each state."),
    "last_success_timestamp_seconds": Spec("gauge", ("handler",), "Unix time of the last commit.", mode="livemax"),
    "flush_duration_seconds": Spec("histogram", ("handler", "outcome"), "One attempt to store a batch.", _SECONDS),
    "batch_records": Spec("histogram", ("handler",), "Records in a committed batch.", _RECORDS),
    "delivery_lag_seconds": Spec("histogram", ("handler",), "From the oldest record of a batch to its commit.", _LAG),
    "flush_retries_total": Spec("counter", ("handler", "error_class"), "Attempts that failed and are made again."),
    "bisections_total": Spec("counter", ("handler",), "Batches split to find a row the database refuses."),
    "records_adopted_total": Spec("counter", ("handler", "outcome"), "Records of dead writers: what became of them."),
    "build_info": Spec("gauge", ("version",), "Always 1; the label says which dblog this is.", mode="livemax"),
}
"""Every metric by its name without the namespace: type, labels, help text, buckets, multiprocess mode."""
