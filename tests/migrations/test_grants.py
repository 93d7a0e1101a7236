"""``dblog grants``: what each role may, and above all what it may not."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from dblog import migrate
from dblog.errors import ConfigurationError
from dblog.grants import grants
from tests.postgres import role

if TYPE_CHECKING:
    from tests.pgserver import Server
    from tests.postgres import Role

ROW = ("timestamp, id, level, severity, logger, message", "now(), gen_random_uuid(), 'INFO', 9, 'l', 'm'")


def test_a_writer_writes_in_every_way_it_needs(writer_postgres_url: str, postgres_url: str) -> None:
    """COPY, the replay through a temporary table, dead letters, and its heartbeat by key."""
    me = uuid.uuid4()
    with psycopg.connect(writer_postgres_url) as connection:
        with connection.cursor().copy(f"COPY logs ({ROW[0]}) FROM STDIN") as copy:
            copy.write_row((dt.datetime.now(dt.UTC), me, "INFO", 9, "l", "m"))
        columns = "timestamp timestamptz, id uuid, level text, severity smallint, logger text, message text"
        connection.execute(f"CREATE TEMP TABLE again ({columns}) ON COMMIT DROP")
        connection.execute(f"INSERT INTO again VALUES ({ROW[1]})")
        for _ in range(2):
            connection.execute(f"INSERT INTO logs ({ROW[0]}) SELECT * FROM again ON CONFLICT DO NOTHING")
        connection.execute(
            "INSERT INTO log_instances (instance_id, started_at, last_seen, state) VALUES (%s, now(), now(), 'ok')",
            [me],
        )
        connection.execute("UPDATE log_instances SET stored = 2 WHERE instance_id = %s", [me])
        connection.execute(
            "INSERT INTO log_dead_letters VALUES (%s, now(), %s, 1, 'DataError', '22021', 1, '{}')", [me, me]
        )
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(4)
        assert connection.execute("SELECT dblog_ensure_day(%s)", [tomorrow]).fetchone() == (True,)
    with psycopg.connect(postgres_url) as owner:
        counts = "SELECT (SELECT count(*) FROM logs), (SELECT stored FROM log_instances)"
        assert owner.execute(counts).fetchone() == (2, 2)


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT message FROM logs",
        "UPDATE logs SET message = ''",
        "DELETE FROM logs",
        "TRUNCATE logs",
        f"INSERT INTO logs ({ROW[0]}, xid) VALUES ({ROW[1]}, '1')",
        f"INSERT INTO logs ({ROW[0]}, ingested_at) VALUES ({ROW[1]}, now())",
        f"INSERT INTO logs ({ROW[0]}) VALUES ({ROW[1]}) RETURNING message",
        "SELECT host FROM log_instances",
        "DELETE FROM log_instances",
        "SELECT payload FROM log_dead_letters",
        "CREATE TABLE logs_of_mine ()",
        "DROP TABLE logs",
    ],
)
def test_a_writer_may_nothing_else(writer_postgres_url: str, forbidden: str) -> None:
    """It cannot read, change or delete what was logged, nor say when it came."""
    with psycopg.connect(writer_postgres_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(forbidden.encode())


def test_a_reader_reads_and_no_more(postgres_url: str, postgres_role: Role) -> None:
    """SELECT on every table, the version too (``dblog check``), and no write."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute(grants(reader=postgres_role.name).encode())
    assert migrate.check(postgres_role.url).ok
    with psycopg.connect(postgres_role.url, autocommit=True) as connection:
        for table in ("logs", "log_instances", "log_dead_letters"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
        for forbidden in (f"INSERT INTO logs ({ROW[0]}) VALUES ({ROW[1]})", "SELECT dblog_ensure_day('2000-01-01')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def test_an_admin_owns_all_of_it(postgres_url: str, postgres_role: Role, postgres_server: Server) -> None:
    """After it the admin drops days and takes the schema back, and a writer still makes days."""
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(1)
    with role(postgres_server, postgres_url) as writer:
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            owner.execute(grants(writer=writer.name, admin=postgres_role.name).encode())
        with psycopg.connect(writer.url, autocommit=True) as connection:
            assert connection.execute("SELECT dblog_ensure_day(%s)", [yesterday]).fetchone() == (True,)
        with psycopg.connect(postgres_role.url, autocommit=True) as admin:
            for day in (yesterday, yesterday + dt.timedelta(1)):
                admin.execute(f"DROP TABLE logs_{day:%Y%m%d}".encode())
        migrate.downgrade(postgres_role.url)


def test_with_a_schema_and_names_that_need_quotes(empty_postgres_url: str, postgres_server: Server) -> None:
    """Nothing depends on the search path, and a role's name may be any."""
    migrate.upgrade(empty_postgres_url, schema="My-Obs", table="Events")
    name = f'o\'Neil "{uuid.uuid4().hex[:8]}"'
    quoted = '"' + name.replace('"', '""') + '"'
    with psycopg.connect(empty_postgres_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {quoted}".encode())
        owner.execute(grants(writer=name, reader=name, admin=name, schema="My-Obs", table="Events").encode())
        owner.execute(f"SET ROLE {quoted}".encode())
        owner.execute(f'INSERT INTO "My-Obs"."Events" ({ROW[0]}) VALUES ({ROW[1]})'.encode())
        assert owner.execute('SELECT count(*) FROM "My-Obs"."Events"').fetchone() == (1,)
        owner.execute(b"RESET ROLE")
        owner.execute(f"DROP OWNED BY {quoted} CASCADE".encode())
        owner.execute(f"DROP ROLE {quoted}".encode())


def test_what_cannot_be_granted() -> None:
    """SQLite has no roles, no role is no grant, and a role's name cannot leave its quotes."""
    with pytest.raises(ConfigurationError, match="SQLite has no roles"):
        grants("sqlite", writer="w")
    with pytest.raises(ConfigurationError, match="no role named"):
        grants()
    with pytest.raises(ConfigurationError, match="cannot name a role"):
        grants(writer="w$dblog$")
