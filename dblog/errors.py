"""Every exception dblog raises, in one tree.

::

    DblogError
    ├── ConfigurationError      an option, a URL or an environment variable is wrong (also a ValueError)
    │   └── MissingExtraError   a library of an optional extra is not installed
    └── StoreError              the database refused or could not be reached; carries a class, never a row

Messages name the thing, the value and what to do. They never hold a password,
a bound parameter or the text of a log message.
"""

from __future__ import annotations

import enum

__all__ = ["ConfigurationError", "DblogError", "ErrorClass", "MissingExtraError", "StoreError"]


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
