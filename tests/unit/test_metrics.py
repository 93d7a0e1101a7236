"""The ledger for Prometheus, read with the official client's own parser."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import dblog
from dblog import metrics as exporter
from dblog.errors import ConfigurationError, ErrorClass, MissingExtraError
from dblog.ledger import DROP_REASONS, FAIL_REASONS
from dblog.levels import BAND_NAMES
from dblog.metrics import _ADOPTED, METRICS, Metrics, disable, enable
from dblog.observe import observers
from dblog.opening import folder_of
from dblog.spool import Counts, Spool
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import until
from tests.spooled import append, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dblog import Stats

QUICK: dict[str, Any] = {"retry_initial": 0.001, "retry_max": 0.01}


@pytest.fixture(autouse=True)
def nobody_listens_afterwards() -> Iterator[None]:
    yield
    disable()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


class Scraped:
    """A page as Prometheus would read it."""

    def __init__(self, page: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(page)}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum over the samples with these labels."""
        return sum(value for (each, has), value in self.samples.items() if each == name and labels.items() <= set(has))

    def by(self, name: str, label: str, **labels: str) -> dict[str, int]:
        """Totals by one label, without the zeros."""
        found: Counter[str] = Counter()
        for (each, has), value in self.samples.items():
            if each == name and labels.items() <= set(has):
                found[dict(has)[label]] += int(value)
        return {key: count for key, count in found.items() if count}


def scrape(registry: CollectorRegistry) -> Scraped:
    return Scraped(generate_latest(registry).decode())


def logger_with(handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger("shop", 1)
    logger.addHandler(handler)
    return logger


def assert_equal_to(stats: Stats, page: Scraped, handler: str) -> None:
    """Every figure of the ledger stands on the page."""
    assert page.total("dblog_records_emitted_total", handler=handler) == stats.emitted
    assert page.total("dblog_records_stored_total", handler=handler) == stats.stored
    assert page.by("dblog_records_dropped_total", "reason", handler=handler) == stats.dropped_by
    assert page.by("dblog_records_failed_total", "reason", handler=handler) == stats.failed_by
    assert page.total("dblog_queue_records", handler=handler) == stats.queued
    assert page.total("dblog_inflight_records", handler=handler) == stats.in_flight
    assert page.total("dblog_spooled_records", handler=handler) == stats.spooled
    assert page.total("dblog_records_unsaved_total", handler=handler) == stats.unsaved


# -- figures ------------------------------------------------------------------------------------------------------


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["log", "bad", "hostile", "flush", "fail", "lose reply"]),
        st.integers(-5, 70),
        st.integers(1, 30),
    ),
    max_size=12,
)


@given(steps=STEPS, queue_size=st.sampled_from([5, 50, 5000]))
def test_after_any_workload_the_counters_equal_the_ledger(steps: list[tuple[str, int, int]], queue_size: int) -> None:
    """Whatever was logged, refused, dropped and retried: after the last tick both say the same."""
    registry, sink = CollectorRegistry(), MemorySink()
    metrics = enable(registry)
    handler = dblog.DatabaseHandler(sink=sink, queue_size=queue_size, **QUICK)
    handler.set_name("db")
    logger = logger_with(handler)
    for action, level, count in steps:
        match action:
            case "flush":
                handler.flush(10)
            case "fail":
                sink.fail(2)
            case "lose reply":
                sink.fail(ambiguous=True)
            case "bad":
                sink.refuse("bad")
                logger.log(level, "bad")
            case "hostile":
                logger.log(level, "%s", Hostile())
            case _:
                for number in range(count):
                    logger.log(level, "record %d", number)
    handler.close()
    assert_conserved(handler.stats())
    assert_equal_to(handler.stats(), scrape(registry), "db")
    metrics.disable()


@given(count=st.integers(0, 9), queue_size=st.sampled_from([3, 50]))
def test_a_promise_the_disk_did_not_keep_is_counted(count: int, queue_size: int) -> None:
    """With ``durable`` on a full disk: each record that was in memory only, beside its place in the ledger."""
    registry, sink = CollectorRegistry(), MemorySink()
    metrics = enable(registry)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Spool, "grow", lambda *_: False)
        handler = dblog.DatabaseHandler(sink=sink, durability="durable", queue_size=queue_size, **QUICK)
        handler.set_name("db")
        logger = logger_with(handler)
        for number in range(count):
            logger.info("record %d", number)
        stats = handler.stats()
        assert_conserved(stats)
        assert stats.unsaved == count
        handler.close()
        logger.info("after the end, when nothing is promised")
    assert handler.stats().unsaved == count
    assert scrape(registry).total("dblog_records_unsaved_total", handler="db") == count
    metrics.disable()


