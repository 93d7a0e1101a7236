"""A tail of a standby, which does not say which transactions are running, and of the server it becomes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import psycopg
import pytest

from dblog.query.tree import All
from dblog.reading.session import Sessions
from dblog.reading.tailing import Tailer
from tests import pgserver
from tests.oracle import until
from tests.tail_tools import Followed, Writing, drained, ids_of, now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.postgres import Private

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


@pytest.fixture
def standby(private_postgres: Private) -> Iterator[pgserver.Server]:
    """One that replays the log of ``private_postgres``."""
    primary = private_postgres
    with (primary.data / "postgresql.conf").open("a") as conf:
        conf.write("wal_level = replica\nmax_wal_senders = 4\n")
    with (primary.data / "pg_hba.conf").open("a") as hba:
        hba.write("host replication all 127.0.0.1/32 trust\n")
    primary.restart()
    made = pgserver.Server(primary.directory.with_name(f"{primary.directory.name}-standby"), pgserver._free_port())
    made.directory.mkdir()
    if os.geteuid() == 0:
        pgserver._own(made.directory)
    backup = ["pg_basebackup", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-R", "-c", "fast"]
    done = run(primary, *backup, "-D", str(made.data))
    assert done.returncode == 0, done.stderr
    with (made.data / "postgresql.conf").open("a") as conf:
        conf.write(f"unix_socket_directories = '{made.directory}'\n")
    made.start()
    try:
        yield made
    finally:
        with contextlib.suppress(RuntimeError):
            made.stop("immediate")


def run(server: pgserver.Server, program: str, *arguments: str) -> CompletedProcess[str]:
    """A program of the server's, as its user."""
    return pgserver.run_as_server([str(server.directory.parent / "bin" / program), *arguments])


def replayed(primary: Private, standby: pgserver.Server) -> None:
    """Wait until the standby has what the primary has."""
    with psycopg.connect(primary.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    with psycopg.connect(standby.url("dblog"), autocommit=True) as connection:
        question = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        until(lambda: connection.execute(question, row).fetchone() == (True,))


async def test_a_standby_and_its_promotion_are_followed(private_postgres: Private, standby: pgserver.Server) -> None:
    """An open transaction holds back what began after it, and is not missed; promotion is not even noticed."""
    sessions = Sessions(standby.url("dblog"))
    tailer, followed = Tailer(sessions, All()), Followed()
    await tailer.begin()
    try:
        with Writing(private_postgres.database_url) as slow, Writing(private_postgres.database_url) as quick:
            slow.begin()
            written = ids_of(slow.insert(now())) | ids_of(quick.insert(now()))
            replayed(private_postgres, standby)
            await drained(tailer, followed)
            slow.execute("COMMIT")
            replayed(private_postgres, standby)
            await drained(tailer, followed)
            assert followed.ids == written
        private_postgres.stop()
        assert run(private_postgres, "pg_ctl", "-D", str(standby.data), "-w", "promote").returncode == 0
        with Writing(standby.url("dblog")) as writing:
            written |= ids_of(writing.insert(now()))
        await drained(tailer, followed)
        assert (followed.ids, followed.notices) == (written, [])
    finally:
        await tailer.aclose()
        await sessions.aclose()
