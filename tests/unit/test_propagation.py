"""What travels with a trace beside its ids: tracestate, baggage and flags, by W3C's rules, and stored nowhere."""

from __future__ import annotations

import contextvars
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dblog import testing
from dblog.context import Context, bind, bound, current, extract, inject, new_trace, unbind
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"

lower = string.ascii_lowercase
state_keys = st.builds(str.__add__, st.sampled_from(lower + string.digits), st.text(lower + "0189_-*/@", max_size=20))
state_values = st.text([chr(code) for code in range(0x21, 0x7F) if chr(code) not in ",="], min_size=1, max_size=40)
states = st.dictionaries(state_keys, state_values, min_size=1, max_size=32).map(
    lambda members: ",".join(f"{key}={value}" for key, value in members.items())
)
bag_keys = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=20)
bags = st.dictionaries(
    bag_keys, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), max_size=20
)


def apart(function: Callable[[], Any]) -> Any:
    """The function's result, run in a context of its own."""
    return contextvars.Context().run(function)


def passed_on(fields: Mapping[str, Any], headers: dict[str, str] | None = None) -> dict[str, str]:
    """The headers a service sends that works in this scope, in a span of its own."""
    headers = {} if headers is None else headers

    def serve() -> None:
        with bound(**fields):
            inject(headers)

    apart(serve)
    return headers


