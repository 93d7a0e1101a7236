"""What happens to the files of a writer that lives: it finds out, and says how many records that has cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

import dblog
from dblog.spool import FRAME
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, until

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.ledger import Stats

RECORDS = 60


def _scribbled(folder: Path, number: int, back: int) -> None:
    """One byte is another one: of the record's text, or so many bytes before its payload."""
    (segment,) = folder.rglob("*.seg")
    with segment.open("r+b") as file:
        data = file.read()
        at = data.index(b'"record %d"' % number)
        payload = data.rindex(b"[", 0, data.rindex(b"[", 0, at))
        file.seek(payload - back if back else at + 1)
        file.write(b"\x07")


def _losses(sink: MemorySink) -> list[dict[str, Any]]:
    return [each for seq, row in sink.rows if seq is None for each in row.attributes["dblog"]["loss"]]


@pytest.mark.parametrize("back", [0, FRAME.size], ids=["its text", "its length"])
def test_what_was_damaged_is_counted_as_that(tmp_path: Path, back: int) -> None:
    """Two records on disk are damaged while the database is away: the others are stored, these two are ``damaged``.

    Their numbers are in the loss row where they can be read still, else all that were given; nothing pends.
    """
    sink = MemorySink()
    options: dict[str, Any] = {**QUICK, "durability": "spool", "spool_dir": str(tmp_path / "spool"), "queue_size": 10}
    handler = dblog.DatabaseHandler(sink=sink, **options)
    logger = logging.Logger("damaged")
    logger.addHandler(handler)

    def stats() -> Stats:
        found = handler.stats()
        assert_conserved(found)
        return found

    try:
        with sink.blocked() as hanging:
            logger.info("record 0")
            assert hanging.wait(10)
            for number in range(1, RECORDS):
                logger.info("record %d", number)
            for number in (20, 30):
                _scribbled(tmp_path, number, back)
        until(lambda: stats().spooled == 0, say=handler.stats)
        assert handler.flush(10)
        assert (stats().stored, stats().dropped_by, stats().failed) == (RECORDS - 2, {"damaged": 2}, 0)
        until(lambda: _losses(sink), say=handler.stats)
    finally:
        handler.close()
    (loss,) = _losses(sink)
    assert (loss["reason"], loss["count"]) == ("damaged", 2)
    assert (loss["seq_from"], loss["seq_to"]) == ((1, RECORDS) if back else (21, 31))
    assert not {f"record {number}" for number in (20, 30)} & {*sink.messages}
    assert len({*sink.messages}) == RECORDS - 2
    assert not [*(tmp_path / "spool").rglob("*.seg")]
