"""What is deleted is exactly what was named, writers do not notice, and a row says who did it."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin import connection as connections
from dblog.admin import deleting, erasing, pruning
from dblog.admin.connection import AdminConnection
from dblog.admin.partitions import partitions
from dblog.admin.pruning import Pruned, Rule, age_of, prune, rules_of
from dblog.admin.queries import fields_of
from dblog.errors import ConfigurationError, StoreError
from dblog.query import parse
from tests.administered import DAY, SECOND, ask, entry, everything, fill, now
from tests.oracle import Load, examples, execute, logging_to, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


def audits(url: str) -> list[dict[str, Any]]:
    return [
        json.loads(each.metadata or "{}") | {"message": each.message} for each in everything(url, "logger=dblog.audit")
    ]


def left(url: str) -> set[int | None]:
    return {each.lineno for each in everything(url) if each.logger == "shop"}


def aged(number: int, age: float, level: str = "INFO") -> LogEntry:
    return entry(number, now() - int(age * DAY), level=level, severity=SEVERITIES[level], lineno=number)


def erase(url: str, query: str) -> erasing.Erased:
    with AdminConnection(url) as connection:
        return ask(url, lambda reader: erasing.erase(reader, connection, parse(query)))


# -- prune ----------------------------------------------------------------------------------------------------


AGES = [f"{hours}h" for hours in (1, 7, 30, 49, 70, 100, 200)]


def model(severity: int, older: int | None, keep: dict[int, int]) -> int | None:
    """Hours after which an entry goes, as the documents say it."""
    if severity in keep:
        return keep[severity]
    longer = {level: age for level, age in keep.items() if older is not None and age >= older and level < severity}
    shorter = {level: age for level, age in keep.items() if (older is None or age < older) and level > severity}
    found = [longer[max(longer)]] if longer else []
    found += [shorter[min(shorter)]] if shorter else []
    return max(found) if found else older


def test_prune_against_a_model(database_url: str) -> None:
    """Of any ages and levels, what goes is what the age in force for its level names; all else stays."""
    batches = st.lists(st.tuples(st.floats(0.01, 9.9), st.sampled_from(sorted(SEVERITIES))), max_size=25)
    keeps = st.dictionaries(st.sampled_from(sorted(SEVERITIES)), st.sampled_from(AGES), max_size=3)
    options = st.tuples(st.none() | st.sampled_from(AGES), keeps).filter(any)

    @examples(10)
    @given(batches, options, st.integers(1, 30))
    def holds(batch: list[tuple[float, str]], given: tuple[str | None, dict[str, str]], size: int) -> None:
        execute(database_url, "DELETE FROM logs")
        made = [aged(number, age, level) for number, (age, level) in enumerate(batch)]
        fill(database_url, made)
        older, keep = given
        start = now()
        chosen = rules_of(older, None, [f"{level}={age}" for level, age in keep.items()], start)
        hours = {SEVERITIES[level]: int(age[:-1]) for level, age in keep.items()}
        ages = {each: model(each, int(older[:-1]) if older else None, hours) for each in SEVERITIES.values()}
        goes = {
            each.lineno
            for each in made
            if (age := ages[each.severity]) is not None and each.timestamp < start - age * 3600 * SECOND
        }
        with AdminConnection(database_url) as connection, pytest.MonkeyPatch.context() as patch:
            patch.setattr(deleting, "_MOST", size)
            patch.setattr(deleting, "_FIRST", size)
            planned = pruning.plan(connection, chosen)
            done = prune(connection, chosen)
        assert (planned.rows, planned.days) == (done.rows, done.days)
        assert done.rows == len(goes)
        assert left(database_url) == {each.lineno for each in made} - goes
        assert [each["count"] for each in audits(database_url)] == ([done.rows] if goes else [])

    holds()


@given(
    st.none() | st.sampled_from(AGES),
    st.dictionaries(st.sampled_from(["debug", "info", "warning", "error", "critical"]), st.sampled_from(AGES)),
)
def test_the_age_of_every_severity(older: str | None, keep: dict[str, str]) -> None:
    """Each of the 24 goes after the age the model gives it, by one rule, or by none."""
    levels = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
    options = [f"{level}={age}" for level, age in keep.items()]
    rules = rules_of(older, None, options, 0) if older or keep else []
    hours = {levels[level]: int(age[:-1]) for level, age in keep.items()}
    for severity in range(1, 25):
        found = [-rule.before // (3600 * SECOND) for rule in rules if rule.lowest <= severity <= rule.highest]
        expected = model(severity, int(older[:-1]) if older else None, hours)
        assert found == ([] if expected is None else [expected])


def test_what_is_kept_longer_is_kept(database_url: str, dblog: Dblog) -> None:
    """``--keep error=365d`` keeps errors and what is above; no whole day goes before the longest age is over."""
    fill(
        database_url,
        [aged(1, 40, "ERROR"), aged(2, 40), aged(3, 40, "CRITICAL"), aged(4, 400, "ERROR"), aged(5, 4, "DEBUG")],
    )
    ages = ("--older-than", "30d", "--keep", "error=365d", "--keep", "debug=3d")
    done = dblog("prune", "--url", database_url, *ages, "--yes")
    assert (done.code, left(database_url)) == (0, {1, 3})
    assert ("1 whole day" in done.out) == database_url.startswith("postgres")


def test_whole_days_go_as_partitions(postgres_url: str) -> None:
    """A day that is over before the border is dropped, the border's own is thinned out; detached tables go as well."""
    made = [aged(number, number + 0.01) for number in range(6)]
    fill(postgres_url, made)
    before = {each.day for each in _days(postgres_url)}
    oldest = min(before)
    execute(postgres_url, f"ALTER TABLE logs DETACH PARTITION logs_{oldest:%Y%m%d}")
    with AdminConnection(postgres_url) as connection:
        done = prune(connection, [Rule(now() - 3 * DAY)])
    border = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=3)
    assert {each.day for each in _days(postgres_url)} == {day for day in before if day >= border}
    assert done.days == [str(day) for day in sorted(before) if day < border]
    assert (done.rows, left(postgres_url)) == (3, {0, 1, 2})


