"""A query that is being written: what Tab, the arrow keys and Enter do, one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import QuerySyntaxError
from dblog.query import parse
from dblog.query.fields import names
from dblog_tui.draft import Draft

_HISTORY = ("level:error", "service:api timeout", "service:billing")


def draft(text: str = "", history: tuple[str, ...] = _HISTORY) -> Draft:
    """One with the grammar loaded."""
    made = Draft()
    made.begin(text, history, history)
    made.load(names())
    return made


def typed(made: Draft, text: str) -> Draft:
    """Letter by letter."""
    for char in text:
        made.insert(char)
    return made


def shown(made: Draft) -> list[str]:
    """What is offered."""
    return [each.shown for each in made.offer.found]


def test_nothing_is_offered_before_something_is_typed() -> None:
    """A query that is there already, and an empty line, leave the arrow keys to history."""
    assert not draft("level>=warn").offer.is_open
    assert not draft().offer.is_open


def test_tab_completes_a_name_and_then_its_value() -> None:
    """The list of values opens by itself once they are known; taking one ends the term."""
    made = typed(draft(), "serv")
    assert shown(made) == ["service"]
    assert made.complete()
    assert (made.text, made.wants) == ("service:", "service")
    made.learn("service", [("billing", 868), ("api", 118)])
    assert shown(made) == ["billing", "api"]
    assert made.offer.ghost(made.text, made.line.cursor) == ""
    made.insert("b")
    assert made.offer.ghost(made.text, made.line.cursor) == "illing"
    assert made.accept_ghost()
    assert made.text == "service:billing "
    assert not made.offer.is_open


def test_tab_on_an_empty_line_lists_every_field() -> None:
    """Those somebody uses first; one more key closes the list, and the query is as it was."""
    made = draft()
    assert not made.complete()
    assert shown(made)[0] == "service"
    assert made.offer.asked
    assert made.leave_list()
    assert not made.offer.is_open
    assert not made.leave_list()
    assert made.text == ""


def test_enter_takes_what_the_arrow_keys_have_chosen() -> None:
    """And asks otherwise, also while a list is open."""
    made = typed(draft(), "user:1 t")
    assert made.submit() == "user:1 t"
    made = typed(draft(), "tem")
    made.choose(1)
    assert made.submit() is None
    assert made.text == "template:"


def test_arrow_keys_stay_in_the_list_and_leave_it_at_its_top() -> None:
    """Up from the first leaves none chosen; up again is history."""
    made = typed(draft(), "t")
    made.choose(1)
    made.choose(1)
    assert made.offer.chosen == 1
    made.choose(-8)
    assert made.offer.chosen == 0
    assert not made.choose(-1)
    assert (made.offer.chosen, made.offer.is_open) == (-1, True)
    assert made.choose(-1)
    assert made.text == "service:api timeout"  # the newest that has a t in it


def test_history_there_and_back() -> None:
    """Up goes to older queries, down back to what was being written; at the ends nothing happens."""
    made = draft("level>=warn")
    assert [made.choose(-1) and made.text for _ in range(4)] == [*_HISTORY, False]
    assert [made.choose(1) and made.text for _ in range(4)] == [*_HISTORY[1::-1], "level>=warn", False]


def test_history_of_what_was_begun() -> None:
    """Only those that have it in them."""
    made = typed(draft(), "service")
    made.choose(-1)
    assert made.text == "service:api timeout"
    made.choose(-1)
    assert made.text == "service:billing"
    assert not made.choose(-1)


def test_history_can_be_changed_and_taken_back() -> None:
    """What is written after a step into history is a query of its own."""
    made = draft()
    made.choose(-1)
    made.insert("!")
    made.edit("undo")
    assert made.text == "level:error"
    made.edit("undo")
    assert made.text == ""


def test_a_mistake_is_put_right_by_tab() -> None:
    """One after the other, and then it is asked."""
    made = typed(draft(), "service:billing AND dur_ms>>250 OR levle:error ")
    made.settle()
    assert [mistake.column for mistake in made.mistakes] == [27, 35]
    assert made.complete()
    assert made.complete()
    assert not made.mistakes
    assert made.submit() == "service:billing AND dur_ms>250 OR level:error"


def test_enter_sends_nothing_that_cannot_be_read() -> None:
    """It says why; the text stays."""
    made = typed(draft(), "took>5s")
    assert made.submit() is None
    assert made.mistakes[0].column == 5
    assert made.text == "took>5s"


@pytest.mark.parametrize(
    "text", ["service:", "service:(a OR", '"open', "a AND", "msg=~/a(b", "x in (", "`open", "level:erro"]
)
def test_unfinished_is_not_wrong(text: str) -> None:
    """A pause in the middle of a term complains about nothing; Enter does."""
    made = typed(draft(), text)
    made.settle()
    assert not made.mistakes
    if made.submit() is None:
        assert made.mistakes
    else:
        parse(text)


@pytest.mark.parametrize("text", ["levle:error", "dur_ms>>250", "a|b c", "service:a) "])
def test_wrong_is_said_at_a_pause(text: str) -> None:
    """Where writing on does not help."""
    made = typed(draft(), text)
    made.settle()
    assert made.mistakes


def test_a_complaint_ends_with_the_next_key() -> None:
    """It was about another text."""
    made = typed(draft(), "levle:error")
    made.settle()
    made.insert("s")
    assert not made.mistakes


def test_tab_shows_a_repair_before_it_makes_it() -> None:
    """Of something that was not complained about yet."""
    made = typed(draft("", ()), 'x "open')
    assert not made.complete()
    assert made.mistakes
    assert made.complete()
    assert made.text == 'x "open"'


def test_plain_text() -> None:
    """No sign means anything."""
    made = typed(draft(), "a|b (c")
    made.plain()
    assert made.submit() == '"a|b (c"'


def test_values_that_could_not_be_had() -> None:
    """Nothing is offered, and nothing is asked again; levels are known all the same."""
    made = typed(draft(), "host:")
    assert made.wants == "host"
    made.learn("host", (), "the database is away")
    assert (made.wants, shown(made)) == ("", [])
    assert made.known.said == {"host": "the database is away"}
    made = typed(draft(), "level:e")
    assert shown(made) == ["ERROR"]


def test_a_refused_query_is_explained() -> None:
    """Also one that the parser here would take."""
    made = draft("a b")
    made.refuse(QuerySyntaxError("a b", 2, "no such thing"))
    assert made.mistakes[0].reason == "no such thing"


def test_before_the_grammar_is_there_nothing_is_offered() -> None:
    """And what was typed meanwhile is completed once it is."""
    made = Draft()
    made.begin("", (), ())
    typed(made, "serv")
    assert not made.offer.is_open
    made.load(names())
    assert shown(made) == ["service"]


_KEYS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.sampled_from([*'slu:>=(e "/-|1'])),
        st.tuples(st.just("choose"), st.sampled_from([-8, -1, 1, 8])),
        st.tuples(st.sampled_from(["complete", "submit", "settle", "plain", "leave_list", "accept_ghost"])),
        st.tuples(st.just("edit"), st.just("erase"), st.just(-1)),
        st.tuples(st.just("edit"), st.just("undo")),
        st.tuples(st.just("go"), st.sampled_from(["move", "jump", "edge"]), st.sampled_from([-1, 1])),
        st.tuples(st.just("learn"), st.sampled_from(["service", "level", "s"]), st.just([("a b", 2), ("api", 1)])),
    ),
    max_size=15,
)  # fmt: skip


@given(_KEYS)
def test_no_keys_break_it(keys: list[tuple[object, ...]]) -> None:
    """The cursor stays in the text, the choice in the list, and only what can be read is asked."""
    made = draft()
    for name, *arguments in keys:
        result = getattr(made, str(name))(*arguments)
        assert 0 <= made.line.cursor <= len(made.text)
        assert -1 <= made.offer.chosen < max(len(made.offer.found), 1)
        first, offered = made.offer.window(8)
        assert not made.offer.found or 0 <= max(made.offer.chosen, 0) - first < len(offered) <= 8
        if name == "submit" and result is not None:
            parse(str(result))
