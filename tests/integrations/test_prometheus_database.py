"""Statements as metrics: counted as they are, under bounded labels, and what is measured stays what it was."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

import dblog
from dblog.errors import ConfigurationError
from dblog.integrations.prometheus import AppMetrics
from dblog.integrations.prometheus.pools import figures
from dblog.integrations.prometheus.tables import OPERATIONS, Tables, operation_of, table_of
from dblog.url import async_url, sync_url
from tests.scraped import exemplars, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str | None] = mapped_column(unique=True)


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"))


ORDERS, ITEMS = Base.metadata.tables["orders"], Base.metadata.tables["items"]


@pytest.fixture
def metrics() -> Iterator[AppMetrics]:
    made = AppMetrics("shop", writer=False)
    yield made
    made.close()


def queries(metrics: AppMetrics) -> dict[tuple[str, ...], float]:
    return page_of(metrics.registry).by("shop_db_queries_total", "operation", "table")


# -- statements ---------------------------------------------------------------------------------------------------

STATEMENTS: dict[str, tuple[Any, str, str | None]] = {
    "select": (sa.select(ORDERS), "select", "orders"),
    "join": (sa.select(ITEMS).join(ORDERS), "select", "items"),
    "entity": (sa.select(Order).join(Item), "select", "orders"),
    "count": (sa.select(sa.func.count()).select_from(ITEMS), "select", "items"),
    "alias": (sa.select(aliased(Order)), "select", "orders"),
    "subquery": (sa.select(sa.select(ITEMS.c.id).subquery()), "select", "items"),
    "cte": (sa.select(sa.select(ITEMS.c.id).cte()), "select", "items"),
    "union": (sa.union(sa.select(ORDERS.c.id), sa.select(ITEMS.c.id)), "select", "orders"),
    "in brackets": (sa.select(sa.select(ITEMS).limit(1).subquery().alias()), "select", "items"),
    "nothing": (sa.select(sa.literal(1)), "select", None),
    "exists": (sa.select(sa.exists().where(ORDERS.c.id == 1)), "select", None),
    "for update": (sa.select(ORDERS).with_for_update(skip_locked=True), "select", "orders"),
    "insert": (sa.insert(Order).values(state="new"), "insert", "orders"),
    "insert from": (sa.insert(ITEMS).from_select(["id"], sa.select(ORDERS.c.id)), "insert", "items"),
    "update": (sa.update(Item).values(order_id=1), "update", "items"),
    "delete": (sa.delete(ITEMS), "delete", "items"),
    "text": (sa.text(" select 1 from orders"), "select", None),
    "text in brackets": (sa.text("(SELECT 1)"), "select", None),
    "words": (sa.text("selection"), "other", None),
    "pragma": (sa.text("PRAGMA user_version"), "other", None),
    "ddl": (sa.schema.CreateTable(ORDERS), "other", None),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_a_statement_does_and_to_which_table(name: str) -> None:
    """Read from SQLAlchemy's own objects: the leftmost table of the first FROM, through all that can lie around it."""
    statement, operation, table = STATEMENTS[name]
    compiled = statement.compile()
    assert operation in OPERATIONS
    assert operation_of(compiled, str(compiled)) == operation
    found = table_of(compiled)
    assert (None if found is None else found.name) == table


def test_a_statement_without_a_compiled_form_counts_by_its_first_word() -> None:
    """As ``exec_driver_sql`` sends it."""
    assert operation_of(None, "  DELETE FROM orders") == "delete"
    assert operation_of(None, "") == "other"
    assert table_of(None) is None


def test_tables_that_are_labels_are_those_given() -> None:
    """A MetaData, also what is added to it later; names; or the first two hundred."""
    metadata = sa.MetaData()
    by_metadata, by_name, early = Tables(metadata), Tables(["items"]), Tables(None)
    assert [by_metadata.label(ORDERS), by_name.label(ORDERS), early.label(ORDERS)] == ["other", "other", "orders"]
    later = sa.Table("later", metadata, schema="tenant_17")
    assert [by_metadata.label(later), by_name.label(ITEMS), early.label(None)] == ["later", "items", "other"]
    for number in range(300):
        early.label(sa.Table(f"t{number}", sa.MetaData()))
    assert early.label(sa.Table("t299", sa.MetaData())) == "other"
    assert early.label(ORDERS) == "orders"
    for wrong in ("orders", (), [1]):
        with pytest.raises(ConfigurationError, match="give a MetaData or the tables' names"):
            Tables(wrong)  # type: ignore[arg-type]  # that is the test


# -- programs -----------------------------------------------------------------------------------------------------

