"""Texts of somebody who means harm, in every field, through every screen, in a real pseudo-terminal.

The terminal (``tests.tui.vt``) knows what Textual writes; whatever else reaches it is a failure, and the step that
brought it is named. A part of the corpus in the default run, all of it in ``long``.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.administered import now
from tests.tui.hostility import COUNT, Hostile, entries, hostile, store
from tests.tui.terminal import DOWN, PAGE_DOWN, PAGE_UP, Terminal, command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ESCAPE, ENTER, TAB = b"\x1b[27u", b"\r", b"\t"
"""Escape as terminals say it that were asked to: one byte alone is taken for the key a tenth of a second later."""
LEAVE = b"\x11"
PAUSE = b""
"""No key: somebody who writes a query stops, and is shown what may follow; who goes from row to row sees all of one."""
_MARK = re.compile(r"h\d{5}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FRAMES = 400
_FRAME = 2.5 / _FRAMES
"""Seconds: what was painted is sent then."""
_LATER = 0.1
"""Seconds without a byte: what the application puts off, for somebody who presses many keys, is done then."""
_WRITTEN = 0.17
"""The same, also of what it puts off for somebody who writes a query."""
SIZES = [120, pytest.param(COUNT, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]


class Corpus(NamedTuple):
    """A database full of them."""

    path: Path
    texts: list[Hostile]
    rows: int

    @property
    def marks(self) -> set[str]:
        """Of the texts that have one."""
        return {each.mark for each in self.texts if each.mark}


class Walk:
    """Keys, one after the other; after each nothing foreign may have come, and the program still runs."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.screen = terminal, terminal.screen
        self.seen: set[str] = set()
        """Marks that were on the screen."""

    def press(self, *keys: bytes, quiet: float = 0.0) -> None:
        """Press them; each is over when the program rests, or, where it puts something off, was quiet for so long."""
        for key in keys:
            if key != PAUSE:
                self.terminal.act(key, _FRAME)
            if quiet or key == PAUSE:
                self.terminal.settle(quiet or _WRITTEN)
            self.look(key)

    def paste(self, text: str) -> None:
        """As terminals do it: in brackets, control characters but the ends of lines taken out."""
        safe = _CONTROLS.sub(" ", text).encode("utf-8", "replace")
        self.press(b"\x1b[200~" + safe + b"\x1b[201~")

    def look(self, step: object) -> None:
        """Nothing foreign, no crash; what is shown is remembered."""
        assert self.screen.foreign == [], (step, self.screen.foreign[:3])
        assert self.terminal.process.poll() is None, (step, self.screen.text)
        self.seen.update(_MARK.findall(self.screen.text))

    def through(self, *keys: bytes, quiet: float = 0.0) -> None:
        """Press each as often as it changes what is on the screen."""
        for key in keys:
            before = ""
            while before != self.screen.text:
                before = self.screen.text
                self.press(key, quiet=quiet)

    @property
    def query(self) -> str:
        """The query line; a banner may stand above it."""
        return next((line for line in self.screen.lines[1:3] if "›" in line), "")

    @property
    def at_home(self) -> bool:
        """The rows have the focus, and no pane is open."""
        lines = self.screen.lines
        covered = any(char in line[2:] for char in "▌▔" for line in lines)  # by a notice, by the palette
        return self.query.startswith(" filter›") and lines[-1].startswith(" f filter") and not covered

    def home(self) -> None:
        """Back to the rows."""
        for _ in range(6):
            if self.at_home:
                return
            if "not sent" in self.query and self.screen.lines[-1].startswith(" f filter"):
                self.press(b"f", quiet=_LATER)  # what is being written stays when the focus goes elsewhere
            self.press(ESCAPE)
        self.terminal.until(lambda _: self.at_home)  # a notice lies over it


