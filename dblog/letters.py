"""Dead letters on their way: rows the database refuses for their content, kept until it takes them as text.

It decides nothing: which row is refused is ``dblog.delivery``'s business.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING
from uuid import UUID

from dblog.errors import ErrorClass, StoreError
from dblog.sink import DeadLetter
from dblog.watchdog import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.sink import Row, Sink

__all__ = ["Letters"]

_MAX_LETTERS = 1000
"""Dead letters kept at most while the database does not take them."""
_AT_ONCE = 100


class Letters:
    """The dead letters of one writer that are not stored yet.

    Args:
        sink: where they go.
        instance_id: names the writer in them.
        timeout: seconds one operation may take now.
    """

    def __init__(self, sink: Sink, instance_id: UUID, timeout: Callable[[], float]) -> None:
        self._sink = sink
        self._instance_id = instance_id
        self._timeout = timeout
        self._kept: list[DeadLetter] = []

    def __len__(self) -> int:
        return len(self._kept)

    def written(self, row: Row, error: StoreError, attempts: int) -> DeadLetter:
        """The letter a row becomes; it is not kept yet."""
        seq, entry = row
        return DeadLetter(
            id=UUID(bytes=os.urandom(16), version=4),
            failed_at=time.time_ns() // 1000,
            instance_id=self._instance_id,
            seq=seq,
            error_class=error.kind.value,
            code=error.code,
            attempts=attempts,
            payload=json.dumps(entry._asdict(), default=_readable),
        )

    def keep(self, letter: DeadLetter) -> None:
        """It will be posted; where there are too many, the oldest goes."""
        self._kept.append(letter)
        del self._kept[:-_MAX_LETTERS]

    def post(self) -> None:
        """Store what is at hand; what the database does not take now is kept for the next time."""
        size = _AT_ONCE
        while self._kept:
            batch = self._kept[:size]
            try:
                with watchdog.limit(self._timeout(), self._sink.abort):
                    self._sink.dead_letter(batch)
            except StoreError as error:
                if error.kind is not ErrorClass.POISON:
                    return
                if size > 1:  # one of them is refused as well: it must not keep the others back
                    size = 1
                    continue
            del self._kept[: len(batch)]


def _readable(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value) if isinstance(value, UUID) else f"<{type(value).__name__}>"
