"""What is lost is counted, and the loss is itself a row: nobody who reads the database is left to wonder.

What a queue loses that has no disk behind it: ``durability="memory"``. What the disk saves of it stands beside.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from dblog.chores import LOSS_LOGGER
from dblog.errors import ErrorClass, StoreError
from dblog.testing import assert_conserved
from tests.oracle import exactly_once, execute, logging_to, rows, seqs, until

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from dblog import DatabaseHandler
    from dblog.sink import Row
    from tests.faults.conftest import Place


class Gate:
    """Holds a handler's batches back until it is opened."""

    def __init__(self, handler: DatabaseHandler) -> None:
        sink = handler._writer._sink
        assert sink is not None
        self.open = threading.Event()
        self.waiting = threading.Event()
        write = sink.write

        def hold(batch: Sequence[Row], *, replay: bool = False) -> None:
            if not self.open.is_set():
                self.waiting.set()
                assert self.open.wait(20)
            write(batch, replay=replay)

        sink.write = hold  # type: ignore[method-assign, assignment]  # the sink's own, held back


def _losses(place: Place) -> list[dict[str, Any]]:
    found = rows(
        place.owner, f"SELECT metadata FROM logs WHERE seq IS NULL AND logger = '{LOSS_LOGGER}' ORDER BY timestamp"
    )
    trees = [json.loads(tree) if isinstance(tree, str) else tree for (tree,) in found]
    return [detail for tree in trees for detail in tree["dblog"]["loss"]]


def _explained(place: Place, handler: DatabaseHandler) -> None:
    """Every gap in ``seq`` lies in the range of a loss row, and the loss rows add up to the ledger."""
    stats = handler.stats()
    assert_conserved(stats)
    assert stats.emitted == stats.stored + stats.dropped + stats.failed
    stored = {seq for (seq,) in rows(place.owner, "SELECT seq FROM logs WHERE seq IS NOT NULL")}
    assert len(stored) == stats.stored, "loss rows are not counted"
    losses = _losses(place)
    for seq in set(range(1, stats.emitted + 1)) - stored:
        assert any(loss["seq_from"] <= seq <= loss["seq_to"] for loss in losses), seq
    by_reason: dict[str, int] = {}
    for loss in losses:
        by_reason[loss["reason"]] = by_reason.get(loss["reason"], 0) + loss["count"]
        assert sum(loss["levels"].values()) == loss["count"]
        assert loss["seq_from"] + loss["count"] - 1 <= loss["seq_to"]
    assert by_reason == {**stats.dropped_by, **stats.failed_by}


def _log(logger: logging.Logger, count: int) -> None:
    for number in range(count):
        logger.log((10, 20, 30, 40)[number % 4], "record %d", number)


