"""Every number that is missing is explained, and none that was taken behind our back is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin import gaps
from dblog.admin.connection import AdminConnection
from dblog.cli.audit import _HEADS
from dblog.entry import LogEntry
from dblog.ledger import QUEUED, REASON, Loss
from dblog.options import Options
from dblog.store import opener
from tests.admin.scheduled import Scheduled
from tests.administered import DAY, SECOND, entry, fill, now
from tests.buried import WRITER, bury, letter
from tests.contract.copied import connected
from tests.embedded_clickhouse import ENGINES
from tests.oracle import examples, execute, logging_to, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.gaps import Account
    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

STEPS = st.lists(
    st.one_of(
        st.just(("put", None)),
        st.just(("put", None)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("refuse"), st.sampled_from(("queue_full", "self", "rate_limited"))),
        st.tuples(st.just("evict"), st.integers(0, 5)),
        st.just(("report", None)),
    ),
    max_size=40,
)
every_engine = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
ENDS = st.sampled_from(["closed", "alive", "dead", "adopted", "spilled"])


def audited(url: str, **wanted: Any) -> list[Account]:
    with connected(url) as connection:
        return gaps.audit(connection, **wanted)


def account_of(writer: Scheduled, **wanted: Any) -> Account:
    (account,) = audited(writer.url, instance=writer.id.hex, **wanted)
    return account


def finish(writer: Scheduled, end: str) -> int:
    """The end of a schedule; how many numbers nobody can explain then."""
    if end == "closed":
        writer.take(100)
        writer.report()
        writer.beat("CLOSED")
        return 0
    if end == "spilled":
        writer.spill()
    writer.beat("CLOSED" if end == "spilled" else "RUNNING", ago=0.0 if end == "alive" else 3600.0)
    if end == "adopted" and writer.queue:
        lost = len(writer.queue)
        writer.report(Loss("killed", lost, min(writer.queue), max(writer.queue), {"info": lost}))
    return len(writer.queue) if end == "dead" else 0


def sentinel(url: str) -> None:
    """A row of before everything: nothing that a test does is older than the oldest row."""
    fill(url, [entry(1, now() - 600 * SECOND, instance_id=None, seq=None)])


@every_engine
def test_unexplained_is_what_was_deleted_behind_our_back(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any schedule of records, losses, loss rows and heartbeats, and any end; read in slices of seven rows.

    As many are unexplained as rows were deleted (and, of a writer that was killed and that nobody has adopted, as it
    had in memory), and those in no loss row's range are named.
    """
    monkeypatch.setattr(gaps, "_SLICE", 7)
    sentinel(database_url)

    @examples(40)
    @given(STEPS, ENDS, st.sets(st.integers(0, 40), max_size=4))
    def check(steps: list[tuple[str, Any]], end: str, victims: set[int]) -> None:
        writer = Scheduled(database_url)
        writer.run(steps)
        unknown = finish(writer, end)
        writer.save()
        deleted = {number for place, number in enumerate(sorted(writer.stored)) if place in victims}
        writer.delete(*deleted)
        account = account_of(writer)
        emitted = writer.ledger.stats(state="CLOSED").emitted
        assert account.unexplained == len(deleted) + unknown
        assert account.missing == emitted - len(writer.stored) + len(deleted)
        assert account.on_its_way == (len(writer.queue) if end in {"alive", "spilled"} else 0)
        assert account.last == emitted
        ranges = [(loss.first_seq, loss.last_seq) for loss in writer.reported]
        if not writer.ledger.has_losses() and not account.counted and not writer.queue:
            surely = {seq for seq in deleted if not any(first <= seq <= last for first, last in ranges)}
            assert surely <= {seq for first, last in account.holes for seq in range(first, last + 1)}

    check()


