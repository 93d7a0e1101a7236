"""Lines for stdout, as JSON for import, ECS and CloudWatch: one of any record, and it says what the row says."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import dblog
from dblog.capture import Capture
from dblog.diagnostics import _last
from dblog.errors import ConfigurationError
from dblog.integrations.cloudwatch import GROUPS, CloudWatchFormatter
from dblog.integrations.ecs import EcsFormatter
from dblog.integrations.fields import Entries
from dblog.integrations.jsonlines import JsonFormatter
from dblog.interchange import from_json
from dblog.item import expand
from dblog.options import Options
from dblog.plain import REDACTED, Limits, plain, text
from tests.hostile import texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FORMATTERS: list[Callable[..., logging.Formatter]] = [JsonFormatter, EcsFormatter, CloudWatchFormatter]
each_formatter = pytest.mark.parametrize("formatter", FORMATTERS, ids=lambda kind: kind.__name__)


class Raising:
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


class Record(logging.LogRecord):
    """Hypothesis can show it."""

    def __repr__(self) -> str:
        return text(plain(self.__dict__, limits=Limits(), redact=())[0])


names = st.sampled_from(
    (
        *(
            "order",
            "user_id",
            "trace_id",
            "password",
            "labels",
            "labels.a",
            "log",
            "log.level",
            "message.x",
            "url.path",
        ),
        *(
            "http",
            "user",
            "error",
            "error.type",
            "request",
            "request_method",
            "response_status",
            "user_segment",
            "dblog",
        ),
        *("operation", "metadata", "service", "service.name", "@timestamp", "source", "a.b", "a", "a.b.c", "..", ""),
        *("ginkgo", "ginkgo.symbol", "tracking_id", "method", "path", "status_code", "duration_ms", "exception"),
    )
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.binary(max_size=8)
    | st.builds(Raising),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> logging.LogRecord:
    """Any record, as somebody might log it who means no good."""
    info = draw(st.sampled_from((None, "raised", "stack")))
    record = Record(
        draw(texts),
        draw(st.sampled_from((5, 10, 20, 25, 30, 40, 50, -3, 10**6))),
        "/srv/shop/orders.py",
        draw(st.integers(0, 99)),
        draw(texts | st.sampled_from(("%s", "%d of %d", "100%")) | st.builds(Raising)),
        draw(st.sampled_from(((), (1,), (Raising(),), ("a", 2)))),
        None,
        draw(st.none() | texts),
        "Stack (most recent call last):\n  x" if info == "stack" else None,
    )
    if info == "raised":
        try:
            raise LookupError(draw(texts))
        except LookupError:
            record.exc_info = sys.exc_info()
    record.created = draw(st.sampled_from((time.time(), 0.0, -1.0, 1e12, float("nan"), 1_700_000_000.123456)))
    record.__dict__.update(draw(st.dictionaries(names | texts, values, max_size=6)))
    return record


def stored(record: logging.LogRecord) -> LogEntry:
    """What a handler stores of the record."""
    return expand(Capture(Options.of())(record))


def made(message: str = "paid", level: int = logging.INFO, cause: BaseException | None = None, **extra: Any) -> Any:
    info = None if cause is None else (type(cause), cause, cause.__traceback__)
    return logging.getLogger("shop").makeRecord("shop", level, "/srv/shop/cart.py", 42, message, (), info, "pay", extra)


def caught() -> Exception:
    try:
        raise ValueError("no funds")
    except ValueError as error:
        return error


def parsed(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    """The line, read as JSON; it is one."""
    line = formatter.format(record)
    assert line.splitlines() == [line]
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list) and value:
        parts = value.values() if isinstance(value, dict) else value
        return [leaf for part in parts for leaf in leaves(part)]
    return [value]


def json_text(value: Any) -> str:
    """As labels have it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- all of them --------------------------------------------------------------------------------------------------


@each_formatter
@given(record=records())
def test_every_record_is_one_line_of_json(formatter: Callable[..., logging.Formatter], record: Any) -> None:
    """Nothing raises, nothing breaks the line, and the message, the level and the logger are the row's."""
    found = parsed(formatter(service="shop"), record)
    entry = stored(record)
    assert found.get("message", found.get("@message")) == entry.message
    assert "format" not in _last  # nothing had to be told: the fallback was not needed


