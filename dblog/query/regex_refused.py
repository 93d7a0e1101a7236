"""What other regular expressions have and ours do not: why, and what to write."""

from __future__ import annotations

from typing import Final

__all__ = ["ESCAPES", "group"]

ESCAPES: Final = {
    **dict.fromkeys("AzZ", "write ^ for the start of the text and $ for its end"),
    **dict.fromkeys("pP", "classes of Unicode are not supported: write the characters, or a range [à-ÿ]"),
    **dict.fromkeys("123456789kg", "references to groups are not supported: no engine can bound their time"),
    "B": r"\B is not supported: engines differ beyond ASCII",
    "U": r"write the character itself: \u takes four digits, and there is no \U",
    "Q": "quoting with \\Q is not supported: put \\ before each special character",
    "0": r"U+0000 is never stored",
}
"""By the letter behind the backslash."""


def group(opening: str) -> str:
    """By what follows the parenthesis."""
    if opening.startswith(("?=", "?!", "?<=", "?<!")):
        return "looking ahead or behind is not supported: no engine can bound its time"
    if opening.startswith(("?P", "?<")):
        return "groups have no names here: write (…)"
    return "(?i) is supported at the start of the pattern only, other flags not at all"