@every_engine
@pytest.mark.parametrize("durability", ["memory", "spool"])
def test_a_writer_at_work_has_no_unexplained_number(database_url: str, dblog: Dblog, durability: str) -> None:
    """A real handler, overloaded, filtered, with records under way and at its end; exit 0, and the counts are its."""
    options: dict[str, Any] = {"queue_size": 50, "overflow": "drop_newest", "flush_interval": 60, "batch_size": 10}
    with logging_to(database_url, **options, durability=durability) as (logger, handler):
        logger.info("first")
        assert handler.flush(20)
        until(lambda: rows(database_url, "SELECT seq FROM log_instances, logs WHERE seq = 1"))  # else it is nobody's
        for number in range(1, 500):
            logger.info("record %d", number)
        assert dblog("audit", "--url", database_url).code == 0
        assert handler.flush(20)
        for number in range(20):
            logger.info("record %d", number)
    done = dblog("audit", "--url", database_url, "--json")
    (found,) = map(json.loads, done.out.splitlines())
    stats = handler.stats()
    assert done.code == 0
    assert (found["last"], found["missing"], found["unexplained"]) == (520, stats.dropped, 0)
    assert durability == "memory" or not stats.dropped
    assert (found["lost"], found["state"], found["on_its_way"]) == (dict(stats.dropped_by), "CLOSED", 0)


@every_engine
def test_what_it_prints(database_url: str, dblog: Dblog) -> None:
    """A row for each writer, those with something unexplained first and named; JSON has the ranges; exit code 1."""
    good, bad = Scheduled(database_url), Scheduled(database_url)
    for writer in (bad, good):
        writer.run([("put", None)] * 40)
        finish(writer, "closed")
        writer.save()
    bad.delete(*range(2, 40, 3))
    done = dblog("audit", "--text", "--url", database_url)
    assert done.code == 1
    head, first, told, second, said = done.out.splitlines()
    assert head.split() == list(_HEADS)
    assert " ".join(first.split()) == "shop h 1 CLOSED 40 13 0 0 0 13"
    assert told == f"  unexplained, of writer {bad.id}: 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, and 3 ranges more"
    assert " ".join(second.split()) == "shop h 1 CLOSED 40 0 0 0 0 0"
    assert said == "2 writers, 13 numbers missing, 13 unexplained"
    assert dblog("audit", "--instance", str(good.id), "--url", database_url).code == 0
    done = dblog("audit", "--instance", bad.id.hex[-8:], "--json", "--url", database_url)
    found = json.loads(done.out)
    assert found["holes"] == [[number, number] for number in range(2, 40, 3)]
    assert (done.code, found["instance_id"], found["unexplained"]) == (1, str(bad.id), 13)


def test_a_reader_may_ask(reading_url: str, database_url: str, dblog: Dblog) -> None:
    """The role of ``dblog grants --reader`` is enough; an empty log is well, an instance that is none refused."""
    assert dblog("audit", "--url", reading_url) == (0, "", "")
    writer = Scheduled(database_url)
    writer.run([("put", None), ("take", 1), ("beat", None)])
    writer.save()
    assert dblog("audit", "--url", reading_url).code == 0
    for wrong, why in (("ffff", "is no writer"), (writer.id.hex[:4], "names several"), ("f" * 32, "is no writer")):
        done = dblog("audit", "--instance", wrong, "--url", reading_url)
        assert (done.code, why in done.err) == (2, True)


def test_dead_letters_explain_their_numbers_once(database_url: str) -> None:
    """A loss row counts the same ones: together they explain no more than were refused."""
    writer = Scheduled(database_url)
    writer.origin.instance_id = writer.id = WRITER.instance_id
    writer.run([("put", None)] * 9)
    for number in (3, 5, 7):
        writer.queue.remove(number)
        writer.ledger.lose(QUEUED, number, REASON["poison"], 2)
    writer.take(100)
    writer.beat("CLOSED")
    writer.save()
    bury(database_url, letter(2), letter(4), letter(6))
    (account,) = audited(database_url)
    assert (account.lost, account.counted, account.unexplained) == ({"poison": 3}, 0, 0)
    writer.report()
    writer.save()
    writer.delete(4)
    (account,) = audited(database_url)
    assert (account.lost, account.counted, account.holes) == ({"poison": 3}, 0, [(4, 4)])
    execute(database_url, "DELETE FROM log_dead_letters")
    assert audited(database_url)[0].unexplained == 1


