"""``docs/query-language.md`` is true: every example in it is run."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from dblog.entry import LogEntry
from dblog.errors import QuerySyntaxError
from dblog.query import fields, parse

DOCUMENT = (Path(__file__).parents[2] / "docs" / "query-language.md").read_text(encoding="utf-8")
NOW = dt.datetime(2026, 11, 20, 10, 45, tzinfo=dt.UTC).timestamp()


def tables(*header: str) -> list[list[str]]:
    """The rows of every table that begins with these columns."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", DOCUMENT, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        if [cell.strip() for cell in rows[0]][: len(header)] == list(header):
            found += [[cell.strip().replace("\\|", "|") for cell in row] for row in rows[2:]]
    assert found
    return found


def code(cell: str) -> str:
    """What stands in backquotes, one or two."""
    match = re.fullmatch(r"`` (.*) ``|`(.*)`", cell)
    assert match, cell
    return match[1] or match[2]


READINGS = [(code(row[0]), code(row[1])) for row in tables("query", "reads as")]
ANSWERS = [(code(row[0]), code(row[1]), row[2]) for row in tables("metadata", "query", "found")]
ERRORS = re.findall(r"^```text\n> (.*)\n((?:.*\n)*?)```$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("query", "reading"), READINGS, ids=[query for query, _ in READINGS])
def test_a_query_reads_as_the_document_says(query: str, reading: str) -> None:
    """Its canonical text, at the moment the document names, in UTC; which parses back to the same tree."""
    parsed = parse(query, now=NOW, timezone=dt.UTC)
    assert str(parsed) == reading
    assert parse(reading, now=0, timezone=dt.timezone(dt.timedelta(hours=5))).tree == parsed.tree


@pytest.mark.parametrize(("metadata", "query", "found"), ANSWERS, ids=[f"{data} {query}" for data, query, _ in ANSWERS])
def test_metadata_matches_as_the_document_says(metadata: str, query: str, found: str) -> None:
    """Yes or no, for an entry with this metadata."""
    entry = LogEntry(timestamp=0, level="INFO", severity=9, logger="app", message="", metadata=metadata)
    assert parse(query).predicate()(entry) is {"yes": True, "no": False}[found]


@pytest.mark.parametrize(("query", "shown"), ERRORS, ids=[query for query, _ in ERRORS])
def test_an_error_is_shown_as_it_is(query: str, shown: str) -> None:
    """To the letter; and a repaired query is one that parses."""
    with pytest.raises(QuerySyntaxError) as caught:
        parse(query, now=NOW, timezone=dt.UTC)
    assert str(caught.value) + "\n" == shown
    if caught.value.repaired is not None:
        parse(caught.value.repaired)


def test_every_field_and_alias_is_in_the_table() -> None:
    """Each column once, with exactly its aliases; and nothing that is none."""
    rows = tables("field", "alias")
    columns = {name: re.findall(r"`([^`]+)`", row[1]) for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    assert set(columns) == set(fields.COLUMNS)
    aliases = {alias: name for name, found in columns.items() for alias in found}
    assert aliases == fields.ALIASES


def test_queries_from_elsewhere_parse_as_they_are_said_to() -> None:
    """What "the same" stands beside is a query of ours, unchanged; what a cell offers instead is one as well."""
    for theirs, ours in tables("from", "here"):
        typed = re.findall(r"`([^`]+)`", theirs)[-1]
        if ours.startswith("the same"):
            parse(typed)
        for offered in re.findall(r"`([^`]+)`", ours):
            if offered not in ("=", ":"):
                parse(offered)
