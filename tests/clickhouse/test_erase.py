"""What only ClickHouse has when a person is erased: rows that are there twice, masks, parts, and a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog import migrate
from dblog.admin import erasing, erasing_clickhouse
from dblog.admin.clickhouse import ClickHouseConnection
from dblog.cli.erase import _conclude
from dblog.errors import ErrorClass, StoreError
from dblog.query import parse
from tests.administered import DAY, ask, entry, everything, now
from tests.buried import bury, letter
from tests.clickhouse.front import Front
from tests.contract.copied import fill
from tests.embedded_clickhouse import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from tests.clickhouse.stores import Store

CANARY = "Ada-4711-canary"
_OURS = "system.parts WHERE active AND database = currentDatabase() AND table IN ('logs', 'log_dead_letters')"


class Heard(ClickHouseConnection):
    """Keeps what it was to run, and runs what ``instead`` makes of it."""

    def __init__(self, url: str, instead: Callable[[str], str] = lambda sql: sql) -> None:
        super().__init__(url)
        self.asked: list[str] = []
        self._instead = instead

    def run(self, sql: str, *parameters: object) -> int:
        self.asked.append(sql)
        return super().run(self._instead(sql), *parameters)


def erase(url: str, query: str, connection: ClickHouseConnection | None = None) -> erasing.Erased:
    with connection or ClickHouseConnection(url) as opened:
        return ask(url, lambda reader: erasing.erase(reader, opened, parse(query)))


def made(number: int, user: str, days: int = 0, **fields: Any) -> LogEntry:
    return entry(number, now() - days * DAY, user_id=user, **fields)


def dblog(*arguments: str) -> tuple[int, str, str]:
    program = [sys.executable, "-m", "dblog", "erase", *arguments, "--yes"]
    ended = subprocess.run(program, capture_output=True, timeout=60, check=False, text=True)
    return ended.returncode, ended.stdout, ended.stderr


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=5)
@given(
    batch=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)), max_size=12),
    query=st.sampled_from(("user_id:u-1", "order:>2 user_id:u-1", "metadata.order=3 or user_id=u-2", "-user_id:u-0")),
    most=st.integers(1, 6),
)
def test_a_row_goes_however_often_it_is_there(
    store: Store, batch: list[tuple[int, int, int]], query: str, most: int
) -> None:
    """As Python reads the query: an entry counts once, the others stay, and nothing is masked afterwards."""
    store.clear()
    store.client.command("SYSTEM STOP MERGES logs")
    some = [made(number, f"u-{user}", days) for number, (user, days, _) in enumerate(batch)]
    for time in range(3):
        Rows(store.url).insert(each for each, (_, _, often) in zip(some, batch, strict=True) if often > time)
    store.client.command("SYSTEM START MERGES logs")
    goes = {each.lineno for each in some if parse(query).predicate()(each)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing_clickhouse, "_MOST", most)
        patch.setattr(erasing_clickhouse, "_OWN", 2)
        done = erase(store.url, query)
    assert (done.count, done.left, done.complete, done.clean) == (len(goes), 0, True, True)
    there = [each.lineno for each in store.rows() if each.logger == "shop"]
    assert sorted(there, key=str) == sorted({each.lineno for each in some} - goes, key=str)
    assert store.count(f"{_OURS} AND has_lightweight_delete") == 0


def test_nothing_of_the_person_is_in_a_part(store: Store) -> None:
    """No file of an active part holds a byte of what was erased, in the days it was in and among the dead letters."""
    hers: dict[str, Any] = {"service": f"{CANARY}-s", "message": f"{CANARY} " * 9, "metadata": f'{{"a": "{CANARY}"}}'}
    rows = [made(number, f"{CANARY}-{number}" if number % 2 else "u", number % 3) for number in range(30)]
    Rows(store.url).insert(row._replace(**hers) if row.lineno % 2 else row for row in rows if row.lineno is not None)
    bury(store.url, letter(1, user_id=CANARY), letter(2))
    assert _files_with(store, CANARY.encode())
    done = erase(store.url, f"user_id:{CANARY}*")
    assert (done.count, done.dead_letters, done.clean, done.masked) == (15, 1, True, "")
    assert store.count(f"{_OURS} AND has_lightweight_delete") == 0
    assert not _files_with(store, CANARY.encode())
    assert len(everything(store.url, "logger:shop")) == 15


def _files_with(store: Store, text: bytes) -> list[Path]:
    parts = store.client.query(f"SELECT path FROM {_OURS}").result_rows
    assert parts
    return [file for (path,) in parts for file in Path(path).iterdir() if text in file.read_bytes()]


def test_a_row_that_was_there_goes_with_the_one_sent_again(store: Store) -> None:
    """An entry is as old as the first row of it; one that is new is none of this erase's."""
    old, new = made(1, "u-1"), made(2, "u-1")
    Rows(store.url).insert([old], taken=now() - DAY)
    with ClickHouseConnection(store.url) as connection:
        masking = erasing_clickhouse.Masking(connection)
        Rows(store.url).insert([old, new], taken=connection.now() + DAY)
        assert masking.delete([(each.timestamp, each.id) for each in (old, new) if each.id is not None]) == 1
    assert [each.lineno for each in store.rows()] == [2]
    assert store.count() == 1


