"""How things look: glyphs, styles, the time zone. One immutable value that every presenting function is handed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.style import Style

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["ASCII", "LETTERS", "UNICODE", "Glyphs", "Look", "Styles"]

LETTERS: Final = "TDIWEC"
"""A letter per severity band (``dblog.levels.BAND_NAMES``)."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters beyond letters; ``ASCII`` has none a font or a terminal could draw wide or not at all."""

    live: str = "●"
    paused: str = "‖"
    history: str = "◌"
    down: str = "✕"
    bookmark: str = "▌"
    cursor: str = ">"
    late: str = "⇠"
    future: str = "⇢"
    gap: str = "┈"
    rule: str = "─"
    side: str = "│"
    ellipsis: str = "…"
    folded: str = "▸"
    unfolded: str = "▾"
    frame: str = "❱"
    dot: str = "●"
    span: str = "▬"
    span_start: str = "▕"
    peak: str = "▲"
    new: str = "▼"
    bars: str = " ▁▂▃▄▅▆▇█"
    blocks: str = " ▏▎▍▌▋▊▉█"
    hatched: str = "░"
    about: str = "≈"
    least: str = "≥"
    square: str = "■"
    range: str = "–"
    prompt: str = "›"  # noqa: RUF001 - a prompt, not a comparison
    arrow: str = "→"
    lock: str = "ro"
    work: str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    live="*", paused="=", history="o", down="X", bookmark="#", cursor=">", late="<", future=">", gap=".", rule="-",
    side="|", ellipsis="~", folded="+", unfolded="-", frame=">", dot="*", span="=", span_start="[", peak="^", new="v",
    bars=" ..::||##", blocks=" -#", hatched="?", about="~", least=">=", square="#", range="-", prompt=">", arrow="->",
    lock="ro", work="|/-\\",
)  # fmt: skip


_SPELLED: Final = str.maketrans(
    {"µ": "u", "…": ASCII.ellipsis, "–": ASCII.range, "—": "-", "≈": ASCII.about, "±": "+-", "×": "x", "→": ASCII.arrow}
)


def _styles(*texts: str) -> tuple[Style, ...]:
    return tuple(map(Style.parse, texts))


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles in the terminal's own sixteen colours, which every theme maps.

    Each has a colour of its own, because Textual's filter for ``NO_COLOR`` fails on segments without one.
    """

    text: Style = field(default_factory=lambda: Style.parse("default on default"))
    dim: Style = field(default_factory=lambda: Style.parse("bright_black on default"))
    strong: Style = field(default_factory=lambda: Style.parse("bold default on default"))
    error: Style = field(default_factory=lambda: Style.parse("red on default"))
    warning: Style = field(default_factory=lambda: Style.parse("yellow on default"))
    good: Style = field(default_factory=lambda: Style.parse("green on default"))
    accent: Style = field(default_factory=lambda: Style.parse("cyan on default"))
    found: Style = field(default_factory=lambda: Style.parse("black on yellow"))
    selected: Style = field(default_factory=lambda: Style.parse("reverse"))
    """Laid over a finished line."""
    picked: Style = field(default_factory=lambda: Style.parse("reverse default on default"))
    """Of the row under the cursor, all of it: one colour is calm, and few bytes."""
    danger: Style = field(default_factory=lambda: Style.parse("bold white on red"))
    bands: tuple[Style, ...] = field(
        default_factory=lambda: _styles(
            "bright_black on default", "bright_black on default", "green on default", "yellow on default",
            "red on default", "bold magenta on default",
        )
    )  # fmt: skip
    """One per severity band."""
    services: tuple[Style, ...] = field(
        default_factory=lambda: _styles(
            "cyan on default", "blue on default", "magenta on default", "bright_cyan on default",
            "bright_blue on default", "bright_magenta on default",
        )
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What presenting functions are told."""

    zone: dt.tzinfo | None = None
    """Of times; None is the machine's."""
    glyphs: Glyphs = UNICODE
    styles: Styles = field(default_factory=Styles)
    name: str = ""
    """The zone's name, as the header says it."""

    @property
    def plain(self) -> bool:
        """Nothing beyond ASCII is wanted, but for what somebody has logged."""
        return self.glyphs.rule.isascii()

    def ours(self, text: str) -> str:
        """A sentence of ours, or a figure, with no sign beyond ASCII where none is wanted; nothing that was logged."""
        return text.translate(_SPELLED) if self.plain else text

    def service(self, service: str | None) -> Style:
        """Always the same colour for one service."""
        if not service:
            return self.styles.dim
        return self.styles.services[zlib.crc32(service.encode(errors="replace")) % len(self.styles.services)]