STEP = st.sampled_from(
    ["add", "clash", "change", "remove", "read", "text", "many", "begin", "nested", "undo", "commit"]
)


def play(engine: sa.Engine, steps: list[str], counted: Counter[tuple[str, ...]]) -> list[Any]:
    """Run a program; what every step gave, and at the end what the database holds."""
    seen: list[Any] = []
    with engine.connect() as connection:
        savepoints: list[sa.NestedTransaction] = []
        for number, step in enumerate(steps):
            try:
                seen.append(perform(connection, savepoints, step, number, counted))
            except sa.exc.SQLAlchemyError as error:
                seen.append((type(error).__name__, str(error)))
        with suppress(sa.exc.SQLAlchemyError):
            connection.commit()
        seen.append(connection.execute(sa.text("SELECT id, state FROM orders ORDER BY id")).all())
        counted["select", "other"] += 1
    return seen


def perform(connection: sa.Connection, points: list[Any], step: str, number: int, counted: Counter[Any]) -> Any:
    """One step, and its statement to the count."""
    if step in {"begin", "nested"}:
        points.append(connection.begin_nested())  # its statements are counted by their texts, see below
        return None
    if step in {"undo", "commit"}:
        if points:
            point = points.pop()
            return point.rollback() if step == "undo" else point.commit()
        return connection.rollback() if step == "undo" else connection.commit()
    statements: dict[str, tuple[Any, tuple[str, str]]] = {
        "add": (sa.insert(ORDERS).values(state=f"s{number}"), ("insert", "orders")),
        "clash": (sa.insert(ORDERS).values(id=1, state="first"), ("insert", "orders")),
        "change": (sa.update(Order).values(state=None).where(Order.id == number), ("update", "orders")),
        "remove": (sa.delete(ORDERS).where(ORDERS.c.id > 2), ("delete", "orders")),
        "read": (sa.select(Order.id, Order.state).order_by(Order.id), ("select", "orders")),
        "text": (sa.text("SELECT count(*) FROM orders"), ("select", "other")),
        "many": (sa.insert(ORDERS), ("insert", "orders")),
    }
    statement, labels = statements[step]
    counted[labels] += 1
    if step == "many":
        return connection.execute(statement, [{"state": f"m{number}"}, {"state": f"n{number}"}]).rowcount
    result = connection.execute(statement)
    return [tuple(row) for row in result] if result.returns_rows else result.rowcount


def watched(engine: sa.Engine, mode: str) -> AppMetrics:
    """Watched as it is, or with every part of ours raising."""
    metrics = AppMetrics("shop", writer=False)
    metrics.watch(engine)
    if mode == "broken":

        def fails(*_: object) -> None:
            raise RuntimeError

        (watch,) = metrics._database._watched.values()  # type: ignore[union-attr]  # it is watched
        watch._since = cast("Any", [])  # no key of a dict
        watch._over = fails  # type: ignore[method-assign]  # broken too
    return metrics


@given(steps=st.lists(STEP, max_size=14))
def test_a_program_does_what_it_did_and_is_counted_exactly(steps: list[str]) -> None:
    """Any program of statements, transactions, savepoints and failures: same results unwatched, watched, and broken."""
    seen, sent = {}, {}
    for mode in ("unwatched", "watched", "broken"):
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        Base.metadata.create_all(engine)
        metrics = watched(engine, mode) if mode != "unwatched" else None
        sent[mode] = texts = list[str]()

        def note(*event: Any, texts: list[str] = texts) -> None:
            texts.append(event[2])

        sa.event.listen(engine, "before_cursor_execute", note)
        counted: Counter[tuple[str, ...]] = Counter()
        seen[mode] = play(engine, steps, counted)
        if metrics is not None:
            found = queries(metrics)
            savepoints = sum("SAVEPOINT" in text for text in texts)
            expected = {key: count for key, count in counted.items() if count} | (
                {("other", "other"): savepoints} if savepoints else {}
            )
            assert found == ({} if mode == "broken" else expected)
            metrics.close()
        engine.dispose()
    assert seen["unwatched"] == seen["watched"] == seen["broken"]
    assert sent["unwatched"] == sent["watched"] == sent["broken"]


class Cursor(psycopg.Cursor[Any]):
    """Tells what reaches the driver."""

    told: ClassVar[list[str]] = []

    def execute(self, query: Any, *given: Any, **more: Any) -> Any:
        Cursor.told.append(str(query))
        return super().execute(query, *given, **more)


