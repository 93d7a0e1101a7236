"""Business metrics: declared labels hold whatever is thrown at them, and using one never raises."""

from __future__ import annotations

import decimal
import enum
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog.errors import ConfigurationError
from dblog.integrations.prometheus import AppMetrics
from tests.scraped import exemplars, page_of


class Plan(enum.Enum):
    FREE = "free"
    PAID = "paid"


class Evil(str):
    """A text whose own code fails."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError


STATUSES = ("success", "failure")
DECLARED: Any = {"status": STATUSES, "plan": Plan, "retried": (True, False), "code": (1, 2.5)}
VALUES = {
    "status": st.sampled_from(STATUSES),
    "plan": st.sampled_from(["free", "paid", *Plan]),
    "retried": st.sampled_from([True, False, "true"]),
    "code": st.sampled_from([1, 2.5, "1"]),
}
UNDECLARED = (
    st.text(max_size=5) | st.none() | st.integers() | st.lists(st.integers()) | st.builds(lambda: Evil("success"))
)
LABELS = st.fixed_dictionaries({}, optional={name: known | UNDECLARED for name, known in VALUES.items()})
AMOUNTS = st.integers() | st.floats() | st.decimals() | st.text(max_size=3) | st.none() | st.booleans()


def label_of(name: str, value: Any) -> str:
    """The label the model expects."""
    if isinstance(value, enum.Enum):
        value = value.value
    text = str(value).lower() if isinstance(value, bool) else value if type(value) is str else str(value)
    known = {"status": STATUSES, "plan": ("free", "paid"), "retried": ("true", "false"), "code": ("1", "2.5")}[name]
    plain = isinstance(value, int | float) or type(value) is str
    return text if plain and text in known else "other"


def number_of(amount: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(amount)
    except Exception:
        return None
    return number if math.isfinite(number) else None


@given(calls=st.lists(st.tuples(AMOUNTS, LABELS, st.booleans()), max_size=20))
def test_a_counter_holds_what_was_declared_and_loses_nothing(calls: list[tuple[Any, dict[str, Any], bool]]) -> None:
    """Any values and amounts: no exception, only declared labels and ``other``, every refusal counted."""
    metrics = AppMetrics(writer=False)
    counter = metrics.counter("tasks_total", "Tasks.", labels=DECLARED)
    wanted: Counter[tuple[str, ...]] = Counter()
    refused: Counter[tuple[str, ...]] = Counter()
    for amount, labels, stranger in calls:
        counter.inc(amount, **labels, **({"user_id": "u-17"} if stranger else {}))
        key = tuple(label_of(name, labels.get(name)) for name in DECLARED)
        refused.update((name,) for name, label in zip(DECLARED, key, strict=True) if label == "other")
        refused.update([("(unknown)",)] * stranger)
        if (number := number_of(amount)) is not None and number >= 0:
            wanted[key] += number  # type: ignore[assignment]  # amounts are floats
    page = page_of(metrics.registry)
    assert page.by("tasks_total", *DECLARED) == pytest.approx({key: value for key, value in wanted.items() if value})
    assert page.by("label_values_refused_total", "label") == refused
    metrics.close()


@given(calls=st.lists(st.tuples(st.sampled_from(["set", "inc", "dec", "observe"]), AMOUNTS, LABELS), max_size=20))
def test_gauges_and_histograms_never_raise(calls: list[tuple[str, Any, dict[str, Any]]]) -> None:
    """Any values and amounts: what is on the page is finite, and as many observations as were numbers."""
    metrics = AppMetrics(writer=False)
    gauge = metrics.gauge("agents", "Agents.", labels=DECLARED)
    histogram = metrics.histogram("task_seconds", "Tasks.", labels=DECLARED, buckets=(0.1, 1))
    observed = 0
    for verb, amount, labels in calls:
        getattr(histogram if verb == "observe" else gauge, verb)(amount, **labels)
        observed += verb == "observe" and number_of(amount) is not None
    page = page_of(metrics.registry)
    assert page.total("task_seconds_count") == observed
    metrics.close()


def test_none_is_not_an_amount() -> None:
    """Nor a NaN, which once added would stay for ever."""
    metrics = AppMetrics(writer=False)
    cost = metrics.counter("cost_total", "Cost.")
    for amount in (decimal.Decimal("1.25"), math.nan, math.inf, -1, None, "2"):
        cost.inc(amount)  # type: ignore[arg-type]  # that is the test
    assert page_of(metrics.registry).value("cost_total") == 3.25
    metrics.close()


def test_a_counter_of_few_series_stands_at_zero_before_its_first_event() -> None:
    """So that ``rate()`` sees it; one of many series does not fill the page."""
    metrics = AppMetrics(writer=False)
    metrics.counter("few_total", "Few.", labels={"a": ("x", "y"), "b": ("1", "2")})
    metrics.counter("many_total", "Many.", labels={"a": map(str, range(20)), "b": map(str, range(20))})
    names = [sample.name for sample in page_of(metrics.registry).samples]
    assert names.count("few_total") == 4
    assert names.count("many_total") == 0
    metrics.close()


def test_blocks_are_timed_and_tracked_also_when_they_raise() -> None:
    """``time`` observes and ``track`` takes back, and the exception is the block's own."""
    metrics = AppMetrics(writer=False)
    histogram = metrics.histogram("seconds", "Seconds.", labels={"kind": ("a",)})
    gauge = metrics.gauge("running", "Running.")

    def fails() -> None:
        with histogram.time(kind="a"), gauge.track():
            assert page_of(metrics.registry).value("running") == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    page = page_of(metrics.registry)
    assert page.value("running") == 0
    assert page.value("seconds_count", kind="a") == 1
    metrics.close()


