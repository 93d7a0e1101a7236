"""A traceback as items: frames of one's own code whole, frames of libraries folded; pure.

Words that every traceback has ("Traceback (most recent call last)") are not repeated: the structure says them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.style import Style

from dblog_tui.present.items import Item, beginning, shown
from dblog_tui.present.traceback import split_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog_tui.present.flow import Piece
    from dblog_tui.present.items import Folds, Key
    from dblog_tui.present.look import Look
    from dblog_tui.present.traceback import Part

__all__ = ["own_package", "traceback_items"]

_LINES: Final = 8
"""Lines of an error's message before it is unfolded."""
_BLANKS: Final = " \t\r\n"
"""Not everything Python calls blank: some of that is shown."""
_POINTED: Final = Style.parse("bold underline red on default")
_AROUND: Final = Style.parse("underline default on default")
_FIRST, _LAST = 8, 16
"""Of very many runs of frames the first and the last are shown."""


def own_package(pathname: str | None) -> str:
    """Where the code that logged is installed, up to its package: its frames are no library's. Empty: not installed."""
    place, file = split_path(pathname or "")
    package = file.replace("\\", "/").partition("/")[0]
    return place + package if place and package != file else ""


@dataclass(slots=True)
class _Run:
    """Frames next to each other that are folded together, or one that is shown."""

    parts: list[Part]
    library: bool
    many: bool = False
    """It stands for the middle of a very long traceback."""

    @property
    def frames(self) -> int:
        """Calls, those not repeated in the text too."""
        return sum(1 if part.frame is not None else part.times for part in self.parts)


@dataclass(slots=True)
class _Block:
    """The frames of one exception."""

    runs: list[_Run] = field(default_factory=list)
    where: Part | None = None
    """The last frame of one's own code."""


def traceback_items(parts: Sequence[Part], look: Look, folds: Folds, *, key: Key, own: str = "") -> Iterator[Item]:
    """Items of a parsed traceback.

    Args:
        parts: as ``parse`` gives them.
        look: styles and glyphs.
        folds: what is unfolded.
        key: of the section.
        own: see ``own_package``.
    """
    frames: list[Part] = []
    for number, part in enumerate(parts):
        if part.kind in ("frame", "repeated"):
            frames.append(part)
            continue
        yield from _block(frames, look, folds, (*key, number), own)
        frames = []
        yield from _other(part, look, folds, (*key, number, "line"))
    yield from _block(frames, look, folds, (*key, len(parts)), own)


def _block(frames: list[Part], look: Look, folds: Folds, key: Key, own: str) -> Iterator[Item]:
    if not frames:
        return
    block = _runs(frames, own)
    for number, run in enumerate(_shortened(block.runs)):
        at = (*key, number)
        if not run.library and not run.many:
            yield from (_frame(part, look, (*at, n), block.where) for n, part in enumerate(run.parts))
            continue
        unfolded = folds.get(at, False)
        yield _folded(run, look, at, unfolded=unfolded)
        if unfolded:
            for n, part in enumerate(run.parts):
                yield _frame(part, look, (*at, n), block.where, folds=at, further=2)


def _runs(frames: list[Part], own: str) -> _Block:
    block = _Block()
    mine = [part.frame is not None and not _foreign(part, own) for part in frames]
    if not any(mine):  # nothing but libraries: where it was raised says most
        last = max((n for n, part in enumerate(frames) if part.frame is not None), default=0)
        mine[last:] = [True] * (len(mine) - last)
    for number, (part, is_mine) in enumerate(zip(frames, mine, strict=True)):
        repeats = part.frame is None and bool(number)
        if block.runs and (repeats or (not is_mine and block.runs[-1].library)):
            block.runs[-1].parts.append(part)
        else:
            block.runs.append(_Run([part], library=not is_mine))
        if is_mine and part.frame is not None:
            block.where = part
    return block


def _foreign(part: Part, own: str) -> bool:
    frame = part.frame
    if frame is None or not frame.library:
        return False
    return not (own and frame.path.startswith(own) and frame.path[len(own) : len(own) + 1] in ("/", "\\"))


def _shortened(runs: list[_Run]) -> list[_Run]:
    if len(runs) <= 2 * (_FIRST + _LAST):
        return runs
    middle = [part for run in runs[_FIRST:-_LAST] for part in run.parts]
    return [*runs[:_FIRST], _Run(middle, library=False, many=True), *runs[-_LAST:]]


