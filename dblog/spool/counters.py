"""One page of counters per writer, mapped: what SIGKILL leaves of the ledger.

``EMITTED`` is one word, written by every record; the others change together, in one of two banks, and one word says
which bank counts. So whoever finds the page later finds numbers that belong to one moment. It says itself what reasons
it counts by: another version may find it. Behind the banks, whoever settles it writes how far that has come.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import orjson

from dblog.ledger import DROP_REASONS, FAIL_REASONS, REASONS
from dblog.spool.segment import PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from mmap import mmap

__all__ = ["EMITTED", "Counters", "Counts", "Page", "Settled", "read_page", "settled_record"]

_MAGIC = int.from_bytes(b"dblogcn2", "little")
MAGIC, EMITTED, BANK = range(3)
"""Words of the page."""
_BANKS, _ROOM = (64, 1024), 960
_SETTLED_AT, _NAMES_AT = 2048, 2304
_COUNTS = struct.Struct("=13Q")
_SETTLED = struct.Struct("=9Q")
_CHECK = struct.Struct("=I")
_LENGTH = struct.Struct("=II")
"""Of the names, and their CRC."""


class Counts(NamedTuple):
    """What a writer had counted at one moment."""

    emitted: int = 0
    stored: int = 0
    dropped: int = 0
    failed: int = 0
    spooled: int = 0
    """Records in its segments and nowhere else, for people: the segments themselves say it better."""
    settled: int = 0
    """Every record up to this ``seq`` that was in memory is stored, dropped or failed, and counted so here."""
    first: int = 0
    """The lowest ``seq`` of the batch on its way from memory to the database; 0 without one."""
    last: int = 0
    """The highest."""
    began: int = 0
    """``stored`` when it was taken in hand."""
    flying: int = 0
    """Records of it."""
    reached: int = 0
    """``Spool.reached`` when ``stored`` was counted: what was read up to there is counted too."""
    since: int = 0
    """The oldest time in the batch on its way from memory, in µs: whoever asks for its rows need not look before."""
    in_hand: int = 0
    """``Spool.reached`` when a batch from disk was last taken in hand: what was read up to there may be stored."""

    def ended(self, seq: int, place: int) -> bool:
        """Whether a record's end is counted; ``place`` is where it is on disk, 0 where it is in memory as well."""
        return place <= self.reached if place else seq <= self.settled

    def under_way(self, seq: int, place: int) -> bool:
        """Whether a record was on its way to the database; ``place`` as in ``ended``."""
        return place <= self.in_hand if place else self.first <= seq <= self.last


_NONE = (0,) * len(REASONS)
_BY_REASON = struct.Struct(f"={2 * len(REASONS)}Q")


class Counters:
    """The page of a living writer.

    Every method is called under the ledger's lock. ``emitted[0] = n`` is what a record costs. What ends a record,
    or takes a batch in hand, is mirrored before anything else comes of it: after a commit first the counts, with what
    was settled and reached, and the batch gone from them; then ``Spool.acknowledge``.
    """

    __slots__ = ("_page", "emitted", "words")

    def __init__(self, page: mmap) -> None:
        self._page = page
        self.words = memoryview(page).cast("Q")
        """The page as 64-bit words; each is written in one go."""
        self.emitted = self.words[EMITTED : EMITTED + 1]
        """The one that every record writes."""
        names = orjson.dumps([DROP_REASONS, FAIL_REASONS])
        page[_NAMES_AT + _LENGTH.size : _NAMES_AT + _LENGTH.size + len(names)] = names
        _LENGTH.pack_into(page, _NAMES_AT, len(names), crc32(names))
        self.mirror(Counts())
        self.words[MAGIC] = _MAGIC

    def mirror(self, counts: Counts, lost: Sequence[int] = _NONE, told: Sequence[int] = _NONE) -> None:
        """All the counts of one moment; whoever is killed in here leaves those of before.

        Args:
            counts: the cells.
            lost: dropped and failed, by reason as in ``dblog.ledger.REASONS``.
            told: of these, what loss rows say that are stored.
        """
        bank = 1 - (self.words[BANK] & 1)
        at = _BANKS[bank]
        data = _COUNTS.pack(*counts) + _BY_REASON.pack(*lost, *told)
        self._page[at : at + len(data)] = data
        _CHECK.pack_into(self._page, at + len(data), crc32(data, bank))
        self.words[EMITTED] = counts.emitted
        self.words[BANK] = bank

    def close(self) -> None:
        """Let go of the page."""
        self.emitted.release()
        self.words.release()
        self._page.close()