def _days(url: str) -> list[Any]:
    with AdminConnection(url) as connection:
        return partitions(connection)


def test_a_reader_in_the_way_is_not_fought_with(postgres_url: str) -> None:
    """While a transaction holds a day, the drop gives up, says so, and no row of that day is deleted one by one."""
    fill(postgres_url, [aged(1, 5), aged(2, 0.5), aged(3, 2.5)])
    with psycopg.connect(postgres_url) as reader, AdminConnection(postgres_url) as connection:
        reader.execute("SELECT count(*) FROM logs")
        done = prune(connection, [Rule(now() - DAY, 9), Rule(now() - 4 * DAY, 24, 10)], patience=0.0)
        assert len(done.waiting) == 1
        assert (done.days, done.rows) == ([], 1)
        reader.rollback()
        again = prune(connection, [Rule(now() - 4 * DAY)])
    assert (again.rows, len(again.days), again.waiting) == (1, 1, [])
    assert left(postgres_url) == {2}


def test_a_live_writer_does_not_notice(database_url: str) -> None:
    """While thousands go, every record of a writer is stored, and none of its batches waits long."""
    fill(database_url, [aged(number, 3 + number % 5) for number in range(2000)])
    waits: list[float] = []
    stop = threading.Event()
    with logging_to(database_url, flush_interval=0.01) as (logger, handler):
        logger.info("first")
        assert handler.flush(10)

        def probe() -> None:
            while not stop.is_set():
                started = time.perf_counter()
                logger.info("probe")
                handler.flush(10)
                waits.append(time.perf_counter() - started)

        thread = threading.Thread(target=probe)
        thread.start()
        with Load(logger), AdminConnection(database_url) as connection:
            done = prune(connection, [Rule(now() - 2 * DAY)])
            count = len(waits)
            until(lambda: len(waits) > count)
        stop.set()
        thread.join(10)
        assert handler.flush(10)
        stats = handler.stats()
    assert done.rows == 2000
    assert (stats.dropped, stats.failed, stats.stored) == (0, 0, stats.emitted)
    assert sorted(waits)[len(waits) // 2] < 0.5, waits


def test_a_lock_is_not_waited_for_without_limit(
    postgres_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting gives up after a moment when somebody holds the table, and says so; nothing is deleted."""
    monkeypatch.setattr(connections, "_LOCK", 0.05)
    fill(postgres_url, [aged(1, 2)])
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        done = dblog("prune", "--url", postgres_url, "--older-than", "1d", "--dry-run")
    assert (done.code, "a lock was not granted in time" in done.err) == (3, True)
    assert left(postgres_url) == {1}


def test_a_count_takes_no_longer_than_it_may(postgres_url: str) -> None:
    """Outside of a transaction of its own, too, a statement ends after the connection's ``timeout``."""
    with AdminConnection(postgres_url, timeout=0.05) as connection:
        with pytest.raises(StoreError, match="took too long"):
            connection.value("SELECT pg_sleep(20)")
        assert connection.value("SELECT 1") == 1


def test_side_tables_grow_old_too(database_url: str) -> None:
    """Dead letters and writers that are older go with the entries; by level, they stay."""
    old = _moment(database_url, now() - 5 * DAY)
    identity = "zeroblob(16)" if database_url.startswith("sqlite") else "gen_random_uuid()"
    execute(
        database_url,
        "INSERT INTO log_dead_letters (id, failed_at, instance_id, error_class, code, attempts, payload)"
        f" VALUES ({identity}, {old}, {identity}, 'poison', 'x', 1, '{{}}')",
        "INSERT INTO log_instances (instance_id, started_at, last_seen, state)"
        f" VALUES ({identity}, {old}, {old}, 'CLOSED')",
    )
    with AdminConnection(database_url) as connection:
        assert prune(connection, [Rule(now() - DAY, 9)]) == Pruned(free=0)
        done = prune(connection, [Rule(now() - DAY)])
        assert (done.dead_letters, done.instances) == (1, 1)
    assert len(audits(database_url)) == 1


def _moment(url: str, micros: int) -> str:
    return str(micros) if url.startswith("sqlite") else f"to_timestamp({micros / 1e6})"


def test_the_command_prune(database_url: str, dblog: Dblog) -> None:
    """It says what would go, asks, and says what went; several ages at once; an audit row tells who and how many."""
    fill(database_url, [aged(1, 0.1), aged(2, 2, "DEBUG"), aged(3, 2), aged(4, 40), aged(5, 2, "ERROR")])
    command = ("prune", "--url", database_url, "--older-than", "30d", "--keep", "debug=1d")
    dry = dblog(*command, "--dry-run")
    assert (dry.code, dry.out.split(",")[0].split(" of")[0].strip()) == (0, "would go: 2 entries")
    assert dblog(*command).code == 2  # nobody can be asked
    assert dblog(*command, typed="no\n").code == 2
    assert left(database_url) == {1, 2, 3, 4, 5}
    done = dblog(*command, typed="yes\n")
    assert (done.code, left(database_url)) == (0, {1, 3, 5})
    assert "gone: 2 entries" in done.out
    audit = audits(database_url)[0]
    assert (audit["message"], audit["action"], audit["count"]) == ("pruned 2 entries", "prune", 2)
    assert {"user", "host", "rules"} <= audit.keys()
    assert dblog("prune", "--url", database_url, "--older-than", "1d", "--level", "info", "--yes").code == 0
    assert left(database_url) == {1, 5}


def test_a_file_becomes_smaller(sqlite_url: str, dblog: Dblog) -> None:
    """Without ``--vacuum`` the bytes are free for new entries; with it the file shrinks."""
    fill(sqlite_url, [aged(number, 3)._replace(message="x" * 2000) for number in range(500)])
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    size = path.stat().st_size
    assert "bytes of the file are free" in dblog("prune", "--url", sqlite_url, "--older-than", "1d", "--yes").out
    done = dblog("prune", "--url", sqlite_url, "--older-than", "1d", "--yes", "--vacuum")
    assert "the file has" in done.out
    assert path.stat().st_size < size / 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((None, None, []), "nothing says what is too old"),
        (("30", None, []), "older-than='30' is not an age"),
        (("0d", None, []), "is not an age"),
        ((None, "debug", []), "needs an age"),
        ((None, None, ["debug"]), "LEVEL=AGE"),
        ((None, None, ["odd=3d"]), "is not a logging level"),
        ((None, None, ["warn=3d", "warning=4d"]), "a second age"),
    ],
)
def test_rules_that_are_none(arguments: tuple[Any, Any, Any], says: str) -> None:
    """Each is refused by name."""
    with pytest.raises(ConfigurationError, match=says):
        rules_of(*arguments, now=0)


