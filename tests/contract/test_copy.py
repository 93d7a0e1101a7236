"""``dblog copy`` between all kinds of databases: what arrives is what was there, each once, and equal."""

from __future__ import annotations

import itertools
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog.admin import copying
from dblog.admin.connection import AdminConnection
from dblog.admin.digests import Digests, added, canonical
from dblog.admin.keyed import Keyed
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.schema import COLUMNS
from tests.contract.copied import START, beside, clear, connected, copy, entries, fill, made, meant, rows
from tests.embedded_clickhouse import ENGINES

PAIRS = [pair for pair in itertools.product(ENGINES, ENGINES) if len(set(pair)) == 2]
few = settings(max_examples=max(4, settings().max_examples // 25))


def unique(some: list[LogEntry]) -> list[LogEntry]:
    return list({(each.timestamp, each.id): each for each in some}.values())


def in_order(some: list[LogEntry]) -> list[LogEntry]:
    return [meant(each) for each in sorted(some, key=lambda each: (each.timestamp, each.id))]


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_what_arrives_is_what_was_there(place: Any, kind: str, other: str) -> None:
    """Every field of every entry, also when it took the time the database took it; a second copy stores nothing.

    And the sums of digests by day are those of the source, in whichever database they are made.
    """
    source, target = place(kind, 0), place(other, 1)

    @given(st.lists(entries(), max_size=8).map(unique))
    @few
    def holds(some: list[LogEntry]) -> None:
        clear(source)
        clear(target)
        fill(source, some)
        first = copy(source, target)
        assert first.verified, first.reasons
        assert (first.total("read"), first.total("stored")) == (len(some), len(some))
        assert rows(target) == in_order(some)
        again = copy(source, target)
        assert again.verified
        assert (again.total("stored"), again.total("present")) == (0, len(some))
        back = copy(target, source, dry_run=True)
        assert [(day.name, day.source) for day in back.days] == [(day.name, day.source) for day in first.days]
        assert back.total("present") == len(some)

    holds()


class Breaking(AdminConnection):
    """A connection that breaks at its n-th statement."""

    left = 0

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> None:
        type(self).left -= 1
        if self.left == 0:
            raise StoreError(ErrorClass.RECONNECT, "08006", "gone")
        super()._execute(sql, parameters)


@pytest.mark.parametrize("kind", ENGINES)
def test_an_interrupted_copy_goes_on(place: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the source goes away, the copies together have stored each entry once, and no day is said twice."""
    monkeypatch.setattr(copying, "_PAGE", 7)
    monkeypatch.setattr(copying, "_FEWEST", 7)
    source, target = place("sqlite", 0), place(kind, 1)
    some = [made(number, 60) for number in range(60)]
    fill(source, some)
    stored = 0
    for breaks in itertools.count(3, 3):
        Breaking.left = 1000
        with Breaking(source) as left, connected(target) as right:
            Breaking.left = breaks
            work = copying.Copying(left, right)
            try:
                work.run()
            except StoreError:
                stored += work.copied.total("stored")
                continue
            stored += work.copied.total("stored")
            assert work.copied.verified
            break
    assert breaks > 12
    assert stored == len(some)
    assert rows(target) == in_order(some)


@pytest.mark.parametrize("kind", ENGINES)
def test_it_ends_while_the_source_is_written_to(place: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is quicker than the copy does not keep it; the next copy brings what it missed."""
    monkeypatch.setattr(copying, "_PAGE", 5)
    monkeypatch.setattr(copying, "_FEWEST", 5)
    source, target = place(kind, 0), place("sqlite", 1)
    numbers = iter(range(100, 1000))
    fill(source, [made(number, 1000) for number in range(1, 40)])

    def write(_read: int) -> None:
        fill(source, [made(next(numbers), 1000), made(next(numbers), 1000)._replace(timestamp=START)])

    first = copy(source, target, report=write)
    assert first.verified
    assert 39 <= first.total("read") < 100
    late = copy(source, target)
    assert late.verified
    assert late.total("stored") > 0
    assert rows(target) == rows(source)


@pytest.mark.parametrize("kind", ENGINES)
def test_another_entry_of_the_same_key_is_left_and_said(place: Any, kind: str) -> None:
    """Whatever column it differs in; ``ingested_at`` does not count, for who imports has another."""
    source, target = place("sqlite", 0), place(kind, 1)
    some = [made(number, 9) for number in range(1, 8)]
    fill(source, some)
    changed = [
        some[0]._replace(message="another"),
        some[1]._replace(metadata='{"order": 1e1}'),
        some[2]._replace(user_id=""),
        some[3]._replace(ingested_at=START),
    ]
    fill(target, changed)
    done = copy(source, target)
    assert not done.verified
    assert (done.total("stored"), done.total("present"), done.total("different")) == (3, 1, 3)
    assert {identity for identity, _ in done.reasons} == {each.id for each in some[:3]}
    assert rows(target) == in_order([*changed, *some[4:]])


def test_what_a_database_does_not_take_is_named_and_the_rest_is_stored(place: Any, tmp_path: Any) -> None:
    """A file of SQLite's may hold anything: NUL, times and numbers beyond all, documents that are no JSON."""
    source = place("sqlite", 0)
    good = [made(number, 40) for number in range(1, 30)]
    odd: list[dict[str, Any]] = [
        {"message": "a\0b"}, {"metadata": "not json"}, {"metadata": '{"a":"\\u0000"}'}, {"lineno": 2**40},
        {"timestamp": 2**62}, {"timestamp": -(2**62)}, {"ingested_at": 2**62}, {"severity": 2**20},
        {"metadata": "[" * 20_000 + "]" * 20_000},
    ]  # fmt: skip
    bad = [made(number, 40)._replace(**fields) for number, fields in enumerate(odd, 30)]
    fill(source, good + bad)
    target, file = place("postgresql", 1), tmp_path / "bad.ndjson"
    with file.open("wb") as rejects:
        done = copy(source, target, rejects=rejects)
    assert not done.verified
    assert (done.total("stored"), done.total("refused")) == (len(good), len(bad))
    assert {identity for identity, _ in done.reasons} == {each.id for each in bad}
    assert len(file.read_bytes().splitlines()) == len(bad)
    assert rows(target) == in_order(good)
    whole = copy(source, place("sqlite", 2))
    assert whole.verified
    assert whole.total("stored") == len(good + bad)


@pytest.mark.parametrize("kind", ENGINES)
def test_since_and_until(place: Any, kind: str) -> None:
    """From the one, included, up to the other, excluded; the writers stay where they are then."""
    source, target = place(kind, 0), place("sqlite", 1)
    some = [made(number, 80) for number in range(1, 80)]
    fill(source, some)
    low, high = some[10].timestamp, some[50].timestamp
    wanted = [each for each in some if low <= each.timestamp < high]
    done = copy(source, target, since=low, until=high)
    assert rows(target) == in_order(wanted)
    assert done.writers is None
    assert done.letters is None


@pytest.mark.parametrize("kind", ENGINES)
def test_a_dry_run_stores_nothing(place: Any, kind: str) -> None:
    """And counts what a copy would."""
    source, target = place("sqlite", 0), place(kind, 1)
    some = [made(number, 9) for number in range(9)]
    fill(source, some)
    fill(target, some[:2])
    done = copy(source, target, dry_run=True)
    assert (done.total("read"), done.total("missing"), done.total("present")) == (9, 7, 2)
    assert rows(target) == in_order(some[:2])


@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_writers_and_dead_letters_come_along(place: Any, kind: str, other: str) -> None:
    """Of a writer known to both the row that saw it last is kept; letters are the same."""
    source, target = place(kind, 0), place(other, 1)

    def writer(number: int, seen: int, state: str = "OK") -> tuple[Any, ...]:
        figures = (9, 8, 1, 0, 0, 0, 0, '{"queue_full":1}', None, 0.25, None, "gone", "1")
        return (
            UUID(int=number << 60), "shop", None, "", "h", number, None, START, START + seen, state, *figures,
        )  # fmt: skip

    writers = [writer(number, 5) for number in range(1, 6)]
    letters = [(UUID(int=number << 61), START, UUID(int=1), None, "poison", "22", 3, '{"a":1}') for number in range(4)]
    beside(source, "instances", writers)
    beside(source, "dead_letters", letters)
    beside(target, "instances", [writer(1, 9, "CLOSED"), writer(2, 1)])
    for stored in (4, 0):
        done = copy(source, target)
        assert done.writers is not None
        assert done.letters is not None
        assert (done.writers.read, done.writers.stored, done.writers.present) == (5, stored, 5 - stored)
        assert done.letters.stored == stored
        assert done.verified
    assert beside(target, "dead_letters") == letters
    found = beside(target, "instances")
    assert [(row[0], row[8], row[9]) for row in found] == [
        (row[0], row[8], row[9]) for row in [writer(1, 9, "CLOSED"), *writers[1:]]
    ]
    assert {(row[2], row[3], row[19], row[20]) for row in found} == {(None, "", 0.25, None)}


def test_pages_shrink_where_entries_are_long(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is that of a page, whatever somebody has logged."""
    monkeypatch.setattr(copying, "_PAGE_BYTES", 100_000)
    monkeypatch.setattr(copying, "_PAGE", 100)
    source = place("sqlite", 0)
    fill(source, [made(number, 500)._replace(message="x" * 4000) for number in range(1, 200)])
    sizes: list[int] = []
    real = Keyed.after

    def after(self: Keyed, place: Any, count: int, **given: Any) -> Any:
        sizes.append(count)
        return real(self, place, count, **given)

    monkeypatch.setattr(Keyed, "after", after)
    assert copy(source, place("sqlite", 1)).verified
    assert 20 <= sizes[-1] <= 25


@given(st.lists(entries(), min_size=1, max_size=3), st.data())
@settings(max_examples=max(10, settings().max_examples // 8))
def test_a_sum_of_digests_knows_every_field_and_no_order(some: list[LogEntry], data: st.DataObject) -> None:
    """Another order gives the same sum, one other value another; two equal rows are not none."""
    digests, names = Digests(COLUMNS), [column.name for column in COLUMNS]

    def total(of: list[LogEntry]) -> int:
        result = 0
        for each in of:
            result = added(result, digests.of([getattr(each, name) for name in names]))
        return result

    assert total(some) == total(data.draw(st.permutations(some)))
    assert total([some[0], some[0]]) not in {0, total(some[:1])}
    name = data.draw(st.sampled_from(names))
    other: dict[str, Any] = {"uuid": UUID(int=5), "time": 5, "json": '{"x":[]}', "text": "~"}
    kind = next(column.kind for column in COLUMNS if column.name == name)
    changed = some[0]._replace(**{name: other.get(kind, 77)})
    if meant(changed) != meant(some[0]):
        assert total([changed, *some[1:]]) != total(some)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('{"b":1,"a":[1.50,-0]}', '{"a": [1.5, 0], "b": 1e0}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('"\\u00e9"', '"é"'),
        ("1e400", "1" + "0" * 400),
    ],
)
def test_documents_are_compared_by_value(text: str, same: str) -> None:
    """However it is written; a number is not the text of its digits, nor near another one."""
    assert canonical(text) == canonical(same)
    assert canonical("1") != canonical('"1"')
    assert canonical("0.1") != canonical("0.1000000000000000000000000001")
    for odd in ("NaN", "nothing", "", "[" * 100_000, "1e999999999999999999999"):
        assert isinstance(canonical(odd), str)


def parsed(row: Any) -> LogEntry:
    fields: dict[str, Any] = dict(zip((column.name for column in COLUMNS), row, strict=True))
    return meant(LogEntry(**fields))


def chained(place: Any, count: int, kinds: list[str]) -> dict[str, float]:
    """Copy many rows from database to database, and compare the last with the first; rows a second of each copy."""
    urls = [place(kind, number) for number, kind in enumerate(kinds)]
    for start in range(0, count, 20_000):
        fill(urls[0], [made(number, count) for number in range(start, min(start + 20_000, count))])
    speeds = {}
    for left, right in itertools.pairwise(urls):
        started = time.perf_counter()
        done = copy(left, right)
        speeds[f"{left.partition(':')[0]} to {right.partition(':')[0]}"] = count / (time.perf_counter() - started)
        assert done.verified
        assert done.total("stored") == count
    with connected(urls[0]) as first, connected(urls[-1]) as last:
        tables = [Keyed(each, "logs", COLUMNS, ("timestamp", "id")) for each in (first, last)]
        behind: Any = None
        compared = 0
        while any(pages := [table.after(behind, 5000) for table in tables]):
            assert all(one == other or parsed(one) == parsed(other) for one, other in zip(*pages, strict=True))
            compared += len(pages[0])
            behind = tables[0].key(pages[0][-1])
    assert compared == count
    return speeds


def test_from_sqlite_to_postgres_and_back(place: Any) -> None:
    """A thousand entries, ordinary and hostile, are the same as a set and field by field at the end of the road."""
    chained(place, 1000, ["sqlite", "postgresql", *(["clickhouse"] if "clickhouse" in ENGINES else []), "sqlite"])


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_million_entries_through_all_databases(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """From SQLite to Postgres, to ClickHouse where it was asked for, and back to SQLite: not one field is another.

    With ClickHouse: ``nox -s clickhouse -- -m long tests/contract``.
    """
    kinds = ["sqlite", "postgresql", *(["clickhouse"] if "clickhouse" in ENGINES else []), "sqlite"]
    speeds = chained(place, 1_000_000, kinds)
    with capsys.disabled():
        print({road: f"{speed:,.0f} entries/s" for road, speed in speeds.items()})


def test_no_statement_reads_a_whole_table_of_sqlite(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, and the same keys in the target, are found by the index: the time of a copy grows with its entries."""
    source, target = place("sqlite", 0), place("sqlite", 1)
    fill(source, [made(number, 50) for number in range(50)])
    plans: list[str] = []
    real = AdminConnection.rows

    def rows(self: AdminConnection, sql: str, *given: object) -> list[tuple[Any, ...]]:
        if self.logs in sql and sql.startswith("SELECT"):
            plans.extend(row[3] for row in real(self, f"EXPLAIN QUERY PLAN {sql}", *given))
        return real(self, sql, *given)

    monkeypatch.setattr(AdminConnection, "rows", rows)
    assert copy(source, target).verified
    assert sum("SEARCH logs USING INDEX logs_timestamp_id_idx" in plan for plan in plans) >= 20
    assert not [plan for plan in plans if "SCAN logs" in plan and "INDEX" not in plan]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("kind", ENGINES)
def test_the_same_tables_are_refused(databases: Any, kind: str, asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever tells them from others of one server, also where that is not for everybody to ask; two databases of it
    are not the same.
    """
    if not asked:
        monkeypatch.setattr(copying, "_WHO_AM_I", dict.fromkeys(ENGINES, "SELECT nobody(), nothing()"))
    url, other = databases(kind, 0), databases(kind, 1)
    with connected(url) as left, connected(url) as right, connected(other) as another:
        with pytest.raises(ConfigurationError, match="--from and --to are the same tables"):
            copying.refuse_nonsense(left, right)
        copying.refuse_nonsense(left, another)