def test_there_are_few_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day with many entries has its partition named, days with few share a statement, and one ALTER is for all."""
    monkeypatch.setattr(erasing_clickhouse, "_OWN", 20)
    days = [0] * 50 + [1] * 30 + [2, 3, 4]
    fill(store.url, [made(number, "u-1", day, ingested_at=now()) for number, day in enumerate(days)])
    heard = Heard(store.url)
    assert erase(store.url, "user_id:u-1", heard).count == len(days)
    masking = [sql for sql in heard.asked if sql.startswith("DELETE")]
    assert [sql.partition(" WHERE")[0].count("IN PARTITION") for sql in masking] == [1, 1, 0]
    (removing,) = [sql for sql in heard.asked if sql.startswith("ALTER")]
    assert removing.count("APPLY DELETED MASK IN PARTITION") == 5


def test_long_statements_are_for_servers_that_take_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand keys go at once; where the profile fixes a statement's length, as many as fit into the default."""
    some = [made(number, "u-1", ingested_at=now()) for number in range(10_500)]
    fill(store.url, some)
    keys = [(each.timestamp, each.id) for each in some if each.id is not None]
    with ClickHouseConnection(store.url) as connection:
        known = connection.client.server_settings
        monkeypatch.setitem(known, "max_query_size", known["max_query_size"]._replace(readonly=1))
        short = erasing_clickhouse.Masking(connection)
        assert short.delete(keys[: short.batch]) == short.batch == 3000
        monkeypatch.undo()
        masking = erasing_clickhouse.Masking(connection)
        assert masking.delete(keys[-masking.batch :]) == 7500
        assert (masking.batch, masking.left(keys[-masking.batch :])) == (10_000, 0)
    assert store.count() == 0


def test_what_the_server_keeps_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there still makes it incomplete, and the exit code 3; a row that was sent again since does not."""
    fill(store.url, [made(number, "u-1", ingested_at=now()) for number in range(3)])
    done = erase(store.url, "user_id:u-1", Heard(store.url, lambda sql: "SELECT 1" if "DELETE" in sql else sql))
    assert (done.count, done.left, done.complete) == (0, 3, False)
    with pytest.raises(typer.Exit) as ended:
        _conclude(done, "clickhouse")
    assert (ended.value.exit_code, "3 entries could not be deleted" in capsys.readouterr().err) == (3, True)
    (audit,) = everything(store.url, "logger:dblog.audit")
    assert (audit.attributes["left"], audit.attributes["complete"]) == (3, False)
    again = store.rows()[:2]

    class Resent(Heard):
        def run(self, sql: str, *parameters: object) -> int:
            super().run(sql, *parameters)
            if sql.startswith("DELETE"):
                Rows(store.url).insert(again)
            return 0

    done = erase(store.url, "user_id:u-1", Resent(store.url))
    assert (done.count, done.left, done.complete) == (3, 0, True)


def test_a_server_that_goes_away_halfway_is_what_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that nobody could be told who erased; what is left goes by the next run."""
    monkeypatch.setattr(erasing_clickhouse, "_MOST", 2)
    fill(store.url, [made(number, "u-1", ingested_at=now()) for number in range(5)])

    class Breaking(Heard):
        def run(self, sql: str, *parameters: object) -> int:
            if len(self.asked) == 1:
                self.close()
                raise StoreError(ErrorClass.RECONNECT, "OperationalError", "gone")
            return super().run(sql, *parameters)

    with pytest.raises(StoreError, match="gone"):
        erase(store.url, "user_id:u-1", Breaking(store.url))
    assert erase(store.url, "user_id:u-1").count == 3


