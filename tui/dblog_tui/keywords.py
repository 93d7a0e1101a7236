"""Words of the query language where they may stand: AND, OR, NOT, and operators that are words, behind a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog_tui.complete import Candidate
from dblog_tui.highlight import Part, pieces

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["keywords_at"]

_JOINING: Final = (("AND", "both; a blank means the same"), ("OR", "one of the two"))
_OPERATORS: Final = (
    ("in (", "in (…)", "one of these values"), ("not in (", "not in (…)", "none of them"),
    ("contains ", "contains", "a part of the text"), ("like '", "like '…'", "% stands for anything"),
    ("is null", "is null", "the field is not there"), ("is not null", "is not null", "the field is there"),
)  # fmt: skip


def keywords_at(before: str, typed: str, names: Collection[str]) -> list[Candidate]:
    """The words that begin with what was typed.

    Args:
        before: the query up to the word.
        typed: what has been typed of it; small letters stay small.
        names: of fields, metadata's among them.
    """
    found = []
    for insert, shown, note, again in _allowed(before, names):
        spelled = insert if typed[:1].isupper() or insert[:1].islower() or not typed else insert.lower()
        if spelled.lower().startswith(typed.lower()) and spelled != typed:
            found.append(Candidate(spelled, spelled if shown == insert else shown, note, again=again))
    return found


def _allowed(before: str, names: Collection[str]) -> Iterator[tuple[str, str, str, bool]]:
    found = pieces(before, names)
    last = found[-1] if found else None
    word = before[last.start : last.end] if last is not None else ""
    if before.endswith(("-", "!")):
        return  # glued to its term
    if last is not None and last.part is Part.WORD and word.removeprefix("@") in names:
        for insert, shown, note in _OPERATORS:
            yield insert, shown, note, not insert.endswith("null")
    if last is not None and last.part not in (Part.KEYWORD, Part.NEGATION) and word not in ("(", "[", "{"):
        for name, note in _JOINING:
            yield name, name, note, False
    if last is None or last.part is not Part.NEGATION:
        yield "NOT", "NOT", "what does not match", False
