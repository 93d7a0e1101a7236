"""An upgrade of a database in use: whoever writes goes on, also while somebody's transaction is open."""

from __future__ import annotations

import threading
import time

import psycopg

from dblog import migrate
from tests.oracle import rows, until

INSERT = (
    b"INSERT INTO logs (timestamp, id, level, severity, logger, message)"
    b" VALUES (now(), gen_random_uuid(), 'INFO', 9, 'l', 'm')"
)


def test_nobody_waits_behind_an_upgrade(postgres_url: str) -> None:
    """The lock of the triggers is asked for in turns of 50 ms; between them writers write."""
    migrate.downgrade(postgres_url, revision="0001")
    upgrading = threading.Thread(target=migrate.upgrade, args=(postgres_url,))
    longest, count = 0.0, 0
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(postgres_url) as holder, psycopg.connect(postgres_url, autocommit=True) as writer:
        holder.execute(INSERT)  # until it commits, no trigger can be made
        upgrading.start()
        until(lambda: rows(postgres_url, waits) != [(0,)])
        ended = time.monotonic() + 0.5
        while time.monotonic() < ended:
            started = time.monotonic()
            writer.execute(INSERT)
            longest, count = max(longest, time.monotonic() - started), count + 1
        assert upgrading.is_alive()
        holder.commit()
        upgrading.join()
    assert count > 5
    assert longest < 1.0, longest  # 50 ms, on a machine that has nothing else to do
    assert migrate.check(postgres_url).ok
    assert rows(postgres_url, "SELECT count(*) FROM logs") == [(count + 1,)]
