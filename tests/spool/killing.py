"""A program: children that append to spools and are killed at any instant; what is found afterwards, as JSON.

It forks, so it is a process of its own, with one thread.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dblog.levels import BANDS
from dblog.spool import ALONE, EMITTED, KEPT, Spool, dead, encode, need
from tests.spooled import item, origin, text_of

MOST = 20_000
"""Records of one child."""
ACKNOWLEDGED, STORED = 0, 64
"""Where the shared page has the number of records whose append returned, and a byte per record that was stored."""
BODIES = {length: "x" * length for length in (1, 40, 400, 6000)}


def message(seq: int) -> str:
    """What record ``seq`` says."""
    return f"{seq}:{BODIES[(1, 40, 400, 40, 40, 400, 6000)[seq % 7]]}"


def child(folder: Path, shared: mmap.mmap) -> None:
    """Append for ever; store and acknowledge some of it from time to time."""
    spool = Spool.create(
        folder, origin(), max_bytes=1 << 30, max_age=1e6, segment_bytes=256 * 1024, lock=threading.RLock()
    )
    words = memoryview(shared).cast("Q")
    for seq in range(1, MOST):
        body = encode(item(seq, message(seq)))
        length = need(body)
        while (at := spool.reserve(length, BANDS - 1)) < 0:
            spool.grow()
        spool.counters.words[EMITTED] = seq
        spool.fill(at, seq, time.time_ns() // 1000, body, ALONE if seq % 5 else KEPT)
        words[ACKNOWLEDGED] = seq
        if seq % 97 == 0:
            for stored, _ in spool.read(50, 1 << 20):
                shared[STORED + stored] = 1
            settled = seq - 30
            for stored in range(5, settled + 1, 5):
                shared[STORED + stored] = 1
            spool.acknowledge(settled)
            spool.grow()
    signal.pause()


def kill_one(folder: Path, rng: random.Random, result: dict[str, Any]) -> None:
    """One child, killed once it has appended some number of records; then its directory is read."""
    shared = mmap.mmap(-1, STORED + MOST)
    victim = os.fork()
    if not victim:
        try:
            child(folder, shared)
        finally:
            os._exit(1)
    target = rng.randrange(0, rng.choice([10, 300, 3000]))
    words = memoryview(shared).cast("Q")
    while words[ACKNOWLEDGED] < target:
        pass
    for _ in range(rng.randrange(2000)):
        pass
    os.kill(victim, signal.SIGKILL)
    _, status = os.waitpid(victim, 0)
    if not os.WIFSIGNALED(status):
        result["ended"] += 1
    acknowledged = words[ACKNOWLEDGED]
    found: list[int] = []
    for each in dead(folder):
        page = each.page
        for left in each.frames():
            found.append(left.seq)
            result["corrupted"] += text_of(left.body) != message(left.seq)
        result["damaged"] += each.corrupt
        result["uncounted"] += page is None or not acknowledged <= page.emitted <= acknowledged + 1
        each.remove()
    stored = {seq for seq in range(1, MOST) if shared[STORED + seq]}
    result["acknowledged"] += acknowledged
    result["lost"] += len(set(range(1, acknowledged + 1)) - stored - set(found))
    result["doubled"] += len(found) - len(set(found))
    result["spurious"] += sum(seq > acknowledged + 1 for seq in found)
    result["left"] += sum(path.name.startswith(".new-") is False for path in folder.iterdir()) if folder.is_dir() else 0
    result["kills"] += 1


def main(folder: Path, kills: int, seed: int) -> None:
    """Kill so many, and say what came of it."""
    rng = random.Random(seed)
    keys = "kills ended acknowledged lost doubled corrupted spurious damaged uncounted left"
    result = dict.fromkeys(keys.split(), 0)
    for _ in range(kills):
        kill_one(folder, rng, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
