"""Counts, shares, bars and tables; ``dblog stats``, ``histogram``, ``facets`` and ``instances``."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.cells import cells
from dblog.cli.charts import bar, compact, facet_lines, histogram_lines, size, table_lines
from dblog.cli.lines import Look
from dblog.cli.options import seconds_of
from dblog.errors import ConfigurationError
from dblog.reading.values import Bucket, Facets, FacetValue, Histogram, Instance
from tests.fake_reader import START, entry
from tests.hostile import DANGEROUS, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_reader import FakeReader

WIDTHS = st.integers(40, 200)
COUNTS = st.integers(0, 10**9)
BUCKETS = st.lists(st.tuples(*[COUNTS] * 6), max_size=8)


@given(COUNTS, COUNTS, st.integers(0, 60))
def test_a_bar_shows_its_share(value: int, more: int, width: int) -> None:
    """Never longer than it may be, longer for more, and seen for anything above nothing."""
    most = value + more
    shown = bar(value, most, width)
    assert len(shown) <= width
    assert len(shown) <= len(bar(most, most, width))
    assert bool(shown) == (value > 0 and width > 0)


@given(BUCKETS, WIDTHS, st.sampled_from((1000, 10**6, 60 * 10**6, 86_400 * 10**6)))
def test_a_histogram_fits(counts: list[tuple[int, ...]], width: int, bucket: int) -> None:
    """A head, a line per bucket, and one per day; the bars take what is left, if it is nothing."""
    found = Histogram(tuple(Bucket(START + n * bucket, each) for n, each in enumerate(counts)), bucket)
    lines = list(histogram_lines(found, Look(width=width, zone=dt.UTC)))
    assert all(cells(each) <= width for each in lines)
    assert len([each for each in lines if "──" not in each]) == len(counts) + 1


@given(st.lists(st.tuples(texts, COUNTS), max_size=6), COUNTS, WIDTHS)
def test_facets_fit(values: list[tuple[str, int]], absent: int, width: int) -> None:
    """A line per value, in visible characters."""
    found = tuple(FacetValue(*each) for each in values)
    seen = absent + sum(each.count for each in found)
    lines = list(facet_lines(Facets(found, seen, absent, sampled=False), Look(width=width)))
    assert len(lines) == len(values) + bool(absent)
    assert all(not DANGEROUS & set(each) and cells(each) <= width for each in lines)


@given(st.lists(st.lists(st.text("a漢", max_size=40), min_size=3, max_size=3), max_size=4), WIDTHS)
def test_a_table_fits(rows: list[list[str]], width: int) -> None:
    """The columns that may be cut are; each row is one line."""
    lines = list(table_lines("abc", [[(text, "") for text in row] for row in rows], Look(width=width), flexible=(0, 1)))
    assert len(lines) == len(rows) + 1
    assert all(cells(each) <= width for each in lines)


@given(st.integers(0, 10**14))
def test_compact_counts(number: int) -> None:
    """At most six cells; exact below a hundred thousand."""
    assert len(compact(number)) <= 6
    assert number >= 100_000 or int(compact(number).replace(",", "")) == number


def test_numbers_in_words() -> None:
    """The examples of the docstrings."""
    assert [compact(number) for number in (99_999, 123_456, 12_345_678)] == ["99,999", "123k", "12.3M"]
    assert [size(count) for count in (512, 1536, 1.4 * 2**30, 2**50)] == [
        "512 bytes",
        "1.5 KiB",
        "1.4 GiB",
        "1024.0 TiB",
    ]
    assert [seconds_of(text) for text in ("500ms", "10s", "1m", "2.5h", "1d", "1w")] == [
        0.5,
        10,
        60,
        9000,
        86_400,
        604_800,
    ]


@pytest.mark.parametrize("text", ["", "5", "-1s", "0s", "1y", "1 fortnight", "٣s", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    """A number and a unit, more than nothing."""
    with pytest.raises(ConfigurationError, match="is not a duration"):
        seconds_of(text)


def test_histogram(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Bars for people, a JSON object per bucket for programs; the bucket and the bounds reach the reader."""
    fake.entries = [entry(number, level="ERROR", severity=17) for number in range(3)] + [entry(5000)]
    done = dblog("histogram", "level:error", "--bucket", "5s", "--text", "--utc")
    assert done.lines[:2] == ["          entries  error", "── Thu 2025-11-20 UTC ──"]
    assert [each.split()[:3] for each in done.lines[2:]] == [["10:02:00", "3", "3"], ["10:02:05", "1", "0"]]
    since = dblog("histogram", "--bucket", "5s", "--since", "2025-11-20T10:00:00Z", "--until", "2025-11-20T11:00:00Z")
    assert dict(fake.asked)["histogram"] == {
        "bucket": 5.0, "since": 1_763_632_800_000_000, "until": 1_763_636_400_000_000,
    }  # fmt: skip
    assert json.loads(since.lines[0]) == {
        "start": "2025-11-20T10:02:00.000000Z", "seconds": 5.0, "total": 3,
        "trace": 0, "debug": 0, "info": 0, "warning": 0, "error": 3, "critical": 0,
    }  # fmt: skip