def test_rules() -> None:
    """Ages in every unit; levels up to the one named."""
    assert [age_of(text, "x") for text in ("90s", "5m", "2h", "3D", "1w")] == [90, 300, 7200, 259_200, 604_800]
    found = rules_of("1d", None, ["trace=1h", "info=2d"], now=10 * DAY)
    assert found == [Rule(10 * DAY - 3600 * SECOND, 4), Rule(9 * DAY, 8, 5), Rule(8 * DAY, 24, 9)]
    assert rules_of("1d", "info", [], now=10 * DAY) == [Rule(9 * DAY, 9)]
    assert rules_of("1d", None, ["trace=2d"], now=10 * DAY) == [Rule(8 * DAY)]


def test_who_may_not_is_told_what_to_grant(reader_postgres_url: str, dblog: Dblog) -> None:
    """A reader may neither prune nor erase; one line says which privilege is missing."""
    for command in (("prune", "--older-than", "1s", "--yes"), ("erase", "level:info", "--yes")):
        done = dblog(command[0], "--url", reader_postgres_url, *command[1:])
        assert (done.code, done.err.count("\n")) == (3, 1)
        assert "dblog grants --admin" in done.err


def test_an_admin_of_grants_may(postgres_url: str, postgres_role: Any, dblog: Dblog) -> None:
    """The role that owns the tables drops days, deletes, imports old days, and writes the audit row."""
    from dblog.grants import grants

    execute(postgres_url, grants(admin=postgres_role.name))
    fill(postgres_role.url, [aged(1, 100), aged(2, 5), aged(3, 1.5)])
    assert dblog("prune", "--url", postgres_role.url, "--older-than", "30d", "--yes").code == 0
    assert dblog("erase", "lineno=2", "--url", postgres_role.url, "--yes").code == 0
    assert left(postgres_role.url) == {3}
    assert [each["action"] for each in audits(postgres_role.url)] == ["prune", "erase"]


