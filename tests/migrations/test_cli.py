"""The command line: what it prints, how it exits, and that no password is ever in it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dblog.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgres import Role


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def dblog(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process, as the console script would."""
    monkeypatch.delenv("DBLOG_URL", raising=False)
    monkeypatch.delenv("DBLOG_PROFILE", raising=False)
    monkeypatch.setenv("DBLOG_CONFIG", "/dev/null")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["dblog", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def test_a_database_from_nothing_and_back(dblog: Callable[..., Done], empty_database_url: str) -> None:
    """Each command says where the schema is; ``check`` exits 1 and says what to run when it is behind."""
    url = ("--url", empty_database_url)
    assert dblog("current", *url).out == "none\n"
    behind = dblog("check", *url)
    assert (behind.code, behind.out) == (1, "")
    assert "run `dblog upgrade`" in behind.err
    up = dblog("upgrade", *url)
    assert up.code == 0
    done = ["upgraded to 0001", "upgraded to 0002", "the schema is at head"]
    assert [line.split(" (")[0] for line in up.out.splitlines()] == done
    assert dblog("current", *url).out == "0002\n"
    assert dblog("check", *url).code == 0
    down = dblog("downgrade", "base", *url)
    assert (down.code, down.out.splitlines()[-1]) == (0, "the schema is at base: nothing is left")
    assert dblog("check", *url).code == 1


def test_the_url_may_come_from_the_environment(
    dblog: Callable[..., Done], empty_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``DBLOG_URL`` does for every command what ``--url`` does."""
    monkeypatch.setenv("DBLOG_URL", empty_sqlite_url)
    assert dblog("upgrade").code == 0
    assert dblog("check").code == 0


def test_schema_and_table(dblog: Callable[..., Done], empty_postgres_url: str) -> None:
    """``--schema`` and ``--table`` mean the same to all of them."""
    where = ("--url", empty_postgres_url, "--schema", "obs", "--table", "events")
    assert dblog("upgrade", *where).code == 0
    assert dblog("check", *where).code == 0
    assert dblog("check", "--url", empty_postgres_url).code == 1
    assert 'ON "obs"."events" TO "w"' in dblog("grants", "--writer", "w", *where).out
    assert dblog("downgrade", "base", *where).code == 0


@pytest.mark.parametrize("command", [("upgrade",), ("downgrade", "base"), ("current",), ("check",)])
@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("", 2, "no database named: give --url or --profile, or set DBLOG_URL"),
        (
            "postgresql://u:hunter2@127.0.0.1:1/x",
            3,
            "cannot be reached (postgresql://u:***@127.0.0.1:1/x): is it running",
        ),
        ("postgresql://u:hunter2", 2, "is not a database URL"),
        ("postgresql://u:hun@ter2@h/x", 2, "more than one @"),
        ("mysql://u:hunter2@h/x", 2, "Postgres, SQLite or ClickHouse only"),
        ("sqlite:///:memory:", 2, "dblog.testing.MemorySink"),
        ("hunter2", 2, "(not a URL) is not a database URL"),
    ],
)
def test_mistakes_are_one_line(
    dblog: Callable[..., Done], command: tuple[str, ...], url: str, code: int, says: str
) -> None:
    """On stderr, with exit code 2 for a mistake and 3 for a database, no traceback, and no piece of the password."""
    done = dblog(*command, *(("--url", url) if url else ()))
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert done.err.startswith("dblog: ")
    assert done.err.count("\n") == 1
    assert not any(piece in done.err for piece in ("hunter2", "hun", "ter2", "Traceback"))


def test_a_wrong_password_is_one_line_without_it(dblog: Callable[..., Done], postgres_role: Role) -> None:
    """In words of ours, as every command says it, with the user and without the password."""
    done = dblog("check", "--url", postgres_role.url.replace("Pw-", "wrong-"))
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "refuses the session: user, password, database or pg_hba.conf (postgresql://" in done.err
    assert postgres_role.name in done.err
    assert "FATAL" not in done.err
    assert "wrong-" not in done.err


def test_a_role_without_rights_is_one_line(dblog: Callable[..., Done], postgres_role: Role) -> None:
    """What it may not is said by the server, with its SQLSTATE."""
    done = dblog("upgrade", "--url", postgres_role.url, "--schema", "obs")
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert done.err.startswith("dblog: 42501: permission denied")


def test_more_mistakes(dblog: Callable[..., Done], empty_sqlite_url: str) -> None:
    """Revisions, names and roles that are not."""
    assert "'nope'" in dblog("upgrade", "nope", "--url", empty_sqlite_url).err
    assert "table='a b'" in dblog("upgrade", "--table", "a b", "--url", empty_sqlite_url).err
    assert "no role named" in dblog("grants").err
    assert "SQLite has no roles" in dblog("grants", "--writer", "w", "--url", empty_sqlite_url).err


def test_version_and_help(dblog: Callable[..., Done]) -> None:
    """Both exit 0; help names every command."""
    assert dblog("--version").out.startswith("dblog 0.")
    shown = dblog("--help").out
    assert all(command in shown for command in ("upgrade", "downgrade", "current", "check", "grants"))


def test_the_command_line_starts_light() -> None:
    """``dblog --help`` loads neither SQLAlchemy nor Alembic."""
    code = "import sys, dblog.cli.program; sys.exit(bool({'sqlalchemy', 'alembic'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
