"""Labels that cannot explode: each is an enumeration, declared with the metric.

A value that was not declared becomes ``other``; so does one that is missing. Both are
counted in ``label_values_refused_total``, so that a forgotten declaration is seen.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OTHER", "UNKNOWN", "Declared", "LabelValues"]

OTHER = "other"
UNKNOWN = "(unknown)"
"""Stands for a label that was not declared, in ``label_values_refused_total``."""

LabelValues = Mapping[str, "Iterable[object] | type[enum.Enum]"]
"""Label name → every value it can have: texts, numbers, bools, or an Enum class."""

_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_TAKEN = frozenset({"le", "quantile", "pid"})
"""Labels the client uses itself."""
_MOST_SERIES = 10_000
_LONGEST = 100


class Declared:
    """The labels of one metric.

    Args:
        metric: its name.
        labels: the enumerations.
        refused: told the label's name whenever a value was not declared.

    Raises:
        ConfigurationError: names the metric, the label, what is wrong and what is allowed.
    """

    def __init__(self, metric: str, labels: LabelValues | None, refused: Callable[[str], None]) -> None:
        if not isinstance(labels, Mapping | None):
            raise ConfigurationError(f"{metric}: labels={labels!r} is not allowed: give a mapping of name to values")
        self.metric = metric
        self.values = {name: _values(metric, name, values) for name, values in (labels or {}).items()}
        self._known = {name: {value: value for value in values} for name, values in self.values.items()}
        self._refused = refused
        series = math.prod(len({*values, OTHER}) for values in self.values.values())
        if series > _MOST_SERIES:
            raise ConfigurationError(
                f"{metric}: its labels make {series:,} series: at most {_MOST_SERIES:,} are allowed"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in the order declared."""
        return tuple(self._known)

    def key(self, given: Mapping[str, object]) -> tuple[str, ...]:
        """The declared values for those given, in order; ``other`` where there is none."""
        found = []
        for name, known in self._known.items():
            value = given.get(name)
            try:
                label = known.get(value if type(value) is str else _text(value))
            except Exception:  # noqa: BLE001 - a value whose own code fails was not declared
                label = None
            if label is None:
                self._refused(name)
                label = OTHER
            found.append(label)
        if not given.keys() <= self._known.keys():
            self._refused(UNKNOWN)
        return tuple(found)


def _values(metric: str, name: Any, values: Any) -> tuple[str, ...]:
    if not isinstance(name, str) or not _LABEL.fullmatch(name) or name in _TAKEN:
        raise ConfigurationError(f"{metric}: {name!r} cannot be a label: use letters, digits and _, not le or quantile")
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ConfigurationError(f"{metric}: the values of {name!r} are {values!r}: give a tuple of all there can be")
    texts = tuple(dict.fromkeys(_text(value) for value in values))
    for text in texts:
        if not 0 < len(text) <= _LONGEST or not text.isprintable():
            raise ConfigurationError(
                f"{metric}: {text!r} cannot be a value of {name!r}: 1 to {_LONGEST} printable characters are allowed"
            )
    if not texts:
        raise ConfigurationError(f"{metric}: {name!r} has no values: give all there can be")
    return texts


def _text(value: object) -> str:
    """A value as a label's: an Enum's value, ``true`` and ``false``, numbers as written; nothing else has one."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""