def take_jobs(engine: sa.Engine) -> list[Any]:
    """Two workers, each with its transaction open, a third when both are done; what each was given."""
    job = sa.select(ORDERS.c.id).order_by(ORDERS.c.id).limit(1).with_for_update(skip_locked=True)
    taken: list[Any] = []
    with engine.connect() as first, engine.connect() as second, engine.connect() as third:
        taken += [first.scalar(job), second.scalar(job), third.scalar(job)]
        third.rollback()
        first.execute(sa.update(ORDERS).where(ORDERS.c.id == taken[0]).values(state="done"))
        first.commit()
        second.rollback()
        with suppress(sa.exc.IntegrityError):
            third.execute(sa.insert(ORDERS).values(id=1))
        try:
            third.execute(job)
        except sa.exc.InternalError as error:  # the transaction is over, as it would be without us
            taken.append(type(error.orig).__name__)
        third.rollback()
        taken += [third.scalar(job), second.scalar(sa.select(sa.func.count()).select_from(ORDERS))]
    return taken


def test_skip_locked_is_what_it_was(empty_postgres_url: str, metrics: AppMetrics) -> None:
    """On PostgreSQL, watched and unwatched: the same jobs, the same failed transaction, the same statements sent."""
    outcomes = []
    for watch in (False, True):
        arguments = {"cursor_factory": Cursor}
        engine = sa.create_engine(sync_url(empty_postgres_url), connect_args=arguments)
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(ORDERS), [{"id": number} for number in (1, 2, 3)])
        if watch:
            metrics.watch(engine, tables=Base.metadata)
        Cursor.told = []
        outcomes.append((take_jobs(engine), [*Cursor.told]))
        engine.dispose()
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][0] == [1, 2, 3, "InFailedSqlTransaction", 1, 3]
    assert queries(metrics) == {("select", "orders"): 6, ("update", "orders"): 1, ("insert", "orders"): 1}


def test_sessions_and_their_loads_are_counted(metrics: AppMetrics) -> None:
    """The ORM's own statements, with the table of each."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    metrics.watch(engine)
    with Session(engine) as session:
        session.add_all([Order(id=1), Item(id=1, order_id=1)])
        session.commit()
        assert session.scalars(sa.select(Item)).one().order_id == 1
        assert session.get(Order, 1) is not None
    engine.dispose()
    assert queries(metrics) == {
        ("insert", "orders"): 1, ("insert", "items"): 1, ("select", "items"): 1, ("select", "orders"): 1,
    }  # fmt: skip


async def test_asynchronous_engines_are_watched(sqlite_url: str, metrics: AppMetrics) -> None:
    """Their statements are counted, their pool is seen, and so is a task that waits for a connection."""
    engine = create_async_engine(async_url(sqlite_url), poolclass=sa.AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
    metrics.watch(engine)
    async with engine.connect() as connection:
        await connection.execute(sa.select(sa.literal(1)))
        waiting = asyncio.create_task(engine.connect().start())
        for _ in range(100):
            await asyncio.sleep(0)
        page = page_of(metrics.registry)
        assert page.value("shop_db_connections_waiting") == 1
        assert (page.value("shop_db_connections_open"), page.value("shop_db_connections_max")) == (1, 1)
    await (await waiting).close()
    assert page_of(metrics.registry).value("shop_db_connections_waiting") == 0
    assert sum(queries(metrics).values()) == 1
    await engine.dispose()


def test_failures_are_counted_once(metrics: AppMetrics) -> None:
    """A statement the database refuses counts; a connection that is not to be had is no statement."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics.watch(engine)
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError):
        connection.execute(sa.select(ORDERS))
    engine.dispose()
    nowhere = sa.create_engine("sqlite:////nowhere/at/all.db")
    metrics.watch(nowhere)
    with pytest.raises(sa.exc.OperationalError):
        nowhere.connect()
    assert queries(metrics) == {("select", "orders"): 1}
    assert page_of(metrics.registry).total("shop_db_query_duration_seconds_count") == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("mode", ["watched", "broken"])
def test_an_interrupt_passes_and_is_counted(interruption: type[BaseException], mode: str) -> None:
    """What ends the program, or the task, in the middle of a statement goes on as it is."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics = watched(engine, mode)

    def interrupted(*_: object) -> None:
        raise interruption

    with engine.connect() as connection:
        sa.event.listen(engine, "do_execute", interrupted)
        with pytest.raises(interruption):
            connection.execute(sa.select(ORDERS))
    engine.dispose()
    assert queries(metrics) == ({("select", "orders"): 1} if mode == "watched" else {})
    metrics.close()


def test_watched_twice_it_counts_once_and_closed_it_counts_no_more(metrics: AppMetrics) -> None:
    """And two services in one process each count for themselves."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    other = AppMetrics(writer=False)
    for each in (metrics, metrics, other):
        each.watch(engine)
    with engine.connect() as connection:
        connection.execute(sa.select(1))
        assert queries(metrics) == {("select", "other"): 1}
        assert page_of(other.registry).total("db_queries_total") == 1
        metrics.close()
        connection.execute(sa.select(1))
    assert page_of(other.registry).total("db_queries_total") == 2
    assert all(name.startswith(("process", "python")) for name in page_of(metrics.registry).families)
    other.close()
    engine.dispose()


