"""One page of counters per writer, mapped: what SIGKILL leaves of the ledger.

``EMITTED`` is one word, written by every record; the others change together, in one of two banks, and one word says
which bank counts. So whoever finds the page later finds numbers that belong to one moment.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from dblog.spool.segment import PAGE

if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["ADOPTED", "EMITTED", "REPORTED", "TOLD", "Counters", "Counts", "Page", "read_page"]

_MAGIC = int.from_bytes(b"dblogcnt", "little")
MAGIC, EMITTED, BANK, ADOPTED, REPORTED, TOLD = range(6)
"""Words of the page. ``ADOPTED``: when somebody began to settle the page of a dead writer, in µs; ``REPORTED``: that
and the row that says what was lost is stored; ``TOLD``: losses that stored loss rows of the writer's own say."""
_BANKS = (64, 256)
_COUNTS = struct.Struct("=11Q")
_CHECK = struct.Struct("=I")


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
        self.mirror(Counts())
        self.words[MAGIC] = _MAGIC

    def mirror(self, counts: Counts) -> None:
        """All the counts of one moment; whoever is killed in here leaves those of before."""
        bank = 1 - (self.words[BANK] & 1)
        at = _BANKS[bank]
        data = _COUNTS.pack(*counts)
        self._page[at : at + _COUNTS.size] = data
        _CHECK.pack_into(self._page, at + _COUNTS.size, crc32(data, bank))
        self.words[EMITTED] = counts.emitted
        self.words[BANK] = bank

    def close(self) -> None:
        """Let go of the page."""
        self.emitted.release()
        self.words.release()
        self._page.close()


class Page(NamedTuple):
    """What a dead writer left."""

    emitted: int
    """What it emitted in all; ``counts`` may be older by what was emitted meanwhile."""
    counts: Counts
    adopted: int
    """When somebody began to settle it, in µs; 0 when nobody did."""
    reported: bool
    """The row that says what was lost is stored."""
    told: int = 0
    """Of what is counted as dropped and failed, what the writer itself has told in loss rows."""


def read_page(data: bytes) -> Page | None:
    """What a page says; None where it was damaged."""
    if len(data) != PAGE:
        return None
    words = memoryview(data).cast("Q")
    bank = words[BANK]
    if words[MAGIC] != _MAGIC or bank > 1:
        return None
    at = _BANKS[bank]
    text = data[at : at + _COUNTS.size]
    if _CHECK.unpack_from(data, at + _COUNTS.size)[0] != crc32(text, bank):
        return None
    counts = Counts(*_COUNTS.unpack(text))
    emitted = words[EMITTED]
    if not 0 <= emitted - counts.emitted <= _PLAUSIBLE:
        return None
    return Page(emitted, counts, words[ADOPTED], bool(words[REPORTED]), words[TOLD])


_PLAUSIBLE = 1 << 32
"""Records between two moments, at most: more were never counted."""
