"""A trace in the headers of a request: W3C Trace Context's ``traceparent``, read and written strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = ["extract", "write_ids"]

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.DOTALL)


def write_ids(headers: MutableMapping[str, str], trace_id: str | None, span_id: str | None) -> None:
    """Put the two ids into headers, in the place of any ``traceparent`` there; nothing unless both are valid."""
    value = f"00-{trace_id}-{span_id}-01"
    if _parsed(value) is None:
        return
    for name in [name for name in headers if name != "traceparent" and name.lower() == "traceparent"]:
        del headers[name]
    headers["traceparent"] = value


def extract(headers: Mapping[str, str]) -> dict[str, str]:
    """The remote trace in incoming headers: ``with bound(**extract(headers)):`` continues it in a span of its own.

    Strict W3C Trace Context; header names in any case. Versions above 00 are read as far as known.

    Returns:
        ``trace_id`` and ``parent_span_id``; empty where there is no valid ``traceparent``, or more than one.
    """
    found = [value for name, value in headers.items() if name.lower() == "traceparent"]
    ids = _parsed(found[0].strip(" \t")) if len(found) == 1 else None
    return {"trace_id": ids[0], "parent_span_id": ids[1]} if ids else {}


def _parsed(traceparent: str) -> tuple[str, str] | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, more = match.groups()
    known = version != "ff" and not (version == "00" and more)
    return (trace_id, span_id) if known and trace_id.strip("0") and span_id.strip("0") else None