class Settled(NamedTuple):
    """How far whoever settles what a dead writer left has come; it goes on from there, whoever does."""

    adopted: int = 0
    """When somebody began, in µs; 0 while nobody has."""
    reported: int = 0
    """1 when the row is stored that says what was lost with its memory."""
    emitted: int = 0
    """What the writer emitted, as far as could be found."""
    reached: int = 0
    """Everything on disk up to this place is stored, or counted here."""
    killed: int = 0
    damaged: int = 0
    spool_expired: int = 0
    discarded: int = 0
    poison: int = 0

    def losing(self, details: Mapping[str, int]) -> Settled:
        """With so many more lost, by reason."""
        return self._replace(**{reason: getattr(self, reason) + count for reason, count in details.items()})

    @property
    def lost(self) -> dict[str, int]:
        """What the writer did not count itself, by reason."""
        return dict(zip(self._fields[4:], self[4:], strict=True))


def settled_record(settled: Settled) -> tuple[bytes, int]:
    """The bytes that say so, and where in the page they stand."""
    data = _SETTLED.pack(*settled)
    return data + _CHECK.pack(crc32(data)), _SETTLED_AT


class Page(NamedTuple):
    """What a dead writer left."""

    emitted: int
    """What it emitted in all; ``counts`` may be older by what was emitted meanwhile."""
    counts: Counts
    dropped: dict[str, int]
    """``counts.dropped`` by reason."""
    failed: dict[str, int]
    """``counts.failed`` by reason."""
    told: dict[str, int]
    """Of both, what the writer itself has told in loss rows."""
    settled: Settled


def read_page(data: bytes) -> Page | None:
    """What a page says; None where it was damaged, or is laid out in another way."""
    if len(data) != PAGE:
        return None
    words = memoryview(data).cast("Q")
    bank = words[BANK]
    names = _names(data)
    if words[MAGIC] != _MAGIC or bank > 1 or names is None:
        return None
    drops, fails = names
    every = [*drops, *fails]
    by_reason = struct.Struct(f"={2 * len(every)}Q")
    at = _BANKS[bank]
    end = at + _COUNTS.size + by_reason.size
    if end - at > _ROOM or _CHECK.unpack_from(data, end)[0] != crc32(data[at:end], bank):
        return None
    counts = Counts(*_COUNTS.unpack_from(data, at))
    emitted = words[EMITTED]
    if not 0 <= emitted - counts.emitted <= _PLAUSIBLE:
        return None
    figures = by_reason.unpack_from(data, at + _COUNTS.size)
    lost, told = (
        {reason: count for reason, count in zip(every, part, strict=True) if count}
        for part in (figures[: len(every)], figures[len(every) :])
    )
    dropped, failed = ({reason: lost[reason] for reason in some if reason in lost} for some in names)
    return Page(emitted, counts, dropped, failed, told, _settled(data))


_PLAUSIBLE = 1 << 32
"""Records between two moments, at most: more were never counted."""


def _names(data: bytes) -> list[list[str]] | None:
    length, check = _LENGTH.unpack_from(data, _NAMES_AT)
    text = data[_NAMES_AT + _LENGTH.size :][:length]
    if len(text) != length or crc32(text) != check:
        return None
    try:
        drops, fails = names = orjson.loads(text)
    except (ValueError, TypeError):
        return None
    return names if all(type(name) is str for name in [*drops, *fails]) else None


def _settled(data: bytes) -> Settled:
    """What was written there; as if nobody had begun where that is damaged."""
    text = data[_SETTLED_AT : _SETTLED_AT + _SETTLED.size]
    if _CHECK.unpack_from(data, _SETTLED_AT + _SETTLED.size)[0] != crc32(text):
        return Settled()
    return Settled(*_SETTLED.unpack(text))