def test_only_engines_can_be_watched(metrics: AppMetrics) -> None:
    """Anything else is refused by its type."""
    with pytest.raises(ConfigurationError, match="a str cannot be watched: give an Engine or an AsyncEngine"):
        metrics.watch("sqlite://")  # type: ignore[arg-type]  # that is the test


def test_dblog_s_own_engine_is_never_watched(database_url: str, metrics: AppMetrics) -> None:
    """A handler made of a watched engine stores through one of its own, of which nothing is counted."""
    engine = sa.create_engine(sync_url(database_url))
    metrics.watch(engine)
    handler = dblog.DatabaseHandler(engine=engine)
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    logger.info("stored")
    assert handler.flush(10)
    handler.close()
    assert handler.stats().stored == 1
    assert queries(metrics) == {}
    engine.dispose()


def test_a_slow_statement_has_its_trace(metrics: AppMetrics) -> None:
    """As an exemplar of its duration."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics.watch(engine)
    with dblog.bound(), engine.connect() as connection:
        trace_id = dblog.new_trace()
        connection.execute(sa.select(1))
    engine.dispose()
    (found,) = exemplars(metrics.registry, "shop_db_query_duration_seconds_bucket")
    assert found.labels["trace_id"] == trace_id


# -- pools --------------------------------------------------------------------------------------------------------


def test_the_pool_s_figures(tmp_path: Any, metrics: AppMetrics) -> None:
    """Open, at most, and a thread that really waits; summed over engines; gone when the engine is."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", pool_size=1, max_overflow=1)
    other = sa.create_engine(f"sqlite:///{tmp_path}/b.db", pool_size=3, max_overflow=4)
    metrics.watch(engine)
    metrics.watch(other)

    def shown() -> list[float | None]:
        page = page_of(metrics.registry)
        return [page.value(f"shop_db_connections_{name}") for name in ("open", "max", "waiting")]

    assert shown() == [0, 9, 0]
    first, second = engine.connect(), engine.connect()
    assert shown() == [2, 9, 0]
    thread = threading.Thread(target=lambda: engine.connect().close())
    thread.start()
    while shown() != [2, 9, 1]:
        assert thread.is_alive()
    second.close()
    thread.join()
    first.close()
    engine.dispose()
    assert shown() == [0, 9, 0]
    other.dispose()


def test_what_a_pool_cannot_tell_is_not_a_number(metrics: AppMetrics, tmp_path: Any) -> None:
    """A pool without a size has no figures, one without a limit an infinite one; nothing raises at a scrape."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics.watch(engine)
    value = page_of(metrics.registry).value("shop_db_connections_open")
    assert value is not None
    assert math.isnan(value)
    unlimited = sa.create_engine(f"sqlite:///{tmp_path}/a.db", max_overflow=-1)
    metrics.watch(unlimited)
    page = page_of(metrics.registry)
    assert (page.value("shop_db_connections_open"), page.value("shop_db_connections_max")) == (0, math.inf)
    found = figures(unlimited.pool)
    assert found is not None
    assert found.waiting == 0
    unlimited.pool = object()  # type: ignore[assignment]  # another library's
    assert math.isnan(page_of(metrics.registry).value("shop_db_connections_max") or 0)
    for each in (engine, sa.create_engine("sqlite://")):
        each.dispose()


def test_a_pool_whose_inside_has_changed_says_what_is_still_known() -> None:
    """The limit and who waits are read inside SQLAlchemy: where they stand elsewhere, they are not told."""

    class Other(sa.QueuePool):
        def __getattribute__(self, name: str) -> Any:
            if name == "_max_overflow":
                raise AttributeError(name)
            return super().__getattribute__(name)

    pool = Other(lambda: cast("Any", None))
    queue = pool._pool
    assert figures(pool) == (0, None, 0)
    pool._pool = type("Queue", (), {"qsize": queue.qsize, "maxsize": 5})()
    assert figures(pool) == (0, None, None)


def test_a_pool_that_cannot_be_looked_at_harms_no_scrape(metrics: AppMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """What raises is told once; the rest of the page is there."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics.watch(engine)

    def fails(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("dblog.integrations.prometheus.pools.figures", fails)
    assert page_of(metrics.registry).value("shop_http_requests_in_flight") == 0
    engine.dispose()