def test_facets(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Values with their shares, and how many entries have none; ``--exact`` looks at all."""
    fake.entries = [entry(1, service="a"), entry(2, service="a"), entry(3, service="b"), entry(4)]
    done = dblog("facets", "service", "level:info", "--text")
    assert [each.split()[:3] for each in done.lines[:2]] == [["a", "2", "50.0%"], ["b", "1", "25.0%"]]
    assert done.lines[2] == "1 without the field (25.0%)"
    assert [json.loads(each) for each in dblog("facets", "service", "--exact").lines] == [
        {"value": "a", "count": 2}, {"value": "b", "count": 1},
    ]  # fmt: skip
    assert dict(fake.asked)["facets"] == {"limit": 20, "sample": None}


def test_stats(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """The table at a glance, and as one JSON object."""
    fake.entries = [entry(1), entry(2001)]
    done = dblog("stats", "--text", "--utc")
    assert done.lines[:5] == [
        "entries  2",
        "size     4.0 KiB, 2,048 bytes per entry",
        "oldest   2025-11-20 10:02:04.778123 UTC",
        "newest   2025-11-20 10:02:06.778123 UTC",
        "span     2.00 s",
    ]
    assert done.lines[6:8] == ["levels", f"  INFO  2 100.0%  {'█' * 40}"]
    found = json.loads(dblog("stats").out)
    assert (found["rows"], found["bytes"], found["oldest"]) == (2, 4096, "2025-11-20T10:02:04.778123Z")
    assert found["by_level"] == [{"value": "INFO", "count": 2}]


def instance(state: str, seen: int, **numbers: Any) -> Instance:
    now = time.time_ns() // 1000
    fields = dict.fromkeys(Instance.__slots__, None) | dict.fromkeys(
        ("emitted", "stored", "dropped", "failed", "queued", "in_flight", "spooled"), 0
    )
    known = {"instance_id": UUID(int=1), "started_at": now, "last_seen": now - seen * 10**6, "state": state}
    return Instance(**{**fields, "dropped_by": {}, "failed_by": {}, **known, **numbers})


@pytest.mark.usefixtures("terminal")
def test_instances(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """A row for each writer, what is down and what was lost in red, and its last error below."""
    error = "08006: server closed the connection"
    fake.all_instances = (
        instance("RUNNING", 1, service="gateway", host="web-1", pid=42, emitted=123_456, stored=123_450, queued=6),
        instance("down", 4000, service="payments", host="h" * 60, dropped=7, last_error=error),
    )
    done = dblog("instances")
    assert done.lines[0].split("\x1b[2m")[1].startswith("service")
    assert "\x1b[31mdown" in done.lines[2]
    assert "1 h ago" in done.lines[2]
    assert f"\x1b[31m{error}" in done.lines[3]
    plain = dblog("instances", "--color", "never")
    assert all(cells(each) <= 80 for each in plain.lines)
    assert plain.lines[1].split() == ["gateway", "web-1", "42", "RUNNING", "1", "s", "ago", "123k", "0", "0", "6"]
    assert json.loads(dblog("instances", "--json").lines[1])["last_error"] == error
    fake.all_instances = ()
    assert dblog("instances", "--color", "never") == (0, "", "no writer has said anything yet\n")
