"""A stored traceback as structure: frames, errors, chains and groups of exceptions.

Whatever a formatter wrote is read line by line; what is no traceback stays as plain lines. The parts hold every line
exactly once and in order, so nothing that was stored is lost: ``part.lines`` of all of them, one after the other, are
the text.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Frame", "Kind", "Part", "fingerprint", "is_library", "parse", "split_path"]

Kind = Literal["header", "stack", "frame", "repeated", "error", "link", "rule", "plain"]
"""``header`` and ``stack`` begin frames, of an exception and of ``stack_info``; ``error`` is type and message, with all
of its lines and notes; ``link`` says how the next exception is connected; ``rule`` divides members of a group."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call."""

    path: str
    line: int
    function: str | None
    """None where a file could not be compiled (SyntaxError)."""
    source: tuple[str, ...]
    """Lines of code, and of carets below them, without what all of them are indented by."""

    @property
    def library(self) -> bool:
        """It is of the standard library or of an installed package."""
        return is_library(self.path)


@dataclass(slots=True)
class Part:
    """One or more lines that belong together."""

    kind: Kind
    lines: list[str]
    """As they were stored."""
    depth: int = 0
    """Groups of exceptions around it."""
    frame: Frame | None = None
    times: int = 0
    """Of ``repeated``: how often the frame before came again."""
    inner: list[str] = field(default_factory=list)
    """``lines`` without the margin of a group."""


_GROUP: Final = re.compile(r" *\+ Exception Group Traceback \(most recent call last\):\s*")
_GROUP_HEADER: Final = "Exception Group Traceback (most recent call last):"
_MARGIN: Final = re.compile(r"((?:  )+)\|(?: |$)")
_RULE: Final = re.compile(r"( +)\+(?:-\+)?-{4,}(?: (?:\d+|\.\.\.) -{4,})?\s*")
_HEADER: Final = "Traceback (most recent call last):"
_STACK: Final = "Stack (most recent call last):"
_FRAME: Final = re.compile(r'  File "(.*)", line (\d{1,9})(?:, in (.*))?')
_REPEATED: Final = re.compile(r"  \[Previous line repeated (\d{1,9}) more times?\]\s*")
_LINKS: Final = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_TYPE: Final = re.compile(r"[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*(?:: |:?$)")
_SOURCE: Final = "    "


def parse(text: str) -> list[Part]:
    """The text in parts."""
    reader = _Reader()
    for line in text.split("\n"):
        reader.read(line)
    for part in reader.parts:
        if part.kind == "frame" and part.frame is not None and len(part.inner) > 1:
            source = tuple(each.removeprefix(_SOURCE) for each in part.inner[1:])
            part.frame = Frame(part.frame.path, part.frame.line, part.frame.function, source)
    return reader.parts


