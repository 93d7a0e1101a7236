"""The options of ``DatabaseHandler``: names, defaults, what is allowed, and clear refusals.

Flat scalars only, because ``logging.config`` hands nested dicts to a handler as
lazy ``ConvertingDict`` objects. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from dblog.errors import ConfigurationError
from dblog.levels import parse_level
from dblog.plain import DEFAULT_REDACT_KEYS, clean, normal_key

__all__ = ["OVERFLOW_POLICIES", "Options"]

KiB, MiB = 1024, 1024 * 1024

OVERFLOW_POLICIES = ("drop_lowest", "drop_newest", "drop_oldest", "block")
_DURABILITY = ("memory", "spool", "durable")
_SYNCHRONOUS_COMMIT = ("on", "off", "auto", "local", "remote_write", "remote_apply")
_SYNCHRONOUS = ("off", "normal", "full", "extra")

_MAX_TEXT = 512
_MODES = (0o400, 0o777)
_SECONDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?\s*\Z")
_INTEGER = re.compile(r"\s*-?[0-9]{1,18}\s*\Z")
_LONGEST = 7 * 86_400.0
"""Seconds: no deadline of a writer is longer than a week, and every one fits the clocks it is given to."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_POSITIVE_INT = ("queue_size", "batch_size", "max_attributes", "max_depth")
_BYTES = {"queue_bytes": 64 * KiB, "batch_bytes": 4 * KiB, "max_record_bytes": KiB}
_TIMES = {
    "block_timeout": 0.0,
    "flush_interval": 0.0,
    "retry_initial": 0.001,
    "retry_max": 0.001,
    "connect_timeout": 0.1,
    "statement_timeout": 0.1,
    "operation_timeout": 0.1,
    "shutdown_timeout": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Validated options; ``Options.of(**keywords)`` makes them and raises ``ConfigurationError``."""

    queue_size: int = 10_000
    """Records waiting at most."""
    queue_bytes: int = 64 * MiB
    """Bytes waiting at most, as captured."""
    overflow: str = "drop_lowest"
    """What gives way when the queue is full: ``drop_lowest``, ``drop_newest``, ``drop_oldest`` or ``block``."""
    block_timeout: float = 1.0
    """With ``block``: how long a caller waits for room before its record is dropped."""
    batch_size: int = 1000
    batch_bytes: int = 4 * MiB
    flush_interval: float = 0.5
    flush_level: int = 40
    """A record of this level or above is stored within about 100 ms."""
    retry_initial: float = 0.1
    retry_max: float = 30.0
    connect_timeout: float = 5.0
    statement_timeout: float = 10.0
    operation_timeout: float = 15.0
    """Enforced from outside the driver, so that a frozen server cannot hold the writer."""
    shutdown_timeout: float = 5.0
    """One deadline for the whole process."""
    max_record_bytes: int = 256 * KiB
    max_attributes: int = 128
    max_depth: int = 8
    durability: str | None = None
    """``memory``; ``spool``: on disk while the database is away; ``durable``: on disk before ``emit`` returns.

    None: ``spool`` where records go to a database and there is a place to keep them, else ``memory``.
    """
    durable_level: int = 0
    """With ``durable``: records below this level are held in memory as with ``spool``."""
    spool_dir: str | None = None
    """Where spools are kept; None for ``DBLOG_SPOOL_DIR``, or the user's state directory."""
    spool_bytes: int = 1024 * MiB
    """What one writer keeps on disk at most; from 80 % on what is below WARNING is let go, from 95 % below ERROR."""
    spool_max_age: float = 7 * 86_400.0
    """Seconds after which what is on disk is given up; 31 days at most, as far back as rows may be stored."""
    synchronous_commit: str = "on"
    """PostgreSQL; ``auto`` is ``off`` unless the batch holds an ERROR."""
    synchronous: str = "normal"
    """SQLite ``PRAGMA synchronous``."""
    schema: str | None = None
    table: str = "logs"
    retention: float | None = None
    """SQLite: rows, dead letters and gone writers older than this many seconds are deleted; ``"7d"`` is understood."""
    max_bytes: int | None = None
    """SQLite: the oldest rows are deleted while what the file holds is more."""
    file_mode: int = 0o600
    """SQLite: permissions of the file beyond these are taken away."""
    service: str | None = None
    service_version: str | None = None
    environment: str | None = None
    redact_keys: frozenset[str] = frozenset(map(normal_key, DEFAULT_REDACT_KEYS))
    redact_patterns: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, **given: Any) -> Options:
        """Check every option and fill in the environment's.

        Raises:
            ConfigurationError: names the option, its value and what is allowed.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for name in given:
            if name not in known:
                raise ConfigurationError(_unknown(name, known))
        checked = {name: _check(name, value) for name, value in given.items() if value is not None}
        for name, value in _from_environment().items():
            checked.setdefault(name, clean(value)[:_MAX_TEXT])
        options = cls(**checked)
        if options.queue_bytes < options.max_record_bytes:
            raise ConfigurationError(
                f"queue_bytes={options.queue_bytes} is below max_record_bytes={options.max_record_bytes}: "
                "the queue must hold at least one record"
            )
        if options.retry_max < options.retry_initial:
            raise ConfigurationError(
                f"retry_max={options.retry_max} is below retry_initial={options.retry_initial}: give a larger retry_max"
            )
        return options


def _unknown(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the options are {', '.join(sorted(known))}"
    return f"{name!r} is not an option of DatabaseHandler: {hint}"


def _check(name: str, value: Any) -> Any:
    if name in _POSITIVE_INT:
        return _integer(name, value, 1)
    if name in _BYTES:
        return _integer(name, value, _BYTES[name])
    if name in _TIMES:
        return _seconds(name, value, _TIMES[name])
    special = _SPECIAL.get(name)
    if special is not None:
        return special(name, value)
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name}={value!r} is not a text: give a non-empty string")
    return clean(value)[:_MAX_TEXT]


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, str) and _INTEGER.match(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name}={value!r} is not allowed: give an integer of at least {least}")
    return value


def _seconds(name: str, value: Any, least: float, most: float = _LONGEST) -> float:
    if isinstance(value, str) and (match := _SECONDS.match(value)):
        value = float(match[1]) * _UNITS[match[2] or "s"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigurationError(f"{name}={value!r} is not allowed: give seconds, from {least:g} to {most:g}")
    return float(value)


def _choice(*allowed: str) -> Any:
    def check(name: str, value: Any) -> str:
        if value is True or value is False:  # `synchronous_commit: on` in YAML
            value = "on" if value else "off"
        if not isinstance(value, str) or value.lower() not in allowed:
            raise ConfigurationError(f"{name}={value!r} is not allowed: use one of {', '.join(allowed)}")
        return value.lower()

    return check


def _redact_keys(name: str, value: Any) -> frozenset[str]:
    if isinstance(value, str):
        value = [part for part in re.split(r"[\s,]+", value) if part]
    try:
        keys = list(value)
    except TypeError:
        keys = [None]
    if not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(f"{name}={value!r} is not allowed: give a list of key names, or [] to redact nothing")
    return frozenset(map(normal_key, keys))


def _redact_patterns(name: str, value: Any) -> tuple[re.Pattern[str], ...]:
    patterns = []
    if not isinstance(value, str | re.Pattern | list | tuple | set | frozenset):
        raise ConfigurationError(f"{name}={value!r} is not allowed: give a list of regular expressions")
    for pattern in [value] if isinstance(value, str | re.Pattern) else value:
        try:
            patterns.append(re.compile(pattern))
        except (re.error, TypeError) as error:
            raise ConfigurationError(f"{name}: {pattern!r} is not a regular expression: {error}") from None
    return tuple(patterns)


def _file_mode(name: str, value: Any) -> int:
    if isinstance(value, str):
        try:
            value = int(value, 8)
        except ValueError:
            value = -1
    if isinstance(value, bool) or not isinstance(value, int) or not _MODES[0] <= value <= _MODES[1]:
        raise ConfigurationError(f"{name}={value!r} is not allowed: give an octal file mode such as '0600'")
    return value


_SPECIAL: dict[str, Any] = {
    "overflow": _choice(*OVERFLOW_POLICIES),
    "durability": _choice(*_DURABILITY),
    "synchronous_commit": _choice(*_SYNCHRONOUS_COMMIT),
    "synchronous": _choice(*_SYNCHRONOUS),
    "flush_level": lambda name, value: parse_level(value, name),
    "durable_level": lambda name, value: parse_level(value, name),
    "spool_bytes": lambda name, value: _integer(name, value, 32 * MiB),
    "spool_max_age": lambda name, value: _seconds(name, value, 60.0, 31 * 86_400.0),
    "retention": lambda name, value: _seconds(name, value, 1.0, 1e9),
    "max_bytes": lambda name, value: _integer(name, value, MiB),
    "file_mode": _file_mode,
    "redact_keys": _redact_keys,
    "redact_patterns": _redact_patterns,
}


def _from_environment() -> dict[str, str]:
    """``service``, ``service_version``, ``environment`` as OpenTelemetry's SDK configuration gives them."""
    pairs = (item.partition("=") for item in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    resource = {
        key.strip(): urllib.parse.unquote(value.strip()) for key, _, value in pairs if key.strip() and value.strip()
    }
    found = {
        "service": os.environ.get("OTEL_SERVICE_NAME") or resource.get("service.name"),
        "service_version": resource.get("service.version"),
        "environment": resource.get("deployment.environment.name") or resource.get("deployment.environment"),
    }
    return {name: value for name, value in found.items() if value}
