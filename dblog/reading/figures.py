"""Numbers about entries: how many, which values, how large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from dblog.errors import ConfigurationError, QuerySyntaxError
from dblog.query import fields as known
from dblog.query.mistakes import BadValue
from dblog.query.sql import value_texts
from dblog.query.tree import All, Field, Kind
from dblog.reading import rollup
from dblog.reading.clickhouse_system import system_names, typed
from dblog.reading.histogram import bounds
from dblog.reading.indexed import narrowed
from dblog.reading.order import keys, row_once
from dblog.reading.selection import Selection, checked
from dblog.reading.values import Count, Facets, FacetValue, Statistics

if TYPE_CHECKING:
    from dblog.reading.session import Sessions

__all__ = ["count", "facets", "field_of", "size", "statistics"]

_SAMPLE: Final = 100_000
_EVERY: Final = Selection(None, regex=False, tree=All())


class _Explain(sa.Executable, sa.ClauseElement):
    """What the planner thinks of a statement, without running it."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(_Explain)
def _explain(element: _Explain, compiler: Any, **keywords: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **keywords)}"


async def count(sessions: Sessions, selection: Selection, *, exact: bool) -> Count:
    """See ``LogReader.count``."""
    logs = sessions.tables.logs
    if not exact and sessions.dialect == "postgresql":
        return Count(await _planned(sessions, selection), exact=False)
    if sessions.dialect == "clickhouse":
        number = sa.select(sa.func.count()).select_from(logs)
        if exact or selection.clause is not None:
            number = row_once(number)
        rows = await sessions.run(selection.of(number).limit(1), regex=selection.regex)
        # Without a condition it is known of each part, those rows twice that a resend stored twice.
        return Count(rows[0][0], exact=exact or selection.clause is not None)
    if not exact and selection.clause is None:
        # Numbers are given in order and never again; what was removed in between is counted, too.
        last, first = (function(logs.c.ingest_seq) for function in (sa.func.max, sa.func.min))
        ends = [sa.select(end).scalar_subquery() for end in (last, first)]
        rows = await sessions.run(sa.select(*ends).limit(1))
        return Count(0 if rows[0][0] is None else rows[0][0] - rows[0][1] + 1, exact=False)
    if (rolled := await rollup.counted(sessions, selection)) is not None:
        return Count(rolled, exact=True)
    selection = await narrowed(sessions, selection)
    statement = selection.of(sa.select(sa.func.count()).select_from(logs)).limit(1)
    return Count((await sessions.run(statement, regex=selection.regex))[0][0], exact=True)


async def _planned(sessions: Sessions, selection: Selection) -> int:
    if selection.clause is None:
        rows = await sessions.run(_LEAVES, _named(sessions))
        if rows[0].analysed:
            return int(rows[0].rows)
    statement = selection.of(sa.select(sa.literal_column("1")).select_from(sessions.tables.logs))
    plan = (await sessions.run(_Explain(statement)))[0][0]
    return int((orjson.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


_LEAVES: Final = sa.text("""
    SELECT coalesce(bool_and(reltuples >= 0 OR pg_relation_size(oid) = 0), true) AS analysed,
           coalesce(sum(greatest(reltuples, 0)::float8), 0) AS rows
    FROM pg_partition_tree(CAST(CAST(:table AS text) AS regclass)) JOIN pg_class ON oid = relid
    WHERE isleaf LIMIT 1
""")
_SIZE: Final = sa.text("""
    SELECT sum(pg_total_relation_size(relid))::bigint
    FROM pg_partition_tree(CAST(CAST(:table AS text) AS regclass)) LIMIT 1
""")
_PAGES: Final = sa.text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size() LIMIT 1")


_PARTS: Final = typed("SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND OURS LIMIT 1")


def field_of(name: str) -> Field:
    """The field of that name: a column, an alias, or a path as queries write it.

    Raises:
        ConfigurationError: it cannot be grouped by.
        QuerySyntaxError: it is no name of a field.
    """
    try:
        field = known.named(name)
    except BadValue as error:
        repaired = error.instead[0] if error.instead else None
        raise QuerySyntaxError(
            name, error.offset, error.reason, suggestion=error.suggestion, repaired=repaired
        ) from None
    if field.kind is Kind.METADATA:
        msg = f"{name[:80]!r} has no values to count: name a column, or a path such as metadata.portfolio_id"
        raise ConfigurationError(msg)
    return field


async def facets(sessions: Sessions, selection: Selection, field: Field, *, limit: int, sample: int | None) -> Facets:
    """See ``LogReader.facets``."""
    checked(limit)
    if sample is not None:
        checked(sample, "sample", most=2**31 - 1)
    logs = sessions.tables.logs
    selection = await narrowed(sessions, selection, page=sample is not None)
    matching = selection.of(sa.select(logs.c[field.name]))
    newest = matching.order_by(*(key.desc() for key in keys(logs, sessions.dialect)))
    looked_at = (matching if sample is None else newest.limit(sample)).subquery()
    texts = sa.select(value_texts(field, looked_at, sessions.dialect).label("value")).subquery()
    number = sa.func.count()
    order = sa.collate(texts.c.value, "C") if sessions.dialect == "postgresql" else texts.c.value
    statement = (
        sa.select(texts.c.value, number.label("number"), sa.func.sum(number).over().label("seen"))
        .group_by(texts.c.value)
        # The group of the absent comes first, so that the LIMIT never cuts it off.
        .order_by(texts.c.value.is_not(None), number.desc(), order)
        .limit(limit + 1)
    )
    rows = await sessions.run(row_once(statement), regex=selection.regex)
    values = tuple(FacetValue(str(row.value), row.number) for row in rows if row.value is not None)[:limit]
    absent = rows[0].number if rows and rows[0].value is None else 0
    seen = int(rows[0].seen) if rows else 0
    # As many as were asked for: whether there are more is a question of its own.
    more = seen == sample and await sessions.run(row_once(newest.offset(sample).limit(1)), regex=selection.regex)
    return Facets(values, seen, absent, bool(more))


async def statistics(sessions: Sessions) -> Statistics:
    """See ``LogReader.statistics``."""
    by = {
        name: await facets(sessions, _EVERY, known.COLUMNS[name], limit=limit, sample=_SAMPLE)
        for name, limit in (("level", 100), ("service", 100), ("logger", 10))
    }
    sampled = any(each.sampled for each in by.values())
    rows = await count(sessions, _EVERY, exact=False) if sampled else Count(by["level"].seen, exact=True)
    oldest, newest = await bounds(sessions, _EVERY)
    return Statistics(
        rows,
        by["level"].values,
        by["service"].values,
        by["logger"].values,
        sampled,
        oldest,
        newest,
        await size(sessions),
    )


async def size(sessions: Sessions) -> int:
    """Bytes on disk: the table with its indexes; the whole file for SQLite; of this server for ClickHouse."""
    if sessions.dialect == "sqlite":
        return int((await sessions.run(_PAGES))[0][0])
    if sessions.dialect == "clickhouse":
        return int((await sessions.run(_PARTS, system_names(sessions.names)))[0][0])
    return int((await sessions.run(_SIZE, _named(sessions)))[0][0])


def _named(sessions: Sessions) -> dict[str, str]:
    return {"table": sessions.names.qualified(sessions.names.logs)}
