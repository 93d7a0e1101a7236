"""The limiter of repeats: the first of a kind pass, the others are counted, nothing is forgotten unsaid."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog.integrations.limiter import RepeatLimiter
from dblog.testing import recording


def made(template: Any = "broken %s", level: int = logging.ERROR, name: str = "shop") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, template, ("x",), None)


@given(
    burst=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(("a", "b", "c")), st.floats(0, 30)), max_size=60),
)
def test_of_a_kind_so_many_pass_in_a_period(burst: int, steps: list[tuple[str, float]]) -> None:
    """Against a model: at most ``burst`` in each period of a kind, and passed + held back is everything."""
    now = [0.0]
    limiter = RepeatLimiter(burst, 60, clock=lambda: now[0])
    begun: dict[str, float] = {}
    passed: Counter[str] = Counter()
    through, said = 0, 0
    unsaid: Counter[str] = Counter()
    for kind, step in steps:
        now[0] += step
        if kind not in begun or now[0] - begun[kind] >= 60:
            begun[kind], passed[kind] = now[0], 0
        record = made(kind)
        expected = passed[kind] < burst
        assert limiter.filter(record) == expected
        if expected:
            passed[kind] += 1
            through += 1
            assert record.__dict__.get("held_back", 0) == unsaid[kind]
            said += unsaid.pop(kind, 0)
        else:
            unsaid[kind] += 1
    assert limiter.held_back == len(steps) - through == said + unsaid.total()


def test_kinds_are_logger_level_template_and_exception() -> None:
    """Different arguments are the same kind; any other difference makes another."""
    limiter = RepeatLimiter(1)
    errors = []
    for kind in (ValueError, KeyError):
        try:
            raise kind
        except kind:
            record = made()
            record.exc_info = sys.exc_info()
            errors.append(record)
    different = [made(), made("other"), made(level=30), made(name="cart"), made({"event": 1}), *errors]
    assert all(limiter.filter(record) for record in different)
    assert not any(limiter.filter(record) for record in different)


def test_from_a_level_on_nothing_is_held_back() -> None:
    """``below`` names it."""
    limiter = RepeatLimiter(1, below="CRITICAL")
    assert [limiter.filter(made(level=50)) for _ in range(3)] == [True] * 3
    assert [limiter.filter(made(level=40)) for _ in range(2)] == [True, False]


def test_memory_is_bounded() -> None:
    """Templates that never repeat push out the oldest."""
    limiter = RepeatLimiter(1)
    for number in range(3000):
        assert limiter.filter(made(f"user {number}" * 200, level=number))
    assert len(limiter._kinds) == 1024


def test_threads_share_one_count() -> None:
    """Eight threads at once: exactly ``burst`` pass."""
    limiter = RepeatLimiter(100, 1e9)
    with ThreadPoolExecutor(8) as pool:
        passed = sum(pool.map(lambda _: limiter.filter(made()), range(4000)))
    assert (passed, limiter.held_back) == (100, 3900)


def test_a_forked_child_does_not_wait_for_its_parent_s_lock() -> None:
    """However the parent was forked, the child logs."""
    limiter = RepeatLimiter(1)
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


def test_what_was_held_back_is_stored() -> None:
    """On a DatabaseHandler, the next record that passes says how many did not."""
    now = [0.0]
    with recording() as record:
        record.handler.addFilter(RepeatLimiter(2, 60, clock=lambda: now[0]))
        for _ in range(5):
            logging.getLogger("shop").error("broken %s", "x")
        now[0] = 61.0
        logging.getLogger("shop").error("broken %s", "x")
        assert [entry.attributes.get("held_back") for entry in record.wait()] == [None, None, 3]


@pytest.mark.parametrize(
    ("option", "value"),
    [("burst", 0), ("burst", True), ("burst", 1.5), ("period", 0), ("period", float("nan")), ("below", "LOUD")],
)
def test_wrong_options_are_refused(option: str, value: Any) -> None:
    """The error names the option."""
    with pytest.raises(ConfigurationError, match=option):
        RepeatLimiter(**{option: value})
