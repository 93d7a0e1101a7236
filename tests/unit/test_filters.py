"""The limit of repeats: some of a kind pass, the others are counted, nothing is forgotten unsaid."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import filters
from dblog.errors import ConfigurationError
from dblog.filters import LIMITED, RateLimit
from dblog.testing import recording


def made(template: Any = "broken %s", level: int = logging.WARNING, name: str = "shop") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, template, ("x",), None)


def said(passed: Any) -> int:
    """How many the answer says were held back."""
    return int(passed.__dict__["dblog_suppressed"].records) if isinstance(passed, logging.LogRecord) else 0


@given(
    burst=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(("a", "b", "c")), st.integers(0, 40)), max_size=60),
)
def test_a_bucket_for_each_kind(burst: int, steps: list[tuple[str, int]]) -> None:
    """Against a model with exact arithmetic: a token is taken or a record held back; passed + said is everything."""
    now = [0.0]
    limiter = RateLimit(burst, 60, clock=lambda: now[0])
    tokens: dict[str, tuple[Fraction, float]] = {}
    through, told = 0, 0
    unsaid: Counter[str] = Counter()
    since: dict[str, float] = {}
    for kind, step in steps:
        now[0] += step
        had, at = tokens.get(kind, (Fraction(burst), now[0]))
        filled = min(Fraction(burst), had + Fraction(burst, 60) * Fraction(now[0] - at))
        record = made(kind)
        passed = limiter.filter(record)
        assert bool(passed) == (filled >= 1)
        tokens[kind] = (filled - 1 if passed else filled, now[0])
        if passed:
            through += 1
            assert said(passed) == unsaid[kind]
            if unsaid[kind]:
                assert passed is not record
                assert passed.dblog_suppressed.seconds == now[0] - since.pop(kind)
            told += unsaid.pop(kind, 0)
        else:
            assert passed is LIMITED
            unsaid[kind] += 1
            since.setdefault(kind, now[0])
    assert limiter.suppressed == len(steps) - through == told + unsaid.total()


def test_kinds_are_logger_level_template_and_exception() -> None:
    """Different arguments are the same kind; any other difference makes another."""
    limiter = RateLimit(1)
    errors = []
    for kind in (ValueError, KeyError):
        try:
            raise kind
        except kind:
            record = made()
            record.exc_info = sys.exc_info()
            errors.append(record)
    events = [made({"event": "paid"}), made({"event": "sent", "to": 1}), made({"to": 1})]
    different = [made(), made("other"), made(level=20), made(name="cart"), *events, *errors]
    assert all(limiter.filter(record) for record in different)
    assert not any(limiter.filter(record) for record in different)


def test_errors_always_pass_unless_asked() -> None:
    """``below`` names the level from which on nothing is held back; None is none."""
    assert all(RateLimit(1).filter(made(level=40)) for _ in range(3))
    limiter = RateLimit(1, below="CRITICAL")
    assert [bool(limiter.filter(made(level=50))) for _ in range(3)] == [True] * 3
    assert [bool(limiter.filter(made(level=40))) for _ in range(2)] == [True, False]
    everything = RateLimit(1, below=None)
    assert [bool(everything.filter(made(level=10_000))) for _ in range(2)] == [True, False]


def test_memory_is_bounded() -> None:
    """Templates that never repeat push out the oldest."""
    limiter = RateLimit(1, below=None)
    for number in range(3000):
        assert limiter.filter(made(f"user {number}" * 200, level=number))
    assert len(limiter._kinds) == 1024


def test_threads_share_one_count() -> None:
    """Eight threads at once: exactly ``burst`` pass."""
    limiter = RateLimit(100, 1e9)
    with ThreadPoolExecutor(8) as pool:
        passed = sum(pool.map(lambda _: bool(limiter.filter(made())), range(4000)))
    assert (passed, limiter.suppressed) == (100, 3900)


def test_a_forked_child_does_not_wait_for_its_parent_s_lock() -> None:
    """However the parent was forked, the child logs."""
    limiter = RateLimit(1)
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with limiter._lock:
            held.set()
            forked.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: forking beside threads
        child = os.fork()
    if not child:
        os._exit(0 if limiter.filter(made()) else 1)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_what_was_held_back_is_stored_and_counted() -> None:
    """On a handler: the next that passes says how many did not, the ledger has them, and others hear nothing of it."""
    now = [0.0]
    shop = logging.getLogger("shop")
    with recording() as record, recording() as beside:
        record.handler.addFilter(RateLimit(2, 60, clock=lambda: now[0]))
        for _ in range(5):
            shop.warning("broken %s", "x")
        now[0] = 61.0
        shop.warning("broken %s", "x", extra={"cart": 7, "dblog": "mine"})
        rows = [entry.attributes for entry in record.wait()]
        assert rows == [{}, {}, {"cart": 7, "dblog": {"suppressed": 3, "suppressed_seconds": 61.0}, "dblog_": "mine"}]
        stats = record.handler.stats()
        assert (stats.emitted, stats.stored, stats.dropped_by) == (6, 3, {"rate_limited": 3})
        assert [entry.attributes for entry in beside.wait()] == [{}] * 5 + [{"cart": 7, "dblog_": "mine"}]


def test_on_a_logger_every_handler_hears_of_it() -> None:
    """The note is stored by each; what never came to a handler is in no ledger."""
    now = [0.0]
    shop = logging.getLogger("shop")
    limiter = RateLimit(1, 60, clock=lambda: now[0])
    shop.addFilter(limiter)
    with recording() as first, recording() as second:
        for _ in range(3):
            shop.info("slow")
        now[0] = 90.0
        shop.info("slow")
        for each in (first, second):
            assert [entry.attributes for entry in each.wait()] == [
                {},
                {"dblog": {"suppressed": 2, "suppressed_seconds": 90.0}},
            ]
            assert each.handler.stats().emitted == 2


def test_on_python_3_11_the_record_itself_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger there takes no other record from a filter; a handler of ours takes the note off again."""
    monkeypatch.setattr(filters, "_REPLACES", False)
    test_stdlib_s_filterer_of_any_python_passes_the_note_on()
    record = made()
    limiter = RateLimit(1, 1, clock=iter([0.0, 0.0, 5.0]).__next__)
    assert [bool(filters.passes([limiter], record)) for _ in range(2)] == [True, False]
    passed = filters.passes([limiter], record)
    assert said(passed) == 1
    assert "dblog_suppressed" not in record.__dict__


