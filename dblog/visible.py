"""Text from a log made safe for a terminal: nothing in it moves the cursor, talks to the terminal or reorders a line.

Whoever can have a line logged chooses its text, so an escape sequence in it is somebody else's command to
the terminal of whoever reads. Marks that combine are left: they are ugly, and part of people's names.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["json_visible", "visible"]

_BIDI: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_HIDDEN: Final = (*range(0x80, 0xA0), *_BIDI, 0x2028, 0x2029, 0xFEFF, *range(0xD800, 0xE000), *range(0xE0000, 0xE0080))
"""C1 controls, what reorders a line, separators of lines, marks of byte order, surrogates, and tags."""

_ONE_LINE: Final[dict[int, int]] = {
    **{control: 0x2400 + control for control in range(0x20)},
    0x7F: 0x2421,
    **dict.fromkeys(_HIDDEN, 0xFFFD),
}
_LINES: Final = {code: picture for code, picture in _ONE_LINE.items() if code not in (0x09, 0x0A)}
_UNSEEN: Final = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""DEL and ``_HIDDEN``; as ranges, for which ``re`` is fast."""


def visible(text: str, *, lines: bool = False) -> str:
    """``text`` with a picture for each control character (␛), and U+FFFD for what is invisible and does something.

    With ``lines``, line feeds and tabs stay as they are. Done twice, it is as done once.
    """
    # Every character of the tables is unprintable to Python, and nearly every text has none.
    return text if text.isprintable() else text.translate(_LINES if lines else _ONE_LINE)


def json_visible(json: bytes) -> bytes:
    r"""JSON, in UTF-8, with escapes (``\u202e``) for what ``visible`` replaces and JSON may leave as it is.

    It means the same to whoever reads JSON. A line feed between two values stays.
    """
    if json.isascii() and b"\x7f" not in json:
        return json
    text = json.decode()
    return json if text.isprintable() else _UNSEEN.sub(_escape, text).encode()


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