@each_formatter
@given(size=st.integers(0, 400_000), char=st.sampled_from("a\0é\u2028🎉\x1b"), key=st.booleans())
@example(size=400_000, char="\x1b", key=True)
def test_a_line_is_bounded(formatter: Callable[..., logging.Formatter], size: int, char: str, key: bool) -> None:
    """However much is logged and however it is escaped, the line has ``max_line_bytes`` at most."""
    text = char * size
    record = made(text=text, user_id=text) if key else made(text, cause=caught())
    line = formatter(max_line_bytes=65_536).format(record)
    assert len(line.encode()) <= 65_536
    assert json.loads(line)


@each_formatter
def test_ids_are_of_the_record_then_of_the_context(formatter: Callable[..., logging.Formatter]) -> None:
    """As capture has it: an explicit extra wins, what is bound is there."""
    made_one = formatter()
    with dblog.bound(trace_id=TRACE, user_id="u-1", tenant="blue") as scope:
        line = made_one.format(made(user_id="u-2"))
    for value in (TRACE, scope.span_id, "u-2", "blue"):
        assert f'"{value}"' in line
    assert "u-1" not in line
    assert TRACE not in made_one.format(made())


@each_formatter
def test_secrets_are_not_shipped(formatter: Callable[..., logging.Formatter]) -> None:
    """The handler's redaction holds, by default and as it is set."""
    line = formatter().format(made(password="hunter2", nested={"api_key": "k-17"}))
    assert "hunter2" not in line
    assert "k-17" not in line
    assert REDACTED in line
    line = formatter(redact_keys=["iban"], redact_patterns=[r"\d{4}-\d{4}"]).format(made("card 1234-5678", iban="DE7"))
    assert "DE7" not in line
    assert "1234" not in line


@each_formatter
def test_a_record_is_left_as_it_was(formatter: Callable[..., logging.Formatter]) -> None:
    """Other handlers get the record they would have got."""
    record = made("paid %s", cause=caught(), order=17)
    before = dict(record.__dict__)
    formatter().format(record)
    assert record.__dict__ == before


