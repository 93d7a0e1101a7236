"""Every exception dblog raises, in one tree.

::

    DblogError
    ├── ConfigurationError      an option, a URL or an environment variable is wrong (also a ValueError)
    │   └── MissingExtraError   a library of an optional extra is not installed
    ├── QuerySyntaxError        a query cannot be read; carries the place and a repair (also a ValueError)
    └── StoreError              the database refused or could not be reached; carries a class, never a row
        ├── StoreUnavailable    who waits for it cannot have the database or its tables now
        └── QueryTimeout        a query took longer than its statement_timeout

Messages name the thing, the value and what to do. They never hold a password,
a bound parameter or the text of a log message.
"""

from __future__ import annotations

import enum

__all__ = [
    "ConfigurationError", "DblogError", "ErrorClass", "MissingExtraError", "QuerySyntaxError", "QueryTimeout",
    "StoreError", "StoreUnavailable",
]  # fmt: skip


class DblogError(Exception):
    """The base of every exception raised by dblog."""


class ConfigurationError(DblogError, ValueError):
    """An option, a URL or an environment variable is wrong."""


class MissingExtraError(ConfigurationError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: pip install 'dblog-logging[{extra}]'")
        self.library = library
        self.extra = extra


class QuerySyntaxError(DblogError, ValueError):
    """A query cannot be read.

    Attributes:
        text: the query.
        column: where, counted from 0 in code points; its length where the query ends too early.
        reason: one sentence.
        expected: what could stand there, in words for people; may be empty.
        suggestion: one sentence saying what to write instead; None where nothing is likely enough.
        repaired: the whole query as the suggestion would have it, which parses; None without one.
    """

    def __init__(
        self,
        text: str,
        column: int,
        reason: str,
        *,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
        repaired: str | None = None,
    ) -> None:
        self.text = text
        self.column = column
        self.reason = reason
        self.expected = expected
        self.suggestion = suggestion
        self.repaired = repaired
        super().__init__(reason)

    def __str__(self) -> str:
        """The sentence, the query with a caret under the place, what was expected, and the repair."""
        # A query is one line to people: what would move the caret or the cursor is shown as a blank.
        shown = "".join(char if char.isprintable() else " " for char in self.text)
        start = max(0, self.column - _BEFORE)
        lines = [f"column {self.column + 1}: {self.reason}", f"  {shown[start : start + _WINDOW]}"]
        lines.append(f"  {' ' * (self.column - start)}^")
        if self.expected:
            lines.append(f"expected {_either(self.expected)}")
        if self.suggestion:
            lines.append(self.suggestion)
        return "\n".join(lines)


_BEFORE, _WINDOW = 50, 76
"""Characters of a long query shown before the place, and in all."""


def _either(things: tuple[str, ...]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} or {things[-1]}"


class ErrorClass(enum.Enum):
    """What to do about a failure; decided by SQLSTATE or ``sqlite_errorname``, never by message text."""

    RECONNECT = "reconnect"
    """The connection is gone or unusable: open another and resend."""
    RESEND = "resend"
    """The transaction was refused for a passing reason (lock, deadlock, timeout): resend after rollback."""
    WAIT = "wait"
    """No room or read-only: resend slowly; it heals outside of this process."""
    CONFIGURATION = "configuration"
    """Missing table, missing privilege, refused password: keep everything, say so loudly, never bisect."""
    NO_PARTITION = "no_partition"
    """No partition holds the row's day: create the day and resend."""
    STORED = "stored"
    """The row is already there (23505): never poison."""
    POISON = "poison"
    """A value the database or its driver cannot take: bisect to the bad row."""
    UNKNOWN = "unknown"
    """No class is known for it: resend three times, then bisect."""


class StoreError(DblogError):
    """The database refused a statement or could not be reached.

    Attributes:
        kind: what to do about it.
        code: the SQLSTATE, ``sqlite_errorname`` or exception class name, for people and metrics.
        ambiguous: a COMMIT was sent and its outcome is unknown, so the rows may be stored.
    """

    def __init__(self, kind: ErrorClass, code: str, sentence: str, *, ambiguous: bool = False) -> None:
        super().__init__(f"{code}: {sentence}")
        self.kind = kind
        self.code = code
        self.ambiguous = ambiguous


class StoreUnavailable(StoreError):  # noqa: N818 - a state of the store, and so named in every handbook
    """Who waits for it, a reader or an ``AuditHandler``, cannot have the database now; the sentence says why."""


class QueryTimeout(StoreError):  # noqa: N818 - as above
    """A query took longer than its ``statement_timeout`` and was cancelled in the database."""