def test_levels_are_told_apart(registry: CollectorRegistry) -> None:
    """Each record is counted under its band; an invented level under the band it falls into."""
    enable(registry)
    handler = dblog.DatabaseHandler(sink=MemorySink())
    handler.set_name("db")
    logger = logger_with(handler)
    for level in (5, 10, 20, 30, 40, 50, 60, 25):
        logger.log(level, "x")
    handler.close()
    by_level = scrape(registry).by("dblog_records_emitted_total", "level")
    assert by_level == {"trace": 1, "debug": 1, "info": 2, "warning": 1, "error": 1, "critical": 2}


def test_an_outage_is_seen_while_it_lasts(registry: CollectorRegistry) -> None:
    """A writer in trouble goes on ticking: the queue and the state are on the page, not only afterwards."""
    enable(registry)
    sink = MemorySink()
    sink.down()
    seen = threading.Event()

    class Watch:
        def tick(self, handler: str, _id: object, _cells: object, state: str, _last: object) -> None:
            if handler == "db" and state == "RETRY":
                seen.set()

        def batch(self, *_: object, **__: object) -> None: ...
        def retry(self, *_: object) -> None: ...
        def bisection(self, *_: object) -> None: ...

    watch: Any = Watch()
    observers.append(watch)
    try:
        handler = dblog.DatabaseHandler(sink=sink, retry_initial=0.05, retry_max=0.2)
        handler.set_name("db")
        logger_with(handler).error("waits")
        assert seen.wait(10)
    finally:
        observers.remove(watch)
    page = scrape(registry)
    assert page.total("dblog_writer_up", handler="db") == 0
    assert page.total("dblog_writer_state", handler="db", state="RETRY") == 1
    assert page.total("dblog_inflight_records", handler="db") == 1
    sink.up()
    handler.close()
    page = scrape(registry)
    assert page.total("dblog_flush_retries_total", handler="db", error_class="reconnect") >= 1
    assert page.total("dblog_flush_duration_seconds_count", outcome="failed") >= 1
    assert page.total("dblog_flush_duration_seconds_count", outcome="stored") == 1
    assert page.total("dblog_last_success_timestamp_seconds") == handler.stats().last_success
    assert page.total("dblog_writer_state", state="CLOSED") == 1


def test_batches_are_measured(registry: CollectorRegistry) -> None:
    """Sizes and lags of what was committed; a split batch is counted."""
    enable(registry)
    sink = MemorySink()
    with sink.blocked() as hanging:
        handler = dblog.DatabaseHandler(sink=sink)
        logger = logger_with(handler)
        logger.error("first")
        assert hanging.wait(10)
        for _ in range(7):
            logger.info("good")
        logger.info("bad")
        sink.refuse("bad")
    sink.refuse("bad")
    handler.close()
    page = scrape(registry)
    assert page.total("dblog_batch_records_sum") == handler.stats().stored == 8
    assert page.total("dblog_delivery_lag_seconds_count") == page.total("dblog_batch_records_count")
    assert page.total("dblog_bisections_total") >= 3
    assert handler.stats().failed_by == {"poison": 1}


def test_a_handler_made_again_under_the_same_name_only_adds(registry: CollectorRegistry) -> None:
    """Counters never go back and never count twice, also when the new ledger is ahead of the old one at once."""
    enable(registry)
    values = []
    for count in (5, 9, 2):
        handler = dblog.DatabaseHandler(sink=MemorySink())
        handler.set_name("db")
        logger = logger_with(handler)
        for _ in range(count):
            logger.info("x")
        handler.close()
        values.append(scrape(registry).total("dblog_records_stored_total", handler="db"))
    assert values == [5, 14, 16]


