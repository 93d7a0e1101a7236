"""Maintaining does what is due and nothing else, once however often it is asked, and one at a time."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin import dropping, shrinking, timescale
from dblog.admin.alone import alone
from dblog.admin.connection import AdminConnection
from dblog.admin.maintaining import Maintained, maintain, preview
from dblog.admin.partitions import day_of, partitions
from dblog.admin.pruning import Rule, prune, rules_of
from dblog.cli import maintain as command
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from tests.administered import DAY, entry, everything, fill, now
from tests.oracle import examples, execute, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dblog.entry import LogEntry
    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

LEVELS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17}
POLICY = ("--older-than", "90d", "--keep", "debug=1d", "--keep", "info=7d", "--keep", "warning=30d")


def aged(number: int, age: float, level: str = "INFO") -> LogEntry:
    return entry(number, now() - int(age * DAY), level=level, severity=LEVELS[level], lineno=number)


def on_day(number: int) -> LogEntry:
    """An entry of the UTC day so many days ago, at whatever time of day this runs; more than so many days old."""
    midnight, since = now() // DAY * DAY, now() % DAY
    return entry(number, midnight - number * DAY + since // 2, lineno=number)


def left(url: str) -> set[int | None]:
    return {each.lineno for each in everything(url) if each.logger == "shop"}


def audits(url: str) -> list[dict[str, Any]]:
    return [json.loads(each.metadata or "{}") for each in everything(url, "logger=dblog.audit")]


def days_of(url: str) -> dict[dt.date, bool]:
    with AdminConnection(url) as connection:
        return {each.day: each.attached for each in partitions(connection)}


def today() -> dt.date:
    return day_of(now())


@contextlib.contextmanager
def half_detached(url: str, day: dt.date) -> Iterator[psycopg.Connection[Any]]:
    """A day as a run leaves it that was killed: detached halfway, by the reader who is open in the body."""
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as killed:
        reader.execute("SELECT count(*) FROM logs")
        killed.execute("SET lock_timeout = '20ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            killed.execute(f"ALTER TABLE logs DETACH PARTITION logs_{day:%Y%m%d} CONCURRENTLY".encode())
        yield reader


# -- what is done ---------------------------------------------------------------------------------------------


def test_maintain_against_a_model(database_url: str) -> None:
    """Of any entries, ages and days ahead: what is due is done, as foreseen; again, there is nothing left to do."""
    batches = st.lists(st.tuples(st.floats(0.01, 20), st.sampled_from(sorted(LEVELS))), max_size=20)
    policies = st.dictionaries(st.sampled_from(sorted(LEVELS)), st.integers(1, 15), max_size=4)
    postgres = database_url.startswith("postgres")

    @examples(5)
    @given(batches, policies, st.integers(0, 7))
    def holds(batch: list[tuple[float, str]], policy: dict[str, int], ahead: int) -> None:
        execute(database_url, "DELETE FROM logs")
        made = [aged(number, age, level) for number, (age, level) in enumerate(batch)]
        fill(database_url, made)
        before, start = days_of(database_url) if postgres else {}, now()
        rules = rules_of(None, None, [f"{level}={age}d" for level, age in policy.items()], start) if policy else []
        goes = {each.lineno for each in made if any(_named(rule, each) for rule in rules)}
        with AdminConnection(database_url) as connection:
            foreseen = preview(connection, rules, ahead=ahead)
            done = maintain(connection, rules, ahead=ahead)
            again = maintain(connection, rules, ahead=ahead)
        assert left(database_url) == {each.lineno for each in made} - goes
        assert (foreseen.made, foreseen.pruned) == (done.made, done.pruned)
        assert done.pruned.rows == len(goes)
        assert (again.made, again.pruned.rows, again.pruned.days, again.freed) == ([], 0, [], 0)
        if postgres:
            wanted = {today() + dt.timedelta(days=number) for number in range(ahead + 1)}
            dropped = {dt.date.fromisoformat(day) for day in done.pruned.days}
            assert days_of(database_url) == dict.fromkeys((before.keys() | wanted) - dropped, True)
            assert {dt.date.fromisoformat(day) for day in done.made} == wanted - before.keys()
        changed = bool(done.made or goes or done.pruned.days)
        assert [each["count"] for each in audits(database_url)] == [done.pruned.rows] * changed

    holds()


def _named(rule: Rule, each: LogEntry) -> bool:
    return each.timestamp < rule.before and rule.lowest <= each.severity <= rule.highest


def test_nothing_is_deleted_without_a_policy(database_url: str, dblog: Dblog) -> None:
    """However old it is."""
    fill(database_url, [aged(1, 4000), aged(2, 1)])
    assert dblog("maintain", "--url", database_url).code == 0
    assert left(database_url) == {1, 2}


def test_the_documented_policy(database_url: str, dblog: Dblog) -> None:
    """DEBUG a day, INFO a week, WARNING a month, ERROR three; said beforehand, done, and told in one row."""
    kept = [aged(1, 0.5, "DEBUG"), aged(2, 6), aged(3, 29, "WARNING"), aged(4, 89, "ERROR")]
    gone = [aged(5, 1.5, "DEBUG"), aged(6, 8), aged(7, 31, "WARNING"), aged(8, 91, "ERROR"), aged(9, 100)]
    fill(database_url, kept + gone)
    dry = dblog("maintain", "--url", database_url, *POLICY, "--dry-run")
    assert (dry.code, "would delete 5 entries" in dry.out) == (0, True)
    assert left(database_url) == set(range(1, 10))
    done = dblog("maintain", "--url", database_url, *POLICY)
    assert (done.code, "gone: 5 entries" in done.out, left(database_url)) == (0, True, {1, 2, 3, 4})
    assert [(each["action"], each["count"]) for each in audits(database_url)] == [("maintain", 5)]
    assert "gone" not in dblog("maintain", "--url", database_url, *POLICY).out


def test_days_are_made_ahead(postgres_url: str, dblog: Dblog) -> None:
    """Those that are missing, so many, and no others."""
    for day in range(1, 4):
        execute(postgres_url, f"DROP TABLE logs_{today() + dt.timedelta(days=day):%Y%m%d}")
    assert "would make" in dblog("maintain", "--url", postgres_url, "--ahead", 5, "--dry-run").out
    assert max(days_of(postgres_url)) == today()
    assert "made the partitions" in dblog("maintain", "--url", postgres_url, "--ahead", 5).out
    assert max(days_of(postgres_url)) == today() + dt.timedelta(days=5)
    assert len(days_of(postgres_url)) == 6
    assert audits(postgres_url)[0]["made"] == [str(today() + dt.timedelta(days=day)) for day in range(1, 6)]


def test_entries_are_counted(database_url: str, dblog: Dblog) -> None:
    """The rollup has every entry that is left, and answers for no day that was dropped."""
    fill(database_url, [aged(number, number) for number in range(5)])
    assert "counted 5 new entries" in dblog("maintain", "--url", database_url).out
    dblog("maintain", "--url", database_url, "--older-than", "2d")
    days = "SELECT coalesce(sum(entries), 0) FROM log_rollup WHERE width = 3600"
    assert rows(database_url, days) == [(len(left(database_url)),)]


# -- one at a time --------------------------------------------------------------------------------------------


def test_one_at_a_time(postgres_url: str, dblog: Dblog) -> None:
    """While one works, others change nothing and say so; its lock holds no snapshot that a vacuum would wait for."""
    fill(postgres_url, [aged(1, 5)])
    with AdminConnection(postgres_url) as holder, alone(holder) as ours:
        assert ours
        done = dblog("maintain", "--url", postgres_url, "--older-than", "1d")
        assert (done.code, "somebody else maintains" in done.out, left(postgres_url)) == (0, True, {1})
        held = "SELECT * FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xmin IS NOT NULL"
        assert rows(postgres_url, f"{held} AND datname = current_database()") == []
    assert "gone: 1 entry" in dblog("maintain", "--url", postgres_url, "--older-than", "1d").out


def test_many_at_once(database_url: str) -> None:
    """All of them together delete each entry once, and the audit rows add up."""
    fill(database_url, [aged(number, number % 9 + 0.5) for number in range(300)])
    kept = {number for number in range(300) if number % 9 < 3}
    rules = [Rule(now() - 3 * DAY)]

    def run(_: int) -> Maintained:
        with AdminConnection(database_url) as connection:
            return maintain(connection, rules)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(run, range(4)))
    assert left(database_url) == kept
    assert sum(each.pruned.rows for each in done) == 300 - len(kept)
    assert sum(each["count"] for each in audits(database_url)) == 300 - len(kept)


# -- what is in the way ---------------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_finished(postgres_url: str) -> None:
    """A day that was detached halfway is dropped, and in nobody's way, even one that is not too old itself."""
    fill(postgres_url, [on_day(number) for number in range(6)])
    oldest, young = today() - dt.timedelta(days=5), today() - dt.timedelta(days=2)
    for half in (oldest, young):
        with half_detached(postgres_url, half):
            pass
        with AdminConnection(postgres_url) as connection:
            done = prune(connection, [Rule(now() - int(3.5 * DAY))])
        assert (done.waiting, oldest in days_of(postgres_url)) == ([], False)
    assert left(postgres_url) >= {0, 1}