@pytest.mark.parametrize(("code", "says"), [("62 SYNTAX_ERROR", "too old"), ("159 TIMEOUT_EXCEEDED", "took too long")])
def test_parts_that_are_not_made_anew_are_told_of(store: Store, code: str, says: str) -> None:
    """The entries are gone for every reader; why their bytes are not is said, and is no failure."""

    def refuse(sql: str) -> str:
        if "APPLY DELETED MASK" in sql:
            raise StoreError(ErrorClass.UNKNOWN, code, "the statement took too long")
        return sql

    fill(store.url, [made(1, "u-1", ingested_at=now())])
    done = erase(store.url, "user_id:u-1", Heard(store.url, refuse))
    assert (done.complete, done.clean, says in done.masked) == (True, False, True)
    assert everything(store.url, "logger:shop") == []


@pytest.mark.parametrize("answer", [0, "62 SYNTAX_ERROR", "279 ALL_CONNECTION_TRIES_FAILED"])
def test_a_right_that_is_missing_is_asked_for_first(store: Store, answer: int | str) -> None:
    """By name; a server that cannot be asked is left to refuse by itself."""

    class User(Heard):
        def value(self, sql: str, *parameters: object) -> Any:
            if not sql.startswith("CHECK GRANT ALTER DELETE"):
                return super().value(sql, *parameters)
            if isinstance(answer, str):
                raise StoreError(ErrorClass.UNKNOWN, answer, "no")
            return answer

    fill(store.url, [made(1, "u-1", ingested_at=now())])
    if answer == "62 SYNTAX_ERROR":
        assert erase(store.url, "user_id:u-1", User(store.url)).count == 1
        return
    with pytest.raises(StoreError) as caught:
        erase(store.url, "user_id:u-1", User(store.url))
    assert ("GRANT SELECT, INSERT, ALTER DELETE" in str(caught.value)) == (answer == 0)
    assert store.count() == 1


def test_on_a_cluster_it_goes_from_the_shards(tmp_path: Path) -> None:
    """Every statement for entries is ON CLUSTER and of ``logs_local``; letters are on every node alike without."""
    with Front(tmp_path / "data", cluster="prod", whole=True) as front:
        url = front.url.removesuffix("default") + "logsdb"
        migrate.init_cluster(url, cluster="prod")
        fill(url, [made(number, f"u-{number % 2}", number % 3, ingested_at=now()) for number in range(12)])
        bury(url, letter(1, user_id="u-1"))
        code, said, warned = dblog("user_id:u-1", "--url", url)
        assert (code, said.splitlines()[-1]) == (0, "erased: 6 entries, 1 dead letter")
        assert (warned.count("\n"), "old_parts_lifetime" in warned) == (1, True)
        assert {each.user_id for each in everything(url, "logger:shop")} == {"u-0"}
        heard = Heard(url)
        assert erase(url, "lineno=0", heard).count == 1
        changed = [sql for sql in heard.asked if sql.startswith(("DELETE", "ALTER"))]
        assert ["\"logs_local\" ON CLUSTER 'prod'" in sql for sql in changed] == [True, True]
        with ClickHouseConnection(url) as connection:
            parts = "system.parts WHERE active AND database = 'logsdb'"
            assert connection.value(f"SELECT count() FROM {parts} AND has_lightweight_delete") == 0
            touched = connection.rows("SELECT DISTINCT table FROM system.mutations WHERE database = 'logsdb'")
            assert sorted(touched) == [("log_dead_letters",), ("logs_local",)]
