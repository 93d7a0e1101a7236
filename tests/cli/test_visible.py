"""What a log holds cannot act on the terminal of whoever reads it."""

from __future__ import annotations

import json
import string
import sys

from hypothesis import given
from hypothesis import strategies as st

from dblog.visible import json_visible, visible
from tests.hostile import DANGEROUS, texts


@given(texts)
def test_nothing_dangerous_is_left(text: str) -> None:
    """No control, bidirectional or invisible character, as many characters as before; twice is as once."""
    shown = visible(text)
    assert not DANGEROUS & set(shown)
    assert len(shown) == len(text)
    assert visible(shown) == shown


@given(texts)
def test_lines_stay_lines_where_they_are_wanted(text: str) -> None:
    """With ``lines``, line feeds and tabs are kept where they are, and nothing else that is dangerous."""
    shown = visible(text, lines=True)
    assert set(shown) & DANGEROUS <= {"\n", "\t"}
    assert [char in "\n\t" for char in shown] == [char in "\n\t" for char in text]
    assert visible(shown, lines=True) == shown


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S"]) | st.just(" ")))
def test_people_s_text_is_left_alone(text: str) -> None:
    """Letters, marks, numbers, punctuation and symbols of every script, and blanks; also in JSON."""
    assert visible(text) == text
    assert json_visible(text.encode()) == text.encode()


def test_the_table_is_exactly_the_dangerous_characters() -> None:
    """Of all code points, these and no others are replaced: C0 and DEL by their pictures, the rest by U+FFFD.

    In JSON all of them that it may leave as they are get escapes.
    """
    changed = {char for code in range(sys.maxunicode + 1) if visible(char := chr(code)) != char}
    assert changed == DANGEROUS
    unescaped = "".join(sorted(char for char in DANGEROUS if char > "\x1f" and not "\ud800" <= char <= "\udfff"))
    assert json_visible(unescaped.encode()) == json.dumps(unescaped)[1:-1].replace("\x7f", "\\u007f").encode()
    assert visible("\x00\x1b\n\x7f\x9b\u202e") == "␀␛␊␡\ufffd\ufffd"
    assert visible(string.printable.strip() + " ") == string.printable.strip() + " "
