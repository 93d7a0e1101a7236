"""The command ``dblog-tui``: reads the command line, prepares Textual's environment, runs the application.

Before the first paint it imports nothing heavy: no typer, no SQLAlchemy, no query language. Where stdout is no terminal
it is ``dblog search``. When the application fails, the terminal works, the traceback lies in a file, and the last line
is the command that shows the same view again.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from dblog.errors import ConfigurationError, DblogError, MissingExtraError
from dblog_tui.arguments import Chosen, database_of, read, settings_of
from dblog_tui.links import link_of
from dblog_tui.settings import checked_columns, load
from dblog_tui.view import LEVELS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, MutableMapping, Sequence

    from textual.app import App

    from dblog_tui.links import Link

__all__ = ["command_of", "main", "prepare"]

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
"""Nothing was tried."""
EXIT_INTERRUPTED: Final = 130
EXIT_TERMINATED: Final = 143

_FRAMES, _FRAMES_SLOW = "60", "4"
"""Per second at most: a frame that has just been painted delays the next one by no more than 17 ms."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    asked = read(sys.argv[1:] if words is None else words)
    try:
        if asked.version:
            from dblog import __version__  # noqa: PLC0415 - the one use of it

            print(f"dblog-tui {__version__}")  # noqa: T201 - a command speaks to the terminal
            return 0
        if not is_terminal(sys.stdout):
            _hand_over(asked)
        return _application(asked)
    except DblogError as error:
        _say(str(error))
        return EXIT_USAGE
    except KeyboardInterrupt:  # before the application had the keyboard
        return EXIT_INTERRUPTED


def is_terminal(stream: TextIO | None) -> bool:
    """Somebody sits at it."""
    return stream is not None and stream.isatty()


def prepare(environment: MutableMapping[str, str], *, slow: bool) -> None:
    """What Textual reads when it is imported: no animation, few frames; what is set already stays."""
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_FPS", _FRAMES_SLOW if slow else _FRAMES)
    environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


def _application(asked: argparse.Namespace) -> int:
    """Run the application; its exit status.

    Raises:
        DblogError: something in the command line, the settings or the profiles is wrong.
    """
    if importlib.util.find_spec("textual") is None:
        raise MissingExtraError("textual", "tui")
    if not is_terminal(sys.stdin):
        raise ConfigurationError("stdin is no terminal, so there are no keys: for a script there is dblog search")
    if asked.demo and asked.database:
        raise ConfigurationError("--demo has a database of its own: leave the other out")
    settings = settings_of(asked, load())
    asked.tz = settings.timezone or None
    link = link_of(asked)
    asked.schema, asked.table = link.schema, link.table  # as they are where they were encoded
    if link.columns is not None:
        settings = replace(settings, columns=checked_columns(link.columns))
    settings = settings.for_terminal(os.environ, sys.stdout.encoding)
    chosen = Chosen(None) if asked.demo else database_of(asked, link.database)
    if chosen.warning:
        _say(chosen.warning)
    prepare(os.environ, slow=settings.slow)
    gc.disable()  # what is made at the start stays; the application sets it going again
    database = chosen.database
    admin_url = database.admin_url or (database.url if asked.admin else None) if database else None
    from dblog_tui.app import DblogTui  # noqa: PLC0415 - loads Textual, which reads the environment

    app = DblogTui(
        database=database,
        link=link,
        settings=settings.checked(),
        admin_url=admin_url,
        colour=database.colour if database else None,
        demo=asked.demo,
        name=chosen.name,
    )
    return _run(app, mouse=settings.mouse)


def _run(app: App[Any], *, mouse: bool) -> int:
    from dblog_tui.crash import hushed, terminal_kept  # noqa: PLC0415 - with the application

    error: BaseException | None = None
    with _ended_by_signals(app):
        try:
            with terminal_kept(), _drawn_on_a_terminal():
                hushed(app).run(mouse=mouse)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is reported
            error = failure
        finally:
            gc.enable()
    error = error or app._exception  # noqa: SLF001 - what ended it; return_code says only that something did
    if error is None:
        return app.return_code or 0
    _tell(app, error)
    return EXIT_FAILED


