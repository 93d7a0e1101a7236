"""Digests of rows: the same from whichever database a row was read, and sums of them whatever the order.

JSON is compared by its value, for Postgres keeps that and not the text: order of keys, blanks, and how a number is
written do not count, but each of its digits does. Where it is no JSON the text counts.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.schema import Column

__all__ = ["Digests", "added", "canonical", "shown"]

_BYTES: Final = 16
_NUMBER: Final = "\0"
"""Before a number, so that no text without a NUL equals it."""


class Digests:
    """Makes the digests of one table's rows.

    Args:
        columns: what the rows are made of.
        left_out: columns that do not count.
    """

    def __init__(self, columns: Sequence[Column], *left_out: str) -> None:
        self._documents = [index for index, column in enumerate(columns) if column.kind == "json"]
        self._left_out = [index for index, column in enumerate(columns) if column.name in left_out]

    def of(self, row: Sequence[Any]) -> int:
        """128 bits."""
        fields = list(row)
        for index in self._documents:
            if isinstance(fields[index], str):
                fields[index] = canonical(fields[index])
        for index in self._left_out:
            fields[index] = None
        try:
            data = orjson.dumps(fields)
        except TypeError:  # lone surrogates and BLOBs, which somebody put into a file of SQLite's by hand
            data = json.dumps(fields, default=repr).encode()
        return int.from_bytes(blake2b(data, digest_size=_BYTES).digest())


def added(total: int, digest: int) -> int:
    """A sum of digests and one more. Not XOR, by which two equal rows would be none."""
    return (total + digest) % (1 << 8 * _BYTES)


def shown(total: int) -> str:
    """32 hexadecimal digits."""
    return f"{total:0{2 * _BYTES}x}"


def canonical(document: str) -> str:
    """JSON in a form that only its value decides; what is no JSON as it is."""
    try:
        value = json.loads(document, parse_float=_number, parse_int=_number, parse_constant=_no_json)
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return document


@lru_cache(maxsize=4096)
def _number(text: str) -> str:
    """Its digits and exponent, without zeros that say nothing: never expanded, so ``1e999999`` costs no memory."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except ArithmeticError:
        return _NUMBER + text
    written = "".join(map(str, digits))
    kept = written.rstrip("0")
    if not kept or not isinstance(exponent, int):
        return f"{_NUMBER}0"
    return f"{_NUMBER}{'-' * sign}{kept}e{exponent + len(written) - len(kept)}"


def _no_json(_text: str) -> NoReturn:
    raise ValueError
