"""On ClickHouse what is too old goes, nothing else: days as partitions, the rest by level, or by the server's TTL."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog import migrate
from dblog.admin.clickhouse import ClickHouseConnection
from dblog.admin.maintaining import maintain, preview
from dblog.admin.pruning import Rule, rules_of
from dblog.admin.pruning_clickhouse import carry_out, set_ttl, ttl_of
from dblog.admin.rules import Pruned
from dblog.errors import ConfigurationError
from dblog.sink import DeadLetter
from tests.administered import DAY, entry, now
from tests.embedded_clickhouse import Rows

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from tests.clickhouse.stores import Store

LEVELS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


def aged(number: int, age: float, level: str = "INFO") -> LogEntry:
    return entry(number, now() - int(age * DAY), level=level, severity=LEVELS[level], lineno=number)


def fill(store: Store, entries: list[LogEntry]) -> None:
    if entries:
        Rows(store.url).insert(entries)


def left(store: Store) -> set[int | None]:
    return {each.lineno for each in store.rows() if each.logger == "shop"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=8)
@given(
    batch=st.lists(st.tuples(st.floats(0.01, 20), st.sampled_from(sorted(LEVELS))), max_size=15),
    older=st.none() | st.integers(1, 15),
    policy=st.dictionaries(st.sampled_from(sorted(LEVELS)), st.integers(1, 15), max_size=3),
)
def test_maintain_against_a_model(
    store: Store, batch: list[tuple[float, str]], older: int | None, policy: dict[str, int]
) -> None:
    """Of any entries and ages, what is due goes, as foreseen; of a row that is there twice both; again, nothing."""
    store.clear()
    made = [aged(number, age, level) for number, (age, level) in enumerate(batch)]
    fill(store, made)
    fill(store, made[:3])
    keep = [f"{level}={age}d" for level, age in policy.items()]
    rules = rules_of(None if older is None else f"{older}d", None, keep, now()) if older or policy else []
    goes = {each.lineno for each in made if any(_named(rule, each) for rule in rules)}
    with ClickHouseConnection(store.url) as connection:
        foreseen, done, again = (run(connection, rules) for run in (preview, maintain, maintain))
    assert left(store) == {each.lineno for each in made} - goes
    assert (foreseen.pruned.rows, foreseen.pruned.days) == (done.pruned.rows, done.pruned.days)
    assert (done.pruned.rows, again.pruned.rows, again.pruned.days) == (len(goes), 0, [])
    audits = [each.attributes for each in store.rows("timestamp") if each.logger == "dblog.audit"]
    assert [(each["action"], each["count"]) for each in audits] == ([("maintain", len(goes))] if goes else [])


def _named(rule: Rule, each: LogEntry) -> bool:
    return each.timestamp < rule.before and rule.lowest <= each.severity <= rule.highest


def test_days_go_as_partitions(store: Store) -> None:
    """And nothing of another day, neither of before 1970, nor of those that share a partition with days long gone."""
    shared = 15_000 * DAY
    odd = [entry(7, -365 * DAY), entry(8, shared + 65_536 * DAY), entry(9, shared), entry(10, 0)]
    fill(store, [aged(number, number + 0.01) for number in range(6)] + odd)
    with ClickHouseConnection(store.url) as connection:
        done = maintain(connection, [Rule(now() - 3 * DAY)])
    assert left(store) == {0, 1, 2, 8}
    today = dt.datetime.now(dt.UTC).date()
    assert done.pruned.days == [str(dt.date(1970, 1, 1)), *(str(today - dt.timedelta(days=age)) for age in (5, 4))]
    ours = "system.parts WHERE active AND table = 'logs' AND database = currentDatabase()"
    assert store.count(f"{ours} AND partition IN ({', '.join(map(repr, done.pruned.days))})") == 0


def test_side_tables_grow_old_too(store: Store) -> None:
    """Dead letters and writers go when every level has an age; by level they stay."""
    sink = store.sink()
    sink.dead_letter([DeadLetter(uuid4(), now() - 5 * DAY, uuid4(), 1, "poison", "x", 1, "{}")])
    with ClickHouseConnection(store.url) as connection:
        assert maintain(connection, [Rule(now() - DAY, 9)]).pruned.dead_letters == 0
        assert maintain(connection, [Rule(now() - DAY)]).pruned.dead_letters == 1
    assert store.count("log_dead_letters") == 0


def test_the_server_deletes_by_the_same_rules(own_store: Store) -> None:
    """A TTL that was set leaves what the rules leave, is set once, is no difference from head, and can be changed."""
    made = [aged(number, age, level) for number, (age, level) in enumerate(_each_level())]
    start = now()
    with ClickHouseConnection(own_store.url) as connection:
        for ages in (("90d", ["debug=1d", "info=7d", "warning=30d"]), ("60d", []), (None, ["info=3d"])):
            own_store.clear()
            own_store.client.command("ALTER TABLE logs MODIFY TTL toDateTime(timestamp) + toIntervalYear(50)")
            fill(own_store, made)
            rules = rules_of(ages[0], None, ages[1], start)
            goes = {each.lineno for each in made if any(_named(rule, each) for rule in rules)}
            assert set_ttl(connection, rules, start)
            assert not set_ttl(connection, rules_of(ages[0], None, ages[1], start + 5 * DAY), start + 5 * DAY)
            own_store.client.command("OPTIMIZE TABLE logs FINAL")
            assert left(own_store) == {each.lineno for each in made} - goes
            assert migrate.check(own_store.url).ok, str(migrate.check(own_store.url))


def _each_level() -> list[tuple[float, str]]:
    return [(age, level) for level in LEVELS for age in (0.5, 2, 8, 29, 31, 89, 91)]


def test_a_ttl_takes_clickhouse_and_ages(store: Store, sqlite_url: str) -> None:
    """Without either it is refused, by name."""
    from dblog.admin.connection import AdminConnection

    with ClickHouseConnection(store.url) as connection, pytest.raises(ConfigurationError, match="too old"):
        set_ttl(connection, [], now())
    with AdminConnection(sqlite_url) as connection, pytest.raises(ConfigurationError, match="only ClickHouse"):
        set_ttl(connection, [Rule(1)], now())


def test_there_are_no_counts_to_make_again(store: Store) -> None:
    """Nothing is done then."""
    with ClickHouseConnection(store.url) as connection:
        for run in (preview, maintain):
            with pytest.raises(ConfigurationError, match="ClickHouse keeps no counts"):
                run(connection, [Rule(now())], recount=True)


def test_on_a_cluster_every_statement_is_for_all_nodes(own_store: Store) -> None:
    """Statements go to the shards' tables ``ON CLUSTER``, and are such as the engine parses."""
    asked: list[str] = []

    class Cluster(ClickHouseConnection):
        """Says that it is one, and keeps what it would run."""

        def value(self, sql: str, *parameters: object) -> object:
            if "engine_full" in sql:
                return "Distributed('prod', 'd', 'logs_local', cityHash64(id))" if parameters[0] == "logs" else ""
            return super().value(sql, *parameters)

        def run(self, sql: str, *parameters: object) -> int:
            asked.append(sql)
            return super().run(f"EXPLAIN AST {sql}", *parameters)

    fill(own_store, [aged(1, 9), aged(2, 2, "DEBUG")])
    rules = rules_of("5d", None, ["debug=1d"], now())
    with Cluster(own_store.url) as connection:
        carry_out(connection, rules, Pruned())
        set_ttl(connection, rules, now())
    changed = [sql for sql in asked if "logs" in sql]
    assert [sql.split()[0] for sql in changed] == ["ALTER", "DELETE", "DELETE", "ALTER"]
    assert all(re.search(r"\"logs_local\" ON CLUSTER 'prod'", sql) for sql in changed), changed


def test_terms() -> None:
    """As the server spells them."""
    assert ttl_of([Rule(DAY)], 3 * DAY) == "toDateTime(timestamp) + toIntervalSecond(172800)"
    found = ttl_of(rules_of("2d", None, ["debug=1d"], 10 * DAY), 10 * DAY)
    assert found == (
        "toDateTime(timestamp) + toIntervalSecond(86400) WHERE severity <= 5,"
        " toDateTime(timestamp) + toIntervalSecond(172800) WHERE severity >= 6"
    )
