"""Programs that show log files in a terminal, and the rows of history as such a file."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import history
from tests.tui.terminal import DOWN, END, UP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Peers", "prepare"]

_FORMAT = {
    "$schema": "https://lnav.org/schemas/format-v1.schema.json",
    "dblog_bench": {
        "title": "rows of the benchmark", "json": True, "file-pattern": r"rows\.jsonl$",
        "line-format": [
            {"field": "__timestamp__"}, " ", {"field": "level"}, " ", {"field": "service"}, " ", {"field": "message"},
        ],
        "timestamp-field": "timestamp", "level-field": "level", "body-field": "message",
        "value": {
            "service": {"kind": "string"}, "logger": {"kind": "string"}, "trace_id": {"kind": "string"},
            "metadata": {"kind": "json"},
        },
    },
}  # fmt: skip


class Peers(NamedTuple):
    """Who takes part."""

    contestants: list[tuple[str, Sequence[str], dict[str, str], bytes, bytes, bytes]]
    absent: list[str]
    """Sentences about who does not."""


def prepare(folder: Path, count: int) -> Peers:
    """Write the newest ``count`` rows as JSON lines, and say how to look at them with whom."""
    found: list[tuple[str, Sequence[str], dict[str, str], bytes, bytes, bytes]] = []
    absent = []
    lnav, toolong = shutil.which("lnav"), shutil.which("tl")
    file = folder / "rows.jsonl"
    if lnav or toolong:
        _write(file, count)
    if lnav:
        place = folder / "lnav" / "formats" / "dblog"
        place.mkdir(parents=True)
        (place / "dblog_bench.json").write_text(json.dumps(_FORMAT), encoding="utf-8")
        version = subprocess.run([lnav, "-V"], capture_output=True, text=True, check=False).stdout.split()
        found.append((" ".join(version) or "lnav", [lnav, "-I", str(folder / "lnav"), str(file)], {}, b"k", b"j", b""))
    else:
        absent.append("lnav is not installed (Debian: apt-get install lnav): without it")
    if toolong:
        found.append(("toolong", [toolong, str(file)], {"TEXTUAL_ANIMATIONS": "none"}, UP, DOWN, END))
    else:
        absent.append("toolong is not on the PATH (pip install toolong into a place of its own): without it")
    return Peers(found, absent)


def _write(file: Path, count: int) -> None:
    names = history.COLUMNS
    with file.open("w", encoding="utf-8") as lines:
        for row in history.rows(count):
            made = dict(zip(names, row, strict=True))
            metadata = made["metadata"]
            made = {"message": made["message"]} | made  # first, where toolong shows it
            made |= {
                "timestamp": datetime.fromtimestamp(made["timestamp"] / 1e6, UTC).isoformat(timespec="microseconds"),
                "id": made["id"].hex(), "instance_id": made["instance_id"].hex(),
                "metadata": json.loads(metadata) if metadata else None,
            }  # fmt: skip
            lines.write(json.dumps({key: value for key, value in made.items() if value is not None}) + "\n")
