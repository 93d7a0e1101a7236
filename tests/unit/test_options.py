"""Options: what is allowed, and refusals that name the option, the value and what to do."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog.errors import ConfigurationError
from dblog.options import OVERFLOW_POLICIES, Options
from dblog.testing import MemorySink

WRONG: list[tuple[str, Any]] = [
    ("queue_size", 0),
    ("queue_size", "many"),
    ("queue_size", True),
    ("queue_bytes", 10),
    ("batch_size", -1),
    ("batch_bytes", 1.5),
    ("overflow", "drop"),
    ("flush_interval", -1),
    ("flush_interval", "soon"),
    ("block_timeout", float("nan")),
    ("retry_max", 0),
    ("connect_timeout", float("inf")),
    ("flush_level", "LOUD"),
    ("durable_level", "loud"),
    ("spool_bytes", 1024),
    ("spool_max_age", "32d"),
    ("durability", "eternal"),
    ("synchronous_commit", "maybe"),
    ("synchronous", "sometimes"),
    ("retention", "a while"),
    ("max_bytes", 5),
    ("file_mode", "rw"),
    ("file_mode", 0o1777),
    ("redact_keys", 5),
    ("redact_patterns", "("),
    ("service", 5),
    ("schema", ""),
    ("max_record_bytes", 1),
    ("max_depth", 0),
    ("queue_size", "--5"),
    ("queue_size", "²"),
    ("redact_patterns", 5),
    ("block_timeout", 1e10),
    ("statement_timeout", "30d"),
    ("queue_bytes", 128 * 1024),
]


@pytest.mark.parametrize(("option", "value"), WRONG)
def test_a_wrong_value_is_refused_by_name(option: str, value: Any) -> None:
    """ConfigurationError names the option; a ValueError too, for those who catch that."""
    with pytest.raises(ConfigurationError, match=option) as caught:
        Options.of(**{option: value})
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None


def test_an_unknown_option_gets_the_nearest_known_one() -> None:
    """A typing mistake is answered with the right name."""
    with pytest.raises(ConfigurationError, match="did you mean 'batch_size'"):
        dblog.DatabaseHandler(batch_sise=5)


def test_defaults_are_valid_values_of_themselves() -> None:
    """Giving every default explicitly changes nothing."""
    defaults = Options.of()
    given = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(Options)}
    assert Options.of(**given) == defaults


@given(
    size=st.integers(1, 10**9),
    seconds=st.floats(0, 600_000),
    overflow=st.sampled_from(OVERFLOW_POLICIES),
    level=st.sampled_from([*logging.getLevelNamesMapping(), 35]),
)
def test_values_may_be_texts_as_ini_files_give_them(size: int, seconds: float, overflow: str, level: int | str) -> None:
    """Numbers and times as text mean what they mean as numbers."""
    as_text = Options.of(
        queue_size=str(size), flush_interval=f"{seconds:f}", overflow=overflow.upper(), flush_level=level
    )
    assert as_text.queue_size == size
    assert as_text.flush_interval == pytest.approx(seconds, abs=1e-6)
    assert as_text.overflow == overflow


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("2m", 120), ("3h", 10800), ("7d", 604800)])
def test_units_of_time(text: str, seconds: float) -> None:
    """Retention as people write it."""
    assert Options.of(retention=text).retention == seconds


def test_resource_attributes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's variables fill what was not given, and give way to what was."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,service.version=1.2,deployment.environment=test")
    options = Options.of()
    assert (options.service, options.service_version, options.environment) == ("shop", "1.2", "test")
    assert Options.of(service="mine").service == "mine"


def test_one_database_only() -> None:
    """url, engine and sink exclude each other."""
    with pytest.raises(ConfigurationError, match="exclude each other"):
        dblog.DatabaseHandler("sqlite:////nowhere/x.db", sink=MemorySink())


def test_texts_from_the_environment_are_storable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's name in Latin-1 does not make every row poison; OpenTelemetry's values are percent-encoded."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "caf\udce9")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1%2C2")
    options = Options.of()
    assert (options.service, options.service_version) == ("caf\ufffd", "1,2")
    assert Options.of(service="x\0" * 1000).service == "x\u2400" * 256
