"""The command ``dblog``: one module per command, and one line here for each.

Exit codes: 0 done, 1 ``dblog check`` found the schema behind, 2 a mistake or a
database that cannot be used. What a user can mend is one line on stderr, without a
traceback and without a password. SQLAlchemy and Alembic are imported inside the
commands: ``dblog --help`` does not wait for them.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dblog.cli.check import check
from dblog.cli.common import exit_code, warn
from dblog.cli.current import current
from dblog.cli.demo import demo
from dblog.cli.downgrade import downgrade
from dblog.cli.grants import grants
from dblog.cli.upgrade import upgrade
from dblog.errors import DblogError

__all__ = ["app", "main"]

# pretty_exceptions would print local variables, and with them URLs.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


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


app.command()(demo)
app.command()(upgrade)
app.command()(downgrade)
app.command()(current)
app.command()(check)
app.command()(grants)


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="dblog")
    except DblogError as error:
        warn(str(error))
        sys.exit(exit_code(error))