@each_formatter
@pytest.mark.parametrize("part", ["_entry", "render"])
def test_what_raises_in_a_formatter_costs_no_record(
    formatter: Callable[..., logging.Formatter], part: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Whatever part fails, there is a line with the message, and one complaint; Ctrl-C passes through."""
    made_one = formatter()
    fails: list[BaseException] = [RuntimeError("boom")]

    def fail(*_: Any) -> str:
        raise fails[0]

    if part == "render":
        modules: dict[Any, str] = {JsonFormatter: "to_json", EcsFormatter: "_of", CloudWatchFormatter: "_core"}
        monkeypatch.setattr(f"{formatter.__module__}.{modules[formatter]}", fail)
    else:
        monkeypatch.setattr(Entries, "_entry", fail)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    _last.pop("format", None)
    for _ in range(2):
        found = parsed(made_one, made("paid\u2028\ud800"))
        assert found["message"] == "paid\u2028?"
        assert found["level"] == "INFO"
    assert capsys.readouterr().err.count("could not format a record: RuntimeError") == 1
    _last.pop("format", None)
    fails[0] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        made_one.format(made())


@each_formatter
@pytest.mark.parametrize(
    ("option", "value"),
    [("max_line_bytes", 10), ("max_line_bytes", True), ("redact_patterns", ["("]), ("service", 3)],
)
def test_wrong_options_are_refused(formatter: Callable[..., logging.Formatter], option: str, value: Any) -> None:
    """The error names the option, and the value."""
    with pytest.raises(ConfigurationError, match=option):
        formatter(**{option: value})


@each_formatter
def test_dict_config_makes_them(formatter: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As the documentation says: ``"()"`` and flat options."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__name__}", "service": "shop"}},
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "line"}},
            "loggers": {"shop.line": {"handlers": ["out"], "level": "INFO", "propagate": False}},
        }
    )
    logging.getLogger("shop.line").info("paid")
    assert '"shop"' in capsys.readouterr().out


@each_formatter
def test_the_service_is_opentelemetry_s(formatter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no option says it, the environment does."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-env")
    assert '"from-env"' in formatter().format(made())
    assert '"given"' in formatter(service="given").format(made())


@each_formatter
def test_the_service_is_that_of_opentelemetry_s_provider(formatter: Any) -> None:
    """Where neither an option nor the environment says it, also of a provider that comes after the formatter."""
    code = (
        "import sys, logging, importlib\n"
        "formatter = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])(environment='given')\n"
        "record = logging.LogRecord('shop', 20, 'x.py', 1, 'paid', None, None)\n"
        "print(formatter.format(record))\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.resources import Resource\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "attributes = {'service.name': 'from-otel', 'deployment.environment.name': 'no'}\n"
        "trace.set_tracer_provider(TracerProvider(resource=Resource(attributes)))\n"
        "with trace.get_tracer('x').start_as_current_span('pay') as span: print(formatter.format(record))\n"
        "print(format(span.get_span_context().span_id, '016x'))\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, formatter.__module__, formatter.__name__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after, span_id = done.stdout.splitlines()
    assert "from-otel" not in before
    assert '"from-otel"' in after
    assert span_id in after
    assert '"no"' not in after


# -- JSON lines ---------------------------------------------------------------------------------------------------


@given(record=records())
def test_json_lines_are_what_import_reads(record: Any) -> None:
    """Read back, the line is the row: every column that is not the database's."""
    entry = from_json(JsonFormatter(service="shop").format(record))
    expected = stored(record)
    if not 0 <= expected.timestamp < 2**56 or "clock" in str(expected.metadata):
        expected = expected._replace(timestamp=entry.timestamp, metadata=entry.metadata)
    assert entry.service == "shop"
    assert entry.attributes == expected.attributes
    assert entry == expected._replace(service="shop", host=entry.host, pid=entry.pid, metadata=entry.metadata)


# -- ECS ----------------------------------------------------------------------------------------------------------


def at(found: dict[str, Any], path: str) -> Any:
    """The value of a dotted name; as ``ecs-logging`` writes three of them, at the top."""
    if path in found:
        return found[path]
    value: Any = found
    for part in path.split("."):
        value = value[part]
    return value


def test_ecs_has_what_the_seed_names() -> None:
    """Every field of the table, of a real record in a scope."""
    with dblog.bound(trace_id=TRACE, span_id="00f067aa0ba902b7", user_id="u-17"):
        found = parsed(
            EcsFormatter(service="shop", service_version="1.2", environment="prod", namespace="ginkgo"),
            made(
                "paid",
                logging.ERROR,
                caught(),
                strategy_id="s-1",
                portfolio_id="p-2",
                event_type="fill",
                symbol="AAPL",
                **{"ginkgo.log_category": "system"},
            ),
        )
    expected = {
        "log.level": "error",
        "log.logger": "shop",
        "message": "paid",
        "trace.id": TRACE,
        "span.id": "00f067aa0ba902b7",
        "user.id": "u-17",
        "service.name": "shop",
        "service.version": "1.2",
        "service.environment": "prod",
        "error.type": "ValueError",
        "error.message": "no funds",
        "log.origin.function": "pay",
        "log.origin.file.line": 42,
        "log.origin.file.name": "cart.py",
        "ginkgo.strategy_id": "s-1",
        "ginkgo.portfolio_id": "p-2",
        "ginkgo.event_type": "fill",
        "ginkgo.symbol": "AAPL",
        "ginkgo.log_category": "system",
    }
    assert {name: at(found, name) for name in expected} == expected
    assert at(found, "error.stack_trace").startswith("Traceback (most recent call last):\n")
    assert at(found, "process.pid") > 0
    assert at(found, "host.hostname")
    assert at(found, "@timestamp").endswith("Z")
    assert list(found)[:3] == ["@timestamp", "log.level", "message"]


@given(record=records(), namespace=st.sampled_from(("labels", "ginkgo")))
def test_no_extra_changes_a_field_of_ecs_and_none_is_lost(record: Any, namespace: str) -> None:
    """The base fields are the record's own, and every value of the metadata is somewhere in the line."""
    found = parsed(EcsFormatter(namespace=namespace, ensure_ascii=False), record)
    entry = stored(record)
    assert at(found, "log.level") == entry.level.lower()
    assert at(found, "log.logger") == entry.logger
    assert isinstance(at(found, "process.pid"), int)
    assert at(found, "ecs.version") == "1.6.0"
    there = [json_text(leaf) for leaf in leaves(found)]
    extras = {key: value for key, value in entry.attributes.items() if key != "duration_ms"}
    if namespace == "labels":
        assert all(isinstance(label, str) for label in found.get("labels", {}).values())
        text = "\n".join(there)
        assert all(json_text(leaf)[1:-1].replace("\n", "\\n") in text.replace("\n", "\\n") for leaf in simple(extras))
    else:
        assert all(json_text(leaf) in there for leaf in simple(extras))


def simple(value: Any) -> list[str]:
    """Texts that JSON does not escape: those that can be looked for."""
    return [leaf for leaf in leaves(value) if isinstance(leaf, str) and leaf.isalnum()]


@pytest.mark.parametrize(
    ("extra", "path", "value"),
    [
        ({"order": 17}, "labels.order", "17"),
        ({"a.b": True}, "labels.a_b", "true"),
        ({"cart": {"items": [1, 2]}}, "labels.cart", '{"items":[1,2]}'),
        ({"labels": {"team": "red"}}, "labels.team", "red"),
        ({"url.path": "/x"}, "url.path", "/x"),
        ({"http": {"request": {"method": "GET"}}}, "http.request.method", "GET"),
        ({"user": "ada"}, "labels.user", "ada"),
        ({"log.level": "fake"}, "labels.log_level", "fake"),
        ({"service.name": "other"}, "labels.service_name", "other"),
        ({"error.type": "E1"}, "error.type", "E1"),
        ({"session_id": "s-1"}, "labels.session_id", "s-1"),
        ({"url": {"path": "/x"}, "url.path": "/y"}, "labels.url_path", "/y"),
        ({"url.path": "/y", "url.path.more": "/z"}, "labels.url_path_more", "/z"),
    ],
)
def test_each_extra_has_its_place(extra: dict[str, Any], path: str, value: Any) -> None:
    """ECS's own names stay, the others are labels; a field that is taken makes a label too."""
    assert at(parsed(EcsFormatter(service="shop"), made(**extra)), path) == value


ACCESS: dict[str, Any] = {
    "method": "GET",
    "route": "/orders/{id}",
    "path": "/orders/7",
    "status_code": 200,
    "duration_ms": 12.5,
    "request_bytes": 10,
    "response_bytes": 2048,
    "client": "192.0.2.7",
    "user_agent": "curl",
    "http_version": "1.1",
}


def test_an_access_record_in_ecs() -> None:
    """The middleware's extras by ECS's names; nanoseconds."""
    found = parsed(EcsFormatter(), made(**ACCESS))
    assert at(found, "http.request.method") == "GET"
    assert at(found, "http.response.status_code") == 200
    assert at(found, "http.response.bytes") == 2048
    assert at(found, "url.path") == "/orders/7"
    assert at(found, "event.duration") == 12_500_000
    assert at(found, "client.address") == "192.0.2.7"
    assert at(found, "user_agent.original") == "curl"
    assert found["labels"] == {"route": "/orders/{id}"}


def test_ecs_lines_can_be_imported() -> None:
    """What they have of a row comes back."""
    with dblog.bound(trace_id=TRACE, user_id="u-1"):
        entry = from_json(EcsFormatter(service="shop").format(made("paid", logging.ERROR, caught())))
    assert (entry.message, entry.level, entry.logger, entry.trace_id) == ("paid", "ERROR", "shop", TRACE)
    assert (entry.exc_type, entry.exc_message, entry.service, entry.user_id) == (
        "ValueError",
        "no funds",
        "shop",
        "u-1",
    )


def test_ecs_logging_s_options_hold() -> None:
    """Fields and groups that are excluded, and characters as they are."""
    found = parsed(EcsFormatter(exclude_fields=["process", "error.stack_trace"]), made(cause=caught()))
    assert "process" not in found
    assert set(found["error"]) == {"type", "message"}
    assert "log" in found
    assert "café" in EcsFormatter(ensure_ascii=False).format(made("café"))
    for wrong in ("process", [3]):
        with pytest.raises(ConfigurationError, match="exclude_fields"):
            EcsFormatter(exclude_fields=wrong)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("namespace", ["", "a.b", "log", "url", 3])
def test_a_namespace_is_one_free_name(namespace: Any) -> None:
    """No field set of ECS, no path."""
    with pytest.raises(ConfigurationError, match="namespace"):
        EcsFormatter(namespace=namespace)


# -- CloudWatch ---------------------------------------------------------------------------------------------------

CORE = {"@timestamp", "@level", "@message", "service", "tracking_id", "source"}


def test_cloudwatch_has_what_the_seed_names() -> None:
    """Every field of its tables, of one record that is logged as the seed logs it."""
    extra: dict[str, Any] = {
        "tracking_id": TRACE,
        "request_method": "POST",
        "request_path": "/api/v1/sessions",
        "request_size": 1024,
        "request_duration": 0.245,
        "request_user_agent": "Mozilla",
        "request_ip": "192.168.1.100",
        "response_status": 201,
        "response_size": 2048,
        "response_content_type": "application/json",
        "user_id": "user_12345",
        "user_segment": "premium",
        "session_id": "session_67890",
        "session_duration": 1200,
        "workflow_id": "workflow_abc123",
        "workflow_type": "simple",
        "workflow_status": "running",
        "operation": "create_session",
        "operation_result": "success",
        "operation_duration": 0.325,
        "error_code": "E001",
        "error_category": "client",
        "error_type": "ValidationError",
    }
    with dblog.bound(trace_id=TRACE, span_id="1a2b3c4d5e6f7890"):
        found = parsed(CloudWatchFormatter(service="api-gateway"), made("POST", logging.ERROR, caught(), **extra))
    stamp, stack = found.pop("@timestamp"), found["exception"].pop("stack_trace")
    assert len(stamp) == 24
    assert stamp.endswith("Z")
    assert stack.endswith("ValueError: no funds")
    assert found["exception"].pop("line") > 0
    assert found == {
        "@level": "ERROR",
        "@message": "POST",
        "service": "api-gateway",
        "tracking_id": TRACE,
        "source": {"logger": "shop", "module": "cart", "function": "pay", "line": 42},
        "tracing": {"trace_id": TRACE, "span_id": "1a2b3c4d5e6f7890"},
        "request": {
            "method": "POST",
            "path": "/api/v1/sessions",
            "size": 1024,
            "duration": 0.245,
            "user_agent": "Mozilla",
            "ip": "192.168.1.100",
        },
        "response": {"status": 201, "size": 2048, "content_type": "application/json"},
        "user": {"id": "user_12345", "segment": "premium"},
        "session": {"id": "session_67890", "duration": 1200},
        "workflow": {"id": "workflow_abc123", "type": "simple", "status": "running"},
        "operation": {"name": "create_session", "result": "success", "duration": 0.325},
        "error": {"type": "ValidationError", "message": "no funds", "code": "E001", "category": "client"},
        "exception": {"class": "ValueError", "file": __file__},
    }


def test_an_access_record_in_cloudwatch() -> None:
    """The middleware's extras in the seed's objects; seconds."""
    found = parsed(CloudWatchFormatter(), made(**ACCESS))
    assert found["request"] == {
        "method": "GET",
        "route": "/orders/{id}",
        "path": "/orders/7",
        "duration": 0.0125,
        "size": 10,
        "ip": "192.0.2.7",
        "user_agent": "curl",
        "http_version": "1.1",
    }
    assert found["response"] == {"status": 200, "size": 2048}
    assert "metadata" not in found


def test_a_group_given_as_a_mapping_joins_the_others() -> None:
    """What a record says itself stays; a value for the same name stays among the metadata, as does what has no name."""
    given: dict[str, Any] = {
        "user": {"id": "other", "plan": "pro"},
        "user_id": "u-1",
        "user_plan": "free",
        "error_": 1,
        "request": "x",
    }
    found = parsed(CloudWatchFormatter(), made(**given))
    assert found["user"] == {"id": "u-1", "plan": "pro"}
    assert found["metadata"] == {"user": {"id": "other"}, "user_plan": "free", "error_": 1, "request": "x"}
    found = parsed(CloudWatchFormatter(), made(error="timeout", workflow="w-1", user_agent="curl"))
    assert found["error"] == {"message": "timeout"}
    assert found["workflow"] == {"id": "w-1"}
    assert found["request"] == {"user_agent": "curl"}


def test_what_is_no_access_record_is_not_taken_for_one() -> None:
    """A path or a method alone is somebody's datum; a duration that is no number stays one."""
    assert parsed(CloudWatchFormatter(), made(path="/srv/x"))["metadata"] == {"path": "/srv/x"}
    found = parsed(CloudWatchFormatter(), made(**ACCESS | {"duration_ms": "long", "client": None}))
    assert found["metadata"] == {"duration_ms": "long", "client": None}


def test_the_core_is_there_without_anything() -> None:
    """No service, no trace: said to be unknown, as the seed has it. WARNING is spelled its way."""
    found = parsed(CloudWatchFormatter(), made(level=logging.WARNING))
    assert found["service"] == found["tracking_id"] == "unknown"
    assert found["@level"] == "WARN"
    assert set(found) == CORE
    assert parsed(CloudWatchFormatter(), made(level=logging.ERROR))["error"] == {
        "type": "UnknownError",
        "message": "paid",
    }


@given(record=records())
def test_no_value_is_lost_on_the_way_to_its_group(record: Any) -> None:
    """Every text of the metadata is somewhere in the line, and the core is the record's own."""
    found = parsed(CloudWatchFormatter(service="shop"), record)
    entry = stored(record)
    assert set(found) >= CORE
    assert found["service"] == "shop"
    assert set(found) <= CORE | {*GROUPS, "tracing", "metadata", "task_id", "context_id", "client_id"}
    there = [json_text(leaf) for leaf in leaves(found)]
    assert all(text in there for text in simple(entry.attributes))


wide = st.builds(
    lambda groups, width, depth: {
        f"{group}_{number}": {str(key): [key] * depth for key in range(width)}
        for group in GROUPS[:groups]
        for number in range(groups)
    },
    st.integers(0, 8),
    st.integers(0, 60),
    st.integers(1, 3),
)


@given(extra=wide, most=st.integers(50, 1000))
def test_fields_are_limited_and_the_core_is_kept(extra: dict[str, Any], most: int) -> None:
    """At most ``max_fields`` leaves; the core is whole; what was cut is said, and only where something was."""
    whole = parsed(CloudWatchFormatter(max_fields=1000), made(user_id="u-1", more=list(range(20))))
    with dblog.bound(trace_id=TRACE):
        found = parsed(CloudWatchFormatter(max_fields=most, service="shop"), made(user_id="u-1", **extra))
    assert len(leaves(found)) <= most
    assert set(found) >= CORE | {"tracing"}
    assert found["source"] == whole["source"]
    flags = found.get("metadata", {}).get("dblog", {}).get("flags", [])
    unlimited = CloudWatchFormatter(service="shop")
    unlimited._max_fields = sys.maxsize
    with dblog.bound(trace_id=TRACE):
        complete = parsed(unlimited, made(user_id="u-1", **extra))
    assert ("truncated" in flags) == (len(leaves(complete)) > most)


@pytest.mark.parametrize("most", [0, 49, 1001, "900", True])
def test_max_fields_is_checked(most: Any) -> None:
    """Below fifty the core would not fit, above a thousand CloudWatch cuts."""
    with pytest.raises(ConfigurationError, match="max_fields"):
        CloudWatchFormatter(max_fields=most)
