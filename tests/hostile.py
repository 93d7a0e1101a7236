"""Text as somebody would write it who means harm to a terminal, and entries made of it."""

from __future__ import annotations

import string
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from dblog.entry import LogEntry

DANGEROUS = frozenset(
    chr(code)
    for code in (
        *range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A),
        0xFEFF, *range(0xD800, 0xE000), *range(0xE0000, 0xE0080),
    )
)  # fmt: skip
"""What must not reach a terminal from a log."""

_SNIPPETS = (
    "\x1b[31m",
    "\x1b]52;c;aGk=\x07",
    "\x9b2J",
    "\r\n",
    "\t",
    "\u202e",
    "e\u0301",
    "漢字",
    "🎉",
    "\ud800",
    "…",
    " ",
)
texts = st.lists(
    st.one_of(st.sampled_from(_SNIPPETS), st.text(max_size=12), st.text(string.printable, max_size=20)), max_size=6
).map("".join)
"""Short texts with everything in them."""

_optional = st.none() | texts
_metadata = st.one_of(
    st.none(),
    st.sampled_from(
        ('{"a":{"b":[1,2.5,null]},"c":"d e"}', "not json", "[1]", '{"duration_ms":12.5}', '{"\\u001b":"\\n"}')
    ),
)


@st.composite
def entries(draw: st.DrawFn, /, **fields: Any) -> LogEntry:
    """Any entry a database may hold; ``fields`` are strategies for some of it."""
    optional = ("exc_type", "exc_message", "exc_text", "service", "trace_id", "span_id", "parent_span_id")
    drawn = {name: draw(fields.get(name, _optional)) for name in optional}
    return LogEntry(
        draw(fields.get("timestamp", st.integers(-(2**62), 2**62) | st.integers(0, 4_000_000_000_000_000))),
        draw(st.sampled_from(("INFO", "WARNING", "CRITICAL")) | texts),
        draw(st.integers(-1, 30)),
        draw(texts),
        draw(texts),
        metadata=draw(_metadata),
        id=UUID(int=draw(st.integers(0, 2**128 - 1))),
        **drawn,
    )
