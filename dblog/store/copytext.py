"""Rows as PostgreSQL COPY text, encoded while the server works on the previous piece.

Source of the format: PostgreSQL 18, COPY, "Text Format". A piece of rows is joined
with control characters no ordinary text holds and escaped in whole-piece passes in
C; a piece in which such a character does occur is escaped field by field instead.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dblog.store.rows import COLUMNS, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.sink import Origin, Row

__all__ = ["encode", "moment_text", "texts"]

_PIECE: Final = 64
"""Rows per piece: small enough that the server starts at once, large enough to cost nothing."""
_FIELD, _ROW, _NULL = "\x1f", "\x1e", "\x1d"
_NULLS: Final = {count: _FIELD.join([_NULL] * count) for count in (3, 8)}
_NO_IDS: Final = (None,) * 8
_SITES: Final = 2048

_Site = tuple[str, int]


def encode(rows: Sequence[Row], origin: Origin, columns: Sequence[str]) -> Iterator[bytes]:
    """COPY text of ``columns`` (a subsequence of ``COLUMNS``) in pieces of 64 rows."""
    whole = len(columns) == len(COLUMNS)
    encoder = _Encoder(origin) if whole else None
    for start in range(0, len(rows), _PIECE):
        piece = rows[start : start + _PIECE]
        text = None if encoder is None else encoder.piece(piece)
        yield (_careful(piece, origin, columns) if text is None else text).encode()


def moment_text(moment: int) -> str:
    """A ``timestamptz`` literal of µs since 1970 UTC, whatever the session's time zone and date style."""
    seconds, micros = divmod(moment, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{micros:06d}+00"


def texts(rows: Sequence[Row], origin: Origin, columns: Sequence[str]) -> Iterator[list[str | None]]:
    """Each row's fields as PostgreSQL literals, unescaped; for the paths that are not hot."""
    picked = [COLUMNS.index(column) for column in columns]
    for fields in values(rows, origin):
        shown: list[str | None] = [None if field is None else _literal(index, field) for index, field in enumerate(fields)]
        yield [shown[index] for index in picked]


def _literal(index: int, field: object) -> str:
    if index == 0 and isinstance(field, int):
        return moment_text(field)
    return field.hex() if isinstance(field, bytes) else str(field)


def _careful(rows: Sequence[Row], origin: Origin, columns: Sequence[str]) -> str:
    lines = []
    for row in texts(rows, origin, columns):
        lines.append("\t".join("\\N" if field is None else _escaped(field) for field in row))
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class _Encoder:
    """The quick way, for all columns. Remembers what repeats: the second, the call site, the writer."""

    def __init__(self, origin: Origin) -> None:
        self._bits = 1 << 63 | origin.instance_id.int & (1 << 42) - 1
        self._origin = origin
        self._tail = _FIELD.join((origin.service or _NULL, origin.host or _NULL, str(origin.pid), origin.instance_id.hex))
        self._tail_nulls = (not origin.service) + (not origin.host)
        self._second = -1
        self._prefix = ""
        self._sites: dict[tuple[object, ...], _Site] = {}

    def piece(self, rows: Sequence[Row]) -> str | None:
        """COPY text of these rows, or None when a control character of ours occurs in one."""
        lines, nulls = [], 0
        bits, tail, second, prefix, sites = self._bits, self._tail, self._second, self._prefix, self._sites
        for seq, e in rows:
            moment = e[0]
            seconds, micros = divmod(moment, 1_000_000)
            if seconds != second:
                second, prefix = seconds, moment_text(seconds * 1_000_000)[:20]
            if seq is None or e[29] is not None or e[24:27] != (None, None, None):
                return None
            nulls += (e[5] is None) + (e[6] is None) + (e[12] is None)
            site = sites.get(e[7:12]) or self._site(e[7:12])
            nulls += site[1]
            if e[13] is None and e[14] is None and e[15] is None:
                error = _NULLS[3]
                nulls += 3
            else:
                error = _FIELD.join([_NULL if text is None else text for text in e[13:16]])
                nulls += e[13:16].count(None)
            ids = e[16:24]
            if ids == _NO_IDS:
                named = _NULLS[8]
                nulls += 8
            else:
                named = _FIELD.join([_NULL if text is None else text for text in ids])
                nulls += ids.count(None)
            high = (moment // 1000 & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | seq >> 20 & 0xFFF
            lines.append(
                f"{prefix}{micros:06d}+00\x1f{high:016x}{bits | (seq & 0xF_FFFF) << 42:016x}\x1f{e[1]}\x1f{e[2]}\x1f{e[3]}"
                f"\x1f{e[4]}\x1f{_NULL if e[5] is None else e[5]}\x1f{_NULL if e[6] is None else e[6]}"
                f"\x1f{site[0]}\x1f{_NULL if e[12] is None else e[12]}\x1f{error}\x1f{named}\x1f{tail}\x1f{seq}\x1e"
            )
        self._second, self._prefix = second, prefix
        text = "".join(lines)
        count = len(rows)
        if (
            text.count(_ROW) != count
            or text.count(_FIELD) != count * (len(COLUMNS) - 1)
            or text.count(_NULL) != nulls + count * self._tail_nulls
        ):
            return None
        text = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
        return text.replace(_FIELD, "\t").replace(_ROW, "\n").replace(_NULL, "\\N")

    def _site(self, fields: tuple[object, ...]) -> _Site:
        site = (_FIELD.join([_NULL if field is None else str(field) for field in fields]), fields.count(None))
        if len(self._sites) >= _SITES:
            self._sites.clear()
        self._sites[fields] = site
        return site