def _tell(app: App[Any], error: BaseException) -> None:
    """Say what failed, where more of it lies, and how to come back."""
    from dblog_tui.crash import reported  # noqa: PLC0415 - needed only here

    report = reported(error)
    where = f"the traceback is in {report}" if report else "there was no room for its traceback"
    # The exception's own text may hold what somebody logged.
    _say(f"ended by {type(error).__name__}, which is a mistake in dblog: {where}")
    with contextlib.suppress(Exception):  # it is the failed application that is asked
        _say(f"the same view again: {app.command_line()}")  # type: ignore[attr-defined]  # DblogTui's


@contextlib.contextmanager
def _drawn_on_a_terminal() -> Iterator[None]:
    """Textual draws on stderr; where that is a file, it draws on stdout, which is a terminal."""
    before = sys.__stderr__
    if before is None or not before.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]  # there is no other way to tell it
    try:
        yield
    finally:
        sys.__stderr__ = before  # type: ignore[misc]  # as above


@contextlib.contextmanager
def _ended_by_signals(app: App[Any]) -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is gone, end the application as its own key does."""

    def end(number: int, _: object) -> None:
        import asyncio  # noqa: PLC0415 - loaded by then

        app.exit(return_code=128 + number)
        with contextlib.suppress(RuntimeError):  # no loop: it has not begun, or is over
            asyncio.get_running_loop().call_soon_threadsafe(lambda: None)  # wakes it up

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hand_over(asked: argparse.Namespace) -> NoReturn:
    """Become the command of ``dblog`` that prints what would have been looked at.

    Raises:
        ConfigurationError: the demo has nothing to print, or the database is none.
    """
    if asked.demo:
        raise ConfigurationError("stdout is no terminal: dblog demo is the one that prints")
    words = command_of(asked, link_of(asked))
    _say(f"stdout is no terminal, so this is dblog {words[0]}")
    sys.argv = ["dblog", *words]
    from dblog.cli import main as dblog_main  # noqa: PLC0415 - another program

    dblog_main()


def command_of(asked: argparse.Namespace, link: Link) -> list[str]:
    """The words of ``dblog`` for what was asked.

    Raises:
        ConfigurationError: the database is none.
    """
    words = ["search"]
    if link.trace or link.entry:
        words = ["trace", link.trace] if link.trace else ["show", link.entry or ""]
    else:
        words += _bounds(link)
    words += _place_of(asked, link)
    words += ["--utc"] if (link.zone or "").upper() == "UTC" else []
    if words[0] == "search" and (query := _query(link)):
        words += ["--", query]
    return words


def _place_of(asked: argparse.Namespace, link: Link) -> Iterator[str]:
    """Options that name the database; where the command line did not, ``dblog`` looks where we would.

    Raises:
        ConfigurationError: it is none.
    """
    if (text := link.database) is not None:
        database = database_of(asked, text).database
        is_profile = "://" not in text and not Path(text).expanduser().is_file()
        yield f"--profile={text}" if is_profile or database is None else f"--url={database.url}"
    for name in ("schema", "table"):
        if value := getattr(link, name):
            yield f"--{name}={value}"


def _bounds(link: Link) -> Iterator[str]:
    from dblog.query.times import shown  # noqa: PLC0415 - needed only here

    if link.last is not None:
        yield f"--since={link.last}s"
    for name, moment in (("since", link.since), ("until", link.until)):
        if moment is not None:
            yield f"--{name}={shown(moment)}"
    if link.at is not None:
        yield f"--before={link.at}"


def _query(link: Link) -> str:
    if not link.least:
        return link.query
    level = f"level>={LEVELS[link.least]}"
    return f"({link.query}) {level}" if link.query.strip() else level


def _say(text: str) -> None:
    from dblog.visible import visible  # noqa: PLC0415 - needed only where something is said

    print(f"dblog-tui: {visible(text, lines=True)}", file=sys.stderr)  # noqa: T201 - a command speaks to the terminal
