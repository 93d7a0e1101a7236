"""``python -m benchmarks``: ratios against peers and limits, interleaved in one run; never a timed test.

Machines differ and are noisy: read the ratios, and only those whose ranges do not
overlap.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import caller, drain, endtoend, middleware, reads, terminal
from benchmarks.databases import Databases
from benchmarks.report import Report, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PARTS: dict[str, Callable[[Databases, str, int], Iterable[Report]]] = {
    "caller": caller.run,
    "drain": drain.run,
    "endtoend": endtoend.run,
    "middleware": middleware.run,
    "reads": reads.run,
    "terminal": terminal.run,
}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(_PARTS)}; all by default")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where databases of the part terminal stay, for reuse")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/latest.json"))
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in _PARTS:
            parser.error(f"{part!r} is not one of {', '.join(_PARTS)}")
    reports: list[Report] = []
    with Databases(arguments.keep) as databases:
        for part in arguments.parts or _PARTS:
            for dialect in arguments.databases:
                for report in _PARTS[part](databases, dialect, arguments.rounds):
                    report.show()
                    reports.append(report)
    save(reports, arguments.json)


if __name__ == "__main__":
    main()
