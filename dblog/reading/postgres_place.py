"""Up to where a tail has read a PostgreSQL database: the transactions it has, and one at most that it has a part of."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from uuid import UUID

from dblog.errors import ConfigurationError
from dblog.reading.snapshot import Snapshot

__all__ = ["Place", "Within", "parse_place", "text_of_place"]

_PLACE: Final = re.compile(r"(\d{1,20})((?:-\d{1,20})*)_(\d{1,18})(?:_(\d{1,20})_(-?\d{1,18})_([0-9a-f]{32}))?")


class Within(NamedTuple):
    """A transaction that has been read in part, in order of ``(timestamp, id)``, up to here."""

    xid: int
    timestamp: int
    id: UUID


class Place(NamedTuple):
    """Between two polls."""

    snapshot: Snapshot
    """What has been read to its end; ``within`` has not."""
    within: Within | None = None


def text_of_place(place: Place, begun: int) -> str:
    """A place without a dot, for a token.

    Args:
        place: the place.
        begun: when the tail began, in µs by the server's clock.
    """
    (end, running), within = place
    text = "-".join([str(end), *(str(end - xid) for xid in sorted(running))])
    parts = [text, str(begun)]
    if within is not None:
        parts += [str(within.xid), str(within.timestamp), within.id.hex]
    return "_".join(parts)


def parse_place(text: str) -> tuple[Place, int]:
    """A place and when its tail began, of ``text_of_place``.

    Raises:
        ConfigurationError: it is not such a text.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            "the token names no place in a PostgreSQL database: give one that a batch of a tail has named"
        )
    end, offsets, begun, xid, timestamp, id_ = match.groups()
    running = frozenset(int(end) - int(offset) for offset in offsets.split("-")[1:])
    if xid is not None and int(xid) > int(end):
        raise ConfigurationError("the token names no place in a PostgreSQL database: it contradicts itself")
    within = None if xid is None else Within(int(xid), int(timestamp), UUID(id_))
    return Place(Snapshot(int(end), running), within), int(begun)