def test_an_open_reader_holds_it_up_no_longer_than_itself(postgres_url: str) -> None:
    """While it is open nobody waits for long; the days are dropped by the run that finds it gone."""
    fill(postgres_url, [on_day(number) for number in range(6)])
    with psycopg.connect(postgres_url) as reader, AdminConnection(postgres_url) as connection:
        before = reader.execute("SELECT count(*) FROM logs").fetchone()
        done = maintain(connection, [Rule(now() - 3 * DAY)], patience=0.2)
        assert len(done.pruned.waiting) == 2
        assert "could not be dropped yet" in done.warnings[-1]
        assert reader.execute("SELECT count(*) FROM logs").fetchone() is not None
        assert before == (6,)
        reader.rollback()
        again = maintain(connection, [Rule(now() - 3 * DAY)])
    assert (len(again.pruned.days), again.pruned.waiting, again.pruned.rows) == (2, [], 2)
    assert left(postgres_url) == {0, 1, 2}


def test_what_is_on_its_way_out_is_not_passed_over_in_silence(postgres_url: str, dblog: Dblog) -> None:
    """Who erases is told of days that are detached: no query sees their entries, and they are still there."""
    fill(postgres_url, [aged(1, 0.1), aged(2, 3)])
    with half_detached(postgres_url, today() - dt.timedelta(days=3)):
        done = dblog("erase", "lineno<3", "--url", postgres_url, "--yes")
    assert f"logs_{today() - dt.timedelta(days=3):%Y%m%d}" in done.err


