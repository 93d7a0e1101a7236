"""A link as a command line, and back."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog.migrate import upgrade
from dblog.reading.values import Cursor
from dblog_tui import links
from dblog_tui.links import Link
from dblog_tui.view import ALL, Span, View
from tests.administered import entry, fill, now
from tests.hostile import DANGEROUS, texts
from tests.tui.driving import driving

NOW = 1_795_000_000_000_000
_moments = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999) | st.integers(10**17, 10**20)
_any_text = (
    texts | st.text() | st.sampled_from(["", "-", "--", "-q", "--since", "a b", "$(rm -rf ~)", "%41", "!!", "'"])
)
_columns = st.lists(
    st.sampled_from(["service", "`a,b`", "metadata.level", "cart.items[0].sku", "`ß \u202e`"]), min_size=1
)
_spans: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.integers(1, 10**11).map(lambda seconds: {"last": seconds}),
    st.fixed_dictionaries({}, optional={"since": _moments, "until": _moments}),
)


def _link(span: dict[str, Any], columns: list[str] | None, **fields: Any) -> Link:
    return Link(**span, columns=None if columns is None else tuple(columns), **fields)


LINKS = st.builds(
    _link,
    _spans,
    st.none() | _columns,
    database=st.none() | _any_text,
    schema=st.none() | _any_text,
    table=st.none() | _any_text,
    query=_any_text,
    least=st.integers(0, 5),
    at=st.none() | st.builds(Cursor, st.integers(-(10**18), 10**18), st.uuids()),
    trace=st.none() | _any_text,
    entry=st.none() | _any_text,
    zone=st.none() | _any_text,
)


@given(LINKS)
@example(Link(database="--", query="-level:debug"))
@example(Link(query="--", trace="-x", entry="--encoded"))
def test_a_link_is_the_same_after_it_was_a_command_line(link: Link) -> None:
    """``parse`` reads what ``command_line`` writes, for any text in it."""
    assert links.parse(links.command_line(link), now=NOW) == link


@given(LINKS)
def test_a_shell_hands_the_program_the_same_link(link: Link) -> None:
    """Taken apart as a shell does, and read by a parser with options of its own, it is the same link."""
    words = shlex.split(links.command_line(link))[1:]
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    links.arguments(parser)
    parser.add_argument("--demo", action="store_true")
    assert links.link_of(parser.parse_args(links.joined(words)), now=NOW) == link


@given(LINKS)
def test_a_command_line_has_no_character_that_acts_on_a_terminal(link: Link) -> None:
    """It is one line, and everything in it can be seen."""
    line = links.command_line(link)
    assert line.isprintable()
    assert not DANGEROUS & set(line)


@pytest.mark.parametrize(
    ("line", "link"),
    [
        ("dblog-tui", Link()),
        ("  $ dblog-tui prod -q level:error", Link("prod", "level:error")),
        ("/usr/bin/dblog-tui ./app.db --since 1h --level warn", Link("./app.db", last=3600, least=3)),
        (": dblog-tui -q -level:debug --theme nord --slow", Link(query="-level:debug")),
        ("dblog-tui prod --schema obs --table=audit", Link("prod", schema="obs", table="audit")),
        ("dblog-tui --since=-2h", Link(last=7200)),
        ("dblog-tui --since 2026-11-20T10:00:00Z", Link(since=1_795_168_800_000_000)),
        ("dblog-tui --tz UTC --since '2026-11-20 10:00'", Link(since=1_795_168_800_000_000, zone="UTC")),
        ("dblog-tui --since 1h --until 30m", Link(since=NOW - 3_600_000_000, until=NOW - 1_800_000_000)),
        ("dblog-tui --columns 'service,`a,b`'", Link(columns=("service", "`a,b`"))),
    ],
)
def test_what_people_type_is_read_as_well(line: str, link: Link) -> None:
    """Prompts, paths, short options, times without a zone, a dash at a value's beginning."""
    assert links.is_link(line)
    assert links.parse(line, now=NOW) == link


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("dblog search x", "a command line begins with dblog-tui"),
        ("", "a command line begins with dblog-tui"),
        ("dblog-tui 'a", "this is no command line: no closing quotation"),
        ("dblog-tui --colour red", "unrecognized arguments: --colour"),
        ("dblog-tui --since yesteryear", "--since: 'yesteryear' is not a time"),
        ("dblog-tui --since 2026-02-30T00:00:00Z", "there is no such time"),
        ("dblog-tui --level loud", "'loud' is not a level"),
        ("dblog-tui --at 12", "is not a cursor"),
        ("dblog-tui --tz Mars --since 10:00", "'Mars' is not a time zone"),
        ("dblog-tui --encoded -q %ff", "is no text"),
        ("dblog-tui -q", "expected one argument"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(line: str, sentence: str) -> None:
    """Whatever is wrong is a ConfigurationError that says so."""
    with pytest.raises(ConfigurationError) as caught:
        links.parse(line, now=NOW)
    assert sentence in str(caught.value)


@given(st.text(max_size=60) | texts)
def test_any_text_is_a_link_or_a_sentence(text: str) -> None:
    """Nothing that is pasted ends in another exception."""
    with suppress(ConfigurationError):
        links.parse(f"dblog-tui {text}", now=NOW)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgresql://u:s3cret@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://h/db?password=s3cret&sslmode=require", "postgresql://h/db?sslmode=require"),
        ("postgresql://h/db?password=s3cret", "postgresql://h/db"),
        ("sqlite:////var/log/app.db", "sqlite:////var/log/app.db"),
        ("postgresql:///app", "postgresql:///app"),
        ("postgresql://u:s3@cret@h/db", None),
        ("postgresql://u:p/s3cret@h/db", None),
        ("s3cret", None),
    ],
)
def test_a_password_is_in_no_link(url: str, public: str | None) -> None:
    """A URL loses its password; one that cannot be taken apart is not named at all."""
    found = links.public_url(url)
    assert "s3cret" not in str(found)
    if "p/s3cret" not in url:
        assert found == public