def test_an_exemplar_stands_where_a_label_would_explode() -> None:
    """The trace that was counted last in a second is the counter's exemplar."""
    metrics = AppMetrics(writer=False)
    counter = metrics.counter("ai_requests_total", "Requests.", labels={"model": ("m",)})
    with dblog.bound():
        trace_id = dblog.new_trace()
        counter.inc(model="m")
    (found,) = exemplars(metrics.registry, "ai_requests_total")
    assert found.labels["trace_id"] == trace_id
    metrics.close()


def test_declared_again_alike_it_is_the_same() -> None:
    """And declared otherwise it is refused."""
    metrics = AppMetrics(writer=False)
    first = metrics.counter("a_total", "A.", labels={"x": ("1", "2")})
    assert metrics.counter("a_total", "A.", labels={"x": (1, 2)}) is first
    with pytest.raises(ConfigurationError, match="'a_total' was declared differently before"):
        metrics.counter("a_total", "A.", labels={"x": ("1",)})
    with pytest.raises(ConfigurationError, match="'a_total' was declared differently before"):
        metrics.gauge("a_total", "A.", labels={"x": (1, 2)})
    metrics.close()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"le": ("a",)}, "'le' cannot be a label"),
        ({"__x": ("a",)}, "'__x' cannot be a label"),
        ({"a-b": ("a",)}, "'a-b' cannot be a label"),
        ({"status": "success"}, "the values of 'status' are 'success'"),
        ({"status": ()}, "'status' has no values"),
        ({"status": 7}, "the values of 'status' are 7"),
        ({"status": ("",)}, "'' cannot be a value"),
        ({"status": ("a\nb",)}, "cannot be a value"),
        ({"status": (None,)}, "'' cannot be a value"),
        ({"user": range(101), "key": range(101)}, "its labels make 10,404 series"),
        (("status",), "labels=('status',) is not allowed"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: Any, said: str) -> None:
    """At once, naming the metric, the label and what is allowed."""
    metrics = AppMetrics(writer=False)
    with pytest.raises(ConfigurationError) as refused:
        metrics.counter("tasks_total", "Tasks.", labels=labels)
    assert str(refused.value).startswith("tasks_total: ")
    assert said in str(refused.value)
    metrics.close()


@pytest.mark.parametrize("buckets", [(2, 1), ("x",), (None,)])
def test_buckets_that_cannot_be_are_refused(buckets: Any) -> None:
    """Falling, or no numbers."""
    metrics = AppMetrics(writer=False)
    with pytest.raises(ConfigurationError, match="the metric 'seconds' cannot be made"):
        metrics.histogram("seconds", "Seconds.", buckets=buckets)
    metrics.close()


@pytest.mark.parametrize("name", ["", "a b", "http_requests_total"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    """No metric's name, or one that is taken."""
    metrics = AppMetrics(writer=False)
    with pytest.raises(ConfigurationError, match="cannot be made"):
        metrics.counter(name, "Text.")
    metrics.close()


def test_a_refusal_that_cannot_be_counted_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is counted all the same, as ``other``."""
    metrics = AppMetrics(writer=False)
    counter = metrics.counter("a_total", "A.", labels={"x": ("1",)})
    monkeypatch.setattr(metrics, "_refused", None)
    counter.inc(x="2")
    assert page_of(metrics.registry).value("a_total", x="other") == 1
    metrics.close()


@pytest.mark.parametrize("verb", ["inc", "set", "observe"])
def test_a_metric_that_is_broken_harms_nobody(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the client raises is told once, and the business goes on."""
    metrics = AppMetrics(writer=False)
    made: Any = {"inc": metrics.counter, "set": metrics.gauge, "observe": metrics.histogram}[verb](f"{verb}_x", "X.")
    made._child = None
    for _ in range(3):
        getattr(made, verb)(1)
    assert capfd.readouterr().err.count(f"dblog: metrics: {verb}_x raised TypeError, and was skipped") == 1
    metrics.close()