def _folded(run: _Run, look: Look, key: Key, *, unfolded: bool) -> Item:
    styles, depth = look.styles, run.parts[0].depth
    plural = "" if run.frames == 1 else "s"
    count = f"{run.frames:,} {'' if run.many else 'library '}frame{plural}"
    raw = "\n".join(line for part in run.parts for line in part.lines)
    indent = 1 + 2 * depth
    if unfolded:
        return Item(key, ((count, styles.dim),), indent, unfolded=True, raw=raw, what=count)
    last = next((part.frame for part in reversed(run.parts) if part.frame is not None), None)
    if last is None or run.many:
        return Item(key, ((count + " folded", styles.dim),), indent, unfolded=False, raw=raw, what=count)
    where = f"{split_path(shown(last.path))[1]}:{last.line}" + (f" in {shown(last.function)}" if last.function else "")
    right = ((f"{count} folded", styles.dim),)
    return Item(key, ((where, styles.dim),), indent, 0, 2, unfolded=False, right=right, raw=raw, what=count)


def _frame(part: Part, look: Look, key: Key, where: Part | None, *, folds: Key = (), further: int = 0) -> Item:
    styles, glyphs, frame = look.styles, look.glyphs, part.frame
    indent = 1 + 2 * part.depth + further
    raw = "\n".join(part.lines)
    if frame is None:
        return Item(key, ((shown(part.inner[0]).strip(), styles.dim),), indent, 0, 2, folds=folds, raw=raw, what="line")
    place, file = split_path(shown(frame.path))
    here = part is where
    pieces: list[Piece] = [(place, styles.dim), (file, styles.text if further else styles.accent)]
    pieces.append((f":{frame.line}", styles.text if further else styles.accent))
    if frame.function is not None:
        pieces += [(" in ", styles.dim), (shown(frame.function), styles.strong if not further else styles.text)]
    label = sum(len(text) for text, _ in pieces)
    number = str(frame.line)
    for n, (line, carets) in enumerate(_marked(frame.source)):
        mark = glyphs.frame if here and not n else " "
        pieces.append((f"\n{mark} ", styles.error))
        pieces.append((f"{number if not n else ' ' * len(number)} {glyphs.side} ", styles.dim))
        pieces += _code(line, carets, look)
    return Item(key, tuple(pieces), indent, 0, len(number) + 5, label, folds=folds, raw=raw, what="frame")


def _marked(source: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines of code, each with the line of carets that stands below it, if any."""
    lines = [line.rstrip("\r") for line in source]
    number = 0
    while number < len(lines):
        line, below = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
        number += 1
        if below.strip() and not below.strip(" ~^") and len(below) <= len(line) and "\t" not in line:
            number += 1
            yield line, below
        else:
            yield line, ""


def _code(line: str, carets: str, look: Look) -> Iterator[Piece]:
    """Code with what the carets point at underlined: they themselves would cost a line, and break where it does."""
    plain, style, at = look.styles.text, look.styles.text, 0
    if not carets:
        yield shown(line), plain
        return
    for end in range(len(line) + 1):
        mark = carets[end : end + 1] if end < len(line) else ""
        new = plain if mark in ("", " ") else _AROUND if mark == "~" else _POINTED
        if new is not style or end == len(line):
            if at < end:
                yield shown(line[at:end]), style
            style, at = new, end


def _other(part: Part, look: Look, folds: Folds, key: Key) -> Iterator[Item]:
    styles, glyphs = look.styles, look.glyphs
    indent = 1 + 2 * part.depth
    raw = "\n".join(part.lines).rstrip(_BLANKS)
    text = "\n".join(part.inner).strip("\n").rstrip(_BLANKS)
    if part.kind in ("header", "stack") or not text:
        return
    if part.kind == "rule":
        if member := text.strip("+- "):
            line = f"{glyphs.rule * 2} {member} {glyphs.rule * 2}"
            yield Item(key, ((line, styles.dim),), indent, raw=raw, what="line")
        return
    if part.kind == "link":
        yield Item(key, ((text, styles.warning),), indent - 1, 0, 2, raw=raw, what="line")
        return
    unfolded = folds.get(key, False)
    start, missing = beginning(text, _LINES, whole=unfolded)
    kind, _, message = start.partition(":")
    is_error = part.kind == "error" and " " not in kind and "\n" not in kind
    pieces: tuple[Piece, ...] = ((start, styles.text),)
    if is_error:
        colon = ":" if len(kind) < len(start) else ""
        pieces = ((kind, styles.error + Style(bold=True)), (colon + message, styles.error))
    if missing:
        pieces = (*pieces, (f"\n{glyphs.ellipsis} {missing:,} more characters", styles.accent))
    foldable = bool(missing) or (unfolded and bool(beginning(text, _LINES, whole=False)[1]))
    what = "error" if part.kind == "error" else "text"
    label = len(kind) if is_error else 0
    yield Item(key, pieces, indent, 0, 2, label, unfolded if foldable else None, raw=raw, what=what)
