"""Dead letters as a writer leaves them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dblog.admin import letters
from dblog.admin.connection import AdminConnection
from dblog.options import Options
from dblog.sink import DeadLetter, Origin
from dblog.store import opener
from tests.administered import entry, now

if TYPE_CHECKING:
    from dblog.admin.letters import Letter

__all__ = ["WRITER", "bury", "letter", "remaining"]

WRITER = Origin(UUID(int=77), "shop", None, None, host="h1", pid=42, started_at=1)


def bury(url: str, *found: DeadLetter) -> None:
    """As a writer does."""
    sink = opener(url, Options())(WRITER)
    sink.dead_letter(found)
    sink.close()


def letter(number: int, **payload: Any) -> DeadLetter:
    """A letter as ``dblog.delivery`` writes them."""
    row = entry(number, id=None, service=None, host=None, pid=None, instance_id=None, seq=None)._asdict() | payload
    text = json.dumps(row, default=str)
    return DeadLetter(UUID(int=number + 1), now(), WRITER.instance_id, number + 1, "poison", "22P05", 3, text)


def remaining(url: str) -> list[Letter]:
    with AdminConnection(url) as connection:
        return list(letters.letters(connection))
