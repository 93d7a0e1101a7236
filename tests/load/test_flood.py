"""Every record once, or counted: four threads against each database; a cut here, a million in the long run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dblog.url import sync_url

PROGRAM = Path(__file__).with_name("flood.py")
SIZES = [pytest.param(30_000, id="cut"), pytest.param(1_000_000, id="million", marks=pytest.mark.long)]
MIB = 1024
GROWTH = 96 * MIB
"""KiB: the queue's 64 MiB, a batch, and what an allocator keeps."""


def flood(url: str, records: int, overflow: str, durability: str = "memory") -> dict[str, Any]:
    """The program's report."""
    command = [sys.executable, str(PROGRAM), url, str(records), overflow, durability]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    assert not done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    total = report["stored"] + report["dropped"] + report["failed"]
    assert report["emitted"] == records == total
    return report


def query(url: str, sql: str) -> list[Any]:
    """All rows of a statement."""
    engine = sa.create_engine(sync_url(url))
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(sa.text(sql))]
    engine.dispose()
    return rows


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("records", SIZES)
def test_block_stores_everything_once(database_url: str, logging_url: str, records: int) -> None:
    """With ``overflow="block"``: emitted = stored, every seq from 1 on exactly once, memory bounded."""
    stored_once(database_url, flood(logging_url, records, "block"))


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("records", SIZES)
def test_a_spool_stores_everything_once(database_url: str, logging_url: str, records: int) -> None:
    """With the default policy and room on disk: as above, and nobody had to wait; at the end nothing is left there."""
    stored_once(database_url, flood(logging_url, records, "drop_lowest", "spool"))


def stored_once(url: str, report: dict[str, Any]) -> None:
    """Every record is."""
    records = report["emitted"]
    assert report["stored"] == records
    found = query(url, "SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM logs WHERE seq IS NOT NULL")
    assert found == [(records, records, 1, records)]
    assert report["grown_kib"] < GROWTH


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("records", SIZES)
def test_what_the_default_policy_drops_is_in_loss_rows(database_url: str, logging_url: str, records: int) -> None:
    """In memory only: emitted = stored + dropped, and every missing seq lies in the range of a loss row."""
    report = flood(logging_url, records, "drop_lowest")
    stored = {seq for (seq,) in query(database_url, "SELECT seq FROM logs WHERE seq IS NOT NULL")}
    assert len(stored) == report["stored"]
    losses = []
    for (metadata,) in query(database_url, "SELECT metadata FROM logs WHERE logger = 'dblog.loss'"):
        tree = json.loads(metadata) if isinstance(metadata, str) else metadata
        losses += tree["dblog"]["loss"]
    ranges = [(loss["seq_from"], loss["seq_to"]) for loss in losses]
    missing = set(range(1, records + 1)) - stored
    for first, last in ranges:
        missing -= set(range(first, last + 1))
    assert not missing
    assert sum(loss["count"] for loss in losses) == report["dropped"]
    assert report["grown_kib"] < GROWTH