def test_who_may_delete_and_owns_nothing(postgres_url: str, postgres_role: Any, dblog: Dblog) -> None:
    """Days are not its to drop, so it deletes them entry by entry; a right that is missing is asked for first."""
    name = postgres_role.name
    execute(postgres_url, f"GRANT SELECT, INSERT ON logs, log_instances, log_dead_letters TO {name}")
    fill(postgres_url, [aged(1, 20), aged(2, 1)])
    command = ("prune", "--url", postgres_role.url, "--older-than", "10d", "--yes")
    assert dblog(*command).code == 3
    execute(postgres_url, f"GRANT DELETE ON logs, log_instances, log_dead_letters TO {name}")
    assert dblog(*command).out == "gone: 1 entry\n"
    assert left(postgres_url) == {2}


# -- erase ----------------------------------------------------------------------------------------------------


def test_erase_against_a_model(database_url: str) -> None:
    """What matches the predicate is gone, all else is there, in whatever pages it is read."""

    @examples(5)
    @given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 6), st.integers(1, 7))
    def holds(numbers: list[int], gone: int, page: int) -> None:
        execute(database_url, "DELETE FROM logs")
        made = [entry(index, lineno=index, user_id=f"u-{number}") for index, number in enumerate(numbers)]
        fill(database_url, made)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(erasing, "_PAGE", page)
            done = erase(database_url, f"user_id=u-{gone}")
        assert done.count == numbers.count(gone)
        assert left(database_url) == {each.lineno for each in made if each.user_id != f"u-{gone}"}
        assert done.clean

    holds()