@pytest.mark.parametrize("policy", ["drop_lowest", "drop_oldest", "drop_newest", "block"])
def test_overload(place: Place, policy: str) -> None:
    """The database stands still while four times the queue is logged, from two threads, twice."""
    options: dict[str, Any] = {"queue_size": 500, "overflow": policy, "block_timeout": 0.0, "batch_size": 100}
    with logging_to(place.url, **options, durability="memory") as (logger, handler):
        gate = Gate(handler)
        for _ in range(2):
            logger.info("first")
            assert gate.waiting.wait(10)
            threads = [threading.Thread(target=_log, args=(logger, 1000), daemon=True) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            assert handler.stats().dropped > 0
            gate.open.set()
            assert handler.flush(20), handler.stats()
            gate.waiting.clear()
            gate.open.clear()
        gate.open.set()
    _explained(place, handler)
    stats = handler.stats()
    assert stats.emitted == 4002
    if policy == "drop_lowest":
        warned = rows(place.owner, "SELECT count(*) FROM logs WHERE severity >= 17 AND seq IS NOT NULL")
        assert warned[0][0] >= 800, "errors are the last to go"


@pytest.mark.parametrize("policy", ["drop_oldest", "block"])
def test_overload_with_a_spool(place: Place, policy: str) -> None:
    """As above, and the disk takes what the queue does not: whatever the policy, nothing is lost, so nothing told."""
    options: dict[str, Any] = {"queue_size": 500, "overflow": policy, "block_timeout": 0.0, "batch_size": 100}
    with logging_to(place.url, **options, durability="spool") as (logger, handler):
        gate = Gate(handler)
        logger.info("first")
        assert gate.waiting.wait(10)
        _log(logger, 2000)
        assert handler.stats().spooled >= 1500
        gate.open.set()
        assert handler.flush(20), handler.stats()
        exactly_once(place.owner, handler)
    assert _losses(place) == []


def test_every_reason_at_once(place: Place) -> None:
    """Evicted, refused at a full queue, poison and unformattable: each with its own count and range."""
    if place.postgres:
        execute(place.owner, "ALTER TABLE logs ADD CHECK (message <> 'poison')")
    else:
        refuse = "SELECT RAISE(ABORT, 'refused')"
        execute(place.owner, f"CREATE TRIGGER p BEFORE INSERT ON logs WHEN NEW.message = 'poison' BEGIN {refuse}; END")
    with logging_to(place.url, queue_size=100, flush_level="CRITICAL", durability="memory") as (logger, handler):
        gate = Gate(handler)
        logger.error("first")
        assert gate.waiting.wait(10)
        logger.debug("evicted")
        for _ in range(50):
            logger.info("good")
            logger.error("poison")
        logger.debug("refused at the door")

        class Stop:
            def __str__(self) -> str:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            logger.info("%s", Stop())
        gate.open.set()
        assert handler.flush(20), handler.stats()
    _explained(place, handler)
    stats = handler.stats()
    assert set(stats.dropped_by) == {"evicted", "queue_full"}
    assert stats.failed_by == {"poison": 50, "capture": 1}


def test_the_last_heartbeat(place: Place) -> None:
    """The writer's own row ends as CLOSED with the ledger's final figures."""
    with logging_to(place.url, queue_size=200, batch_size=50, durability="memory") as (logger, handler):
        gate = Gate(handler)
        logger.info("first")
        assert gate.waiting.wait(10)
        _log(logger, 500)
        gate.open.set()
        assert handler.flush(20), handler.stats()
        stats = handler.stats()
        assert stats.dropped == 300
    figures = "state, emitted, stored, dropped, failed, queued, in_flight, spooled, dropped_by, last_error, service"
    ((state, *counts, reasons, error, service),) = rows(place.owner, f"SELECT {figures} FROM log_instances")
    assert (state, error, service) == ("CLOSED", None, "faults")
    assert counts == [501, 201, 300, 0, 0, 0, 0]
    assert (json.loads(reasons) if isinstance(reasons, str) else reasons) == dict(stats.dropped_by)


def test_a_loss_row_is_written_once(place: Place) -> None:
    """Its own COMMIT may be lost, too: it carries its id through every attempt."""
    options: dict[str, Any] = {"queue_size": 10, "overflow": "drop_newest", "batch_size": 10, "durability": "memory"}
    with logging_to(place.url, **options) as (logger, handler):
        gate = Gate(handler)
        logger.info("first")
        assert gate.waiting.wait(10)
        _log(logger, 20)
        sink = handler._writer._sink
        assert sink is not None
        write = sink.write
        failures: list[Sequence[Row]] = []

        def unsure(batch: Sequence[Row], *, replay: bool = False) -> None:
            write(batch, replay=replay)
            if batch[0][0] is None and len(failures) < 2:
                failures.append(batch)
                raise StoreError(ErrorClass.RECONNECT, "08006", "cut", ambiguous=True)

        sink.write = unsure  # type: ignore[method-assign, assignment]  # the sink's own, held back
        gate.open.set()
        assert handler.flush(20), handler.stats()
        until(lambda: len(failures) == 2, say=lambda: failures)
    assert len(_losses(place)) == 1
    _explained(place, handler)


def test_what_a_deadline_cost(place: Place) -> None:
    """Closed while the database stands still: what is given up is counted as dropped{deadline}, within the time."""
    with logging_to(place.url, shutdown_timeout=0.2, queue_size=1000, durability="memory") as (logger, handler):
        logger.info("stored")
        assert handler.flush(10), handler.stats()
        gate = Gate(handler)
        logger.info("in hand")
        assert gate.waiting.wait(10)
        _log(logger, 100)
        began = time.monotonic()
        handler.close()
        assert time.monotonic() - began < 2
        gate.open.set()
        until(lambda: handler.stats().in_flight == 0, say=handler.stats)
        stats = handler.stats()
        assert_conserved(stats)
        # The call that stood still was aborted; where that ends a connection, its row has no second chance.
        assert (stats.stored, stats.dropped_by) == (
            (1, {"deadline": 101}) if place.postgres else (2, {"deadline": 100})
        )


def test_what_a_deadline_leaves_on_disk(place: Place) -> None:
    """As above with a spool: nothing is dropped, and the next writer stores all of it, each record once."""
    options: dict[str, Any] = {"queue_size": 1000, "durability": "spool"}
    with logging_to(place.url, shutdown_timeout=0.2, **options) as (logger, handler):
        logger.info("stored")
        assert handler.flush(10), handler.stats()
        gate = Gate(handler)
        logger.info("in hand")
        assert gate.waiting.wait(10)
        _log(logger, 100)
        began = time.monotonic()
        handler.close()
        assert time.monotonic() - began < 2
        assert handler.stats().dropped == 0
        thread = handler._writer._thread
        gate.open.set()
        if thread is not None:
            thread.join(20)
    with logging_to(place.url, **options) as (logger, heir):
        logger.info("heir")
        until(lambda: len(seqs(place.owner)) >= 103, 20, heir.stats)
    assert seqs(place.owner) == sorted([*range(1, 103), 1])
    assert _losses(place) == []