def test_what_was_pruned_or_erased_is_explained_as_far_as_that_goes(database_url: str, dblog: Dblog) -> None:
    """By number and by time: an audit row of three explains three numbers, and none that is newer than it."""
    sentinel(database_url)
    began = now() - 500 * SECOND
    writer = Scheduled(database_url, began)
    writer.run([("put", None), ("take", 1)] * 30 + [("beat", "CLOSED")])
    writer.save()
    url = ("--url", database_url)
    assert dblog("erase", 'message:"order 7" or message:"order 8" or message:"order 19"', "--yes", *url).code == 0
    account = account_of(writer)
    assert (account.missing, account.deleted, account.unexplained) == (3, {"erased": 3}, 0)
    writer.delete(21)
    account = account_of(writer)
    assert (account.missing, account.deleted, account.unexplained) == (4, {"erased": 3}, 1)
    assert dblog("prune", "--older-than", "100s", "--keep", "error=1d", "--yes", *url).code == 0
    assert rows(database_url, "SELECT count(*) FROM logs WHERE seq IS NOT NULL") == [(0,)]
    account = account_of(writer)
    assert account.missing == 30
    assert account.deleted in ({"erased": 3, "pruned": 27}, {"pruned": 30}, {"erased": 2, "pruned": 28})
    assert account.unexplained == 0
    later = Scheduled(database_url)
    later.run([("put", None), ("take", 1)] * 9 + [("beat", "CLOSED")])
    later.save()
    later.delete(5)
    assert account_of(later).unexplained == 1


def test_a_day_without_its_partition_is_explained(postgres_url: str) -> None:
    """Numbers of a time whose day was dropped; those of a day that is there are not."""
    yesterday = now() - DAY
    writer = Scheduled(postgres_url, yesterday)
    writer.run([("put", None), ("take", 1)] * 5)
    writer._moment = now()
    writer.run([("put", None), ("take", 1)] * 5 + [("beat", "CLOSED")])
    with AdminConnection(postgres_url) as connection:
        day = connection.names.partition(connection.value("SELECT to_char(now() - interval '1 day', 'YYYYMMDD')"))
    writer.save()
    assert account_of(writer).missing == 0
    execute(postgres_url, f'DROP TABLE "{day}"')
    account = account_of(writer)
    assert (account.missing, account.deleted, account.unexplained) == (5, {"day_dropped": 5}, 0)
    writer.delete(8)
    assert account_of(writer).holes == [(8, 8)]


def test_what_sqlite_s_retention_took_is_told(sqlite_url: str) -> None:
    """By its row; what that does not tell any more, and came before the oldest row that is left, counts as expired."""
    old, young = Scheduled(sqlite_url, now() - 900 * SECOND), Scheduled(sqlite_url)
    for writer in (old, young):
        writer.run([("put", None), ("take", 1)] * 5)
        writer._moment += 400 * SECOND if writer is old else 0
        writer.run([("put", None), ("take", 1)] * 5 + [("beat", "CLOSED")])
        writer.save()
    sink = opener(sqlite_url, Options.of(retention=600))(WRITER)
    assert sink.prune(5.0) == 5
    sink.close()
    account = account_of(old)
    assert (account.missing, account.deleted, account.unexplained) == (5, {"pruned": 5}, 0)
    execute(sqlite_url, "UPDATE logs SET metadata = json_set(metadata, '$.count', 2) WHERE logger = 'dblog.audit'")
    account = account_of(old)
    assert (account.missing, account.deleted, account.unexplained) == (5, {"expired": 3, "pruned": 2}, 0)
    old.delete(8)
    young.delete(1, 2)
    assert account_of(old).holes == [(8, 8)]
    assert account_of(young).holes == [(1, 2)], "it began after the oldest row"
    execute(sqlite_url, "DELETE FROM logs WHERE logger = 'dblog.audit'")
    assert account_of(old).holes == [(1, 5), (8, 8)], "nothing was ever deleted there"


