"""The program ``dblog``: one module per command, and one line here for each.

What a user can mend is said in short on stderr, without a traceback and without a
password; the exit code says what kind of mistake it was (``dblog.cli.common``).
SQLAlchemy, Alembic and the query language are imported inside the commands:
``dblog --help`` does not wait for them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from dblog.cli.audit import audit
from dblog.cli.check import check
from dblog.cli.common import EXIT_INTERRUPTED, EXIT_PIPE, EXIT_TERMINATED, EXIT_USAGE, exit_code, fail, sentence, warn
from dblog.cli.copy import copy
from dblog.cli.current import current
from dblog.cli.dead_letters import dead_letters
from dblog.cli.demo import demo
from dblog.cli.doctor import doctor
from dblog.cli.downgrade import downgrade
from dblog.cli.erase import erase
from dblog.cli.export import export
from dblog.cli.facets import facets
from dblog.cli.grants import grants
from dblog.cli.histogram import histogram
from dblog.cli.import_ import import_
from dblog.cli.index import index
from dblog.cli.init import init
from dblog.cli.instances import instances
from dblog.cli.maintain import maintain
from dblog.cli.options import QueryCommand
from dblog.cli.prune import prune
from dblog.cli.search import search
from dblog.cli.show import show
from dblog.cli.spool import spool
from dblog.cli.stats import stats
from dblog.cli.tail import tail
from dblog.cli.trace import trace
from dblog.cli.upgrade import upgrade
from dblog.errors import ConfigurationError, DblogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["app", "main"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Why stdout cannot be written, apart from having no reader."""


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Our errors as sentences and exit codes."""
    try:
        try:
            yield
        except DblogError as error:
            fail(sentence(error), exit_code(error))
    except BrokenPipeError:  # typer would make it 1, which is an answer of ours
        raise typer.Exit(EXIT_PIPE) from None


class _Group(TyperGroup):
    """Every command, each ended by the exit code of what went wrong."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _exit_codes():
            if misplaced := self._misplaced(args):
                raise ConfigurationError(misplaced)
            return super().parse_args(ctx, args)

    def _misplaced(self, args: list[str]) -> str:
        """That options of commands stand before the command, and where they belong; empty where none does."""
        names: list[str] = []
        written, rest = "", args
        while rest and (name := rest[0].partition("=")[0]) and (having := self._having(name)):
            value = next(iter(having.values()))
            names.append(name)
            written += f" {name}" if value.is_flag else f" {name} {value.metavar or 'VALUE'}"
            rest = rest[1 if value.is_flag or "=" in rest[0] else 2 :]
        if not names:
            return ""
        command = rest[0] if rest and rest[0] in self._having(names[0]) else next(iter(self._having(names[0])))
        belong = "belongs" if len(names) == 1 else "belong"
        return f"{' and '.join(names)} {belong} behind the command: dblog {command}{written}"

    def _having(self, option: str) -> dict[str, Any]:
        """The commands that have an option, with it."""
        return {
            name: parameter
            for name, command in self.commands.items()
            for parameter in command.params
            if option.startswith("-") and option in parameter.opts
        }

    def invoke(self, ctx: Any) -> Any:
        with _exit_codes():
            return super().invoke(ctx)


# pretty_exceptions would print local variables, and with them URLs.
app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from dblog import __version__

        typer.echo(f"dblog {__version__}")
        raise typer.Exit


@app.callback()
def _dblog(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Python logging into the database you already have."""


for _command in (search, tail, trace, show, stats, histogram, facets, instances, audit):
    app.command(cls=QueryCommand, epilog=sys.modules[_command.__module__].EPILOG)(_command)
app.command()(demo)
app.command()(upgrade)
app.command()(downgrade)
app.command()(current)
app.command()(check)
app.command()(grants)
_administering: dict[str, Callable[..., None]] = {
    "init": init,
    "export": export,
    "import": import_,
    "copy": copy,
    "index": index,
    "maintain": maintain,
    "prune": prune,
    "erase": erase,
    "dead-letters": dead_letters,
    "spool": spool,
    "doctor": doctor,
}
for _name, _admin in _administering.items():
    app.command(_name, cls=QueryCommand, epilog=sys.modules[_admin.__module__].EPILOG)(_admin)


def main() -> NoReturn:
    """Run the command line."""
    before = signal.signal(signal.SIGTERM, _terminate)
    code: Any = EXIT_INTERRUPTED
    failed: OSError | None = None
    try:
        app(prog_name="dblog")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        pass
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        failed = error
    finally:
        signal.signal(signal.SIGTERM, before)
    late = _flush()
    if (failed := failed or late) is not None:
        code = _unwritten(failed)
    sys.exit(code)


def _terminate(*_: object) -> NoReturn:
    """End as an exception does, so that what is open is closed."""
    sys.exit(EXIT_TERMINATED)


def _flush() -> OSError | None:
    """Write what is left; what cannot be written is thrown away, or the interpreter would complain at its end."""
    failed = None
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            failed = error
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
    return failed


def _unwritten(error: OSError) -> int:
    """Nobody reads any more, which is no mistake; or there is no room, which is said."""
    if isinstance(error, BrokenPipeError):
        return EXIT_PIPE
    with contextlib.suppress(OSError):
        warn(f"the output cannot be written: {error.strerror}")
    return EXIT_USAGE
