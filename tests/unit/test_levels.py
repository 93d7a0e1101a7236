"""Levels: severity is OpenTelemetry's, and bands are its families."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog.levels import BAND_NAMES, BANDS, band_of, levelno_of, parse_level, severity_of

# std_to_otel of opentelemetry-python (opentelemetry._logs.severity), level number by level number.
STD_TO_OTEL = (
    {10: 5, 11: 6, 12: 7}
    | dict.fromkeys(range(13, 20), 8)
    | {20: 9, 21: 10, 22: 11}
    | dict.fromkeys(range(23, 30), 12)
    | {30: 13, 31: 14, 32: 15}
    | dict.fromkeys(range(33, 40), 16)
    | {40: 17, 41: 18, 42: 19}
    | dict.fromkeys(range(43, 50), 20)
    | {50: 21, 51: 22, 52: 23, 53: 24}
)

any_level = st.integers() | st.integers(-5, 60)


@pytest.mark.parametrize(("levelno", "severity"), STD_TO_OTEL.items())
def test_severity_is_the_one_of_opentelemetry(levelno: int, severity: int) -> None:
    """Every level number in OpenTelemetry's table has its severity number."""
    assert severity_of(levelno) == severity


@given(any_level)
def test_outside_of_the_table_severity_is_the_lowest_or_the_highest(levelno: int) -> None:
    """Below DEBUG is 1 (TRACE), above 53 is 24 (FATAL4): any int is accepted."""
    assert severity_of(levelno) == STD_TO_OTEL.get(levelno, 1 if levelno < 10 else 24)


@given(any_level, any_level)
def test_severity_is_monotone(one: int, other: int) -> None:
    """A higher level never has a lower severity, so thresholds mean the same on both scales."""
    low, high = sorted((one, other))
    assert severity_of(low) <= severity_of(high)


@pytest.mark.parametrize("severity", range(5, 25))
def test_levelno_of_is_the_lowest_level_with_that_severity(severity: int) -> None:
    """From DEBUG up, severity_of undoes levelno_of, and the level below it has a lower severity."""
    levelno = levelno_of(severity)
    assert severity_of(levelno) == severity
    assert severity_of(levelno - 1) < severity


def test_the_six_standard_levels_are_the_firsts_of_six_bands() -> None:
    """Each band is four severities wide, and starts at a standard level."""
    assert BANDS == len(BAND_NAMES) == 6
    levels = (1, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    assert [severity_of(level) for level in levels] == [1, 5, 9, 13, 17, 21]
    assert [band_of(severity) for severity in range(1, 25)] == [band for band in range(6) for _ in range(4)]


@given(st.integers())
def test_a_band_is_always_an_index_of_a_name(severity: int) -> None:
    """Any int has a band, and bands grow with severity."""
    assert 0 <= band_of(severity) < BANDS
    assert band_of(severity) <= band_of(severity + 1)


@given(st.integers())
def test_a_level_number_is_parsed_as_itself(levelno: int) -> None:
    """Ints pass as they are, as does their decimal spelling where it has digits only."""
    assert parse_level(levelno, "flush_level") == levelno
    assert parse_level(f" {abs(levelno)} ", "flush_level") == abs(levelno)


@pytest.mark.parametrize("name", ["DEBUG", "info", "Warning", "WARN", "error", "CRITICAL", "FATAL", "NOTSET"])
def test_a_level_name_is_parsed_in_any_case(name: str) -> None:
    """The names logging knows are accepted in any case."""
    assert parse_level(name, "level") == logging.getLevelNamesMapping()[name.upper()]


@pytest.mark.parametrize("value", ["LOUD", "", "-5", "1.5", True, None, 3.0])
def test_anything_else_is_refused_with_what_is_allowed(value: Any) -> None:
    """The message names the option, the value, and the levels known, lowest first."""
    with pytest.raises(ConfigurationError) as raised:
        parse_level(value, "flush_level")
    message = str(raised.value)
    assert message.startswith(f"flush_level={value!r} is not a logging level: use a number or one of NOTSET, DEBUG")
    assert message.index("INFO") < message.index("ERROR")
