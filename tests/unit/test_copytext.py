"""COPY text: whatever the fields hold, PostgreSQL reads back exactly what the careful way writes."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.sink import Origin
from dblog.store.copytext import CopyText, moment_text, texts
from dblog.store.rows import COLUMNS

ORIGIN = Origin(uuid.UUID(int=7), "shop", None, None, "host", 42, 0)

nasty = st.text(st.sampled_from("ab\\N\t\n\r\x1d\x1e\x1f\x7f\u2028é漢😀. "), max_size=12) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
optional = st.none() | nasty


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[int | None, LogEntry]]:
    """Rows as capture makes them, with any text in any field."""
    count = draw(st.integers(1, 5))
    made: list[tuple[int | None, LogEntry]] = []
    for seq in range(1, count + 1):
        texts_ = [draw(optional) for _ in range(17)]
        entry = LogEntry(
            draw(st.integers(0, 4 * 10**15)), draw(nasty), draw(st.integers(1, 24)), draw(nasty), draw(nasty), texts_[0]
        )
        fields = ("module", "function", "pathname", "thread", "async_task", "exc_type", "exc_message", "exc_text")
        ids = ("user_id", "session_id", "task_id", "trace_id", "span_id", "parent_span_id", "context_id", "client_id")
        values: dict[str, Any] = dict(zip((*fields, *ids), texts_[1:], strict=True))
        entry = entry._replace(**values, lineno=draw(st.none() | st.integers(0, 9)))
        made.append((seq, entry))
    return made


def parsed(data: bytes) -> list[list[str | None]]:
    """COPY text read as PostgreSQL's documentation says."""
    result = []
    for line in data.decode().split("\n")[:-1]:
        fields, field, raw, position = [], "", "", 0
        while position <= len(line):
            char = line[position : position + 1]
            if char in {"\x1f", ""}:
                fields.append(None if raw == "\x1d" else field)
                field = raw = ""
            elif char == "\\":
                position += 1
                following = line[position]
                raw += char + following
                field += {"n": "\n", "r": "\r", "t": "\t"}.get(following, following)
            else:
                raw += char
                field += char
            position += 1
        result.append(fields)
    return result


@given(batch=rows())
def test_what_is_written_is_what_is_read(batch: list[tuple[int | None, LogEntry]]) -> None:
    """Every field of every row comes back as it was, NULL as NULL; the quick way and the careful way agree."""
    text = CopyText(ORIGIN, COLUMNS)
    data = b"".join(text.pieces(batch))
    expected = list(texts(batch, ORIGIN, COLUMNS))
    assert parsed(data) == expected
    assert parsed(text._careful(batch)) == expected


@given(batch=rows(), chosen=st.sets(st.sampled_from(COLUMNS), min_size=1))
def test_a_part_of_the_columns(batch: list[tuple[int | None, LogEntry]], chosen: set[str]) -> None:
    """An older table gets the columns it has, in their order."""
    columns = [column for column in COLUMNS if column in chosen]
    data = b"".join(CopyText(ORIGIN, columns).pieces(batch))
    assert parsed(data) == list(texts(batch, ORIGIN, columns))


def test_postgres_reads_it_so(postgres_url: str) -> None:
    """PostgreSQL itself agrees with the parser above on every control character and escape."""
    text = "".join(map(chr, range(1, 0x180))) + "\\N\\.\\x41\u2028😀"
    batch: list[tuple[int | None, LogEntry]] = []
    for seq, message in enumerate([text, "\x1d", "\x1f", "\\", "", "\\.", "\\N", "a\tb\nc\rd\x1e"], 1):
        batch.append((seq, LogEntry(1_700_000_000_123_456, "INFO", 9, message, message, message)))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT * FROM logs WHERE false")
        columns = ", ".join(COLUMNS)
        sql = f"COPY t ({columns}) FROM STDIN WITH ({CopyText.FORMAT})"
        with connection.cursor().copy(sql.encode()) as copy:
            for piece in CopyText(ORIGIN, COLUMNS).pieces(batch):
                copy.write(piece)
        stored = connection.execute("SELECT logger, message, template, exc_text FROM t ORDER BY seq").fetchall()
    assert stored == [(entry.message, entry.message, entry.message, None) for _, entry in batch]


def test_moments_have_microseconds_and_a_zone() -> None:
    """Literals mean the same in every session."""
    assert moment_text(1_700_000_000_000_001) == "2023-11-14 22:13:20.000001+00"