def test_two_handlers_of_one_name_are_added_up(registry: CollectorRegistry) -> None:
    """One series per name: counters and writers are sums."""
    enable(registry)
    handlers = [dblog.DatabaseHandler(sink=MemorySink()) for _ in range(2)]
    for handler in handlers:
        handler.set_name("db")
        logger_with(handler).info("x")
    for handler in handlers:
        handler.flush(5)
        handler.close()
    page = scrape(registry)
    assert page.total("dblog_records_stored_total", handler="db") == 2
    assert page.total("dblog_writer_state", handler="db", state="CLOSED") == 2


def test_counters_are_not_touched_by_emit(registry: CollectorRegistry) -> None:
    """A handler without a writer's tick, here a detached one, shows nothing: nothing is counted by callers."""
    enable(registry)
    handler = dblog.DatabaseHandler()
    logger_with(handler).info("waits for attach")
    assert scrape(registry).total("dblog_records_emitted_total") == 0
    assert handler.stats().queued == 1


# -- names and labels ---------------------------------------------------------------------------------------------


def used(registry: CollectorRegistry) -> Scraped:
    enable(registry)
    handler = dblog.DatabaseHandler(sink=MemorySink())
    handler.set_name("db")
    logger_with(handler).error("x")
    handler.close()
    return scrape(registry)


def test_names_follow_the_field_s_rules(registry: CollectorRegistry) -> None:
    """Prefix, base units, ``_total`` on counters and on nothing else."""
    families = used(registry).families
    ours = {name: family for name, family in families.items() if not name.endswith("_created")}
    assert set(ours) == {f"dblog_{name.removesuffix('_total')}" for name in METRICS}
    for name, spec in METRICS.items():
        family = ours[f"dblog_{name.removesuffix('_total')}"]
        assert family.type == spec.kind
        assert (spec.kind == "counter") == name.endswith("_total")
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", name)
        assert not re.search(r"milli|micro|_ms|_kb|_minutes", name)
        assert family.documentation.endswith(".")
    for spec in METRICS.values():
        assert all(low < high for low, high in pairwise(spec.buckets))


def test_what_became_of_dead_writers_records(registry: CollectorRegistry, tmp_path: Path) -> None:
    """One took three along and left two on disk: whoever comes later counts that, and nothing of it as its own."""
    enable(registry)
    sink = MemorySink()
    options: dict[str, Any] = {"sink": sink, "durability": "spool", "spool_dir": str(tmp_path)}
    handler = dblog.DatabaseHandler(**options)
    handler.set_name("db")
    folder = folder_of(sink, handler.options)
    assert folder is not None
    spool = made(folder)
    for seq in (1, 2):
        append(spool, seq)
    spool.counters.mirror(Counts(emitted=5))
    spool.abandon()
    logger_with(handler).info("heir")
    until(lambda: scrape(registry).total("dblog_records_adopted_total") == 5)
    handler.close()
    page = scrape(registry)
    told = {outcome: page.total("dblog_records_adopted_total", outcome=outcome) for outcome in _ADOPTED}
    assert told == {"stored": 2, "failed": 0, "killed": 3, "damaged": 0, "spool_expired": 0}
    assert (page.total("dblog_records_stored_total", handler="db"), page.total("dblog_records_dropped_total")) == (1, 0)


def test_every_possible_series_is_there_from_the_start(registry: CollectorRegistry) -> None:
    """So that ``rate()`` sees the first drop: one record, and every reason, level and class stands at zero."""
    page = used(registry)
    dropped = {
        (dict(has)["reason"], dict(has)["level"]) for name, has in page.samples if name == "dblog_records_dropped_total"
    }
    assert dropped == {(reason, level) for reason in DROP_REASONS for level in BAND_NAMES}
    failed = {dict(has)["reason"] for name, has in page.samples if name == "dblog_records_failed_total"}
    assert failed == set(FAIL_REASONS)
    classes = {dict(has)["error_class"] for name, has in page.samples if name == "dblog_flush_retries_total"}
    assert classes == {kind.value for kind in ErrorClass}


def test_hostile_records_make_no_series(registry: CollectorRegistry) -> None:
    """A thousand loggers, levels and keys: the page has as many series as after one record."""
    first = used(registry)
    handler = dblog.DatabaseHandler(sink=MemorySink())
    handler.set_name("db")
    for number in range(1000):
        logging.addLevelName(100 + number, f"LEVEL {number}")
        logger = logging.Logger(f'"}}\n{number}', 1)
        logger.addHandler(handler)
        logger.log(100 + number, "%s", number, extra={f"key {number}": number})
    handler.close()
    page = scrape(registry)
    assert page.total("dblog_records_stored_total") == 1001
    assert page.samples.keys() == first.samples.keys()