@pytest.mark.parametrize("case", ["no second session", "a pooler that takes no settings", "a default partition"])
def test_without_concurrently(postgres_url: str, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Where days cannot be detached concurrently they are dropped in one transaction."""
    fill(postgres_url, [on_day(number) for number in range(6)])
    if case == "a default partition":
        execute(postgres_url, "CREATE TABLE logs_rest PARTITION OF logs DEFAULT")
    else:
        patched = _refuse if case == "no second session" else _deaf
        monkeypatch.setattr(dropping, "beside", patched)
    with AdminConnection(postgres_url) as connection:
        done = prune(connection, [Rule(now() - 3 * DAY)])
    assert (len(done.days), done.rows, left(postgres_url)) == (2, 3, {0, 1, 2})


def _refuse(_connection: AdminConnection, **_: str) -> Any:
    raise StoreError(ErrorClass.RECONNECT, "53300 TooManyConnections", "the server has no connection left")


def _deaf(connection: AdminConnection, **_: str) -> Any:
    return psycopg.connect(connection.driver.info.dsn, autocommit=True)


# -- SQLite ---------------------------------------------------------------------------------------------------


def emptied(url: str, count: int = 1200) -> Path:
    """A file of which most is empty."""
    fill(url, [aged(number, 3)._replace(message="x" * 2000) for number in range(count)])
    with AdminConnection(url) as connection:
        prune(connection, [Rule(now() - DAY)])
    return Path(url.removeprefix("sqlite:///"))


def test_a_file_gives_back_what_is_empty(sqlite_url: str) -> None:
    """But for what is kept for new entries; without a budget nothing but the log is touched."""
    path = emptied(sqlite_url)
    size = path.stat().st_size
    with AdminConnection(sqlite_url) as connection:
        assert maintain(connection, [], budget=0.0).freed == 0
        assert path.stat().st_size >= size
        done = maintain(connection, [])
        assert shrinking.surplus(connection) == 0
        assert connection.value("PRAGMA integrity_check") == "ok"
    assert done.freed > 0.5 * size
    assert path.stat().st_size < 0.5 * size
    assert not path.with_name(f"{path.name}-wal").exists() or not path.with_name(f"{path.name}-wal").stat().st_size


def test_a_writer_gets_its_turn_while_pages_are_given_back(sqlite_url: str) -> None:
    """Between any two steps the write lock is free."""
    path = emptied(sqlite_url)
    turns = []

    def turn(_: float) -> None:
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            turns.append(1)

    with AdminConnection(sqlite_url) as connection:
        shrinking.shrink(connection, 10.0, sleep=turn)
    assert turns


def test_a_busy_file_is_no_failure(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads in one long transaction stays undisturbed, and is named once the log has grown long by that."""
    path = emptied(sqlite_url)
    monkeypatch.setattr(shrinking, "_EMPTYING", 0.1)
    execute(sqlite_url, "PRAGMA journal_mode = WAL")
    with contextlib.closing(sqlite3.connect(path)) as reader, AdminConnection(sqlite_url) as connection:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM logs").fetchone()
        fill(sqlite_url, [aged(1, 0.1)])
        assert maintain(connection, []).warnings == []
        monkeypatch.setattr(shrinking, "_LONG", 0)
        assert "one long transaction" in maintain(connection, []).warnings[-1]
        assert reader.execute("SELECT count(*) FROM logs").fetchone() == before


def test_a_file_that_keeps_no_book_is_named_and_can_be_mended(sqlite_url: str, dblog: Dblog) -> None:
    """An older version's file says what to do; afterwards it gives pages back."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    execute(sqlite_url, "PRAGMA journal_mode = DELETE", "PRAGMA auto_vacuum = NONE", "VACUUM")
    emptied(sqlite_url)
    assert "dblog prune --vacuum" in dblog("maintain", "--url", sqlite_url).err
    dblog("prune", "--url", sqlite_url, "--older-than", "1d", "--yes", "--vacuum")
    emptied(sqlite_url)
    size = path.stat().st_size
    done = dblog("maintain", "--url", sqlite_url)
    assert ("gave back" in done.out, done.err) == (True, "")
    assert path.stat().st_size < size / 2


# -- the command ----------------------------------------------------------------------------------------------


def test_again_and_again(sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every turn looks anew, by its own clock; a database that is away is said, and asked again."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            fill(sqlite_url, [aged(1, 2)])
            shutil.move(path, path.with_name("away"))
        elif len(waits) == 2:
            shutil.move(path.with_name("away"), path)
        elif len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_wait", wait)
    done = dblog("maintain", "--url", sqlite_url, "--older-than", "1d", "--every", "1h")
    assert (done.code, done.err.count("\n")) == (130, 1)
    assert "gone: 1 entry" in done.out
    assert all(0.85 * 3600 < each < 1.15 * 3600 for each in waits)


def test_what_would_be_wrong_in_an_hour_as_well_ends_it(tmp_path: Path, dblog: Dblog) -> None:
    """A first turn that finds no tables is the last."""
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (a)")
    done = dblog("maintain", "--url", f"sqlite:///{tmp_path}/other.db", "--every", "1h")
    assert (done.code, "run dblog upgrade" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--every", "1"), "every='1' is not an age"),
        (("--budget", "soon"), "budget='soon' is not an age"),
        (("--level", "info"), "needs an age"),
        (("--keep", "info"), "LEVEL=AGE"),
        (("--ahead", "8"), "--ahead"),
    ],
)
def test_options_that_are_none(dblog: Dblog, arguments: tuple[str, ...], says: str) -> None:
    """Each is refused before any database is asked."""
    done = dblog("maintain", "--url", "postgresql://127.0.0.1:1/none", *arguments)
    assert (done.code, says in done.err) == (2, True)


def test_a_reader_may_not(reader_postgres_url: str, dblog: Dblog) -> None:
    """One line says which privilege is missing."""
    done = dblog("maintain", "--url", reader_postgres_url, *POLICY)
    assert (done.code, "dblog grants --admin" in done.err) == (3, True)


@pytest.mark.parametrize("option", [("--hypertable",), ("--compress", "7d")])
def test_what_takes_timescaledb_says_so(database_url: str, dblog: Dblog, option: tuple[str, ...]) -> None:
    """Without it nothing is changed; the sentence says what to do first."""
    fill(database_url, [aged(1, 1)])
    done = dblog("maintain", "--url", database_url, *option, "--older-than", "1h")
    assert (done.code, option[0].removeprefix("--") in done.err, done.err.count("\n")) == (2, True, 1)
    assert left(database_url) == {1}


@pytest.mark.parametrize(("licence", "enabled"), [("timescale", 0), ("timescale", 1), ("apache", 0)])
def test_compression_takes_a_licence(monkeypatch: pytest.MonkeyPatch, licence: str, enabled: int) -> None:
    """Only under TimescaleDB's own it is asked for, once. (Written against its documents: no such server is here.)"""
    asked: list[str] = []
    connection: Any = _Told(licence, enabled, asked)
    monkeypatch.setattr(timescale, "is_hypertable", lambda _: True)
    if licence == "apache":
        with pytest.raises(ConfigurationError, match="licence apache"):
            timescale.compress(connection, 3600)
    else:
        timescale.compress(connection, 3600)
    assert [each.split()[0] for each in asked] == (["ALTER", "CALL"] if licence == "timescale" and not enabled else [])


class _Told:
    """A connection that is told what it answers, and keeps what it was asked to do."""

    logs = '"logs"'

    def __init__(self, licence: str, enabled: int, asked: list[str]) -> None:
        self._licence, self._enabled, self._asked = licence, enabled, asked

    def value(self, sql: str, *_: object) -> object:
        return self._licence if "timescaledb.license" in sql else self._enabled

    def run(self, sql: str, *_: object) -> int:
        self._asked.append(sql)
        return 0

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def test_only_one_thread_of_the_command_is_left(postgres_url: str, dblog: Dblog) -> None:
    """Neither a thread nor a session outlives a run."""
    threads = threading.active_count()
    assert dblog("maintain", "--url", postgres_url, "--older-than", "1d").code == 0
    assert threading.active_count() == threads
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until(lambda: rows(postgres_url, others) == [(0,)])
