"""What an examination finds: a line with what is so, how bad that is, and what to do."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dblog.admin.connection import AdminConnection
from dblog.errors import DblogError

__all__ = ["Check", "Finding", "Status", "fail", "guarded", "ok", "warn"]


class Status(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    status: Status
    what: str
    fix: str = ""
    """What to do; empty where there is nothing to do."""


Check: TypeAlias = Callable[[AdminConnection], Iterator[Finding]]
"""One thing looked at; it may raise, which is a finding as well."""


def ok(what: str, fix: str = "") -> Finding:
    """As it should be; ``fix`` is advice then."""
    return Finding(Status.OK, what, fix)


def warn(what: str, fix: str) -> Finding:
    """It works, and might not for ever."""
    return Finding(Status.WARN, what, fix)


def fail(what: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding(Status.FAIL, what, fix)


def guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a look; an error in it is one more."""
    try:
        yield from look()
    except DblogError as error:
        yield fail(f"{name}: {error}", "mend this first, then look again")
    except Exception as error:  # noqa: BLE001 - a doctor does not faint
        yield fail(f"{name}: it cannot be looked at ({type(error).__name__})", "look again, or report it")