@pytest.fixture(scope="module", params=SIZES)
def corpus(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """So many texts, stored."""
    path = tmp_path_factory.mktemp("hostile") / "logs.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    texts = hostile(request.param)
    return Corpus(path, texts, store(f"sqlite:///{path}", texts, now()))


@pytest.fixture
def walk(request: pytest.FixtureRequest, corpus: Corpus, tmp_path: Path) -> Iterator[Walk]:
    """The application, showing the newest rows; it ends well, and leaves the terminal as it was."""
    size, given = getattr(request, "param", (80, 24)), {"TEXTUAL_FPS": str(_FRAMES)}
    with Terminal(command(str(corpus.path)), tmp_path, size=size, environment=given) as terminal:
        terminal.until(lambda screen: "loaded of" in screen.text)
        terminal.settle(_LATER)
        walk = Walk(terminal)
        walk.look("start")
        yield walk
        terminal.send(LEAVE)
        assert terminal.ended() == 0
        assert terminal.restored, terminal.screen.modes
        assert terminal.screen.foreign == []


@pytest.mark.parametrize("walk", [(150, 120)], indirect=True)
def test_every_text_is_shown(walk: Walk, corpus: Corpus) -> None:
    """Each message in its row; each text of each field, and of the metadata, in the entry's pane."""
    made = list(entries(corpus.texts, 0))
    walk.through(PAGE_UP, quiet=_LATER)  # older rows are on their way
    assert {mark for each in made if (mark := each.message[:6]) in corpus.marks} - walk.seen == set()
    walk.press(b"G", ENTER, ENTER, ENTER, quiet=_LATER)
    walk.press(b"G", b"o", quiet=_LATER)  # the last section is folded
    for each in made:
        marks = corpus.marks.intersection(_MARK.findall(" ".join(map(str, each))))
        walk.through(PAGE_DOWN, PAGE_UP)
        if marks - walk.seen:
            _unfold(walk)
            assert marks - walk.seen == set(), walk.screen.text
        walk.press(b"K", quiet=_LATER)
    assert corpus.marks - walk.seen == set()
    assert walk.screen.bells == 0
    assert walk.screen.clipboard == []


def _unfold(walk: Walk) -> None:
    """What is folded under the cursor, from the top to the end."""
    before = ""
    while before != walk.screen.text:
        before = walk.screen.text
        if re.search(r">\s*▸", walk.screen.text):
            walk.press(b"o")
        walk.press(DOWN)
    walk.through(PAGE_UP)


# What is pressed on each screen; each begins and ends at the rows.
_SCREENS: dict[str, tuple[bytes, ...]] = {
    "wrapped rows": (b"\\", PAGE_UP, PAGE_DOWN, b"\\"),
    "to the side": (b"l", b"l", b"l", PAGE_UP, b"h", b"h", b"h", b"T", b"T"),
    "fields": (b"s", DOWN, DOWN, b" ", PAGE_DOWN, PAGE_DOWN, ENTER),
    "histogram": (b"i", b"h", b"h", b"z", b"Z", b"e"),
    "patterns": (b"P", DOWN, PAGE_DOWN, b"o", b"o", PAGE_UP, ENTER),
    "compare": (b"D", DOWN, PAGE_DOWN, b"o", ENTER),
    "trace": (b"t", DOWN, b"s", PAGE_DOWN, b"x", b"x", b"]", ENTER, PAUSE, PAGE_DOWN),
    "context": (b"c", DOWN, b"c", b"z", PAGE_DOWN, b"p", PAUSE, PAGE_DOWN),
    "health": (b"H", DOWN, PAGE_DOWN, TAB, DOWN, ENTER, ESCAPE, TAB, PAGE_DOWN, TAB),
    "include": (b"+", DOWN, PAGE_DOWN, ENTER),
    "exclude": (b"-", DOWN, ENTER),
    "columns": (b"x", DOWN, b" ", b"a", b"h0", ENTER),
    "sql": (b";", PAGE_DOWN),
    "export": (b"\x13", TAB),
    "palette": (b"\x10", b"h", DOWN),
    "help": (b"?", PAGE_DOWN),
    "marks": (b"m", b"u", b"m"),
    "values": (b"f", b"service:", PAUSE, DOWN, DOWN, TAB, ENTER),
    "more values": (b"f", b"host:", PAUSE, DOWN, TAB, b" level:", PAUSE, DOWN, TAB, b" logger:", PAUSE, DOWN, TAB),
    "paths": (b"f", b"h0", PAUSE, DOWN, TAB),
    "commands": (b":", b"f", TAB, TAB, b" h", TAB),
    "pane": (b"p", DOWN, PAUSE, b"k", PAUSE, b"p"),
}


def test_no_screen_passes_anything_on(walk: Walk) -> None:
    """Whatever is pressed on whichever screen: nothing but what Textual writes; the rows are there again afterwards."""
    for name, keys in _SCREENS.items():
        try:
            walk.press(*keys)
            walk.home()
            _everything(walk)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        assert walk.screen.bells == 0 or name == "histogram", name  # it rings where there is nothing further
        walk.screen.bells = 0
    assert walk.screen.clipboard == []


def _everything(walk: Walk) -> None:
    """Back to the view of all rows, without a find."""
    for _ in range(3):
        if "every entry" in walk.query:
            return
        walk.press(ESCAPE)
    if "every entry" not in walk.query:
        for _ in range(10):  # a pane that closes may still have the focus
            walk.press(b"f")
            if walk.screen.lines[-1].startswith(" Enter ask"):
                break
        walk.press(b"\x15", ENTER)
        walk.terminal.until("every entry")


_OPENED: dict[str, bytes] = {"filter": b"f", "find": b"/", "command": b":", "goto": b"@", "note": b"M", "view": b"V"}


def test_what_is_pasted_is_text(walk: Walk, corpus: Corpus) -> None:
    """Into whatever asks for text: mistakes, repairs, suggestions and refusals show it, and none of it acts."""
    texts = iter(corpus.texts * 2)
    for number in range(3 if len(corpus.texts) < COUNT else 200):
        for name, key in _OPENED.items():
            walk.press(key)
            walk.paste(next(texts).text)
            walk.press(ENTER)
            try:
                walk.home()
                _everything(walk)
            except AssertionError as error:
                raise AssertionError(f"{name} {number}: {error}") from error
    walk.press(b"v", quiet=_LATER)
    walk.home()
    assert walk.screen.clipboard == []


def test_clicks_run_nothing_and_copies_are_encoded(walk: Walk) -> None:
    """A click anywhere runs no action that a text asks for; what is copied travels in base64, once for each copy."""
    for column in (2, 20, 45, 70):
        for row in range(1, 25):
            walk.terminal.send(f"\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m".encode())
        walk.terminal.settle(_LATER)
    walk.look("clicks")
    walk.home()
    walk.terminal.settle(_LATER)
    assert walk.screen.bells == 0
    assert walk.screen.clipboard == []
    for number, key in enumerate((b"y", b"L", b"Y"), 1):
        walk.press(key)
        walk.terminal.until(lambda screen, number=number: len(screen.clipboard) == number)  # type: ignore[misc]  # its default
    assert walk.screen.clipboard[1].startswith("dblog-tui ")