async def test_a_link_leads_to_another_table_and_back(sqlite_url: str) -> None:
    """Pasted behind ``:`` it is read there, what L copies and what a crash says name it, and so does a trace's link."""
    upgrade(sqlite_url, table="audit")
    fill(sqlite_url, [entry(1, now(), trace_id="4bf92f3577b34da6a3ce929d0e0e4736")])
    async with driving(sqlite_url) as driver:
        address, plain = driver.logs.source.address, driver.app.command_line()
        assert "--table" not in plain
        await driver.press("t")
        await driver.press("L")
        assert driver.app.clipboard == f"dblog-tui {address} --trace 4bf92f3577b34da6a3ce929d0e0e4736"
        await driver.press("q")
        await driver.command("dblog-tui --table audit -q level:info")
        await driver.until(lambda: driver.logs.source.database.table == "audit" and driver.logs.browser.tailing)
        assert driver.query == "level:info"
        await driver.press("L")
        assert driver.app.clipboard == f"dblog-tui {address} --table audit -q level:info --tz UTC"
        assert driver.app.command_line() == driver.app.clipboard
        await driver.command(plain)
        await driver.until(lambda: driver.logs.source.database.table == "logs" and driver.row)


@pytest.mark.parametrize("at_once", [False, True])
async def test_what_was_looked_at_before_is_closed_when_nobody_asks_it_any_more(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Its screen is gone by then: a question behind the close would open a connection that nobody closes.

    Also where somebody leaves at once.
    """
    upgrade(sqlite_url, table="audit")
    fill(sqlite_url, [entry(1, now())])
    there: list[bool] = []
    async with driving(sqlite_url) as driver:
        screen = driver.logs
        close, end = screen.source.close, screen.browser.close

        async def closing() -> None:
            await asyncio.sleep(0.01)
            there.append(screen.is_attached)
            await close()

        async def ending() -> None:
            await asyncio.sleep(0.05)  # as long as a query takes to end in the database
            await end()

        monkeypatch.setattr(screen.source, "close", closing)
        monkeypatch.setattr(screen.browser, "close", ending)
        driver.app.open_link(Link(table="audit"))
        if not at_once:
            await driver.until(lambda: bool(there))
    assert there == [False]


def test_a_view_and_its_link_are_the_same_view() -> None:
    """``Link.of`` and ``Link.view`` are inverse."""
    at = Cursor(5, UUID(int=7))
    for span in (ALL, Span(last=60), Span(since=1, until=2), Span(until=3)):
        view = View("a", span, 3, at)
        assert Link.of(view, database="prod").view == view
