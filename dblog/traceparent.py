"""A trace in the headers of a request: W3C Trace Context and W3C Baggage, read and written strictly.

Sources: https://www.w3.org/TR/trace-context-2/ and https://www.w3.org/TR/baggage/. What is not valid there is as
absent; what is written can forge no header. A member of a list is kept whole or left out. Properties of baggage
(``key=value;property``) are not kept.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

__all__ = ["BAGGAGE_KEY", "FLAGS", "extract", "valid_tracestate", "write"]

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
FLAGS: Final = re.compile(r"[0-9a-f]{2}")
_KNOWN_FLAGS: Final = 0x03
"""Sampled, and random trace id; any other bit has to be cleared by who does not know it."""
_SAMPLED: Final = "01"

_STATE_MEMBER: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_STATE_MEMBERS: Final = 32
_STATE_LENGTH: Final = 512
"""Characters that everybody passes on; longer ones may be shortened, by whole members."""
_STATE_LONG: Final = 128
"""Longer members go first when it is shortened."""

BAGGAGE_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_BAGGAGE_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_BAGGAGE_SAFE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_BAGGAGE_MEMBERS: Final = 64
_BAGGAGE_BYTES: Final = 8192


def write(
    headers: MutableMapping[str, str],
    trace_id: str | None,
    span_id: str | None,
    *,
    trace_flags: str | None = None,
    tracestate: str | None = None,
    baggage: Mapping[str, str] | None = None,
) -> None:
    """Put a trace into headers, in the place of any that is there; without valid ids only the baggage, if any."""
    flags = trace_flags or _SAMPLED
    value = f"00-{trace_id}-{span_id}-{flags}"
    if _parsed(value) is not None:
        _put(headers, "traceparent", value)
        _put(headers, "tracestate", valid_tracestate(tracestate or "") or "")
    members = _written(baggage.items()) if baggage else ""
    if members:
        _put(headers, "baggage", members)


def extract(headers: Mapping[str, str]) -> dict[str, Any]:
    """The remote trace in incoming headers: ``with bound(**extract(headers)):`` continues it in a span of its own.

    Strict W3C Trace Context; header names in any case. Versions above 00 are read as far as known.

    Returns:
        ``trace_id``, ``parent_span_id`` and ``trace_flags`` (two hex digits), and ``tracestate`` where there is a
        valid one: all absent where there is no valid ``traceparent``, or more than one. ``baggage``, a dict of
        decoded text, where there is any. At most 32 members and 512 characters of ``tracestate``, 64 members and
        8192 bytes of ``baggage``.
    """
    parents, states, bags = [], [], []
    for name, value in headers.items():
        lower = name.lower()
        if lower == "traceparent":
            parents.append(value)
        elif lower == "tracestate":
            states.append(value)
        elif lower == "baggage":
            bags.append(value)
    found: dict[str, Any] = {}
    ids = _parsed(parents[0].strip(" \t")) if len(parents) == 1 else None
    if ids is not None:
        found["trace_id"], found["parent_span_id"], found["trace_flags"] = ids
        if states and (tracestate := valid_tracestate(",".join(states))):
            found["tracestate"] = tracestate
    if bags and (baggage := _read(",".join(bags))):
        found["baggage"] = baggage
    return found


def valid_tracestate(value: str) -> str | None:
    """The members of a ``tracestate``, at most 512 characters of them; None where it is not valid, or empty."""
    members = [member for part in value.split(",") if (member := part.strip(" \t"))]
    matches = [_STATE_MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in matches if match is not None}
    if not members or len(members) > _STATE_MEMBERS or len(keys) < len(members):
        return None
    while len(",".join(members)) > _STATE_LENGTH:
        long = [index for index, member in enumerate(members) if len(member) > _STATE_LONG]
        del members[long[-1] if long else -1]
    return ",".join(members) or None


def _parsed(traceparent: str) -> tuple[str, str, str] | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    known = version != "ff" and not (version == "00" and more)
    if not (known and trace_id.strip("0") and span_id.strip("0")):
        return None
    return trace_id, span_id, format(int(flags, 16) & _KNOWN_FLAGS, "02x")


def _read(header: str) -> dict[str, str]:
    """The members of a ``baggage`` that are valid and within the limits; of two of one name the later."""
    found: dict[str, str] = {}
    length = 0
    for part in header.split(","):
        length += len(part) + 1
        if length > _BAGGAGE_BYTES + 1 or len(found) >= _BAGGAGE_MEMBERS:
            break
        key, equals, value = part.partition(";")[0].partition("=")
        key, value = key.strip(" \t"), value.strip(" \t")
        if equals and BAGGAGE_KEY.fullmatch(key) and _BAGGAGE_VALUE.fullmatch(value):
            found[key] = urllib.parse.unquote(value, errors="replace")
    return found


def _written(items: Iterable[tuple[str, str]]) -> str:
    """As many members as the limits allow, in their order; those that do not fit are left out whole."""
    members: list[str] = []
    length = -1
    for key, value in items:
        member = f"{key}={urllib.parse.quote(value, safe=_BAGGAGE_SAFE, errors='replace')}"
        fits = length + 1 + len(member) <= _BAGGAGE_BYTES
        if fits and len(members) < _BAGGAGE_MEMBERS and BAGGAGE_KEY.fullmatch(key):
            members.append(member)
            length += 1 + len(member)
    return ",".join(members)


def _put(headers: MutableMapping[str, str], name: str, value: str) -> None:
    """Set a header, or with an empty value take it out, whatever the case of the one that is there."""
    for known in [known for known in headers if known != name and known.lower() == name]:
        del headers[known]
    if value:
        headers[name] = value
    else:
        headers.pop(name, None)
