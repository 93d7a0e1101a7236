"""What holds after every fault: nothing promised is missing, nothing is doubled, changed or made up, all is counted."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.faults.records import ODD, crc, key_of, message
from tests.oracle import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Row", "explained", "look_up", "verdict", "word_of"]

_QUERY = "SELECT instance_id, seq, id, message, logger, metadata FROM logs"
_PLACES = ("stored", "dropped", "failed", "queued", "in_flight", "spooled")


class Row(NamedTuple):
    """What the database holds of one record."""

    instance: str
    seq: int | None
    id: str
    message: str
    logger: str
    metadata: dict[str, Any]


def look_up(*urls: str) -> list[Row]:
    """Every row, as its owner reads it; what two files hold of one record, because the one was replaced, is one row."""
    found: dict[object, Row] = {}
    for number, url in enumerate(urls):
        for instance, seq, identity, text, logger, metadata in rows(url, _QUERY):
            row = Row(_hex(instance), seq, _hex(identity), text, logger, _decoded(metadata))
            found.setdefault(row[:4] if len(urls) > 1 else (number, len(found)), row)
    return list(found.values())


def _hex(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value).replace("-", "")


def _decoded(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else json.loads(value) if value else {}


def verdict(found: Iterable[Row], promised: Mapping[tuple[int, int], int], seed: int, lost: int = 0) -> list[str]:
    """What is wrong with what is stored; nothing, normally.

    Args:
        found: the rows.
        promised: lane and number of what must be there, with its checksum.
        seed: what the records were made from.
        lost: so many of them are counted as dropped or failed.
    """
    found = [row for row in found if row.seq is not None]
    keyed = [(key_of(row.message), row) for row in found if not row.message.startswith(ODD)]
    there = {key: row for key, row in keyed if key is not None}
    absent = [key for key in promised if key not in there]
    wrong = [f"missing: {key}" for key in absent[:20]] if len(absent) > lost else []
    wrong += [
        f"corrupted: {key}"
        for key, row in there.items()
        if row.message != message(seed, *key) or crc(row.message) != promised.get(key, crc(row.message))
    ]
    wrong += [f"spurious: {row.message[:40]!r}" for key, row in keyed if key is None]
    for name, values in (
        ("id", [row.id for row in found]),
        ("instance and seq", [(row.instance, row.seq) for row in found]),
        ("record", [key for key, _ in keyed if key is not None]),
    ):
        wrong += [f"duplicate {name}: {value}" for value, times in Counter(values).items() if times > 1]
    return wrong


def word_of(told: Mapping[str, Any], found: Iterable[Row]) -> list[str]:
    """What of a living system's own word is not so; nothing, normally. It must be quiet meanwhile."""
    stats, wrong = told["stats"], list(told["wrong"])
    emitted = sum(each["emitted"] for each in stats)
    if emitted != told["calls"]:
        wrong.append(f"{emitted} emitted, {told['calls']} calls of handle()")
    stored = Counter(row.instance for row in found if row.seq is not None)
    for instance, each in zip(told["instances"], stats, strict=True):
        if each["emitted"] != sum(each[place] for place in _PLACES):
            wrong.append(f"the ledger does not add up: {each}")
        if stored[instance.replace("-", "")] != each["stored"]:
            wrong.append(f"{each['stored']} stored, {stored[instance.replace('-', '')]} rows")
    return wrong


def explained(told: Mapping[str, Any], found: Iterable[Row]) -> list[str]:
    """The losses that no loss row tells of; none, normally, once the writer has ended."""
    found, wrong = list(found), []
    for instance, each in zip(told["instances"], told["stats"], strict=True):
        mine = [row for row in found if row.instance == instance.replace("-", "")]
        losses = [loss for row in mine for loss in row.metadata.get("dblog", {}).get("loss", ()) if row.seq is None]
        lost, there = each["dropped"] + each["failed"], {row.seq for row in mine}
        holes = [seq for seq in range(1, each["emitted"] + 1) if seq not in there]
        bare = [seq for seq in holes if not any(loss["seq_from"] <= seq <= loss["seq_to"] for loss in losses)]
        if lost and each["dropped_by"] != {"self": lost} and sum(loss["count"] for loss in losses) != lost:
            wrong.append(f"{lost} lost, the loss rows tell of {losses}")
        if bare and losses:
            wrong.append(f"unexplained: {bare[:5]}")
    return wrong
