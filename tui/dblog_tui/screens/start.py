"""``StartScreen``, where no database is named, and ``DemoScreen``, while the demo makes its past."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from rich.segment import Segment
from textual.containers import Vertical
from textual.screen import Screen

from dblog import __version__
from dblog.errors import ConfigurationError, DblogError
from dblog_tui import nearby
from dblog_tui.arguments import named
from dblog_tui.keys import bindings
from dblog_tui.present.start import SETUP, key_span, keys_of, label, setup_lines, start_lines
from dblog_tui.screens.once import Once
from dblog_tui.widgets.line import Line
from dblog_tui.widgets.painted import Painted
from dblog_tui.widgets.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.strip import Strip

    from dblog.cli.profiles import Database
    from dblog_tui.commands import Completion
    from dblog_tui.demo import Demo
    from dblog_tui.nearby import Found
    from dblog_tui.present.look import Look

__all__ = ["Choice", "DemoScreen", "StartScreen"]

Choice: TypeAlias = "Database | Literal['demo'] | None"
"""What somebody chose to look at; None: to leave."""

_PICK: Final = "start.pick"
_SUFFIXES: Final = frozenset({".db", ".db3", ".sqlite", ".sqlite3"})


class _Lines(Painted):
    """What the screen says."""

    DEFAULT_CSS = "_Lines { width: 1fr; height: 1fr; }"

    def __init__(self, look: Look, shown: Mapping[str, Sequence[str]]) -> None:
        super().__init__(look)
        self.shown = shown
        self.found: Sequence[Found] | None = None
        self.setup = False

    def drawn(self, width: int, height: int) -> list[Strip]:  # noqa: ARG002 - what is too much is cut
        """The choices, or the lines of a program."""
        if self.setup:
            return setup_lines(self.look, self.shown["start.copy"][0])
        return start_lines(__version__, self.found, time.time_ns() // 1000, self.look, width, keys=self.shown)


class StartScreen(Once, Watched, Screen["Choice"]):
    """What to look at, where nothing says it.

    Args:
        look: how things look.
        look_around: what is nearby; runs in a thread.
        keymap: of the settings; the screen shows its keys.
    """

    KEYS = "start"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("start")]

    def __init__(
        self,
        look: Look,
        look_around: Callable[[], Sequence[Found]] = nearby.look,
        keymap: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.look = look
        self._look_around = look_around
        self._keys = keys_of(keymap)
        self._shown = {name: [label(each, look) for each in keys] for name, keys in self._keys.items()}
        self._pressed = ""

    def compose(self) -> ComposeResult:
        """The lines, and the keys."""
        with Vertical():
            yield _Lines(self.look, self._shown)
            yield Line(self.look, id="hints")

    def on_mount(self) -> None:
        """Look around, without making anybody wait."""
        self._hint()
        self.run_worker(self._find(), exit_on_error=False)

    async def _find(self) -> None:
        lines = self.query_one(_Lines)
        lines.found = await asyncio.to_thread(self._look_around)
        lines.repaint()
        self._hint()

    def _hint(self) -> None:
        lines, styles = self.query_one(_Lines), self.look.styles
        shown = {name: keys[0] for name, keys in self._shown.items() if keys}
        words = [(shown[f"start.{word}"], word) for word in ("demo", "open", "postgres")]
        words += [(key_span(self._shown[_PICK][: len(lines.found)]), "pick")] if lines.found else []
        leave = self._shown["start.leave"]
        words = (
            [(shown["start.copy"], "copy"), (leave[0], "back")]
            if lines.setup
            else [*words, (leave[-1], "quit"), ("?", "help")]
        )
        said = [Segment(" ", styles.dim)]
        for key, word in words:
            said += [Segment(key, styles.accent), Segment(f" {word}  ", styles.dim)]
        self.query_one("#hints", Line).say(said)

    def action_demo(self) -> None:
        """The demo."""
        self.dismiss("demo")

    def on_key(self, event: events.Key) -> None:
        """Which of the keys that pick it was; what it is bound to comes after this."""
        self._pressed = event.key

    def action_pick(self) -> None:
        """One of what was found: the first key the first, and so on."""
        found, keys = self.query_one(_Lines).found or (), self._keys[_PICK]
        if self._pressed in keys[: len(found)]:
            self.dismiss(found[keys.index(self._pressed)].database)

    def action_open(self) -> None:
        """Ask for a file."""
        self._ask("Open an SQLite file", _file, text="./", example="./logs.db", prompt="file> ")

    def action_postgres(self) -> None:
        """Ask for a URL, or a profile."""
        self._ask("Connect to PostgreSQL", _server, text="postgresql://", example="postgresql:///app", prompt="url> ")

    def _ask(self, title: str, check: Callable[[str], Database], *, text: str, example: str, prompt: str) -> None:
        from dblog_tui.screens.asking import Ask  # noqa: PLC0415 - only where something is asked

        def given(database: Database | None) -> None:
            if database is not None:
                self.dismiss(database)

        complete = paths if check is _file else None
        self.app.push_screen(
            Ask(self.look, title, check, text=text, prompt=prompt, complete=complete, verb="open", example=example),
            given,
        )

    def action_setup(self) -> None:
        """How a program comes to write its logs here; again: back."""
        lines = self.query_one(_Lines)
        lines.setup = not lines.setup
        lines.repaint()
        self._hint()

    def action_copy_setup(self) -> None:
        """The lines of a program, into the clipboard."""
        if self.query_one(_Lines).setup:
            from dblog_tui.clipboard import copy  # noqa: PLC0415 - only where it is asked for

            self.notify(copy(self.app, SETUP), markup=False)

    def action_leave(self) -> None:
        """Back from the setup, or quit."""
        if self.query_one(_Lines).setup:
            self.action_setup()
        else:
            self.dismiss(None)


def _file(text: str) -> Database:
    """The database of a file.

    Raises:
        ConfigurationError: there is no such file, or no log is in it.
    """
    # Where the dialog begins with ./, an absolute path may have been typed behind it.
    path = Path(re.sub(r"\A\./+(?=[/~])", "", text.strip())).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    database = named(str(path)).database
    if nearby.about(path) is None:
        raise ConfigurationError(f"{path} has no table of logs: dblog upgrade makes one")
    if database is None:
        raise AssertionError
    return database


def _server(text: str) -> Database:
    """The database of a URL or a profile.

    Raises:
        ConfigurationError: it is neither.
    """
    # Where the dialog begins with postgresql://, a whole URL may have been pasted behind it.
    url = re.sub(r"\Apostgresql://(?=[a-z0-9+]+://)", "", text.strip())
    database = named(url).database
    if database is None or url == "postgresql://":
        raise ConfigurationError("write postgresql://user@host/database, or a profile's name")
    if "://" in url:
        from dblog.url import sync_url  # noqa: PLC0415 - loads SQLAlchemy, which opening does next

        sync_url(url)
    return database


def paths(text: str) -> list[Completion]:
    """Folders, and files that look like databases, that a path may become."""
    from dblog_tui.commands import Completion  # noqa: PLC0415 - only where a file is asked for

    stem, slash, start = text.rpartition("/")
    try:
        inside = sorted(Path(f"{stem}{slash}").expanduser().iterdir(), key=lambda each: (not each.is_dir(), each.name))
    except (OSError, RuntimeError):  # no such folder, no such user
        return []
    fitting = [
        each
        for each in inside
        if each.name.startswith(start) and (start or not each.name.startswith("."))
        if each.is_dir() or each.suffix in _SUFFIXES or each.name == start
    ]
    return [Completion(f"{stem}{slash}{each.name}{'/' * each.is_dir()}", "") for each in fitting[:50]]


class DemoScreen(Once, Watched, Screen[bool]):
    """While the demo makes its past; True when it can be looked at, False when somebody would rather not wait.

    Args:
        look: how things look.
        demo: which was started; whoever started it stops it.
    """

    KEYS = "start"
    BINDINGS: ClassVar[list[BindingType]] = [each for each in bindings("start") if each.id == "start.leave"]

    def __init__(self, look: Look, demo: Demo) -> None:
        super().__init__()
        self.look, self._demo = look, demo

    def compose(self) -> ComposeResult:
        """One line tells how far it is."""
        with Vertical():
            yield Line(self.look)
            yield Line(self.look, id="progress")
            yield Line(self.look, id="told")

    def on_mount(self) -> None:
        """Wait."""
        self.progress(0.0)
        self._tell("gateway, orders and payments will log; every minute a deploy goes wrong.")
        self.run_worker(self._wait(), exit_on_error=False)

    def progress(self, share: float) -> None:
        """So much of the past is there."""
        styles, glyphs = self.look.styles, self.look.glyphs
        bar = glyphs.blocks[-1] * round(20 * share)
        said = [Segment("  The demo makes twenty minutes of past  ", styles.text), Segment(bar, styles.accent)]
        rest = glyphs.hatched if glyphs.hatched != "?" else glyphs.gap
        self.query_one("#progress", Line).say([*said, Segment(rest * (20 - len(bar)), styles.dim)])

    def _tell(self, sentence: str, *, bad: bool = False) -> None:
        styles = self.look.styles
        self.query_one("#told", Line).say([Segment(f"  {sentence}", styles.error if bad else styles.dim)])

    async def _wait(self) -> None:
        try:
            await self._demo.ready(self.progress)
        except DblogError as error:
            self._tell(f"{error}  (q leaves)", bad=True)
        else:
            self.dismiss(True)

    def action_leave(self) -> None:
        """Rather not."""
        self.dismiss(False)