class _Reader:
    """Reads line by line; knows what may come next."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._grouped = False
        """Margins count only behind the header of a group: messages hold tables with bars as well."""
        self._expects: Literal["error", "frames", "message"] = "error"

    def read(self, line: str) -> None:
        if self._grouped and (rule := _RULE.fullmatch(line)):
            depth = max(len(rule[1]) // 2 - (0 if "+-+" in line else 1), 0)
            self._add("rule", line, line.strip(), depth)
            self._expects = "error"
            return
        if _GROUP.fullmatch(line):
            self._grouped = True
            self._add("header", line, line.strip(), (len(line) - len(line.lstrip())) // 2)
            self._expects = "frames"
            return
        margin = _MARGIN.match(line) if self._grouped else None
        depth = len(margin[1]) // 2 if margin else 0
        self._inside(line, line[margin.end() :] if margin else line, depth)

    def _inside(self, line: str, inner: str, depth: int) -> None:
        stripped = inner.rstrip()
        if stripped in (_HEADER, _STACK, _GROUP_HEADER):
            self._grouped = self._grouped and bool(depth)
            self._add("stack" if stripped == _STACK else "header", line, stripped, depth)
            self._expects = "frames"
        elif stripped in _LINKS:
            self._grouped = self._grouped and bool(depth)
            self._add("link", line, stripped, depth)
            self._expects = "error"
        elif found := _FRAME.fullmatch(inner.rstrip("\r")):
            frame = Frame(found[1], int(found[2]), found[3], ())
            self.parts.append(Part("frame", [line], depth, frame, inner=[inner]))
            self._expects = "frames"
        elif self._expects == "frames" and (again := _REPEATED.fullmatch(inner)):
            self._add("repeated", line, stripped.strip(), depth)
            self.parts[-1].times = int(again[1])
        elif self._expects == "frames" and inner.startswith(_SOURCE) and self._last == "frame":
            self._more(line, inner)
        elif self._begins_error(stripped, depth):
            self._add("error", line, inner, depth)
            self._expects = "message"
        elif self._expects == "message" and self._last == "error":
            self._more(line, inner)
        else:
            self._plain(line, inner, depth)

    def _begins_error(self, inner: str, depth: int) -> bool:
        if not inner or inner[0].isspace():
            return False
        if self._expects == "frames":
            return not self.parts or self.parts[-1].depth == depth
        return self._expects == "error" and _TYPE.match(inner) is not None

    @property
    def _last(self) -> Kind | None:
        return self.parts[-1].kind if self.parts else None

    def _add(self, kind: Kind, line: str, inner: str, depth: int) -> None:
        self.parts.append(Part(kind, [line], depth, inner=[inner]))

    def _more(self, line: str, inner: str) -> None:
        self.parts[-1].lines.append(line)
        self.parts[-1].inner.append(inner)

    def _plain(self, line: str, inner: str, depth: int) -> None:
        if self._last == "plain" and self.parts[-1].depth == depth:
            self._more(line, inner)
        else:
            self._add("plain", line, inner, depth)


_INSTALLED: Final = re.compile(
    r".*[/\\](?:site|dist)-packages[/\\]"
    r"|.*?[/\\]lib(?:64)?[/\\]python\d(?:\.\d+)?t?[/\\](?:lib-dynload[/\\])?"
    r"|.*?[/\\]python(?:\d[\d.]*)?[/\\]lib[/\\]"
    r"|.*?[/\\]python\d+\.zip[/\\]",
    re.IGNORECASE,
)
_INTERNAL: Final = re.compile(r"<(?:frozen [\w.]+|__array_function__ internals|attrs generated [^>]*)>")


def is_library(path: str) -> bool:
    """The file belongs to the standard library or to an installed package, as its path tells."""
    return _INSTALLED.match(path) is not None or _INTERNAL.fullmatch(path) is not None


def split_path(path: str) -> tuple[str, str]:
    """Where packages are installed, and the file within: ``("/usr/lib/python3.12/", "asyncio/tasks.py")``."""
    end = found.end() if (found := _INSTALLED.match(path)) else 0
    return path[:end], path[end:]


def fingerprint(parts: Sequence[Part]) -> str:
    """Six digits that are the same for the same crash: types of exceptions, and functions it went through.

    Without line numbers and messages, which change; frames of libraries count only where there are no others.
    """
    seen = list(_seen(parts, library=False))
    if not any(each.startswith("in ") for each in seen):
        seen = list(_seen(parts, library=True))
    return f"{zlib.crc32(chr(10).join(seen).encode(errors='replace')) & 0xFFFFFF:06x}" if seen else ""


def _seen(parts: Sequence[Part], *, library: bool) -> Iterator[str]:
    for part in parts:
        if part.kind == "stack":
            return
        if part.kind == "error":
            yield part.inner[0].partition(":")[0]
        elif part.frame is not None and (library or not part.frame.library):
            file = part.frame.path.replace("\\", "/").rpartition("/")[2]
            yield f"in {file} {part.frame.function}"