@every_engine
def test_since_looks_only_at_what_was_given_then(database_url: str, dblog: Dblog) -> None:
    """Holes of before are not told; a row with a time of its own, of before, is found all the same."""
    sentinel(database_url)
    began = now() - 500 * SECOND
    writer = Scheduled(database_url, began)
    writer.run([("put", None), ("take", 1)] * 10)
    writer._moment = began + 400 * SECOND
    writer.run([("put", None), ("take", 1)] * 3)
    writer._moment = began + 1  # a record with a time of its own
    writer.run([("put", None), ("take", 1)])
    writer._moment = began + 401 * SECOND
    writer.run([("put", None), ("take", 1)] * 6 + [("put", None)] * 2 + [("beat", "RUNNING")])
    writer.save()
    writer.delete(5, 16)
    assert account_of(writer).holes == [(5, 5), (16, 16)]
    (account,) = audited(database_url, since=began + 300 * SECOND)
    assert (account.holes, account.missing, account.on_its_way) == ([(16, 16)], 3, 2)
    assert dblog("audit", "--since", "5m", "--url", database_url).code == 1
    assert audited(database_url, since=now() + 600 * SECOND) == []


@every_engine
def test_a_writer_that_died_within_since_is_not_overlooked(database_url: str) -> None:
    """It stored nothing since, but said that it had something."""
    writer = Scheduled(database_url, now() - 500 * SECOND)
    writer.run([("put", None), ("take", 1)] * 5 + [("put", None)] * 3)
    writer.beat(ago=100.0)
    writer.save()
    (account,) = audited(database_url, since=now() - 200 * SECOND)
    assert account.holes == [(6, 8)]


@every_engine
def test_rows_nobody_can_read_explain_nothing(database_url: str) -> None:
    """Loss rows and audit rows whose metadata is something else are passed over, and so is one of another's logger."""
    writer = Scheduled(database_url)
    writer.run([("put", None), ("take", 1)] * 3 + [("beat", "CLOSED")])
    writer.save()
    trees: list[Any] = [
        {"dblog": 1},
        {"dblog": {"loss": 1}},
        {"dblog": {"loss": [1, {}, {"reason": "x", "seq_from": 3, "seq_to": 1, "count": 5}]}},
        {"dblog": {"loss": [{"reason": 1, "seq_from": 1, "seq_to": 9, "count": 5}]}},
        {"action": "prune", "count": "many"},
        {"action": "prune", "count": 9, "rules": [{"before": "never"}, 1]},
        {"action": "prune", "count": 9, "rules": 7},
        {"action": "dance", "count": 9},
    ]
    made = [
        LogEntry.now("x", level="WARNING", logger=logger, metadata=tree, instance_id=writer.id)._replace(
            id=entry(number * 10 + place).id
        )
        for number, tree in enumerate(trees)
        for place, logger in enumerate(("dblog.loss", "dblog.audit"))
    ]
    fill(database_url, made)
    writer.delete(2)
    assert account_of(writer).holes == [(2, 2)]


@pytest.mark.parametrize("size", [20_000, pytest.param(5_000_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_millions_of_rows(database_url: str, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten writers, a row in ten thousand gone: found exactly. The time is printed."""
    lite = database_url.startswith("sqlite")
    series = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {size - 1})" if lite else ""
    source = "n" if lite else f"generate_series(0, {size - 1}) AS n(i)"
    base = now() // DAY * DAY
    moment = f"{base} + i" if lite else f"to_timestamp({base // SECOND}) + i * interval '1 microsecond'"
    key = "randomblob(16)" if lite else "gen_random_uuid()"
    writer = "CAST(printf('writer %09d', i % 10) AS BLOB)" if lite else "md5((i % 10)::text)::uuid"
    execute(
        database_url,
        "INSERT INTO logs (timestamp, id, level, severity, logger, message, instance_id, seq)"
        f" {series} SELECT {moment}, {key}, 'INFO', 9, 'shop', 'order', {writer}, i / 10 + 1 FROM {source}"
        " WHERE i % 10007 <> 500",
        *(() if lite else ("VACUUM ANALYZE logs",)),
    )
    began = time.perf_counter()
    accounts = audited(database_url)
    took = time.perf_counter() - began
    gone = [number // 10 + 1 for number in range(size) if number % 10007 == 500]
    assert sorted(first for account in accounts for first, _ in account.holes) == gone
    assert sum(account.unexplained for account in accounts) == len(gone)
    with capsys.disabled():
        if size > 100_000:
            print(f"\naudit of {size:,} rows ({'SQLite' if lite else 'PostgreSQL'}): {took:.1f} s")
