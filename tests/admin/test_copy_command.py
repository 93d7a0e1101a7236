"""``dblog copy`` as it is typed: what it says, how it ends, and what it refuses before anything is stored."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from dblog.admin import copying
from dblog.admin.connection import AdminConnection
from dblog.admin.storing import Storing
from dblog.cli import progress
from dblog.errors import ErrorClass, StoreError
from tests.administered import DAY, entry, everything, fill, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

TODAY = now() // DAY * DAY


@pytest.fixture
def other_url(empty_sqlite_url: str, dblog: Dblog) -> str:
    """Another SQLite file with the tables in it."""
    assert dblog("upgrade", "--url", empty_sqlite_url).code == 0
    return empty_sqlite_url


def put(url: str, count: int = 6) -> None:
    fill(url, [entry(number, TODAY - number % 3 * DAY + number) for number in range(count)])


def test_what_it_says(dblog: Dblog, sqlite_url: str, postgres_url: str) -> None:
    """A line for each day and one for all; a dry run before, a second run behind it, and the way back."""
    put(sqlite_url)
    roads = "--from", sqlite_url, "--to", postgres_url
    dry = dblog("copy", *roads, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.splitlines()[-1] == "6 entries, 6 to store, 0 already there in 3 days"
    first = dblog("copy", *roads)
    assert (first.code, first.err) == (0, "")
    days = first.out.splitlines()
    assert days[-1].startswith("6 entries, 6 stored, 0 already there in 3 days; ")
    assert days[-1].endswith(" made")
    assert "  2 entries, 2 stored, 0 already there  " in days[0]
    again = dblog("copy", *roads)
    assert again.out.splitlines()[-1] == "6 entries, 0 stored, 6 already there in 3 days"
    back = dblog("copy", "--from", postgres_url, "--to", sqlite_url, "--json")
    assert back.err == "6 entries, 0 stored, 6 already there in 3 days\n"
    objects = [json.loads(line) for line in back.out.splitlines()]
    assert [(each["read"], each["verified"]) for each in objects] == [(2, True)] * 3
    assert [each["source"][:16] for each in objects] == [line.split()[-1] for line in days[:3]]
    assert everything(postgres_url) == everything(sqlite_url)


def test_what_was_refused_can_be_imported(dblog: Dblog, sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    """Exit code 2, the entry is named by its id and nothing of it is shown; the next copy says that it differs."""
    put(sqlite_url, 2)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as file:
        file.execute("UPDATE logs SET message = 'secret' || char(0) WHERE lineno = 1")
    file.close()
    roads, rejects = ("--from", sqlite_url, "--to", postgres_url), tmp_path / "bad.ndjson"
    done = dblog("copy", *roads, "--rejects", rejects)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"dblog: {entry(1, TODAY - DAY + 1).id}: the database refused it: " in done.err
    assert "secret" not in done.out + done.err
    assert done.out.splitlines()[-1].startswith("2 entries, 1 stored, 0 already there, 1 refused in 2 days")
    assert dblog("copy", *roads, "--dry-run").code == 0
    assert dblog("import", rejects, "--url", postgres_url).code == 0
    done = dblog("copy", *roads)
    assert done.code == 2
    assert "another entry under the same time and id, which is left as it is" in done.err


def test_nonsense_is_refused(dblog: Dblog, sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    """The same file by two ways, the same tables by two names of a server, no profile of that name: exit code 2."""
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_url.removeprefix("sqlite:///"))
    parts = urlsplit(postgres_url)
    otherwise = f"postgresql+psycopg://{parts.netloc}{parts.path}?{parts.query}&application_name=x"
    for left, right in ((sqlite_url, f"sqlite:///{link}"), (postgres_url, otherwise), (sqlite_url, sqlite_url)):
        done = dblog("copy", "--from", left, "--to", right)
        assert (done.code, done.out) == (2, "")
        assert "--from and --to are the same tables" in done.err
    assert "profile 'nope' is not in" in dblog("copy", "--from", "nope", "--to", sqlite_url).err
    assert dblog("copy", "--from", sqlite_url, "--to", "nope").code == 2
    assert dblog("copy", "--from", "", "--to", sqlite_url).err.startswith("dblog: --from")
    assert dblog("copy", "--from", sqlite_url).code == 2


def test_missing_tables_are_named_with_the_command(
    dblog: Dblog, sqlite_url: str, empty_postgres_url: str, empty_sqlite_url: str
) -> None:
    """Exit code 3, and which of the two it is; no file is made where there is none."""
    done = dblog("copy", "--from", sqlite_url, "--to", empty_postgres_url)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("dblog: --to: ")
    assert "the table logs is missing: run dblog upgrade" in done.err
    done = dblog("copy", "--from", empty_sqlite_url, "--to", sqlite_url)
    assert done.code in {2, 3}
    assert done.err.startswith("dblog: --from: ")
    assert dblog("copy", "--from", empty_sqlite_url, "--to", sqlite_url).code in {2, 3}


def test_a_profile_names_a_database(
    dblog: Dblog, sqlite_url: str, other_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its table, as everywhere."""
    put(sqlite_url, 3)
    config = tmp_path / "config.toml"
    config.write_text(f'[profiles.old]\nurl = "{sqlite_url}"\n[profiles.new]\nurl = "{other_url}"\n')
    monkeypatch.setenv("DBLOG_CONFIG", str(config))
    assert dblog("copy", "--from", "old", "--to", "new").code == 0
    assert everything(other_url) == everything(sqlite_url)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), StoreError(ErrorClass.RECONNECT, "08006", "gone")])
