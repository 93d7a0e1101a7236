"""Where a command's output goes, and in which form: lines for people on a terminal, JSON for everything else."""

from __future__ import annotations

import enum
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer

from dblog.cli.cells import paint
from dblog.cli.lines import DIM, Look
from dblog.visible import json_visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from dblog.entry import LogEntry

__all__ = ["Colour", "Output", "output_for", "terminal_width"]

_CHUNK: Final = 1 << 18
"""Characters written at a time."""


class Colour(enum.StrEnum):
    """Whether text has colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how a command prints: data to stdout, talk to stderr."""

    json: bool
    """One JSON object per line, not text."""
    look: Look
    terminal: bool
    """A person is looking at it."""

    def write(self, lines: Iterable[str]) -> None:
        """Print lines, and see to it that they are out.

        Raises:
            OSError: nobody reads them any more, or there is no room.
        """
        waiting, size = [], 0
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size > _CHUNK:
                _write("\n".join((*waiting, "")))
                waiting, size = [], 0
        _write("\n".join((*waiting, "")))

    def entries(self, entries: Iterable[LogEntry]) -> None:
        """Print entries as JSON."""
        from dblog.interchange import to_json

        self.write(json_visible(to_json(entry)).decode() for entry in entries)

    def show(self, entries: Iterable[LogEntry], text: Iterable[str]) -> None:
        """Print entries as JSON, or as the lines that ``text`` makes of them."""
        if self.json:
            self.entries(entries)
        else:
            self.write(text)

    def objects(self, objects: Iterable[dict[str, Any]]) -> None:
        """Print other values as JSON, one object per line."""
        import orjson

        # asyncpg's UUID is a class of its own.
        self.write(json_visible(orjson.dumps(each, default=str)).decode() for each in objects)

    def note(self, sentence: str) -> None:
        """Say something about the data, which is not data, on stderr."""
        colour = self.look.colour and sys.stderr is not None and sys.stderr.isatty()
        typer.echo(paint(sentence, DIM, colour=colour), err=True, color=True)


def _write(text: str) -> None:
    if (out := sys.stdout) is None:
        raise BrokenPipeError
    if (buffer := getattr(out, "buffer", None)) is None:
        out.write(text)
        return
    # Where PYTHONUNBUFFERED is set, one call may write less than it was given, and a TextIOWrapper does not see that.
    data = memoryview(text.encode(out.encoding, out.errors or "strict"))
    while data:
        data = data[buffer.write(data) :]
    buffer.flush()


def output_for(*, json: bool, text: bool, colour: Colour, utc: bool) -> Output:
    """The output that the options, the environment and stdout ask for.

    ``NO_COLOR`` (no-color.org) and ``TERM=dumb`` mean no colours, unless ``colour`` says something. Text on a
    terminal is as wide as that is, elsewhere as long as it is.
    """
    import datetime as dt

    out = sys.stdout
    terminal = out is not None and out.isatty()
    as_json = json or not (terminal or text)
    _prepare(out, as_json=as_json)
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    coloured = colour is Colour.ALWAYS or (colour is Colour.AUTO and terminal and not plain)
    look = Look(
        width=terminal_width() if terminal else None, colour=coloured and not as_json, zone=dt.UTC if utc else None
    )
    return Output(json=as_json, look=look, terminal=terminal)


def terminal_width() -> int:
    """The cells of a line, now; somebody may make the window wider or narrower at any time."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def _prepare(out: TextIO | None, *, as_json: bool) -> None:
    """JSON is UTF-8 everywhere; text has a question mark for what the terminal's encoding does not know."""
    if (reconfigure := getattr(out, "reconfigure", None)) is None:
        return
    if as_json:
        reconfigure(encoding="utf-8")
    else:
        reconfigure(errors="replace")
