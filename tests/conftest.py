"""What every test gets: Hypothesis profiles, and a logging module it cannot leave changed."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import sqlalchemy.log  # noqa: F401 - sets a level on its logger; imported now, or the guard takes that for a test's doing
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytest_plugins = ["tests.postgres"]

_STATE = tempfile.TemporaryDirectory(prefix="dblog-tests-")
# What writers keep on disk, also those of programs the tests start: none of the user's.
os.environ["DBLOG_SPOOL_DIR"] = os.path.join(_STATE.name, "spool")  # noqa: PTH118 - a text for the environment

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every program the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: threads and databases on a busy machine make any single example slow.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None, print_blob=True)
settings.register_profile("long", settings.get_profile("dev"), max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def spools_of_its_own() -> Iterator[None]:
    """What a test leaves on disk for later writers is for its own: all sinks in memory go by one name."""
    folder = os.path.join(_STATE.name, f"spool-{next(_numbers)}")  # noqa: PTH118 - as above
    before, os.environ["DBLOG_SPOOL_DIR"] = os.environ["DBLOG_SPOOL_DIR"], folder
    yield
    os.environ["DBLOG_SPOOL_DIR"] = before
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def logging_as_it_was(spools_of_its_own: None) -> Iterator[None]:
    """Put the logging module back after each test, and close the handlers of ours it left open.

    Loggers born in the test are reset, not removed: whoever asked for one keeps it.
    """
    open_before = _open_handlers()
    manager = logging.root.manager
    before = {logger: _state(logger) for logger in _loggers()}
    disabled_below, default_class, logger_class = manager.disable, manager.loggerClass, logging.getLoggerClass()
    factory, raising = logging.getLogRecordFactory(), logging.raiseExceptions
    names, numbers = dict(logging._levelToName), dict(logging._nameToLevel)
    yield
    for logger in _loggers():
        was = before.get(logger, _State())
        logger.setLevel(was.level)
        logger.handlers[:], logger.filters[:] = was.handlers, was.filters
        logger.propagate, logger.disabled = was.propagate, was.disabled
    for handler in _open_handlers() - open_before:
        handler.close()
    logging.disable(disabled_below)
    logging.captureWarnings(capture=False)
    logging.setLoggerClass(logger_class)
    manager.loggerClass = default_class
    logging.setLogRecordFactory(factory)
    logging.raiseExceptions = raising
    logging._levelToName.clear()
    logging._levelToName.update(names)
    logging._nameToLevel.clear()
    logging._nameToLevel.update(numbers)


def _open_handlers() -> set[logging.Handler]:
    """The handlers of ours that are alive; also those dictConfig has detached from their loggers."""
    lifecycle = sys.modules.get("dblog.lifecycle")
    return set(lifecycle.handlers()) if lifecycle else set()


class _State(NamedTuple):
    """A logger's settings; as it is born, by default."""

    level: int = logging.NOTSET
    handlers: Sequence[logging.Handler] = ()
    filters: Sequence[Any] = ()
    propagate: bool = True
    disabled: bool = False


def _state(logger: logging.Logger) -> _State:
    return _State(logger.level, (*logger.handlers,), (*logger.filters,), logger.propagate, logger.disabled)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())  # one step: other threads may add loggers
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]
