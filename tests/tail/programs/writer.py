"""Writes in transactions of every kind until its standard input ends; says of each commit when it was.

``writer.py <url> <seed> [held]``: ``held`` keeps one transaction open from the start until its input ends; on SQLite
that is one which reads, and beside it every now and then one that keeps all others from writing for half a second. On
Postgres it survives the server: it connects again, and does not care whether an interrupted commit was one.
"""

from __future__ import annotations

import contextlib
import json
import random
import select
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

import psycopg

from tests.tail_tools import Writing, now

if TYPE_CHECKING:
    from dblog.reading.values import Cursor

LOST = (psycopg.OperationalError, psycopg.InterfaceError, sqlite3.OperationalError)


def told_to_stop(seconds: float) -> bool:
    """Wait so long, or until the input ends."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def transaction(writing: Writing, chance: random.Random) -> None:
    """One transaction: rows of now and of a while ago, perhaps a savepoint, a pause, and an end."""
    lite = writing.lite
    writing.begin()
    times = [now() - chance.choice((0, 0, 0, 1_000, 3_000_000)) for _ in range(chance.randint(1, 8))]
    places = writing.insert(*times)
    if chance.random() < 0.2:
        writing.execute("SAVEPOINT s")
        inner = writing.insert(now())
        if chance.random() < 0.5:
            writing.execute("ROLLBACK TO SAVEPOINT s")
        else:
            places += inner
    pause = chance.uniform(0.1, 0.3) if chance.random() < 0.09 else chance.uniform(0, 0.05)
    time.sleep(pause / 20 if lite else pause)
    if chance.random() < 0.1:
        writing.execute("ROLLBACK")
        return
    commit(writing, places)


def commit(writing: Writing, places: list[Cursor]) -> None:
    """Commit, and say when it was."""
    writing.execute("COMMIT")
    print(json.dumps([time.time(), [place.id.hex for place in places]]), flush=True)


def hold(writing: Writing, url: str) -> None:
    """Keep transactions open until told to stop."""
    if not writing.lite:
        writing.begin()
        places = writing.insert(now())
        told_to_stop(3600)
        commit(writing, places)
        return
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM logs").fetchone()
        stop = False
        while not stop:
            writing.begin()
            places = writing.insert(now())
            stop = told_to_stop(0.5)
            commit(writing, places)
            stop = stop or told_to_stop(1.5)


def main(url: str, seed: str, held: bool) -> None:
    """Write until told to stop."""
    chance = random.Random(seed)
    while True:
        with contextlib.suppress(*LOST), contextlib.closing(Writing(url)) as writing:
            if held:
                hold(writing, url)
                return
            while not told_to_stop(chance.uniform(0, 0.01)):
                transaction(writing, chance)
            return
        if told_to_stop(0.05):
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "held" in sys.argv)
