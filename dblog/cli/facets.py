"""``dblog facets``: the most frequent values of a field."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from dblog.cli.charts import facet_lines
from dblog.cli.common import reading
from dblog.cli.options import QueryArgument, SinceOption, UntilOption, examples, query_of, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database

__all__ = ["EPILOG", "facets"]

EPILOG = examples(
    "dblog facets service level:error since:1h",
    "dblog facets http.status service:gateway --exact",
    "dblog facets exc_type --limit 5",
)


def _fields(incomplete: str) -> list[str]:
    """Names that begin so, for the shell's completion."""
    from dblog.query.fields import names

    return [name for name in names() if name.startswith(incomplete)]


@reads
def facets(
    field: Annotated[
        str, typer.Argument(metavar="FIELD", help="A column or a path into metadata.", autocompletion=_fields)
    ],
    query: QueryArgument = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="Values at most.")] = 20,
    exact: Annotated[bool, typer.Option("--exact", help="Look at all that match, however many.")] = False,
    database: Database,
    output: Output,
) -> None:
    """Show the most frequent values of a field.

    Among the newest 50,000 entries that match.
    """
    asked = query_of(query, since, until)
    sample = {"sample": None} if exact else {}
    found = reading(database, lambda reader: reader.facets(asked, field, limit=limit, **sample))
    if output.json:
        output.objects(dataclasses.asdict(each) for each in found.values)
    else:
        output.write(facet_lines(found, output.look))
    if found.sampled:
        output.note(f"of the newest {found.seen:,} entries that match; --exact looks at all")
    elif not found.seen and output.terminal:
        output.note("no entries match")
