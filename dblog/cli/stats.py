"""``dblog stats``: what is in the table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from dblog.cli.cells import line, paint
from dblog.cli.charts import share_lines, size
from dblog.cli.common import reading
from dblog.cli.lines import DIM
from dblog.cli.moments import duration, moment
from dblog.cli.options import examples, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.cli.lines import Look
    from dblog.reading.values import Statistics

__all__ = ["EPILOG", "stats"]

EPILOG = examples("dblog stats", "dblog stats --profile prod --json | jq .bytes")


@reads
def stats(*, database: Database, output: Output) -> None:
    """Show how much there is, of what, from when.

    Entries, the room they take, levels, services and loggers.
    """
    found = reading(database, lambda reader: reader.statistics())
    if output.json:
        output.objects([_object(found)])
    else:
        output.write(_text(found, output.look))


def _object(found: Statistics) -> dict[str, Any]:
    from dblog.interchange import iso

    return {
        "rows": found.rows.value,
        "rows_exact": found.rows.exact,
        "oldest": None if found.oldest is None else iso(found.oldest),
        "newest": None if found.newest is None else iso(found.newest),
        "bytes": found.bytes,
        "sampled": found.sampled,
        **{
            name: [dataclasses.asdict(each) for each in getattr(found, name)]
            for name in ("by_level", "by_service", "by_logger")
        },
    }


def _text(found: Statistics, look: Look) -> Iterator[str]:
    about = "" if found.rows.exact else "about "
    each = f", {found.bytes_per_row:,.0f} bytes per entry" if found.bytes_per_row else ""
    facts = [("entries", f"{about}{found.rows.value:,}"), ("size", size(found.bytes) + each)]
    if found.oldest is not None and found.newest is not None:
        facts += [("oldest", moment(found.oldest, look.zone)), ("newest", moment(found.newest, look.zone))]
        facts.append(("span", duration((found.newest - found.oldest) / 1e6)))
    for name, text in facts:
        yield line(((f"{name:<9}", DIM), (text, "")), look.width, colour=look.colour)
    for name, values in (("levels", found.by_level), ("services", found.by_service), ("loggers", found.by_logger)):
        if values:
            yield ""
            yield paint(f"{name}, of the newest entries" if found.sampled else name, DIM, colour=look.colour)
            yield from share_lines(values, sum(value.count for value in values), look, indent="  ")
