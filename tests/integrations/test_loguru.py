"""loguru's records as rows."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

import dblog
from dblog.diagnostics import _last
from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError
from dblog.integrations import loguru as joint
from dblog.integrations.loguru import LoguruSink
from dblog.levels import severity_of
from dblog.salvage import NOT_EXTRA
from tests.caught import Caught
from tests.hostile import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def handler() -> Iterator[Caught]:
    made = Caught()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def sink(handler: Caught) -> Iterator[None]:
    """loguru's only sink."""
    logger.remove()
    handler.take()
    logger.add(LoguruSink(handler), level=0, catch=False)
    yield
    logger.remove()


def test_a_record_arrives_whole(handler: Caught) -> None:
    """Message, level name and number, place, thread and time as loguru has them; extras are metadata."""
    before = dt.datetime.now(dt.UTC).timestamp()
    logger.bind(order=17).success("paid {} by {who}", 3, who="Ada")
    entry = handler.only()
    assert (entry.message, entry.level, entry.severity) == ("paid 3 by Ada", "SUCCESS", severity_of(25))
    assert (entry.logger, entry.module, entry.pathname) == (__name__, "test_loguru", __file__)
    assert (entry.function, entry.thread) == ("test_a_record_arrives_whole", "MainThread")
    assert entry.attributes == {"order": 17, "who": "Ada"}
    assert before - 0.01 <= entry.timestamp / 1e6 <= before + 10


def test_ids_are_columns_of_extras_then_of_the_scope(handler: Caught) -> None:
    """``contextualize`` and ``bind`` win over dblog's scope."""
    with dblog.bound(trace_id=TRACE, user_id="u-1"), logger.contextualize(user_id="u-2", tenant="blue"):
        logger.info("paid")
    entry = handler.only()
    assert (entry.trace_id, entry.user_id) == (TRACE, "u-2")
    assert entry.attributes == {"tenant": "blue"}


def fail() -> None:
    raise LookupError("no such order")


def test_an_exception_is_one(handler: Caught) -> None:
    """``exception``, ``opt(exception=…)`` and ``catch``."""
    try:
        raise LookupError("no such order")
    except LookupError as error:
        logger.exception("failed")
        caught = error
    logger.opt(exception=caught).error("failed")
    with logger.catch(message="failed"):
        fail()
    entries = handler.take()
    assert len(entries) == 3
    for entry in entries:
        assert (entry.level, entry.message) == ("ERROR", "failed")
        assert (entry.exc_type, entry.exc_message) == ("LookupError", "no such order")
        assert entry.exc_text is not None
        assert entry.exc_text.startswith("Traceback (most recent call last):\n")
    logger.opt(exception=True).info("nothing is being handled")
    assert handler.only().exc_type is None


keys = st.sampled_from([*NOT_EXTRA, *ID_FIELDS[:2], *joint._PLAIN, "order", "dblog"])
values = (
    st.booleans() | st.integers(-9, 9) | st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=9)
)


@given(message=texts, extra=st.dictionaries(keys, values, max_size=6), level=st.integers(0, 100))
def test_any_extra_has_any_name(handler: Caught, message: str, extra: dict[str, Any], level: int) -> None:
    """Ids are columns, every other key is metadata, whatever logging or structlog mean by it."""
    logger.bind(**extra).opt(raw=False).log(level, message)
    entry = handler.only()
    assert entry.message == message.replace("\0", "\u2400").replace("\ud800", "\ufffd")
    assert entry.severity == severity_of(level)
    ids = {key: str(value) for key, value in extra.items() if key in ID_FIELDS}
    assert {key: getattr(entry, key) for key in ids} == ids
    attributes = entry.attributes
    attributes.pop("dblog", None)
    said = {"logger": __name__, "module": "test_loguru", "level": entry.level}
    expected = {"dblog_" if key == "dblog" else key: value for key, value in extra.items() if key not in ids}
    assert attributes == {key: value for key, value in expected.items() if said.get(key) != value}


def test_the_handler_s_level_and_loguru_s_hold() -> None:
    """Below either, nothing is stored."""
    handler = Caught(level="WARNING")
    logger.remove()
    logger.add(LoguruSink(handler), level="ERROR")
    logger.warning("below loguru's")
    logger.error("stored")
    logger.remove()
    logger.add(LoguruSink(handler), level=0)
    logger.info("below the handler's")
    handler.close()
    assert handler.only().message == "stored"


def test_threads_keep_their_names_and_ids(handler: Caught) -> None:
    """Each record has its own thread's context."""

    def job(number: int) -> None:
        with dblog.bound(trace_id=f"{number:032x}"):
            logger.info("job {}", number)

    threads = [threading.Thread(target=job, args=(number,), name=f"job-{number}") for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = handler.take()
    assert {(entry.thread, entry.trace_id) for entry in entries} == {(f"job-{n}", f"{n:032x}") for n in range(20)}


def test_through_loguru_s_own_queue(handler: Caught) -> None:
    """With ``enqueue=True`` everything but dblog's scope and the traceback arrives; bind the ids with loguru there."""
    logger.remove()
    number = logger.add(LoguruSink(handler), enqueue=True)
    try:
        raise LookupError("no such order")
    except LookupError:
        logger.bind(trace_id=TRACE).exception("failed")
    logger.complete()
    logger.remove(number)
    entry = handler.only()
    assert (entry.thread, entry.trace_id, entry.exc_type) == ("MainThread", TRACE, "LookupError")


@pytest.mark.parametrize("part", ["Place", "made", "fill", "deliver"])
def test_what_raises_here_never_reaches_the_caller(
    part: str, handler: Caught, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even without loguru's ``catch``: told once, swallowed; BaseException passes through."""
    fails: list[BaseException] = [RuntimeError("boom")]

    def fail(*_: Any, **__: Any) -> Any:
        raise fails[0]

    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(joint, part, fail)
    _last.pop("loguru", None)
    for _ in range(2):
        logger.info("paid")
    assert capsys.readouterr().err.count("RuntimeError") == 1
    fails[0] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        logger.info("paid")


def test_only_handlers_are_handlers() -> None:
    """Anything else is refused where it is given."""
    with pytest.raises(ConfigurationError, match="not a DatabaseHandler"):
        LoguruSink("sqlite:///logs.db")  # type: ignore[arg-type]  # on purpose
