"""What tests of ``dblog copy`` share: rows of all columns in any database, and what is there afterwards."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from hypothesis import strategies as st

from dblog.admin.clickhouse import ClickHouseConnection
from dblog.admin.connection import AdminConnection
from dblog.admin.copying import Copied, Copying
from dblog.admin.keyed import Keyed
from dblog.admin.storing import Storing
from dblog.entry import LogEntry
from dblog.schema import COLUMNS, DEAD_LETTER_COLUMNS, INSTANCE_COLUMNS
from tests import hostile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["DAY", "START", "beside", "clear", "connected", "copy", "entries", "fill", "made", "meant", "rows"]

DAY: Final = 86_400_000_000
START: Final = 1_767_225_600_000_000
"""2026-01-01, in µs."""
FIRST: Final = -2_208_988_800_000_000
LAST: Final = 10_413_705_600_000_000
"""The first and the last day that ClickHouse holds."""
_TABLES: Final = {"instances": INSTANCE_COLUMNS, "dead_letters": DEAD_LETTER_COLUMNS}

_texts = hostile.texts.map(lambda text: text.replace("\0", "").encode("utf-8", "replace").decode())
_numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(("0", "-0", "-0.0", "1.50", "1e2", "1E+2", "100", "100.0", "12e-1", "0.1e1", "1e300", "1e-30")),
)


def _document(value: Any) -> str:
    """JSON with all the freedom it gives: blanks, escapes, and numbers as they were drawn."""
    if isinstance(value, dict):
        return "{ " + ",\n".join(f"{json.dumps(key)} :{_document(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + " , ".join(map(_document, value)) + "]"
    return value[1] if isinstance(value, tuple) else json.dumps(value, ensure_ascii=len(str(value)) % 2 == 0)


_leaves = st.none() | st.booleans() | _texts | _numbers.map(lambda text: ("number", text))
_documents = st.dictionaries(
    _texts,
    st.recursive(_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3)),
).map(_document)
_optional = st.none() | st.just("") | _texts
_TEXTS: Final = tuple(column.name for column in COLUMNS if column.kind == "text" and not column.required)
_ids = st.one_of(st.uuids(), st.sampled_from([UUID(int=0), UUID(int=1), UUID(int=2**128 - 1), UUID(int=2**64)]))


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """Any entry that every database can hold, of one of five days."""
    texts: dict[str, Any] = {name: draw(_optional) for name in draw(st.sets(st.sampled_from(_TEXTS), max_size=6))}
    day = draw(st.sampled_from((START, START + DAY, START + 2 * DAY, -DAY, FIRST, LAST)))
    small = st.none() | st.integers(-(2**31), 2**31 - 1)
    return LogEntry(
        day + draw(st.integers(0, 3) | st.integers(0, DAY - 1)),
        draw(_texts),
        draw(st.integers(0, 255)),
        draw(_texts),
        draw(_texts),
        metadata=draw(st.none() | _documents),
        lineno=draw(small),
        pid=draw(small),
        instance_id=draw(st.none() | _ids),
        seq=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        id=draw(_ids),
        ingested_at=draw(st.integers(START, START + 400 * DAY)),
        **texts,
    )


def made(number: int, count: int) -> LogEntry:
    """The n-th of many entries over ten days: an ordinary one, or every eighth time a hostile one."""
    chance = random.Random(number)
    moment = START + number * (10 * DAY // count)
    entry = LogEntry(
        moment,
        chance.choice(("DEBUG", "INFO", "WARNING", "ERROR")),
        chance.choice((5, 9, 13, 17)),
        f"shop.{number % 7}",
        f"order {number} of user {number % 977}",
        "order %d of user %d",
        f'{{"order": {number}, "amount": {number / 7!r}, "items": ["a", {{"b": null}}]}}',
        trace_id=f"{number // 20:032x}",
        service="shop",
        host=f"web-{number % 3}",
        pid=17,
        instance_id=UUID(int=number % 3 + 1),
        seq=number + 1,
        id=UUID(int=(moment // 1000 << 80) | 7 << 76 | number),
        ingested_at=moment + 1_234,
    )
    if number % 8:
        return entry
    odd = "".join(chance.choices("\x01\x1b\x7f\x85\u202e\ufeff'\"\\\n\t%漢🎉e\u0301\U0010ffff", k=chance.randrange(30)))
    return entry._replace(
        timestamp=START + chance.randrange(10) * DAY,
        message=odd,
        logger=odd[:3],
        template="",
        exc_text=odd * 40,
        user_id=odd[:1] or None,
        service=None if number % 16 else "",
        metadata=json.dumps({odd: [number * 10**30, odd], "": 1e22}, ensure_ascii=number % 3 == 0),
        severity=chance.randrange(256),
        lineno=chance.choice((None, -(2**31), 2**31 - 1)),
        seq=chance.choice((None, -(2**63), 2**63 - 1)),
        id=UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128),
    )


@contextmanager
def connected(url: str) -> Iterator[AdminConnection]:
    """An administrator's connection to any database."""
    with (ClickHouseConnection if url.startswith("clickhouse") else AdminConnection)(url) as connection:
        yield connection


def copy(source: str, target: str, **given: Any) -> Copied:
    """Copy once."""
    with connected(source) as left, connected(target) as right:
        return Copying(left, right, **given).run()


def fill(url: str, some: Iterable[LogEntry]) -> None:
    """Store entries as they are, and see that all of them are."""
    found = list(some)
    with connected(url) as connection:
        outcome = Storing(connection, ingested=True).store(found)
    assert not outcome.refused


def clear(url: str) -> None:
    """Empty the tables."""
    with connected(url) as connection:
        for name in connection.names.tables:
            verb = "DELETE FROM" if connection.dialect == "sqlite" else "TRUNCATE TABLE"
            connection.run(f"{verb} {connection.names.qualified(name)}")


def rows(url: str) -> list[LogEntry]:
    """All entries in their order, a row that is there twice as often; documents as their values."""
    with connected(url) as connection:
        names = [column.name for column in COLUMNS]
        keyed = Keyed(connection, connection.names.logs, COLUMNS, ("timestamp", "id"))
        there = [LogEntry(**dict(zip(names, row, strict=True))) for row in keyed.after(None, 100_000)]
        # ClickHouse may merge a row that is there twice between the two.
        places = connection.value(f"SELECT count(*) FROM (SELECT DISTINCT timestamp, id FROM {connection.logs}) AS p")
        assert len({(each.timestamp, each.id) for each in there}) == places
    return [meant(each) for each in there]


def meant(entry: LogEntry) -> LogEntry:
    """With the value of its document in place of the text; numbers exact."""
    if entry.metadata is None:
        return entry
    value: Any = json.loads(entry.metadata, parse_float=Decimal, parse_int=Decimal)
    return entry._replace(metadata=value)


def beside(url: str, kind: str, put: list[tuple[Any, ...]] | None = None) -> list[tuple[Any, ...]]:
    """The rows of a table beside the entries, by id; ``put`` are stored first."""
    from dblog.admin.beside_logs import _write

    with connected(url) as connection:
        if put:
            _write(connection, kind, put)
        columns = _TABLES[kind]
        return Keyed(connection, getattr(connection.names, kind), columns, (columns[0].name,)).after(None, 1000)
