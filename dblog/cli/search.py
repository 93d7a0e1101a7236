"""``dblog search``: the newest entries that match."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from dblog.cli.common import reading
from dblog.cli.lines import Lines
from dblog.cli.options import QueryArgument, SinceOption, UntilOption, examples, query_of, reads
from dblog.cli.output import Output
from dblog.cli.profiles import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.reading.values import Count, Page

__all__ = ["EPILOG", "search"]

EPILOG = examples(
    "dblog search level:error since:1h",
    "dblog search service:payments timeout -logger:urllib3 --full",
    "dblog search 'duration_ms > 500 and user:u-17' --since today --utc",
    "dblog search trace:4bf92f3577b34da6a3ce929d0e0e4736 --json | jq .message",
)

DatesOption = Annotated[bool, typer.Option("--date", help="The date in every line.")]
IdsOption = Annotated[bool, typer.Option("--ids", help="The end of each id, as `dblog show` takes it.")]
WrapOption = Annotated[bool, typer.Option("--wrap", help="Do not cut lines to the terminal's width.")]
FullOption = Annotated[bool, typer.Option("--full", help="Whole messages, and tracebacks below them.")]


@reads
def search(
    query: QueryArgument = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=10_000, help="Entries at most.")] = 200,
    before: Annotated[
        str | None, typer.Option(metavar="CURSOR", show_default=False, help="Only what is older than this place.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", show_default=False, help="The next that are newer than this place.")
    ] = None,
    newest_first: Annotated[
        bool, typer.Option("--newest-first/--oldest-first", help="The newest come last, beside your prompt, or first.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="Only how many match.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only about how many, at once.")] = False,
    date: DatesOption = False,
    ids: IdsOption = False,
    wrap: WrapOption = False,
    full: FullOption = False,
    database: Database,
    output: Output,
) -> None:
    """Find entries: the newest that match.

    Without a QUERY: the newest of all, like the end of a log file. A word that begins with a dash and names a
    field, as in -level:debug, is part of it; any other such word goes behind --.
    """
    asked = query_of(query, since, until)
    if count or estimate:
        _print_count(reading(database, lambda reader: reader.count(asked, exact=not estimate)), output)
        return
    page = reading(database, lambda reader: reader.search(asked, before=before, after=after, limit=limit))
    entries = page.entries if newest_first else page.entries[::-1]
    lines = Lines(dataclasses.replace(output.look, dates=date, ids=ids, full=full, wrap=wrap))
    output.show(entries, _text(lines, entries))
    _say_what_is_left(page, output, limit=limit, forwards=after is not None and before is None)


def _print_count(found: Count, output: Output) -> None:
    if output.json:
        output.objects([found._asdict()])
    else:
        output.write([str(found.value)])
    if not found.exact:
        output.note("an estimate of the database; --count is exact")


def _text(lines: Lines, entries: Sequence[LogEntry]) -> Iterator[str]:
    lines.fit(entries)
    for entry in entries:
        yield from lines.of(entry)


def _say_what_is_left(page: Page, output: Output, *, limit: int, forwards: bool) -> None:
    """A result that is not all of it says so, and how to go on."""
    if not page.entries:
        if output.terminal:
            output.note("no entries match")
    elif forwards:
        if len(page) >= limit:
            output.note(f"{len(page):,} shown, there may be more: --limit, or the next: --after {page.newer}")
    elif page.older is not None:
        shown = f"{len(page):,} shown, there are more"
        output.note(f"{shown}: --limit, or narrow the query; older: --before {page.older}")
