"""``dblog search`` and ``dblog show``: what is asked, in which order it comes, and that nothing is cut silently."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dblog.query import parse
from tests.fake_reader import START, entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query import Query
    from tests.fake_reader import FakeReader


def messages(done: Any) -> list[str]:
    return [json.loads(each)["message"] for each in done.lines]


def asked(fake: FakeReader) -> Query:
    found: Query = [value for name, value in fake.asked if name == "query"][-1]
    return found


@pytest.fixture
def three(fake: FakeReader) -> FakeReader:
    """A log of three entries."""
    fake.entries = [entry(number, f"m{number}") for number in (1, 2, 3)]
    return fake


def test_the_newest_come_last(dblog: Callable[..., Any], three: FakeReader) -> None:
    """Beside the prompt, unless the other way is asked for; ``--limit`` keeps the newest."""
    assert messages(dblog("search")) == ["m1", "m2", "m3"]
    assert messages(dblog("search", "--newest-first")) == ["m3", "m2", "m1"]
    assert messages(dblog("search", "-n", "2")) == ["m2", "m3"]


def test_what_is_left_out_is_said(dblog: Callable[..., Any], three: FakeReader) -> None:
    """On stderr, with the cursor that goes on there: backwards, and forwards again."""
    newest = dblog("search", "-n", "1")
    older = newest.err.split("older: --before ")[1].strip()
    assert newest.err.startswith("1 shown, there are more: --limit, or narrow the query; older: --before ")
    page = dblog("search", "-n", "1", "--before", older)
    assert messages(page) == ["m2"]
    first = dblog("search", "--before", page.err.split("--before ")[1].strip())
    assert (messages(first), first.err) == (["m1"], "")
    forwards = dblog("search", "-n", "1", "--after", page.err.split("--before ")[1].strip())
    assert messages(forwards) == ["m3"]
    assert forwards.err.startswith("1 shown, there may be more: --limit, or the next: --after ")


@pytest.mark.parametrize(
    ("arguments", "means"),
    [
        ((), ""),
        (("level:error", "service:a", "timeout"), "level:error service:a timeout"),
        (("-level:debug",), "-level:debug"),
        (("a", "-level:debug", "--limit", "5", "b"), "a -level:debug b"),
        (("-n", "5", "-logger=x.y", "-severity>12"), "-logger=x.y -severity>12"),
        (("-name:x",), "-name:x"),
        (("--", "-timeout"), "-timeout"),
        (("a or b", "--since", "2025-11-20T10:00Z"), "(a or b) since:2025-11-20T10:00Z"),
        (("a", "b", "--until", "2025-11-20 10:00 "), 'a b until:"2025-11-20 10:00"'),
        (("--since", "2025-11-20T10:00Z"), "since:2025-11-20T10:00Z"),
    ],
)
def test_what_is_asked(dblog: Callable[..., Any], fake: FakeReader, arguments: tuple[str, ...], means: str) -> None:
    """Words are joined; what begins with a dash and names a field is one of them; the bounds narrow all of it."""
    assert dblog("search", *arguments).code == 0
    assert asked(fake).tree == parse(means).tree


@pytest.mark.parametrize("value", ["yesterweek", '"', "\\", "now or never", "level:error"])
def test_a_time_that_is_none(dblog: Callable[..., Any], fake: FakeReader, value: str) -> None:
    """Is a wrong value of the option, not of the query."""
    done = dblog("search", "--since", value)
    assert (done.code, fake.asked) == (2, [])
    assert done.err.startswith("dblog: --since ")


def test_counts(dblog: Callable[..., Any], three: FakeReader) -> None:
    """A number for people; for programs, whether it is exact, too."""
    assert dblog("search", "--count", "--text").out == "3\n"
    assert json.loads(dblog("search", "--count").out) == {"value": 3, "exact": True}
    guess = dblog("search", "--estimate", "--text")
    assert (guess.out, guess.err) == ("3\n", "an estimate of the database; --count is exact\n")


@pytest.mark.usefixtures("terminal")
def test_nothing_found(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Exit code 0; one line on stderr says so to a person, none to a program."""
    assert dblog("search") == (0, "", "no entries match\n")


def test_nothing_found_by_a_program(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """As above."""
    assert dblog("search") == (0, "", "")


def test_ids_lead_to_show(dblog: Callable[..., Any], three: FakeReader) -> None:
    """The digits in the line are what ``show`` takes."""
    line = dblog("search", "--text", "--ids", "--date", "-n", "1").lines[0]
    digits = line.split()[2]
    assert len(digits) == 16
    assert dblog("show", digits, "--text", "--utc").lines[1] == "m3"


def test_show(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Every column that has a value, the message and the traceback whole, the metadata pretty."""
    each = entry(
        1, "two\nlines", level="ERROR", severity=17, exc_type="ValueError", exc_text="Traceback:\n  no card",
        metadata='{"http":{"status":500}}', trace_id="t1", service="shop", lineno=5, ingested_at=START,
    )  # fmt: skip
    fake.entries = [entry(0, "before"), each, entry(2, "after")]
    done = dblog("show", str(each.id), "--text", "--utc")
    assert done.lines == [
        "2025-11-20 10:02:04.778123 UTC  ERROR  shop  shop.cart", "two", "lines", "", "Traceback:", "  no card", "",
        "timestamp       2025-11-20 10:02:04.778123 UTC", "ingested_at     2025-11-20 10:02:04.777123 UTC",
        "id              019aa04f-0000-0000-0000-000000000001", "",
        "level           ERROR", "severity        17", "logger          shop.cart", "lineno          5", "",
        "trace_id        t1", "", "service         shop", "",
        "metadata", "  {", '    "http": {', '      "status": 500', "    }", "  }",
    ]  # fmt: skip
    around = dblog("show", str(each.id), "--context", "1", "--text", "--utc").lines
    assert around[1].endswith("before")
    assert around[-1].endswith("after")
    assert messages(dblog("show", str(each.id), "-C", "1")) == ["before", "two\nlines", "after"]


def test_show_by_the_end_of_an_id(dblog: Callable[..., Any], three: FakeReader) -> None:
    """Few digits do not tell entries apart, and that is said; what is not there is exit code 1."""
    few = dblog("show", "00000003")
    assert messages(few) == ["m3"]
    assert few.err == "the newest entry whose id ends in 00000003; 16 digits name one\n"
    assert dblog("show", "0" * 15 + "2").err == ""
    assert dblog("show", "ffffffff") == (1, "", "dblog: no entry has the id ffffffff\n")
    wrong = dblog("show", "xyz")
    assert (wrong.code, wrong.err[:27]) == (2, "dblog: 'xyz' is not an id: ")