def test_an_interruption_says_how_to_go_on(
    dblog: Dblog, sqlite_url: str, other_url: str, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    """How far it got, and the day from which it is quickest; with that day it goes on."""
    monkeypatch.setattr(copying, "_PAGE", 2)
    monkeypatch.setattr(copying, "_FEWEST", 2)
    put(sqlite_url)
    real, calls = Storing.store, iter([True, True, False])

    def store(self: Storing, entries: object) -> object:
        if not next(calls, True):
            raise raised
        return real(self, entries)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(Storing, "store", store)
    roads = "--from", sqlite_url, "--to", other_url
    done = dblog("copy", *roads)
    assert done.code == (130 if isinstance(raised, KeyboardInterrupt) else 3)
    assert "4 stored, 0 already there in 3 days; what is stored stays, and the same command goes on" in done.err
    day = done.err.partition("--since ")[2].split()[0]
    assert dblog("copy", *roads, "--since", f"{day}T00:00Z").code == 0
    assert everything(other_url) == everything(sqlite_url)


def test_progress_is_shown_on_a_terminal(
    dblog: Dblog, sqlite_url: str, other_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the share of all."""
    monkeypatch.setattr(progress, "_EVERY", 0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    put(sqlite_url)
    assert "6 entries (99 %)" in dblog("copy", "--from", sqlite_url, "--to", other_url).err


def test_a_role_that_may_not_make_days_says_so(dblog: Dblog, sqlite_url: str, reader_postgres_url: str) -> None:
    """A reader's role reads, and a copy into it ends with the privilege that is missing."""
    put(sqlite_url, 1)
    done = dblog("copy", "--from", sqlite_url, "--to", reader_postgres_url)
    assert done.code == 3
    assert "a privilege is missing" in done.err
    assert dblog("copy", "--from", reader_postgres_url, "--to", sqlite_url).code == 0
    with AdminConnection(sqlite_url) as connection:
        assert connection.value("SELECT count(*) FROM logs") == 1


def test_what_the_target_deletes_at_once_is_gone(dblog: Dblog, sqlite_url: str, other_url: str) -> None:
    """Exit code 2, the first ten are named and the others counted; writers and dead letters have their figures."""
    put(sqlite_url, 14)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as file:
        file.execute(
            "INSERT INTO log_instances (instance_id, started_at, last_seen, state, service)"
            " VALUES (zeroblob(16), 1, 2, 'CLOSED', 'svc'), (randomblob(16), 'when', 'never', 'CLOSED', 'svc')"
        )
    file.close()
    with sqlite3.connect(other_url.removeprefix("sqlite:///")) as file:
        file.execute("CREATE TRIGGER gone AFTER INSERT ON logs BEGIN DELETE FROM logs WHERE id = new.id; END")
    file.close()
    done = dblog("copy", "--from", sqlite_url, "--to", other_url)
    assert done.code == 2
    assert done.err.count(": it was stored, and is not there: does the target keep entries so old?\n") == 10
    assert done.err.endswith("dblog: 4 more\n")
    assert "not the same" in done.out.splitlines()[0]
    assert done.out.splitlines()[-1] == (
        "14 entries, 0 stored, 0 already there, 14 gone in 3 days; 2 writers, 2 stored"
    )


def test_what_cannot_be_stored_of_a_writer_is_counted(dblog: Dblog, sqlite_url: str, postgres_url: str) -> None:
    """Its entries are copied all the same."""
    put(sqlite_url, 1)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as file:
        file.execute(
            "INSERT INTO log_instances (instance_id, started_at, last_seen, state) VALUES (zeroblob(16), 'x', 2, 'UP'),"
            " (randomblob(16), 1, 2, 'U' || char(0)), (randomblob(16), 1, 2, 'UP')"
        )
    file.close()
    done = dblog("copy", "--from", sqlite_url, "--to", postgres_url)
    assert done.code == 2
    assert "1 entry, 1 stored, 0 already there in 1 day; 3 writers, 1 stored, 2 refused" in done.out


def test_a_file_written_by_hand_is_copied_as_it_is(dblog: Dblog, sqlite_url: str, other_url: str) -> None:
    """BLOBs for texts, texts for numbers, a writer's id that is none; and compared."""
    put(sqlite_url, 3)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as file:
        file.execute("UPDATE logs SET message = x'ff00', severity = 'high', instance_id = x'01', seq = 1.5")
    file.close()
    roads = "--from", sqlite_url, "--to", other_url
    assert dblog("copy", *roads).code == 0
    again = dblog("copy", *roads)
    assert (again.code, again.err) == (0, "")
    asked = "SELECT timestamp, id, message, severity, instance_id, seq, ingested_at FROM logs ORDER BY 1"
    found = [sqlite3.connect(url.removeprefix("sqlite:///")) for url in (sqlite_url, other_url)]
    left, right = (file.execute(asked).fetchall() for file in found)
    assert left == right
    for file in found:
        file.close()
