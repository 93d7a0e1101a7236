"""Alembic's own command line: in the checkout, and from a user's ``alembic.ini``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dblog import migrate

CHECKOUT = Path(__file__).parents[2]


def alembic(*arguments: str, cwd: Path = CHECKOUT, url: str = "") -> subprocess.CompletedProcess[str]:
    """Run it as a user would."""
    environment = {name: value for name, value in os.environ.items() if name != "DBLOG_URL"}
    if url:
        environment["DBLOG_URL"] = url
    program = Path(sys.executable).with_name("alembic")
    return subprocess.run(
        [str(program), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_plain_alembic_works_in_the_checkout(empty_database_url: str) -> None:
    """``alembic upgrade head`` builds, ``alembic check`` finds no difference and no partition."""
    up = alembic("upgrade", "head", url=empty_database_url)
    assert (up.returncode, up.stderr) == (0, "")
    assert migrate.check(empty_database_url).ok
    found = alembic("check", url=empty_database_url)
    assert (found.returncode, found.stdout) == (0, "No new upgrade operations detected.\n")


def test_schema_and_table_by_x(empty_postgres_url: str) -> None:
    """``-x url= -x schema= -x table=`` say what ``--url --schema --table`` say."""
    given = ("-x", f"url={empty_postgres_url}", "-x", "schema=obs", "-x", "table=events")
    assert alembic(*given, "upgrade", "head").returncode == 0
    assert migrate.check(empty_postgres_url, schema="obs", table="events").ok
    assert alembic(*given, "check").stdout == "No new upgrade operations detected.\n"
    assert alembic(*given, "downgrade", "base").returncode == 0
    assert migrate.current(empty_postgres_url, schema="obs", table="events") is None


def test_the_default_schema_may_be_named(empty_postgres_url: str) -> None:
    """``schema=public`` is where the tables would be anyway, and autogenerate agrees."""
    given = ("-x", f"url={empty_postgres_url}", "-x", "schema=public")
    assert alembic(*given, "upgrade", "head").returncode == 0
    assert alembic(*given, "check").stdout == "No new upgrade operations detected.\n"


def test_a_users_own_ini(empty_sqlite_url: str, tmp_path: Path) -> None:
    """``script_location = dblog_migrations:`` and ``sqlalchemy.url`` are all it takes, anywhere."""
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = dblog_migrations:\nsqlalchemy.url = {empty_sqlite_url}\n")
    up = alembic("upgrade", "head", cwd=tmp_path)
    assert (up.returncode, up.stderr) == (0, "")
    assert migrate.check(empty_sqlite_url).ok


@pytest.mark.parametrize("url", ["postgresql://", "sqlite:///unused.db"])
def test_offline_sql_needs_no_database(url: str) -> None:
    """``--sql`` prints one transaction that makes the tables; nothing is connected to."""
    schema = ("-x", "schema=public") if url.startswith("postgresql") else ()
    done = alembic("-x", f"url={url}", *schema, "upgrade", "head", "--sql")
    assert done.returncode == 0
    assert done.stdout.startswith("BEGIN;")
    assert "CREATE TABLE" in done.stdout
    assert done.stdout.rstrip().endswith("COMMIT;")


def test_offline_sql_can_be_executed(empty_postgres_url: str) -> None:
    """What ``--sql`` printed builds what ``upgrade`` builds."""
    import psycopg

    done = alembic("-x", "url=postgresql://", "-x", "schema=public", "upgrade", "head", "--sql")
    with psycopg.connect(empty_postgres_url, autocommit=True) as connection:
        connection.execute(done.stdout.encode())
    assert migrate.check(empty_postgres_url).ok
    assert alembic("check", url=empty_postgres_url).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("upgrade", "head"), "no database named: give -x url=..., DBLOG_URL"),
        (("-x", "url=postgresql://", "upgrade", "head", "--sql"), "name it, for instance -x schema=public"),
        (("-x", "url=mysql://u:hunter2@h/d", "upgrade", "head"), "Postgres, SQLite or ClickHouse only"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], says: str) -> None:
    """Alembic says them as its own failures, without a traceback and without the password."""
    done = alembic(*arguments)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert says in output
    assert "Traceback" not in output
    assert "hunter2" not in output