@pytest.mark.parametrize("name", ['a"b\\c\nd', "\udcff", "", "x" * 5000, "\x00"])
def test_a_hostile_handler_name_cannot_break_the_page(registry: CollectorRegistry, name: str) -> None:
    """The page is parsed whatever the name holds, and a long one is cut."""
    metrics = enable(registry)
    metrics.tick(name, uuid.uuid4(), [1] * 200, "RUNNING", 1.0)
    (label,) = {dict(has)["handler"] for each, has in scrape(registry).samples if each == "dblog_records_stored_total"}
    assert len(label) <= 100


def test_handler_names_are_bounded(registry: CollectorRegistry) -> None:
    """An application that invents a name per handler fills the label ``other``, and loses no count."""
    metrics = enable(registry)
    for number in range(1500):
        metrics.tick(f"h{number}", uuid.uuid4(), [1] * 200, "RUNNING", None)
    page = scrape(registry)
    labels = {dict(has)["handler"] for name, has in page.samples if name == "dblog_records_stored_total"}
    assert len(labels) == 101
    assert page.total("dblog_records_stored_total") == 1500
    assert page.total("dblog_records_stored_total", handler="other") == 1400


def test_a_renamed_handler_leaves_no_queue_behind(registry: CollectorRegistry) -> None:
    """Gauges follow the new name, counters keep what was counted under both."""
    metrics = enable(registry)
    writer = uuid.uuid4()
    metrics.tick("before", writer, [1] * 200, "RUNNING", None)
    metrics.tick("after", writer, [2] * 200, "RUNNING", None)
    page = scrape(registry)
    assert (
        page.total("dblog_queue_records", handler="before"),
        page.total("dblog_queue_records", handler="after"),
    ) == (0, 2)
    assert page.total("dblog_records_stored_total") == 2


# -- on and off ---------------------------------------------------------------------------------------------------


def test_enable_is_the_default_registry_s_and_idempotent() -> None:
    """What the application's own endpoint serves holds ours; a second call changes nothing."""
    metrics = enable()
    assert metrics.registry is prometheus_client.REGISTRY
    assert enable() is metrics
    assert observers.count(metrics) == 1
    assert b"dblog_build_info" in generate_latest()
    metrics.disable()
    metrics.disable()
    assert b"dblog_" not in generate_latest()
    again = enable()
    assert again is not metrics
    assert b"dblog_build_info" in generate_latest()


def test_disabled_costs_nothing(registry: CollectorRegistry) -> None:
    """No observer, no metric: the writer tells nobody."""
    metrics = enable(registry)
    metrics.disable()
    assert [each for each in observers if isinstance(each, Metrics)] == []
    assert generate_latest(registry) == b""


def test_a_namespace_of_one_s_own(registry: CollectorRegistry) -> None:
    """Another prefix is taken, an impossible one refused."""
    enable(registry, namespace="shop_log")
    assert b"shop_log_build_info" in generate_latest(registry)
    with pytest.raises(ConfigurationError, match=r"namespace='no-dash'"):
        enable(registry, namespace="no-dash")


def test_names_that_are_taken_are_refused_and_nothing_is_left(registry: CollectorRegistry) -> None:
    """A name in use fails as a whole: neither half of the metrics nor an observer stays."""
    prometheus_client.Gauge("dblog_batch_records", "somebody else's", registry=registry)
    with pytest.raises(ConfigurationError, match="in use in this registry"):
        enable(registry)
    assert set(scrape(registry).families) == {"dblog_batch_records"}
    assert not any(isinstance(each, Metrics) for each in observers)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'dblog-logging[metrics]'")):
        enable()


# -- processes ----------------------------------------------------------------------------------------------------


def run(code: str, **environment: str) -> list[Any]:
    """What a Python program prints, one JSON value per line; forking beside threads, which it does, is no error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", PRELUDE + code],
        capture_output=True, text=True, check=False, timeout=50, env=os.environ | environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return [json.loads(line) for line in result.stdout.splitlines()]


PRELUDE = """
import json, logging, os, sys
import dblog, dblog.metrics
from dblog.testing import MemorySink
from prometheus_client import CollectorRegistry, generate_latest, multiprocess

