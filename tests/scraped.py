"""A page of metrics as Prometheus would read it, with the official client's own parsers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Page", "exemplars", "page_of"]


class Page:
    """The samples of a page, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one sample with exactly these labels; None where there is none."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) <= 1
        return found[0] if found else None

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Sums by these labels, without the zeros."""
        found: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for sample in self.samples:
            if sample.name == name and sample.value:
                found[tuple(sample.labels[label] for label in labels)] += sample.value
        return dict(found)

    def total(self, name: str) -> float:
        """The sum over all labels."""
        return sum(sample.value for sample in self.samples if sample.name == name)


def page_of(registry: CollectorRegistry) -> Page:
    """What a registry shows."""
    return Page(generate_latest(registry).decode())


def exemplars(registry: CollectorRegistry, name: str) -> Iterator[Any]:
    """The exemplars of a metric's samples, as OpenMetrics has them."""
    page = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]  # the client's is not annotated
    for family in read_openmetrics(page):  # type: ignore[no-untyped-call]  # as above
        for sample in family.samples:
            if sample.name == name and sample.exemplar is not None:
                yield sample.exemplar