def test_erase_with_a_live_writer(database_url: str) -> None:
    """What was there at the start is gone, although the writer adds entries that match; its own are all stored."""
    fill(database_url, [entry(number, lineno=number, logger="live", message="old") for number in range(500)])
    with logging_to(database_url) as (logger, handler):
        logger.name = "live"
        with Load(logger) as load:
            until(lambda: handler.stats().stored > 5)
            done = erase(database_url, "logger=live message=old")
        assert handler.flush(10)
        assert handler.stats().stored == load.count
    assert done.count == 500
    assert len(everything(database_url, "logger=live")) == load.count


def test_nothing_of_the_person_is_left(sqlite_url: str, dblog: Dblog) -> None:
    """Neither the file nor its write-ahead log holds a byte of what was erased, dead letters included."""
    canary = "Ada-4711-canary"
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    keeper = sqlite3.connect(path)  # keeps the write-ahead log alive, as a running service does
    with closing(keeper):
        keeper.execute("PRAGMA journal_mode = WAL")
        hers: dict[str, Any] = {"user_id": canary, "trace_id": f"{canary}-1", "message": f"{canary} " * 300}
        rows = [entry(number, **hers if number % 3 else {}) for number in range(120)]
        fill(sqlite_url, rows)
        payload = json.dumps(
            {"timestamp": now(), "level": "INFO", "severity": 9, "logger": "a", "message": "m", "user_id": canary}
        )
        keeper.execute(
            "INSERT INTO log_dead_letters VALUES (?, 1, ?, 1, 'poison', 'x', 1, ?)", (*[bytes(16)] * 2, payload)
        )
        keeper.commit()
        everywhere = [each for each in (path, Path(f"{path}-wal")) if canary.encode() in each.read_bytes()]
        assert everywhere
        done = dblog("erase", f'user_id="{canary}"', "--url", sqlite_url, typed="81\n")
        assert (done.code, done.out.splitlines()[-1]) == (0, "erased: 80 entries, 1 dead letter")
        for each in (path, Path(f"{path}-wal")):
            assert canary.encode() not in each.read_bytes()
    assert len(everything(sqlite_url, "logger=shop")) == 40


