"""What is left when the application fails: a report in a file, and a terminal that works.

Textual would print a traceback with the values of local variables, which hold what somebody logged, and URLs. The
report has lines of code only; its file is its owner's alone.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

__all__ = ["hushed", "reported", "state_path", "terminal_kept"]

_RESET: Final = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[0m"
"""Mouse, focus and paste reports off, the first screen, the cursor, no style: what a terminal has at a prompt."""


def state_path() -> Path:
    """The folder of what the application keeps for its user; it need not exist."""
    import platformdirs  # noqa: PLC0415 - needed only when something is written

    return platformdirs.user_state_path("dblog")


def hushed(app: App[Any]) -> App[Any]:
    """The application, which ends without a word of its own when it fails: the command says it.

    What it showed is asked for at once, for its screens are gone by the time it has ended.
    """

    def end() -> None:
        with contextlib.suppress(Exception):  # it is the failing application that is asked
            line = app.command_line()  # type: ignore[attr-defined]  # DblogTui's
            app.command_line = lambda: line  # type: ignore[attr-defined]  # as above
        app._close_messages_no_wait()  # noqa: SLF001 - no public way

    app._fatal_error = end  # type: ignore[method-assign]  # noqa: SLF001 - as above
    return app


def reported(error: BaseException, folder: Path | None = None) -> Path | None:
    """Write the traceback into a file that only its owner can read; None where there is no room for one."""
    import textual  # noqa: PLC0415 - loaded by now: it is what failed, or what called

    import dblog  # noqa: PLC0415 - as above

    head = (
        f"dblog-tui {dblog.__version__}, textual {textual.__version__}, Python {platform.python_version()}, "
        f"{platform.system()}, TERM={os.environ.get('TERM', '')}, {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    )
    text = f"{head}\n\n{''.join(traceback.format_exception(error))}"
    try:
        place = folder or state_path()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        # mkstemp makes it 0600.
        descriptor, name = tempfile.mkstemp(prefix=f"crash-{stamp}-", suffix=".txt", dir=place)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return Path(name)


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """Put the terminal back as it was when what is inside ends by an exception."""
    before = None
    with contextlib.suppress(Exception):  # termios.error is of no common kind: no terminal, nothing to keep
        import termios  # noqa: PLC0415 - not on every system

        before = termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ else None
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # the terminal itself may be gone
            if sys.__stdout__ and sys.__stdout__.isatty():
                sys.__stdout__.write(_RESET)
                sys.__stdout__.flush()
            if before is not None and sys.__stdin__:
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSADRAIN, before)
        raise
