"""Suggestions: what is offered at a place can be taken there, and means what it says."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dblog.entry import LogEntry
from dblog.query import parse
from dblog.query.fields import named, names
from dblog.query.tree import Like, Wild
from dblog_tui.complete import (
    Place,
    Slot,
    as_text,
    names_at,
    place_at,
    taken,
    times_at,
    uses_of,
    values_at,
)  # fmt: skip
from dblog_tui.spelled import paths_of, spelled_value
from tests.querytrees import entries

_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from([
    "null", "and", "or", "web-1", "a*b", "50%", "/x/", "500", "5m", '"', "\\", "TO", "true", "a,b", "(x)", "app.pay",
])  # fmt: skip


def _entry(**fields: object) -> LogEntry:
    return LogEntry(**{"timestamp": 0, "level": "INFO", "severity": 9, "logger": "l", "message": "m"} | fields)  # type: ignore[arg-type]  # made by name


@given(_VALUES, st.sampled_from(["service:", "service=", "service in (", "service:(x OR "]))
def test_a_value_that_is_taken_finds_its_entries(value: str, begun: str) -> None:
    """Whatever a value holds, what is written for it is found, behind each operator that takes one."""
    assume(value.strip())
    text = begun + spelled_value(value) + (")" if "(" in begun else "")
    assert parse(text).predicate()(_entry(service=value))


@given(entries())
def test_paths_of_metadata_are_names_of_fields(entry: LogEntry) -> None:
    """Each path that is offered can be written; every key with a plain name is there, and its entry has it."""
    found = list(paths_of(entry.attributes))
    for path in found:
        parse(f"has({path}) {path}:x")
    for key in ("a", "b", "A", "status"):
        if isinstance(entry.attributes.get(key), (str, int, float)):
            assert key in found
            assert parse(f"has({key})").predicate()(entry)


def test_paths_as_people_write_them() -> None:
    """Steps with dots between; a key with dots as it is; dblog's own notes and what has no name are left out."""
    metadata = {
        "order": 7, "http": {"status": 500, "url": None}, "a.b": 1, "level": "gold", "größe": 1, 'q"': 1,
        "dblog": {"truncated": ["message"]}, "tags": [1], "empty": {},
    }  # fmt: skip
    assert list(paths_of(metadata)) == [
        "order", "http.status", "http.url", "a.b", "metadata.level", "`größe`", "tags", "empty",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "slot", "typed", "field"),
    [
        ("|", Slot.FIELD, "", ""),
        ("ser|", Slot.FIELD, "ser", ""),
        ("@ser|", Slot.FIELD, "ser", ""),
        ("a -ser|", Slot.FIELD, "ser", ""),
        ("(ser|", Slot.FIELD, "ser", ""),
        ("ser|vice:api", Slot.NAME, "ser", ""),
        ("has(|", Slot.NAME, "", ""),
        ("has(us|)", Slot.NAME, "us", ""),
        ("service:|", Slot.VALUE, "", "service"),
        ("service: |", Slot.VALUE, "", "service"),
        ("service:bi|", Slot.VALUE, "bi", "service"),
        ("service:bi|lling x", Slot.VALUE, "bi", "service"),
        ('service:"two wo|', Slot.VALUE, "two wo", "service"),
        ("service:(a OR |", Slot.VALUE, "", "service"),
        ("service in (a, b|", Slot.VALUE, "b", "service"),
        ("service!=b|", Slot.VALUE, "b", "service"),
        ("service:a |", Slot.FIELD, "", ""),
        ("service:(a |", Slot.NOTHING, "", ""),
        ("level>=w|", Slot.VALUE, "w", "level"),
        ("dur_ms>2|", Slot.NOTHING, "2", "dur_ms"),
        ("since:|", Slot.TIME, "", "since"),
        ("ts>=20|", Slot.TIME, "20", "ts"),
        ("msg~pay|", Slot.NOTHING, "pay", "msg"),
        ("msg=~/pay|", Slot.NOTHING, "/pay", ""),
        ('"a phra|', Slot.NOTHING, '"a phra', ""),
    ],
)
def test_what_may_stand_at_the_cursor(text: str, slot: Slot, typed: str, field: str) -> None:
    """The bar is the cursor."""
    cursor = text.index("|")
    place = place_at(text.replace("|", ""), cursor, names())
    assert (place.slot, place.typed, place.field) == (slot, typed, field)


@given(st.text("abz _.*019 :=<>~\"'/()[]{},|@-", max_size=20), st.integers(0, 20))
def test_there_is_a_place_everywhere(text: str, cursor: int) -> None:
    """Whatever stands there, the place is in the text and around the cursor."""
    cursor = min(cursor, len(text))
    place = place_at(text, cursor, names())
    assert 0 <= place.start <= cursor <= place.end <= len(text)


