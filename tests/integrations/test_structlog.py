"""structlog's events as rows, by each of the ways structlog and logging are joined."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.processors import CallsiteParameter
from structlog.stdlib import ProcessorFormatter

import dblog
from dblog.diagnostics import _last
from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError
from dblog.integrations import structlog as joint
from dblog.integrations.jsonlines import JsonFormatter
from dblog.integrations.structlog import DatabaseLoggerFactory, add_context
from dblog.interchange import from_json
from dblog.plain import clean
from dblog.salvage import NOT_EXTRA, Salvage
from dblog.testing import MemorySink
from tests.caught import Caught
from tests.hostile import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
USUAL: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.CallsiteParameterAdder(
        {
            CallsiteParameter.PATHNAME,
            CallsiteParameter.FILENAME,
            CallsiteParameter.MODULE,
            CallsiteParameter.FUNC_NAME,
            CallsiteParameter.LINENO,
            CallsiteParameter.THREAD,
            CallsiteParameter.THREAD_NAME,
            CallsiteParameter.PROCESS,
            CallsiteParameter.PROCESS_NAME,
        }
    ),
]
"""What people have in their chains: each says what a row has columns for."""


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="module")
def handler() -> Iterator[Caught]:
    """On the root logger, in the place of all others."""
    made = Caught()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def on_the_root_logger(handler: Caught) -> None:
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)  # a loop says at DEBUG that it begins
    handler.take()


def native(handler: Caught, *processors: Any) -> Any:
    """Without logging."""
    return structlog.wrap_logger(
        DatabaseLoggerFactory(handler)("events"),
        processors=[*processors] or [structlog.contextvars.merge_contextvars],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )


def wrapped(_handler: Caught, *processors: Any) -> Any:
    """Through logging, for ProcessorFormatter."""
    return through_logging(*processors, ProcessorFormatter.wrap_for_formatter)


def rendered(_handler: Caught, *processors: Any) -> Any:
    """Through logging, as message and extras."""
    return through_logging(*processors, structlog.stdlib.render_to_log_kwargs)


def through_logging(*processors: Any) -> Any:
    return structlog.wrap_logger(
        structlog.stdlib.LoggerFactory()("events"), processors=processors, wrapper_class=structlog.stdlib.BoundLogger
    )


ways = pytest.mark.parametrize("way", [native, wrapped, rendered], ids=lambda way: way.__name__)
own_ways = pytest.mark.parametrize("way", [native, wrapped], ids=lambda way: way.__name__)


# -- what arrives -------------------------------------------------------------------------------------------------


@ways
def test_the_event_is_the_message_and_the_rest_is_metadata(way: Any, handler: Caught) -> None:
    """Key-values of the call and of the logger; level, logger and place are those of the call."""
    way(handler).bind(shop="north").warning("paid", order=17, items=["a"])
    entry = handler.only()
    assert (entry.message, entry.level, entry.logger) == ("paid", "WARNING", "events")
    assert entry.attributes == {"shop": "north", "order": 17, "items": ["a"]}
    assert (entry.pathname, entry.module) == (__file__, "test_structlog")
    assert entry.function == "test_the_event_is_the_message_and_the_rest_is_metadata"
    assert entry.thread == "MainThread"
    assert entry.lineno is not None


@ways
def test_bound_contextvars_are_ids(way: Any, handler: Caught) -> None:
    """structlog's context fills the columns; what the event says wins over dblog's scope, which is there too."""
    structlog.contextvars.bind_contextvars(trace_id=TRACE, user_id="u-1", tenant="blue")
    with dblog.bound(user_id="u-2", session_id="s-1"):
        way(handler, structlog.contextvars.merge_contextvars).info("paid", task_id=9)
    entry = handler.only()
    assert (entry.trace_id, entry.user_id, entry.session_id, entry.task_id) == (TRACE, "u-1", "s-1", "9")
    assert entry.attributes == {"tenant": "blue"}


@ways
def test_an_exception_is_one(way: Any, handler: Caught) -> None:
    """Type and message have their columns, whichever way it was handed over."""
    logger = way(handler)
    try:
        raise LookupError("no such order")
    except LookupError as error:
        logger.exception("failed")
        logger.error("failed", exc_info=True)
        logger.error("failed", exc_info=error)
        logger.error("failed", exc_info=sys.exc_info())
    logger.error("not failed", exc_info=None)
    entries = handler.take()
    for entry in entries[:4]:
        assert (entry.exc_type, entry.exc_message) == ("LookupError", "no such order")
        assert entry.exc_text is not None
        assert entry.exc_text.count("Traceback") == 1
        assert entry.exc_text.endswith("LookupError: no such order")
        assert entry.attributes == {}
    assert entries[4].exc_type is entries[4].exc_text is None


@own_ways
def test_a_usual_chain_stores_nothing_twice(way: Any, handler: Caught) -> None:
    """Level, time stamp and call site of the processors are columns, and no metadata."""
    way(handler, *USUAL).info("paid", order=17)
    assert handler.only().attributes == {"order": 17}


@own_ways
@pytest.mark.parametrize(
    ("stamp", "kept"),
    [
        (structlog.processors.TimeStamper(), False),
        (structlog.processors.TimeStamper(fmt="iso", utc=False), False),
        (structlog.processors.TimeStamper(fmt="%H:%M"), True),
        (lambda _logger, _name, event: event | {"timestamp": "0001-01-01T00:00:00"}, True),
        (lambda _logger, _name, event: event | {"timestamp": float("inf")}, True),
        (lambda _logger, _name, event: event | {"timestamp": 17}, True),
    ],
)
def test_only_a_time_stamp_of_now_is_a_repetition(way: Any, stamp: Any, kept: bool, handler: Caught) -> None:
    """Of UTC or local time, as number or text; any other time is a datum."""
    way(handler, stamp).info("tick")
    assert ("timestamp" in handler.only().attributes) == kept


def test_the_place_is_the_call_s_where_logging_cannot_see_it(handler: Caught) -> None:
    """A logger that was there before structlog's ``LoggerFactory`` is told the place by ``CallsiteParameterAdder``."""
    older = logging.Logger("older")
    older.addHandler(handler)
    logger = structlog.wrap_logger(
        older,
        processors=[*USUAL, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logger.info("paid", order=17)
    entry = handler.only()
    assert (entry.pathname, entry.module) == (__file__, "test_structlog")
    assert entry.function == "test_the_place_is_the_call_s_where_logging_cannot_see_it"
    assert entry.attributes == {"order": 17}


@own_ways
def test_a_formatted_exception_is_the_traceback(way: Any, handler: Caught) -> None:
    """With ``format_exc_info`` in the chain the text is kept where a traceback belongs."""
    try:
        raise LookupError("no such order")
    except LookupError:
        way(handler, structlog.processors.format_exc_info).exception("failed")
    entry = handler.only()
    assert entry.exc_text is not None
    assert entry.exc_text.endswith("LookupError: no such order")
    assert entry.attributes == {}


@own_ways
@pytest.mark.parametrize("processors", [(), (structlog.processors.StackInfoRenderer(),)], ids=["flag", "rendered"])
def test_a_stack_is_kept(way: Any, processors: Any, handler: Caught) -> None:
    """``stack_info=True`` with its renderer in the chain; natively without it as well."""
    way(handler, *processors).info("here", stack_info=True)
    entry = handler.only()
    if way is native or processors:
        assert entry.exc_text is not None
        assert entry.exc_text.startswith("Stack (most recent call last):\n")
        assert "test_structlog.py" in entry.exc_text
        assert "integrations/structlog.py" not in entry.exc_text
    assert entry.attributes == {}


@own_ways
def test_what_is_no_repetition_is_kept(way: Any, handler: Caught) -> None:
    """A key of a processor's name with another value is the user's datum, whatever a record calls its own."""
    data = {"level": "gold", "logger": "oak", "module": "billing", "timestamp": "2001-01-01T00:00:00Z", "lineno": 0}
    data |= {"name": "Ada", "msg": "m", "args": [1], "message": "hi", "created": 3, "process": "wash"}
    way(handler, *USUAL[:1]).info("paid", **data)
    assert handler.only().attributes == data


keys = st.sampled_from([*NOT_EXTRA, *ID_FIELDS[:2], "order", "stack", "dblog"]).filter(
    lambda key: key not in {"exc_info", "stack_info", "event", "level"}
)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | texts


@own_ways
@given(
    event=texts, fields=st.dictionaries(keys, scalars, max_size=5), level=st.sampled_from(("debug", "info", "error"))
)
def test_any_event_arrives_whole(way: Any, event: str, fields: dict[str, Any], level: str, handler: Caught) -> None:
    """Any event, any key, also those a LogRecord has attributes for: ids are columns, all others metadata."""
    getattr(way(handler), level)(event, **fields)
    entry = handler.only()
    assert (entry.message, entry.level) == (clean(event), level.upper())
    attributes = entry.attributes
    assert set(attributes.pop("dblog", {}).get("flags", [])) <= {"sanitized"}
    for key, value in fields.items():
        if key not in ID_FIELDS:
            # What is bound as None is unbound.
            expected = clean(value) if isinstance(value, str) else value
            assert attributes.get("dblog_" if key == "dblog" else key) == expected
        elif value is not None:
            assert getattr(entry, key) == clean(str(value))


@own_ways
def test_an_event_that_is_no_text_is_readable(way: Any, handler: Caught) -> None:
    """Anything can be an event; none at all is an empty message."""
    logger = way(handler)
    logger.info({"a": 1})
    assert handler.only().message == "{'a': 1}"
    logger.info(None)
    assert handler.only().message in {"", "None"}


def test_the_record_of_other_handlers_stays(handler: Caught, capsys: pytest.CaptureFixture[str]) -> None:
    """ProcessorFormatter prints what it would without dblog, and our formatters know its records too."""
    console, lines = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    console.setFormatter(ProcessorFormatter(processor=structlog.processors.KeyValueRenderer(sort_keys=True)))
    lines.setFormatter(JsonFormatter())
    logger = logging.getLogger("events")
    logger.handlers[:] = [handler, console, lines]
    logger.propagate = False
    wrapped(handler).info("paid", order=17, name="Ada")
    entry = handler.only()
    out, err = capsys.readouterr()
    assert out == "event='paid' name='Ada' order=17\n"
    printed = from_json(err)
    assert (printed.message, printed.attributes) == (entry.message, entry.attributes)
    assert entry.attributes == {"order": 17, "name": "Ada"}


# -- native -------------------------------------------------------------------------------------------------------


async def test_asynchronous_methods_keep_thread_place_and_context(handler: Caught) -> None:
    """``ainfo`` runs in another thread; the record says where it was called (in which thread: structlog 26.1)."""
    with dblog.bound(trace_id=TRACE):
        await native(handler).ainfo("paid")
    entry = handler.only()
    assert entry.function == "test_asynchronous_methods_keep_thread_place_and_context"
    assert entry.trace_id == TRACE
    assert (entry.thread == "MainThread") == hasattr(structlog.contextvars, "_ASYNC_CALLING_THREAD")
    try:
        raise LookupError("no such order")
    except LookupError:
        await native(handler).aexception("failed")
    assert handler.only().exc_type == "LookupError"


async def test_tasks_do_not_mix_their_ids(handler: Caught) -> None:
    """A thousand tasks, each with its own contextvars."""
    logger = native(handler)

    async def job(number: int) -> None:
        structlog.contextvars.bind_contextvars(trace_id=f"{number:032x}")
        await asyncio.sleep(0)
        logger.info("job", number=number)

    await asyncio.gather(*(job(number) for number in range(1000)))
    entries = handler.take()
    assert len(entries) == 1000
    assert all(entry.trace_id == f"{entry.attributes['number']:032x}" for entry in entries)


@ways
def test_an_ordinary_event_takes_capture_s_quick_way(
    way: Any, handler: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever way it comes: the slow one costs ten times as much, and nothing else would tell."""

    def slow(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(Salvage, "__call__", slow)
    way(handler, *USUAL[:1]).info("paid", order=17, tenant="blue")
    assert handler.only().message == "paid"


def test_loggers_are_named_by_argument_or_by_module(handler: Caught) -> None:
    """As ``structlog.stdlib.LoggerFactory`` does."""
    structlog.configure(processors=[], logger_factory=DatabaseLoggerFactory(handler))
    structlog.get_logger("shop.cart").info("a")
    assert handler.only().logger == "shop.cart"
    structlog.get_logger().info("b")
    assert handler.only().logger == __name__


def test_every_method_has_its_level(handler: Caught) -> None:
    """Those of structlog's loggers, and a text that some renderer made."""
    logger = DatabaseLoggerFactory(handler)("shop")
    levels = {
        "debug": "DEBUG",
        **dict.fromkeys(("info", "msg"), "INFO"),
        **dict.fromkeys(("warning", "warn"), "WARNING"),
        **dict.fromkeys(("error", "err", "exception", "failure"), "ERROR"),
        **dict.fromkeys(("critical", "fatal"), "CRITICAL"),
    }
    for method, level in levels.items():
        getattr(logger, method)("rendered by hand")
        entry = handler.only()
        assert (entry.level, entry.message) == (level, "rendered by hand")


def test_handlers_keep_their_levels_and_filters() -> None:
    """Without handlers given, every live one gets what its level and filters admit, and closed ones nothing."""
    sinks = [MemorySink(), MemorySink(), MemorySink()]
    handlers = [dblog.DatabaseHandler(sink=sink, level=level) for sink, level in zip(sinks, (0, 30, 0), strict=True)]
    handlers[0].addFilter(lambda record: record.getMessage() != "hidden")
    handlers[2].close()
    logger = DatabaseLoggerFactory()("shop")
    for event in ("one", "hidden"):
        logger.info(event)
    logger.error("two")
    for handler in handlers:
        handler.close()
    assert [[entry.message for entry in sink.entries] for sink in sinks] == [["one", "two"], ["two"], []]


def test_nowhere_to_go_is_told_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any handler an event is not lost in silence."""
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr("dblog.lifecycle.handlers", list)
    _last.pop("structlog", None)
    logger = DatabaseLoggerFactory()("shop")
    logger.info("one")
    logger.info("two")
    assert capsys.readouterr().err.count("nowhere to store") == 1


def test_only_handlers_are_handlers() -> None:
    """Anything else is refused where it is given."""
    with pytest.raises(ConfigurationError, match="not a DatabaseHandler"):
        DatabaseLoggerFactory(logging.NullHandler())  # type: ignore[arg-type]  # on purpose


def test_add_context_shows_dblog_s_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """For renderers: what is bound is a key-value of the event, which wins."""
    with dblog.bound(trace_id=TRACE, user_id="u-1", tenant="blue") as scope:
        found = add_context(None, "", {"event": "paid", "user_id": "u-2"})
    expected = {"event": "paid", "user_id": "u-2", "trace_id": TRACE, "span_id": scope.span_id, "tenant": "blue"}
    assert found == expected


# -- never harms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["_place", "made", "fill", "deliver", "_stack", "current"])
def test_what_raises_here_never_reaches_the_caller(
    part: str, handler: Caught, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every part of the joint: an error is told once and swallowed; BaseException passes through."""
    fails: list[BaseException] = [RuntimeError("boom")]

    def fail(*_: Any, **__: Any) -> Any:
        raise fails[0]

    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(joint, part, fail)
    _last.pop("structlog", None)
    logger = native(handler, add_context)
    for _ in range(2):
        logger.info("paid", stack_info=True)
    assert capsys.readouterr().err.count("RuntimeError") == 1
    fails[0] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        logger.info("paid", stack_info=True)


def test_an_event_logged_while_another_is_captured_ends(handler: Caught) -> None:
    """From a ``__str__``, once; deeper ones are counted, as with logging."""
    logger = native(handler)

    class Chatty:
        def __repr__(self) -> str:
            logger.info("inner", value=Chatty())
            return "chatty"

    logger.info("outer", value=Chatty())
    assert {entry.message for entry in handler.take()} == {"outer", "inner"}


def test_without_the_library_one_line_says_so() -> None:
    """The extra is named; ``import dblog`` loads none of it."""
    code = (
        "import sys, dblog; dblog.DatabaseHandler, dblog.bind; assert not {'structlog', 'loguru'} & set(sys.modules)\n"
        "sys.modules.update(structlog=None, loguru=None, ecs_logging=None)\n"
        "for name in ('structlog', 'loguru', 'ecs'):\n"
        "    try: __import__(f'dblog.integrations.{name}')\n"
        "    except dblog.ConfigurationError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{library} is not installed: pip install 'dblog-logging[{extra}]'"
        for library, extra in (("structlog", "structlog"), ("loguru", "loguru"), ("ecs-logging", "ecs"))
    ]
