"""``metadata`` as a tree of items: what is folded is one line, what is unfolded its members. Pure.

Whatever lies in the column is shown: an object, another value, text that is no JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len

from dblog.visible import visible
from dblog_tui.present.items import Field, Item, beginning, text_of
from dblog_tui.present.look import UNICODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog_tui.present.flow import Piece
    from dblog_tui.present.items import Folds, Key
    from dblog_tui.present.look import Look

__all__ = ["members", "plain_text", "preview"]

_AT_ONCE: Final = 100
"""Members of an object or list that are shown before somebody asks for more."""
_WIDEST: Final = 20
"""Cells to which keys are padded, so that values stand below each other."""
_DEEPEST: Final = 24
"""Cells of indentation at most."""
_MOST_DEEP: Final = 100
"""Objects within objects that can be unfolded; what lies deeper can be copied."""
_MORE: Final = -1
"""In a key: no member of an object or list is called so."""
_LINES: Final = 4
"""Lines of a long text before it is unfolded."""
_LITERALS: Final = frozenset({"true", "false", "null", ""})
REDACTED: Final = "[REDACTED]"


def members(
    tree: Any, look: Look, folds: Folds, *, key: Key = ("attrs",), named: bool = True, indent: int = 1, path: Key = ()
) -> Iterator[Item]:
    """The members of an object or a list.

    Args:
        tree: what ``metadata`` holds, or a part of it.
        look: styles and glyphs.
        folds: what is unfolded.
        key: of the object.
        named: its members can be named in queries.
        indent: cells.
        path: of the object in ``metadata``.
    """
    pairs = list(tree.items() if isinstance(tree, dict) else enumerate(tree))
    most = _AT_ONCE
    while folds.get((*key, _MORE, most)):
        most += 5 * _AT_ONCE
    labels = [visible(str(name)) for name, _ in pairs[:most]]
    width = min(max(map(cell_len, labels), default=0), _WIDEST) + 2
    for label, (name, value) in zip(labels, pairs, strict=False):
        at = (*path, name)
        field = Field(path=at, value=value) if named else None
        own = (*key, name)
        head = (label + " " * max(width - cell_len(label), 2), look.styles.dim)
        yield from _member(own, head, value, look, folds, field=field, indent=min(indent, _DEEPEST))
        if isinstance(value, (dict, list)) and value and len(own) < _MOST_DEEP and folds.get(own):
            yield from members(value, look, folds, key=own, named=named, indent=indent + 2, path=at)
    if len(pairs) > most:
        text = f"{look.glyphs.ellipsis} {len(pairs) - most:,} more"
        yield Item(
            (*key, _MORE, most), ((text, look.styles.dim),), min(indent, _DEEPEST), unfolded=False, raw=tree, what="all"
        )


def _member(
    key: Key, head: Piece, value: Any, look: Look, folds: Folds, *, field: Field | None, indent: int
) -> Iterator[Item]:
    styles, label, what = look.styles, len(head[0].rstrip()), head[0].rstrip()[:40]
    if isinstance(value, (dict, list)) and value:
        unit = ("key" if isinstance(value, dict) else "item") + ("s" if len(value) > 1 else "")
        size = f"{len(value):,} {unit}"
        unfolded = folds.get(key, False) if len(key) < _MOST_DEEP else None
        pieces: tuple[Piece, ...] = (head, (f"{{{size}}}" if isinstance(value, dict) else f"[{size}]", styles.dim))
        if not unfolded:
            pieces = (*pieces, ("  " + preview(value, 120, look.glyphs.ellipsis), styles.text))
        yield Item(key, pieces, indent, 2, 2, label, unfolded, field=field, raw=value, what=what)
        return
    if isinstance(value, str) and value.lower() not in _LITERALS and not _numeric(value):
        style = styles.warning if value == REDACTED else styles.text
        yield from plain_text(key, head, value, look, folds, style=style, indent=indent, field=field, what=what)
        return
    text = visible(f'"{value}"' if isinstance(value, str) else text_of(value))
    style = styles.dim if value is None else styles.text
    yield Item(key, (head, (text, style)), indent, 2, 2, label, field=field, raw=value, what=what)


def plain_text(
    key: Key, head: Piece, text: str, look: Look, folds: Folds, *, style: Any, indent: int = 0,
    field: Field | None = None, what: str = "", lines: int = _LINES,
) -> Iterator[Item]:  # fmt: skip
    """A label and a text, cut where it is long and unfolded on demand; several lines begin below the label."""
    unfolded = folds.get(key, False)
    start, missing = beginning(text, lines, whole=unfolded)
    long = bool(missing) or (unfolded and bool(beginning(text, lines, whole=False)[1]))
    pieces: tuple[Piece, ...] = (head, (start, style))
    if "\n" in start:
        pieces = ((head[0].rstrip() + "\n", head[1]), (start, style))
    if missing:
        pieces = (*pieces, (f"\n{look.glyphs.ellipsis} {missing:,} more characters", look.styles.accent))
    label = len(head[0].rstrip())
    yield Item(key, pieces, indent, 2, 2, label, unfolded if long else None, field=field, raw=text, what=what)


def _numeric(text: str) -> bool:
    """The text would be read as a number: it is shown in quotes, because it is none."""
    if len(text) > 40 or not text[-1].isdigit():  # noqa: PLR2004 - no number is as long
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def preview(value: Any, room: int, ellipsis: str = UNICODE.ellipsis) -> str:
    """The beginning of an object or list in one line, never more work than its length."""
    found: list[str] = []
    left = room
    for piece in _written(value):
        found.append(piece)
        left -= len(piece)
        if left < 0:
            return visible("".join(found)[:room]) + ellipsis
    return visible("".join(found))


def _written(value: Any) -> Iterator[str]:
    """Keys and values in braces, as long as somebody asks; a stack, because it may be deep."""
    stack: list[Any] = [_opened(value)]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            continue
        text, inner = item
        yield text
        if inner is not None:
            stack.append(_opened(inner))


def _opened(value: Any) -> Iterator[tuple[str, Any]]:
    pairs = iter(value.items() if isinstance(value, dict) else ((None, each) for each in value))
    for number, (name, each) in enumerate(pairs):
        before = f"{' ' if number else ''}{'' if name is None else f'{str(name)[:200]}='}"
        if isinstance(each, dict) and each:
            yield before + "{", each
            yield "}", None
        elif isinstance(each, list) and each:
            yield before + "[", each
            yield "]", None
        else:
            yield before + (text_of(each)[:200] if not isinstance(each, str) else each[:200] or '""'), None
