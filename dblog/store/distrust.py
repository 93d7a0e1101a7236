"""What a connection to an SQLite file is told before it reads the first page: the file may come from anybody.

A file holds a schema, and a schema can call functions: a view or a trigger runs when somebody asks for a table. A page
that is damaged can say that a cell begins beyond its end (sqlite.org, "Defense Against The Dark Arts").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["beware", "distrust", "trust"]

_PAGES: Final = ("PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0")


def beware(connection: sqlite3.Connection) -> None:
    """Take no page at its word: for every connection of ours, those that write included."""
    for pragma in _PAGES:
        connection.execute(pragma)


def distrust(connection: sqlite3.Connection) -> None:
    """As ``beware``, and call no function that the schema names, but for those of SQLite's that can do no harm.

    Not for who writes: a trigger of the file's owner may feed a full-text index, which is such a function.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    beware(connection)


def trust(connection: sqlite3.Connection) -> None:
    """The schema's functions may be called: for a transaction that writes."""
    connection.execute("PRAGMA trusted_schema = ON")
