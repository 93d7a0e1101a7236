"""What a value that holds no others becomes in JSON: numbers, times, ids, enums, errors (see ``dblog.plain``).

User code (``__str__``, ``isoformat``, ...) runs only under a guard, as in ``dblog.texts``.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
from typing import Any

from dblog.texts import BINARY, TEXT_LIMIT, exact, int_text, name_of, rendered

__all__ = ["SAFE_INT", "SCALARS", "is_numpy", "scalar_of"]

SAFE_INT = 2**53 - 1
"""What a double tells apart from its neighbours: the bound of orjson and of RFC 8259."""

_TEXTUAL = (decimal.Decimal, uuid.UUID, pathlib.PurePath)
_CALENDAR = (dt.date, dt.time)
SCALARS = (str, int, float, enum.Enum, *BINARY, range, *_TEXTUAL, *_CALENDAR, dt.timedelta, BaseException)
"""Types never walked into, whatever else they are; anything else without a shape is a scalar too."""


def is_numpy(kind: type, method: str) -> bool:
    """Whether a numpy array (``tolist``) or scalar (``item``); numpy is never imported for it."""
    array = kind.__name__ in {"ndarray", "matrix", "memmap", "recarray", "MaskedArray"}
    return kind.__module__.startswith("numpy") and array == (method == "tolist") and hasattr(kind, method)


def scalar_of(value: Any, flags: set[str]) -> str | float | None:  # noqa: PLR0911 - one per kind
    """A value that is no container as an exact str, int, float, bool or None."""
    kind = type(value)
    if value is None or value is True or value is False:
        return value
    if issubclass(kind, int):
        number = int.__int__(value)
        if -SAFE_INT <= number <= SAFE_INT:
            return number
        flags.add("sanitized")
        return int_text(number)
    if issubclass(kind, float):
        real = float.__float__(value)
        if math.isfinite(real):
            return real
        flags.add("nonfinite")
        return "NaN" if math.isnan(real) else "Infinity" if real > 0 else "-Infinity"
    try:
        return _known(value, kind, flags)
    except Exception:  # noqa: BLE001 - user code
        flags.add("unserializable")
        return f"<unprintable {name_of(kind)}>"


def _known(value: Any, kind: type, flags: set[str]) -> str | float | None:  # noqa: PLR0911 - one per kind
    """The types worth more than their ``repr``; raises whatever their own code raises."""
    if issubclass(kind, (str, *BINARY)):
        return rendered(value, (), TEXT_LIMIT)
    if issubclass(kind, _TEXTUAL):
        return exact(str(value))
    if issubclass(kind, _CALENDAR):
        return exact(value.isoformat())
    if issubclass(kind, dt.timedelta):
        return dt.timedelta.total_seconds(value)
    if issubclass(kind, BaseException):
        return f"{name_of(kind)}: {rendered(value, (str, repr), TEXT_LIMIT)}"
    inner = value
    if issubclass(kind, enum.Enum):
        inner = value.value if isinstance(value.value, (str, int, float, type(None))) else exact(value.name)
    elif is_numpy(kind, "item"):
        inner = value.item()
    if type(inner) is not kind and (inner is None or issubclass(type(inner), SCALARS)):
        return scalar_of(inner, flags)
    flags.add("unserializable")
    return rendered(value, (repr,), TEXT_LIMIT)