def test_fields_by_use_then_by_alphabet() -> None:
    """Names that begin so, the most used first; then those whose parts begin so; then those that have it within."""
    place = Place(Slot.FIELD, 0, 2, "us")
    shown = [each.shown for each in names_at(place, {"user": 3}, ["cart.user", "status", "us_zone"])]
    assert shown == ["user", "us_zone", "user_id", "cart.user", "status"]
    assert [each.insert for each in names_at(place, {}, [])] == ["user_id:"]
    assert [each.note for each in names_at(place, {"user": 1}, [])] == ["= user_id", "identifier"]


def test_an_alias_is_offered_where_its_column_is_not() -> None:
    """Or where it was typed out, or somebody uses it."""
    assert "lvl>=" in [each.shown for each in names_at(Place(Slot.FIELD, 0, 3, "lvl"), {})]
    assert "trace" not in [each.shown for each in names_at(Place(Slot.FIELD, 0, 2, "tr"), {})]
    assert "trace" in [each.shown for each in names_at(Place(Slot.FIELD, 0, 5, "trace"), {})]


def test_only_names_where_an_operator_follows() -> None:
    """In ``has()`` and before an operator no colon is written, and no time key, which is no field."""
    found = names_at(Place(Slot.NAME, 0, 0, ""), {})
    assert all(each.insert == each.shown for each in found)
    assert not {"since", "last", "has"} & {each.shown for each in found}


def test_values_by_count_and_levels_by_rank() -> None:
    """The values that begin so first; every level, seen or not."""
    values = [("api", 118), ("billing", 868), ("web api", 5), ("auth", 61)]
    place = Place(Slot.VALUE, 0, 1, "a", "service")
    assert [(each.shown, each.count) for each in values_at(place, values)] == [("api", 118), ("auth", 61)]
    place = Place(Slot.VALUE, 0, 3, "api", "service")
    assert [each.insert for each in values_at(place, values)] == ["api", '"web api"']
    levels = values_at(Place(Slot.VALUE, 0, 0, "", "level"), [("INFO", 9), ("notice", 2), ("errors", 1)])
    assert [each.insert for each in levels] == [
        "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE", "notice", '"errors"',
    ]  # fmt: skip
    assert [each.count for each in levels][1:4] == [None, None, 9]
    ordered = values_at(Place(Slot.VALUE, 0, 0, "", "level", ordered=True), [("notice", 2)])
    assert "notice" not in [each.shown for each in ordered]


def test_times_are_examples_that_can_be_read() -> None:
    """Each can be asked for."""
    for key in ("since", "until", "last", "around"):
        for each in times_at(Place(Slot.TIME, 0, 0, "", key)):
            parse(f"{key}:{each.insert}")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("ser|", "service:|"),
        ("a ser| b", "a service:| b"),
        ("-@ser|", "-@service:|"),
        ("ser|vice:api", "service|:api"),
        ("service:bi|", "service:billing |"),
        ("service:bi|zz x", "service:billing| x"),
        ('service:"bi|', "service:billing |"),
        ("service:(bi|", "service:(billing|"),
        ("service in (api, bi|)", "service in (api, billing|)"),
        ("lev|", "level>=|"),
        ("since:1|", "since:15m |"),
    ],
)
def test_taking_a_suggestion(before: str, expected: str) -> None:
    """It replaces what it completes and nothing else; a blank follows where a term has ended."""
    cursor = before.index("|")
    text = before.replace("|", "")
    place = place_at(text, cursor, names())
    found = {
        Slot.FIELD: lambda: names_at(place, {}),
        Slot.NAME: lambda: names_at(place, {}),
        Slot.VALUE: lambda: values_at(place, [("billing", 2)]),
        Slot.TIME: lambda: times_at(place),
    }[place.slot]()
    after, at = taken(text, place, found[0])
    assert f"{after[:at]}|{after[at:]}" == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_as_plain_text_it_looks_for_exactly_this(text: str) -> None:
    """No sign in it means anything any more; doing it twice is doing it once."""
    assume(text.strip() and text.strip()[0] not in "\"'")
    plain = as_text(text)
    assert parse(plain).tree == Like(named("message"), (Wild.ANY, text, Wild.ANY))
    assert as_text(plain) == plain


def test_a_phrase_is_one_already() -> None:
    """What stands in quotes as a whole stays; nothing stays nothing."""
    assert as_text(' "a b" ') == '"a b"'
    assert as_text("  ") == ""
    assert as_text('"a" b') == '"\\"a\\" b"'


def test_uses_are_counted_as_typed() -> None:
    """Field by field."""
    assert uses_of(["user:1 level>=warn", "-user:2", "level"]) == {"user": 2, "level": 1}
