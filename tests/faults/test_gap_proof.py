"""Killed at any instant, overloaded or not: once somebody has come after it, no number of a writer is unexplained."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dblog.admin import gaps
from dblog.admin.connection import AdminConnection
from tests.oracle import logging_to, rows, until

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.admin.gaps import Account
    from tests.faults.conftest import Place

_OPEN = """
SELECT emitted, stored, dropped, failed, queued, in_flight, spooled FROM log_instances
WHERE service = 'victim' AND NOT (emitted = stored + dropped + failed AND queued + in_flight + spooled = 0)"""
"""Writers whose last word leaves something open; none: who came after them has closed their books."""

VICTIM = """
import logging, os, sys
from dblog import DatabaseHandler
url, durability, folder, size = sys.argv[1:]
handler = DatabaseHandler(url, durability=durability, spool_dir=folder, queue_size=int(size), overflow="drop_newest",
                          flush_interval=0.01, batch_size=20, service="victim")
logger = logging.Logger("victim")
logger.addHandler(handler)
number = 0
while True:
    number += 1
    logger.info("order %d", number)
    if number % 50 == 0:
        os.write(1, b".")
"""


def accounts(place: Place) -> list[Account]:
    with AdminConnection(place.owner) as connection:
        return [each for each in gaps.audit(connection) if each.writer.service != "faults"]


LONG = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("durability", "kills"),
    [("memory", 2), *(pytest.param(mode, 20, marks=LONG) for mode in ("memory", "spool", "durable"))],
)
def test_no_kill_leaves_an_unexplained_number(place: Place, durability: str, kills: int, tmp_path: Path) -> None:
    """A process that logs more than it can store is killed; the next one adopts what it left, and says what it lost."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    folder = tmp_path / "spool"
    for kill in range(kills):
        size = dice.choice(["30", "100000"])
        command = [sys.executable, "-c", VICTIM, place.url, durability, str(folder), size]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(dice.randrange(1, 60))
            process.send_signal(signal.SIGKILL)
        with logging_to(place.url, durability=durability, spool_dir=str(folder)) as (logger, handler):
            logger.info("the next one")
            assert handler.flush(20)
            until(lambda: _alone(folder), 20, lambda: list(folder.glob("*/*/*")))
            assert handler.flush(20)
        found = accounts(place)
        assert len(found) == kill + 1
        assert [each for each in found if each.unexplained] == [], _losses(place)
        assert [each for each in found if each.on_its_way] == []
        assert rows(place.owner, _OPEN) == []


def _alone(folder: Path) -> bool:
    """Only the living writer's directory is there."""
    return len(list(folder.glob("*/*/"))) <= 1


def _losses(place: Place) -> list[tuple[Any, ...]]:
    return rows(place.owner, "SELECT instance_id, metadata FROM logs WHERE logger = 'dblog.loss'")