def test_a_reader_of_the_write_ahead_log_is_told_of(
    sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a read transaction keeps the log, the bytes stay, and that is said; afterwards they go."""
    monkeypatch.setattr(connections, "_CHECKPOINT", 0.1)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode = WAL")
        fill(sqlite_url, [entry(number, message="Ada-4711-canary") for number in range(20)])
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM logs").fetchall()
        done = dblog("erase", "lineno<19", "--url", sqlite_url, "--yes")
        assert (done.code, "still holds them" in done.err) == (0, True)
        reader.execute("COMMIT")
        done = dblog("erase", "lineno=19", "--vacuum", "--url", sqlite_url, "--yes")
        assert (done.code, done.err) == (0, "")
        assert not any(b"Ada-4711-canary" in each.read_bytes() for each in (path, Path(f"{path}-wal")))


def test_the_audit_row_of_an_erase(database_url: str, dblog: Dblog) -> None:
    """Who, how many and by which fields; the same query has the same digest, and no value is in it."""
    query = "user_id=u-1 and not metadata.email:canary@example.org"
    digests = []
    for count in (4, 0):
        if count:
            fill(database_url, [entry(number) for number in range(20)])
        erase(database_url, query)
        digests.append(audits(database_url)[-1].pop("query_sha256"))
    audit = audits(database_url)[0]
    row = everything(database_url, "logger=dblog.audit")[0]
    assert digests[0] == digests[1]
    assert (row.level, row.severity, row.message) == ("WARNING", 13, "erased 4 entries")
    assert audit["fields"] == ["metadata.email", "user_id"]
    assert (audit["action"], audit["count"], audit["dead_letters"], audit["complete"]) == ("erase", 4, 0, True)
    assert "canary" not in str(row)
    assert "u-1" not in str(row._replace(id=None))


def test_the_command_erase_asks(database_url: str, dblog: Dblog) -> None:
    """It refuses the empty query, shows times and ids but no text, and wants the count typed."""
    fill(database_url, [entry(number, message="secret") for number in range(12)])
    url = ("--url", database_url)
    assert dblog("erase", *url, "--yes").code == 2
    assert dblog("erase", *url, "nothing=here").out.startswith("0 entries match")
    assert dblog("erase", *url, "level:info").code == 2  # nobody can be asked
    wrong = dblog("erase", *url, "level:info", typed="yes\n")
    assert (wrong.code, "type 12" in wrong.err) == (2, True)
    assert wrong.out.count("\n  ") == 3
    assert "secret" not in wrong.out + wrong.err
    assert len(everything(database_url)) == 12
    assert dblog("erase", *url, "level:info", typed="12\n").code == 0
    assert {each.logger for each in everything(database_url)} == {"dblog.audit"}


def test_fields_are_named_without_values() -> None:
    """Columns by name, paths by path, anything by a star."""
    tree = parse("user_id=a or (x.y>3 and -has(trace_id)) or word or *:z").tree
    assert fields_of(tree) == ["*", "message", "metadata.x.y", "trace_id", "user_id"]


def test_interrupted_halfway_is_audited(sqlite_url: str) -> None:
    """What went before the interruption is told, and that it is not complete."""
    fill(sqlite_url, [entry(number) for number in range(10)])

    def stop(count: int) -> None:
        if count >= 6:
            raise KeyboardInterrupt

    with AdminConnection(sqlite_url) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing, "_PAGE", 3)
        with pytest.raises(KeyboardInterrupt):
            ask(sqlite_url, lambda reader: erasing.erase(reader, connection, parse("level:info"), report=stop))
    assert [(each["count"], each["complete"]) for each in audits(sqlite_url)] == [(6, False)]


def test_a_server_that_refuses_is_not_taken_for_one_that_is_away(postgres_role: Any, dblog: Dblog) -> None:
    """A wrong password, and nobody at the door, are different sentences; neither holds the password."""
    wrong = dblog("prune", "--url", postgres_role.url.replace("Pw-", "hunter2-"), "--older-than", "1d", "--yes")
    assert (wrong.code, "refuses the session: user, password" in wrong.err) == (3, True)
    away = dblog("prune", "--url", "postgresql://u:hunter2@127.0.0.1:1/x", "--older-than", "1d", "--yes")
    assert (away.code, "cannot be reached" in away.err) == (3, True)
    assert "hunter2" not in wrong.err + away.err


def test_the_store_s_errors_are_sentences(tmp_path: Path) -> None:
    """A file that is not there, and one that is no database."""
    with pytest.raises(StoreError, match="does not exist"), AdminConnection(f"sqlite:///{tmp_path / 'none.db'}"):
        pass
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("hello " * 200)
    with pytest.raises(StoreError, match="no SQLite database"), AdminConnection(f"sqlite:///{tmp_path / 'text.db'}"):
        pass
