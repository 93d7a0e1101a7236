"""What is too old: rules, as options mean them, and what became of those they name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dblog.errors import ConfigurationError
from dblog.interchange import iso
from dblog.levels import parse_level, severity_of

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = ["Pruned", "Rule", "age_of", "before_of", "condition_of", "facts", "rules_of"]

_AGE: Final = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LOWEST, _HIGHEST = 1, 24
"""Severities."""
_TRACE: Final = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """Entries that go."""

    before: int
    """µs since 1970 UTC: those that are older."""
    highest: int = _HIGHEST
    """Only those of this severity or a lower one."""
    lowest: int = _LOWEST
    """Only those of this severity or a higher one."""


@dataclass(slots=True)
class Pruned:
    """What a prune did, or would do."""

    rows: int = 0
    """Entries, those of dropped days included."""
    days: list[str] = field(default_factory=list)
    """Days dropped as partitions."""
    waiting: list[str] = field(default_factory=list)
    """Days that could not be dropped because others used the table all the time; the next run drops them."""
    dead_letters: int = 0
    instances: int = 0
    free: int = 0
    """SQLite: bytes of the file that are empty now."""

    @property
    def any(self) -> bool:
        """Whether any row went, or goes."""
        return bool(self.rows or self.dead_letters or self.instances)


def age_of(text: str, option: str) -> int:
    """Seconds of ``30d``, ``12h``, ``2w``.

    Raises:
        ConfigurationError: it is no such thing.
    """
    match = _AGE.fullmatch(text.strip().lower())
    if not match or not int(match[1]):
        raise ConfigurationError(f"{option}={text!r} is not an age: write 30d, 12h or 2w")
    return int(match[1]) * _UNITS[match[2]]


def rules_of(older_than: str | None, level: str | None, keep: list[str], now: int) -> list[Rule]:
    """The rules that the options mean, the lowest severities first; no two are of the same severity.

    An age longer than ``older_than`` holds for its level and those above, a shorter one for its level and those
    below; levels with an age of their own keep that, and where two others meet, the longer holds.

    Args:
        older_than: an age.
        level: with ``older_than``: only entries up to this level.
        keep: ``LEVEL=AGE``: entries of this level are kept so long.
        now: µs since 1970 UTC.

    Raises:
        ConfigurationError: one cannot be read, or there is none.
    """
    base = None if older_than is None else age_of(older_than, "older-than")
    if base is None and level is not None:
        raise ConfigurationError(f"level={level!r} needs an age: give --older-than, or --keep {level}=AGE")
    most = _HIGHEST if level is None else _severity(level, "level")
    own = _own(keep)
    if base is None and not own:
        raise ConfigurationError("nothing says what is too old: give --older-than 30d, or --keep debug=3d")
    rules: list[Rule] = []
    for severity in range(_LOWEST, _HIGHEST + 1):
        age = _age(severity, base if severity <= most else None, base, own)
        if age is None:
            continue
        before = now - age * 1_000_000
        if rules and (rules[-1].before, rules[-1].highest) == (before, severity - 1):
            rules[-1] = Rule(before, severity, rules[-1].lowest)
        else:
            rules.append(Rule(before, severity, severity))
    return rules


def _own(keep: list[str]) -> dict[int, int]:
    """Severity → age in seconds, of ``LEVEL=AGE``."""
    own: dict[int, int] = {}
    for each in keep:
        name, equals, age = each.partition("=")
        if not equals:
            raise ConfigurationError(f"keep={each!r} is not LEVEL=AGE: write --keep debug=3d")
        severity = _severity(name, "keep")
        if severity in own:
            raise ConfigurationError(f"keep={each!r} gives {name} a second age: give one")
        own[severity] = age_of(age, f"keep {name}")
    return own


def _severity(name: str, option: str) -> int:
    if name.strip().upper() == "TRACE":
        return _TRACE
    return severity_of(parse_level(name.strip(), option))


def _age(severity: int, otherwise: int | None, base: int | None, own: dict[int, int]) -> int | None:
    """The age that holds for a severity, in seconds; ``otherwise`` where none of its own or its neighbours' does."""
    if severity in own:
        return own[severity]
    longer = [level for level, age in own.items() if base is not None and age >= base]
    below = [level for level in longer if level < severity or (level == _TRACE and severity < _TRACE)]
    above = [level for level in own if level > severity and level not in longer]
    ages = [own[near] for near in ([max(below)] if below else []) + ([min(above)] if above else [])]
    return max(ages, default=otherwise)


def before_of(rules: list[Rule]) -> int:
    """The time before which entries of every level go; 0 where there is none."""
    each = (
        max((rule.before for rule in rules if rule.lowest <= severity <= rule.highest), default=0)
        for severity in range(_LOWEST, _HIGHEST + 1)
    )
    return min(each)


def condition_of(connection: AdminConnection, rules: list[Rule]) -> tuple[str, tuple[object, ...]]:
    """SQL that is true of the entries the rules name, and its parameters."""
    parts: list[str] = []
    parameters: list[object] = []
    for rule in rules:
        part = ["timestamp < ?"]
        parameters.append(connection.moment(rule.before))
        # Open at the ends: a row made by hand may have a severity that is none.
        if rule.lowest > _LOWEST:
            part.append("severity >= ?")
            parameters.append(rule.lowest)
        if rule.highest < _HIGHEST:
            part.append("severity <= ?")
            parameters.append(rule.highest)
        parts.append(" AND ".join(part))
    return " OR ".join(f"({part})" for part in parts), tuple(parameters)


def facts(rules: list[Rule], done: Pruned) -> dict[str, object]:
    """What an audit row says of it."""
    return {
        "count": done.rows,
        "days": done.days,
        "dead_letters": done.dead_letters,
        "instances": done.instances,
        "rules": [{"before": iso(rule.before), "lowest": rule.lowest, "highest": rule.highest} for rule in rules],
    }