def test_stdlib_s_filterer_of_any_python_passes_the_note_on() -> None:
    """Where a filter may answer with another record, that one has the note; where not, the record itself."""
    record = made()
    limiter = RateLimit(1, 1, clock=iter([0.0, 0.0, 5.0]).__next__)
    assert limiter.filter(record) is True
    assert not limiter.filter(record)
    passed = limiter.filter(record)
    assert said(passed if filters._REPLACES else record) == 1


def test_filters_are_asked_as_stdlib_asks_them() -> None:
    """Callables and objects in order, the first no is the answer, another record goes on to the next."""
    other, asked = made("other"), []

    class Second:
        def filter(self, record: logging.LogRecord) -> int:
            asked.append(record)
            return 1

    def replace(record: logging.LogRecord) -> logging.LogRecord:
        return other

    assert filters.passes([replace, Second()], made()) is other
    assert asked == [other]
    assert filters.passes([lambda _: 0, Second()], made()) == 0
    assert asked == [other]


@pytest.mark.parametrize(
    ("option", "value"),
    [("burst", 0), ("burst", True), ("burst", 1.5), ("period", 0), ("period", float("nan")), ("below", "LOUD")],
)
def test_wrong_options_are_refused(option: str, value: Any) -> None:
    """The sentence names the option and the value."""
    with pytest.raises(ConfigurationError, match=f"{option}={value!r}"):
        RateLimit(**{option: value})
