"""The judge of the fault matrix is itself judged: whatever is wrong, it sees it; and it sees nothing else."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.judge import Row, explained, verdict, word_of
from tests.faults.records import ACK, crc, key_of, message
from tests.oracle import examples

SEED = 7
INSTANCE = "ab" * 16


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], dict[tuple[int, int], int], dict[str, Any]]:
    """A run in which all went well: its rows, what was promised, what the system tells; some records were dropped."""
    emitted = draw(st.integers(2, 30))
    dropped = draw(st.sets(st.integers(1, emitted), max_size=emitted - 2))
    keys = {seq: (seq % 3, seq // 3 + 1) for seq in range(1, emitted + 1) if seq not in dropped}
    found = [row(seq, message(SEED, *key)) for seq, key in keys.items()]
    promised = {key: crc(message(SEED, *key)) for key in keys.values() if draw(st.booleans())}
    if dropped:
        loss = {"count": len(dropped), "seq_from": min(dropped), "seq_to": max(dropped), "reason": "evicted"}
        found.append(row(None, "lost", {"dblog": {"loss": [loss]}}))
    cells = {"failed": 0, "queued": 0, "in_flight": 0, "spooled": 0, "failed_by": {}}
    stats = {
        **cells,
        "emitted": emitted,
        "stored": len(keys),
        "dropped": len(dropped),
        "dropped_by": {"evicted": len(dropped)} if dropped else {},
    }
    told = {"stats": [stats], "instances": [str(uuid.UUID(INSTANCE))], "calls": emitted, "wrong": []}
    return found, promised, told


def row(seq: int | None, text: str, metadata: dict[str, Any] | None = None) -> Row:
    return Row(INSTANCE, seq, uuid.uuid4().hex, text, "sut", metadata or {})


def all_of(found: list[Row], promised: dict[tuple[int, int], int], told: dict[str, Any]) -> list[str]:
    return verdict(found, promised, SEED) + word_of(told, found) + explained(told, found)


@given(worlds())
@examples(40)
def test_nothing_is_found_where_nothing_is_wrong(world: Any) -> None:
    """Dropped and told is not wrong."""
    assert all_of(*world) == []


@given(worlds(), st.data())
@examples(80)
def test_every_wrong_is_found(world: Any, data: st.DataObject) -> None:
    """One row less, changed, made up or there twice; one record more in a cell or in none; a loss not told."""
    found, promised, told = world
    victim = data.draw(st.sampled_from([each for each in found if each.seq is not None]))
    key = key_of(victim.message)
    assert key is not None
    promised[key] = crc(victim.message)
    index, stats = found.index(victim), told["stats"][0]
    wrong = data.draw(st.sampled_from(("missing", "corrupted", "spurious", "duplicate", "ledger", "calls", "loss")))
    if wrong == "missing":
        del found[index]
    elif wrong == "corrupted":
        found[index] = victim._replace(message=victim.message[:-1])
    elif wrong == "spurious":
        found.append(row(1000, "never logged"))
    elif wrong == "duplicate":
        found.append(data.draw(st.sampled_from([victim, row(victim.seq, "odd"), row(1000, victim.message)])))
    elif wrong == "ledger":
        stats[data.draw(st.sampled_from(("stored", "queued", "spooled", "dropped")))] += 1
    elif wrong == "calls":
        told["calls"] += 1
    elif wrong == "loss":
        stats["failed"] += 1
        stats["stored"] -= 1
        stats["failed_by"] = {"poison": 1}
        del found[index]
    assert all_of(found, promised, told), wrong


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1))
@examples(60)
def test_a_record_is_made_again_from_its_key(seed: int, lane: int, number: int) -> None:
    """Its text names its key, is the same each time, and goes over the pipe with its checksum."""
    text = message(seed, lane, number)
    assert text == message(seed, lane, number)
    assert key_of(text) == (lane, number)
    assert ACK.unpack(ACK.pack(lane, number, crc(text))) == (lane, number, crc(text))
