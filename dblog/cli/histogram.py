"""``dblog histogram``: entries over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.charts import histogram_lines
from dblog.cli.common import reading
from dblog.cli.options import QueryArgument, SinceOption, UntilOption, bounds_of, examples, query_of, reads, seconds_of
from dblog.cli.output import Output
from dblog.cli.profiles import Database
from dblog.levels import BAND_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.reading.values import Histogram

__all__ = ["EPILOG", "histogram"]

EPILOG = examples(
    "dblog histogram level:error --since 24h",
    "dblog histogram service:payments --bucket 1m --since 10:00 --until 11:00",
    "dblog histogram --bucket 1h --json | jq '[.start, .error]'",
)


@reads
def histogram(
    query: QueryArgument = None,
    *,
    bucket: Annotated[
        str | None, typer.Option(metavar="TIME", show_default=False, help="10s, 1m, 1h, 1d; else about sixty buckets.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    database: Database,
    output: Output,
) -> None:
    """Count entries over time.

    One line per bucket, as red as the worst in it.
    """
    asked, (low, high) = query_of(query), bounds_of(since, until)
    width = None if bucket is None else seconds_of(bucket)
    found = reading(database, lambda reader: reader.histogram(asked, bucket=width, since=low, until=high))
    if output.json:
        output.objects(_objects(found))
    elif found.buckets:
        output.write(histogram_lines(found, output.look))
    if not found.buckets and output.terminal:
        output.note("no entries match")


def _objects(found: Histogram) -> Iterator[dict[str, Any]]:
    from dblog.interchange import iso

    for bucket in found.buckets:
        counts = dict(zip(BAND_NAMES, bucket.counts, strict=True))
        yield {"start": iso(bucket.start), "seconds": found.width / 1e6, "total": bucket.total, **counts}
