"""Readable, storable text of anything: the leaves of the total encoder (see ``dblog.plain``).

User code (``__str__``, ``__repr__``) runs only under a guard: an ``Exception`` of
its own becomes ``<unprintable T>``, a ``BaseException`` that is not an
``Exception`` propagates.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BINARY", "TEXT_LIMIT", "cap", "clean", "exact", "int_text", "name_of", "rendered", "text"]

TEXT_LIMIT = 64 * 1024
"""Characters of one text, unless told otherwise."""

BINARY = (bytes, bytearray, memoryview)

_DECIMAL_BITS = 2048  # always below sys.set_int_max_str_digits, whose least value is 640 digits
_NAME_LIMIT = 256
_SURROGATES = re.compile("[\ud800-\udfff]")
_type_name: Callable[[type], str] = type.__dict__["__name__"].__get__  # a metaclass cannot override this one


def clean(value: str) -> str:
    """The same text as an exact ``str`` every database takes; the same object when there is nothing to do.

    U+0000 becomes U+2400, a lone surrogate U+FFFD; the length stays.
    """
    if type(value) is not str:
        value = str.__str__(value)
    if "\0" in value:
        value = value.replace("\0", "\u2400")
    if not value.isascii() and _SURROGATES.search(value):
        value = _SURROGATES.sub("\ufffd", value)
    return value


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """Readable text of anything, as an exact ``str`` of at most ``limit`` characters.

    ``str(value)``, but bytes are decoded, ints of any size accepted, and a value
    whose ``__str__`` and ``__repr__`` raise gives ``<unprintable T>``. Longer text
    keeps its head and its tail around its original length. Not cleaned: see ``clean``.
    """
    return cap(rendered(value, (str, repr), limit), limit)


def rendered(value: Any, ways: tuple[Callable[[object], str], ...], limit: int) -> str:
    """Text of anything by the first of ``ways`` that works; str, bytes and ints need none.

    Longer than ``limit`` when there is more to show (see ``cap``), though of bytes
    no more is decoded than can be shown.
    """
    kind = type(value)
    try:
        if issubclass(kind, str):
            return str.__str__(value)
        if issubclass(kind, BINARY):
            return _decoded(value, 4 * limit)  # a character is 4 bytes at most
        if issubclass(kind, int) and kind is not bool:
            return int_text(int.__int__(value))
    except Exception:  # noqa: BLE001 - a released memoryview
        ways = (repr,)
    for way in ways:
        try:
            return exact(way(value))
        except Exception:  # noqa: BLE001, S112 - user code; there is another way, or none
            continue
    return f"<unprintable {name_of(kind)}>"


def exact(value: str) -> str:
    """An exact str; ``__str__`` and ``__repr__`` may return a subclass.

    Raises:
        TypeError: it is no str.
    """
    return value if type(value) is str else str.__str__(value)


def cap(value: str, limit: int) -> str:
    """At most ``limit`` characters: the head and the tail around the original length."""
    if len(value) <= limit:
        return value
    mark = f" …[{len(value)} characters in all]… "
    room = limit - len(mark)
    if room < 0:
        return value[: max(limit, 0)]
    tail = room // 3
    return f"{value[: room - tail]}{mark}{value[len(value) - tail :]}"


def int_text(number: int) -> str:
    """Decimal digits, or the size of what is too long to be read: printing is quadratic, and limited by Python."""
    bits = number.bit_length()
    return int.__repr__(number) if bits <= _DECIMAL_BITS else f"<int of {bits} bits>"


def name_of(kind: type) -> str:
    """The name of a type, whatever its metaclass does."""
    return cap(_type_name(kind), _NAME_LIMIT)


def _decoded(value: Any, limit: int) -> str:
    if issubclass(type(value), bytearray):  # a view would forbid other threads to resize it meanwhile
        size, head = bytearray.__len__(value), bytes(bytearray.__getitem__(value, slice(limit)))
    else:
        view = memoryview(value)
        size, head = view.nbytes, bytes(view.cast("B")[:limit])
    shown = head.decode("utf-8", "backslashreplace")
    return shown if size <= limit else f"{shown} …[{size} bytes in all]"
