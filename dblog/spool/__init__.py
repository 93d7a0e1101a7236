"""Records on disk: per writer, append-only segments that outlive it, and a page of counters.

``<root>/<target>/<instance_id>/`` holds ``owner.lock``, locked while the writer lives, ``origin``, ``counters`` and
``000001.seg`` …; ``dead`` finds the directories nobody holds any more.
"""

from dblog.spool.appending import LOW
from dblog.spool.counters import EMITTED, Counters, Counts
from dblog.spool.dead import dead
from dblog.spool.frames import ALONE, FRAME, KEPT, band_of_body, decode, encode, need, write
from dblog.spool.left import QUARANTINE, Dead, Left
from dblog.spool.place import MAX_AGE, SpoolUnavailable, check_age, refuse_network, spool_root, target_name
from dblog.spool.spool import SEGMENT_BYTES, Spool

__all__ = [
    "ALONE",
    "EMITTED",
    "FRAME",
    "KEPT",
    "LOW",
    "MAX_AGE",
    "QUARANTINE",
    "SEGMENT_BYTES",
    "Counters",
    "Counts",
    "Dead",
    "Left",
    "Spool",
    "SpoolUnavailable",
    "band_of_body",
    "check_age",
    "dead",
    "decode",
    "encode",
    "need",
    "refuse_network",
    "spool_root",
    "target_name",
    "write",
]
