"""Rows as PostgreSQL COPY text, encoded while the server works on the previous piece.

Source of the format: PostgreSQL 18, COPY, "Text Format". Fields are separated by,
and NULL is, a control character no ordinary text holds; so a piece of rows is
escaped in whole-piece passes in C. A piece in which such a character does occur is
escaped field by field instead.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dblog.store.rows import COLUMNS, origin_bits, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.sink import Origin, Row

__all__ = ["CopyText", "moment_text", "texts"]

_PIECE: Final = 64
"""Rows per piece: small enough that the server starts at once, large enough to cost nothing."""
_FIELD, _NULL, _ROW = "\x1f", "\x1d", "\x1e"
_NULLS: Final = {count: _FIELD.join([_NULL] * count) for count in (3, 8)}
_SITES: Final = 2048
_WORDS: Final = struct.Struct(">QQ")


def moment_text(moment: int) -> str:
    """A ``timestamptz`` literal of µs since 1970 UTC, whatever the session's time zone and date style."""
    seconds, micros = divmod(moment, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{micros:06d}+00"


def texts(rows: Sequence[Row], origin: Origin, columns: Sequence[str]) -> Iterator[list[str | None]]:
    """Each row's fields as PostgreSQL literals, unescaped; for the paths that are not hot."""
    picked = [COLUMNS.index(column) for column in columns]
    for fields in values(rows, origin):
        shown = [None if field is None else _literal(index, field) for index, field in enumerate(fields)]
        yield [shown[index] for index in picked]


def _literal(index: int, field: object) -> str:
    if index == 0 and isinstance(field, int):
        return moment_text(field)
    return field.hex() if isinstance(field, bytes) else str(field)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return text.replace(_FIELD, "\\" + _FIELD).replace(_NULL, "\\" + _NULL)


class CopyText:
    """Encodes the rows of one writer; remembers what repeats: the second, the call sites, the writer.

    Args:
        origin: the writer.
        columns: which to send, a subsequence of ``COLUMNS``.
    """

    FORMAT = f"DELIMITER '{_FIELD}', NULL '{_NULL}'"
    """The options of the COPY statement."""

    def __init__(self, origin: Origin, columns: Sequence[str]) -> None:
        self._origin = origin
        self._columns = tuple(columns)
        self._bits = origin_bits(origin)
        mine = (origin.service, origin.host, origin.pid, origin.instance_id.hex)
        self._tail = _joined(mine) if len(columns) == len(COLUMNS) and _plain(mine) else None
        """The last fields of every row; None when the quick way is closed."""
        self._second = -1
        self._prefix = ""
        self._sites: dict[tuple[object, ...], tuple[str, str]] = {}

    def pieces(self, rows: Sequence[Row]) -> Iterator[bytes]:
        """The rows as COPY text in UTF-8."""
        for start in range(0, len(rows), _PIECE):
            piece = rows[start : start + _PIECE]
            yield (None if self._tail is None else self._quick(piece)) or self._careful(piece)

    def _careful(self, rows: Sequence[Row]) -> bytes:
        lines = [
            _FIELD.join([_NULL if field is None else _escaped(field) for field in row])
            for row in texts(rows, self._origin, self._columns)
        ]
        return "\n".join([*lines, ""]).encode()

    def _quick(self, rows: Sequence[Row]) -> bytes | None:  # noqa: C901 - one pass over a row, two microseconds
        """All columns; None when a control character of ours occurs in a field, or a row was made by hand."""
        lines: list[str] = []
        loose: list[str] = []
        """The texts of this piece that no call site vouches for."""
        free, add = loose.append, lines.append
        bits, tail, pack = self._bits, self._tail, _WORDS.pack
        # fmt: off
        for seq, (
            moment, level, severity, logger, message, template, metadata, module, function, pathname, lineno, thread,
            task, kind, reason, trace, user, session, job, trace_id, span, parent, context, client,
            service, host, pid, _, _, identity, _,
        ) in rows:
            # fmt: on
            if seq is None or identity is not None or service is not None or host is not None or pid is not None:
                return None
            second, micros = divmod(moment, 1_000_000)
            if second != self._second:
                self._second, self._prefix = second, moment_text(second * 1_000_000)[:20]
            where = (level, severity, logger, module, function, pathname, lineno, thread)
            site = self._sites.get(where) or self._site(where)
            if site is None:
                return None
            error, ids = _NULLS[3], _NULLS[8]
            if not kind is reason is trace is None:
                error = _collected((kind, reason, trace), loose)
            if not user is session is job is trace_id is span is parent is context is client is None:
                ids = _collected((user, session, job, trace_id, span, parent, context, client), loose)
            free(message)
            if template is not None:
                free(template)
            if metadata is not None:
                free(metadata)
            if task is not None:
                free(task)
            # As rows.id_words, without its call: a hot path.
            high = (moment // 1000 & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | seq >> 20 & 0xFFF
            hexed = pack(high, bits | (seq & 0xF_FFFF) << 42).hex()
            add(
                f"{self._prefix}{micros:06d}+00\x1f{hexed}\x1f{site[0]}\x1f{message}"
                f"\x1f{_NULL if template is None else template}\x1f{_NULL if metadata is None else metadata}"
                f"\x1f{site[1]}\x1f{_NULL if task is None else task}\x1f{error}\x1f{ids}\x1f{tail}\x1f{seq}\x1e"
            )
        if not _plain(loose):
            return None
        # bytes, whose replace() looks for one byte thirty times faster than that of str
        data = "".join(lines).encode()
        return data.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\x1e", b"\n")

    def _site(self, where: tuple[object, ...]) -> tuple[str, str] | None:
        """What is the same for every record of a call site: the fields before the message and those behind it."""
        if not _plain(where):
            return None
        if len(self._sites) >= _SITES:
            self._sites.clear()
        site = self._sites[where] = (_joined(where[:3]), _joined(where[3:]))
        return site


def _plain(fields: Sequence[object]) -> bool:
    """Whether none of these holds a control character of ours."""
    text = "".join([field for field in fields if type(field) is str])
    return _FIELD not in text and _NULL not in text and _ROW not in text


def _joined(fields: Sequence[object]) -> str:
    return _FIELD.join([_NULL if field is None else str(field) for field in fields])


def _collected(fields: Sequence[str | None], loose: list[str]) -> str:
    """The fields joined, and those that are not NULL collected."""
    texts = [field for field in fields if field is not None]
    loose += texts
    return _FIELD.join(texts if len(texts) == len(fields) else [_NULL if field is None else field for field in fields])
