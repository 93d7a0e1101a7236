"""Python level numbers and OpenTelemetry severity numbers.

``severity`` is OpenTelemetry's SeverityNumber, 1-24: TRACE 1-4, DEBUG 5-8,
INFO 9-12, WARN 13-16, ERROR 17-20, FATAL 21-24. The mapping from ``levelno`` is
``std_to_otel`` of the OpenTelemetry Python SDK, except that a level below DEBUG
becomes 1 (TRACE) where OpenTelemetry says UNSPECIFIED.
"""

from __future__ import annotations

import logging

from dblog.errors import ConfigurationError

__all__ = ["BAND", "BANDS", "BAND_NAMES", "band_of", "levelno_of", "parse_level", "severity_of"]

BAND_NAMES = ("trace", "debug", "info", "warning", "error", "critical")
"""One name per severity band, lowest first: what eviction, loss rows and metric labels go by."""

BANDS = len(BAND_NAMES)

_DEBUG, _HIGHEST = 10, 53


def severity_of(levelno: int) -> int:
    """The OpenTelemetry severity number (1-24) of a Python level number; any int is accepted."""
    if levelno < _DEBUG:
        return 1
    if levelno > _HIGHEST:
        return 24
    return 4 * (levelno // 10) + 1 + min(levelno % 10, 3)


def band_of(severity: int) -> int:
    """The band (0-5, an index into ``BAND_NAMES``) of a severity number; out-of-range values are clamped."""
    return min(max(severity - 1, 0) // 4, BANDS - 1)


BAND = tuple(band_of(severity) for severity in range(25))
"""``band_of`` as a table, for the hot path."""


def levelno_of(severity: int) -> int:
    """The lowest Python level number with this severity: ``severity_of(levelno_of(s)) == s`` for DEBUG and up."""
    band, offset = divmod(max(severity, 1) - 1, 4)
    return min(band, 5) * 10 + offset


def parse_level(value: int | str, option: str) -> int:
    """A level number from a number or a name known to ``logging``.

    Raises:
        ConfigurationError: the name is not a level; the message names the option.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    known = logging.getLevelNamesMapping()
    if isinstance(value, str):
        if value.upper() in known:
            return known[value.upper()]
        if value.strip().isdigit():
            return int(value)
    names = ", ".join(sorted(known, key=lambda name: known[name]))
    msg = f"{option}={value!r} is not a logging level: use a number or one of {names}"
    raise ConfigurationError(msg)