@given(states.filter(lambda value: len(value) <= 512), st.sampled_from(["00", "01", "02", "03"]), bags)
def test_what_came_with_a_trace_goes_on_with_it(tracestate: str, flags: str, baggage: dict[str, str]) -> None:
    """Tracestate and flags arrive at the next service as they came, baggage with every character; the span is new."""
    incoming = passed_on({"trace_id": TRACE, "span_id": SPAN, "baggage": baggage})
    incoming |= {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": tracestate}
    found = extract({name.title(): value for name, value in incoming.items()})
    assert found.get("baggage", {}) == baggage
    again = extract(passed_on(found))
    assert again.pop("parent_span_id") != SPAN
    found.pop("parent_span_id")
    assert again == found
    assert found["tracestate"] == tracestate


@given(st.text() | st.text("ab1=,;@%*/ \t-", max_size=700) | states, st.text() | st.text('ab=,;% \t"', max_size=200))
@example(",".join(f"k{n}=v" for n in range(33)), ",".join(f"k{n}=v" for n in range(65)))
@example(f"a={'x' * 200},b=1,c={'y' * 256},d={'z' * 100}", "k=" + "v" * 9000)
def test_no_header_is_an_error_or_grows(tracestate: str, baggage: str) -> None:
    """Whatever comes, what is read fits W3C's limits, holds nothing else, and is sent on as it was read."""
    found = extract({"traceparent": TRACEPARENT, "tracestate": tracestate, "baggage": baggage})
    state = found.get("tracestate", "")
    assert len(state) <= 512
    assert set(state.split(",")) <= {part.strip(" \t") for part in tracestate.split(",")} | {""}
    assert len(found.get("baggage", {})) <= 64
    sent = passed_on(found)
    assert len(sent.get("baggage", "")) <= 8192
    assert all(value.isprintable() and value.isascii() for value in sent.values())
    again = extract(sent)
    assert again.get("tracestate", "") == state
    assert again.get("baggage", {}).items() <= found.get("baggage", {}).items()


@pytest.mark.parametrize(
    "value", ["a", "a=", "A=1", "a=1,a=2", "a=1,=2", "a=\x7f", "a=1=2", "a=é", "@a=1", "a=1;b", "a b=1", " , "]
)
def test_a_tracestate_with_one_bad_member_is_dropped_whole(value: str) -> None:
    """W3C: who cannot parse it does not pass it on; the trace goes on without. (A semicolon is allowed in a value.)"""
    found = extract({"traceparent": TRACEPARENT, "tracestate": value})
    assert found.get("tracestate") == ("a=1;b" if value == "a=1;b" else None)
    assert found["trace_id"] == TRACE


def test_a_long_tracestate_loses_whole_members_the_long_ones_first() -> None:
    """Members of more than 128 characters go before any other, then those at the end."""
    short = [f"k{number}={'v' * 90}" for number in range(6)]
    found = extract({"traceparent": TRACEPARENT, "tracestate": ",".join([f"long={'x' * 200}", *short])})
    assert found["tracestate"] == ",".join(short[:5])


def test_headers_of_one_name_are_one_list() -> None:
    """A list may come as several headers of one name, in whatever case: its members are joined in their order."""
    headers = {"traceparent": TRACEPARENT, "tracestate": "a=1", "TraceState": "b=2", "baggage": "x=1", "Baggage": "y=2"}
    found = extract(headers)
    assert found["tracestate"] == "a=1,b=2"
    assert found["baggage"] == {"x": "1", "y": "2"}


def test_tracestate_needs_its_traceparent_and_baggage_does_not() -> None:
    """W3C: without a valid traceparent the tracestate is not looked at; baggage is a header of its own."""
    assert extract({"traceparent": "bad", "tracestate": "a=1", "baggage": "x=1"}) == {"baggage": {"x": "1"}}
    assert passed_on({"baggage": {"x": "1"}}) == {"baggage": "x=1"}


def test_baggage_is_decoded_and_its_properties_dropped() -> None:
    """Percent signs are decoded as UTF-8, what is none becomes U+FFFD; blanks around a member are no part of it."""
    header = 'name=Am%C3%A9lie;secret;p=1 , bad key=1, k="q", empty=, broken=%FF, name = last'
    assert extract({"baggage": header})["baggage"] == {"name": "last", "empty": "", "broken": "\ufffd"}
    assert extract({"baggage": "name=Am%C3%A9lie;secret"})["baggage"] == {"name": "Amélie"}


def test_baggage_that_does_not_fit_is_left_out_whole() -> None:
    """At most 64 members and 8192 bytes are sent, in the order they were bound."""
    many = {f"k{number}": "v" for number in range(80)}
    assert list(extract(passed_on({"baggage": many}))["baggage"]) == list(many)[:64]
    large = {"a": "x" * 4000, "b": "é" * 4000, "c": "y" * 4000, "d": "z"}
    assert list(extract(passed_on({"baggage": large}))["baggage"]) == ["a", "c", "d"]


def test_stale_headers_are_replaced_and_foreign_ones_kept() -> None:
    """A tracestate belongs to its traceparent: another trace's goes. Baggage of others stays where we have none."""
    headers = {"TraceParent": "stale", "Tracestate": "stale=1", "Baggage": "theirs=1"}
    assert passed_on({"trace_id": TRACE, "span_id": SPAN}, headers) == {
        "traceparent": TRACEPARENT,
        "Baggage": "theirs=1",
    }
    fields = {"trace_id": TRACE, "span_id": SPAN, "tracestate": "a=1", "baggage": {"ours": "1"}}
    expected = {"traceparent": TRACEPARENT, "tracestate": "a=1", "baggage": "ours=1"}
    assert passed_on(fields, headers) == expected


def test_a_new_trace_leaves_what_belonged_to_the_old_one() -> None:
    """Tracestate and flags end with their trace; baggage is the request's and stays."""

    def serve() -> Context:
        bind(trace_id=TRACE, span_id=SPAN, tracestate="a=1", trace_flags="00", baggage={"tenant": "t"})
        with bound() as same:
            assert (same.tracestate, same.trace_flags, dict(same.baggage)) == ("a=1", "00", {"tenant": "t"})
        new_trace()
        return current()

    scope = apart(serve)
    assert (scope.tracestate, scope.trace_flags, dict(scope.baggage)) == (None, None, {"tenant": "t"})


def test_baggage_is_bound_like_everything_else() -> None:
    """An inner scope adds to it, None takes a name or all of it out, leaving restores it, and nobody can change it."""
    with bound(baggage={"a": 1, "b": "2"}) as outer:
        with bound(baggage={"b": None, "c": "3"}) as inner:
            assert dict(inner.baggage) == {"a": "1", "c": "3"}
            unbind("baggage")
            assert dict(current().baggage) == {}
        assert current() is outer
        with pytest.raises(TypeError):
            outer.baggage["a"] = "9"  # type: ignore[index]  # a Mapping says so to the type checker
        assert dict(outer.baggage) == {"a": "1", "b": "2"}


def test_nothing_of_it_is_stored() -> None:
    """A record has the ids, and no word of tracestate, flags or baggage."""
    import logging

    fields = {"tracestate": "a=1", "trace_flags": "00", "baggage": {"secret": "x"}, "order": 7}
    with testing.recording() as recorded, bound(trace_id=TRACE, **fields) as scope:
        logging.getLogger("shop").warning("paid")
        (entry,) = recorded.wait()
        assert entry.attributes == {"order": 7}
        assert scope.as_dict().keys() == {"trace_id", "span_id", "order"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tracestate": "no"}, "tracestate= is not allowed: give what a valid W3C header"),
        ({"tracestate": 7}, "tracestate= is not allowed"),
        ({"trace_flags": "1"}, "trace_flags='1' is not allowed: give two hex digits"),
        ({"trace_flags": 1}, "trace_flags='1' is not allowed"),
        ({"baggage": "a=1"}, "baggage= of type str is not allowed: give a mapping"),
        ({"baggage": 7}, "baggage= of type int is not allowed"),
        ({"baggage": {"a b": "1"}}, "baggage: the name 'a b' is not allowed"),
        ({"baggage": {1: "1"}}, "baggage: the name '1' is not allowed"),
    ],
)
@pytest.mark.parametrize("use", [bind, bound, new_trace])
def test_what_w3c_does_not_allow_is_refused(use: Callable[..., Any], fields: dict[str, Any], message: str) -> None:
    """The error names the field and what is allowed, no value of baggage; nothing is bound."""
    before = current()
    with pytest.raises(ConfigurationError, match="^" + message.replace("(", r"\(")):
        use(user_id="u", **fields)
    assert current() is before
