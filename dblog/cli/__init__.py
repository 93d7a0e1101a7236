"""The command ``dblog``: its program, loaded when it is asked for.

``dblog_tui`` shares modules of this package (profiles, widths of cells, moments), and does not wait for typer and for
every command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dblog.cli.program import app, main

__all__ = ["app", "main"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        msg = f"module 'dblog.cli' has no attribute {name!r}"
        raise AttributeError(msg)
    from dblog.cli import program

    return getattr(program, name)