def made(name="db"):
    handler = dblog.DatabaseHandler(sink=MemorySink())
    handler.set_name(name)
    logger = logging.Logger("shop", 1)
    logger.addHandler(handler)
    return handler, logger

def work(count, handler, logger):
    for number in range(count):
        logger.log(10 * (1 + number % 5), "x")
    assert handler.flush(10)
    handler.close()

def child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(pid, 0)[1]
"""


def test_multiprocess_mode_adds_up_processes_and_forked_children(tmp_path: Path) -> None:
    """Three programs, one of which forks twice with a handler at work: the page is the sum, in plain metric types."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    plain = "dblog.metrics.enable(); work(7, *made())"
    run(plain, **environment)
    run(plain, **environment)
    forking = """
dblog.metrics.enable()
handler, logger = made()
logger.info("before the fork")
assert handler.flush(10)
assert child(lambda: work(20, handler, logger)) == 0
assert child(lambda: work(30, handler, logger)) == 0
work(4, handler, logger)
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(json.dumps(generate_latest(registry).decode()))
"""
    (text,) = run(forking, **environment)
    page = Scraped(text)
    assert page.total("dblog_records_stored_total", handler="db") == 7 + 7 + 1 + 20 + 30 + 4
    assert page.total("dblog_records_emitted_total", handler="db") == 69
    assert page.total("dblog_batch_records_sum", handler="db") == 69
    assert page.total("dblog_queue_records", handler="db") == 0
    assert page.total("dblog_writer_state", handler="db", state="CLOSED") == 5
    assert page.total("dblog_build_info") == 1
    assert not any("pid" in dict(has) for name, has in page.samples if name.startswith("dblog_"))


def test_a_forked_child_starts_at_zero() -> None:
    """Its page holds its own records only; the parent's goes on where it was."""
    code = """
registry = CollectorRegistry()
dblog.metrics.enable(registry)
handler, logger = made()
for _ in range(5):
    logger.info("x")
assert handler.flush(10)
def stored():
    print(json.dumps([line for line in generate_latest(registry).decode().splitlines()
                      if line.startswith(("dblog_records_stored_total", "dblog_build_info"))]), flush=True)
def in_child():
    work(3, handler, logger)
    stored()
assert child(in_child) == 0
work(2, handler, logger)
stored()
"""
    build = f'dblog_build_info{{version="{dblog.__version__}"}} 1.0'
    in_child, in_parent = run(code)
    assert in_child == ['dblog_records_stored_total{handler="db"} 3.0', build]
    assert in_parent == ['dblog_records_stored_total{handler="db"} 7.0', build]


def test_a_fork_in_the_middle_of_a_scrape_does_not_stop_the_child() -> None:
    """The parent's locks, held at the fork by a thread the child does not have, are not waited for."""
    code = """
registry = CollectorRegistry()
metrics = dblog.metrics.enable(registry)
handler, logger = made()
logger.info("x")
assert handler.flush(10)
locks = [metric._lock for metric in metrics._metrics.values()]
for lock in locks:
    lock.acquire()
pid = os.fork()
if pid == 0:
    work(3, handler, logger)
    os._exit(0 if handler.stats().stored == 3 else 1)
for lock in locks:
    lock.release()
print(os.waitpid(pid, 0)[1])
handler.close()
"""
    assert run(code) == [0]


def test_a_fork_waits_for_a_change_under_way(registry: CollectorRegistry) -> None:
    """No child is born while values change: the fork hook takes the lock that every change holds."""
    metrics = enable(registry)
    lock = exporter._updating
    changing, go = threading.Event(), threading.Event()

    class Slow(list[int]):
        def __getitem__(self, index: Any) -> Any:
            changing.set()
            assert go.wait(10)
            return 0

    thread = threading.Thread(target=metrics.tick, args=("db", uuid.uuid4(), Slow(), "RUNNING", None))
    thread.start()
    assert changing.wait(10)
    assert not lock.acquire(blocking=False)
    go.set()
    thread.join()
    exporter._hold()
    exporter._let_go()
    assert lock.acquire(blocking=False)
    lock.release()
