"""Medians and ratios as a table and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Report"]


@dataclass
class Report:
    """Samples by contestant; every figure is a median over rounds that were interleaved in one run."""

    title: str
    unit: str
    reference: str
    """The contestant ratios are to."""
    more_is_better: bool = False
    samples: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, contestant: str, value: float) -> None:
        """One sample."""
        self.samples.setdefault(contestant, []).append(value)

    def median(self, contestant: str) -> float:
        """The median of a contestant's samples."""
        return statistics.median(self.samples[contestant])

    def most(self, contestant: str, share: float = 0.95) -> float:
        """What so large a share of a contestant's samples does not exceed."""
        values = sorted(self.samples[contestant])
        return values[min(int(len(values) * share), len(values) - 1)]

    def ratio(self, contestant: str) -> float:
        """To the reference's median; 1 where both are 0, 0 where only that one is."""
        mine, reference = self.median(contestant), self.median(self.reference)
        return mine / reference if reference else float(mine == reference)

    def show(self) -> None:
        """Print the table."""
        best = "best is highest" if self.more_is_better else "best is lowest"
        sys.stdout.write(f"\n{self.title} [{self.unit}; {best}]\n")
        sys.stdout.write(f"  {'':44} {'median':>12} {'min':>12} {'max':>12}  ratio\n")
        for name, values in self.samples.items():
            figures = f"{self.median(name):12,.0f} {min(values):12,.0f} {max(values):12,.0f}"
            sys.stdout.write(f"  {name:44} {figures}  {self.ratio(name):.2f}\n")
        for note in self.notes:
            sys.stdout.write(f"  {note}\n")
        sys.stdout.flush()

    def as_dict(self) -> dict[str, object]:
        """For the JSON file."""
        return {
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "notes": self.notes,
            "results": {
                name: {"median": self.median(name), "ratio": self.ratio(name), "samples": values}
                for name, values in self.samples.items()
            },
        }


def save(reports: list[Report], path: Path) -> None:
    """Write all reports with what they were measured on."""
    libraries = ("dblog-logging", "SQLAlchemy", "psycopg", "orjson", "loguru", "opentelemetry-sdk")
    content = {
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in libraries},
        "reports": [report.as_dict() for report in reports],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
