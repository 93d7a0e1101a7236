"""Writers as they report themselves, for tests of what is shown of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from dblog.ledger import STATES, Stats
from dblog.options import Options
from dblog.reading.values import DeadLetterRow, Instance
from dblog.sink import Origin, Status
from dblog.store import opener
from tests.administered import SECOND, now
from tests.hostile import texts

__all__ = ["instance", "instances", "letters", "report"]


def instance(number: int, **fields: Any) -> Instance:
    """A writer that is well, unless ``fields`` say otherwise."""
    moment = now()
    given: dict[str, Any] = {
        "instance_id": UUID(int=number), "service": "api", "service_version": "1.4", "environment": "test",
        "host": f"web-{number}", "pid": number, "container": None, "started_at": moment - 3600 * SECOND,
        "last_seen": moment, "state": "RUNNING", "emitted": 100, "stored": 100, "dropped": 0, "failed": 0,
        "queued": 0, "in_flight": 0, "spooled": 0, "dropped_by": {}, "failed_by": {}, "lag": 0.1,
        "last_success": moment, "last_error": None, "dblog_version": "0.1.0",
    }  # fmt: skip
    return Instance(**(given | fields))


def report(url: str, number: int, *, seen: int = 0, started: int = 3600, **fields: Any) -> UUID:
    """Write the row of a writer, as its sink does; its id.

    Args:
        url: of a role that may.
        number: names it; its host is ``web-`` and the number.
        seen: seconds ago.
        started: seconds ago.
        fields: of ``Instance``.
    """
    made = instance(number, **fields)
    moment = now()
    origin = Origin(
        made.instance_id, made.service, made.service_version, made.environment, made.host or "", made.pid or 0,
        moment - started * SECOND,
    )  # fmt: skip
    names = set(Stats.__slots__) & set(Instance.__slots__) - {"last_success"}
    stats = Stats(last_success=moment / 1e6 - seen, **{name: getattr(made, name) for name in names})
    sink = opener(url, Options())(origin)
    sink.report(Status(origin, moment - seen * SECOND, stats))
    sink.close()
    return made.instance_id


_counts = st.integers(0, 10**13)
_moments = st.integers(0, 4_000_000_000_000_000)

instances = st.builds(
    Instance,
    instance_id=st.uuids(),
    service=st.none() | st.sampled_from(("api", "worker")) | texts,
    service_version=st.none() | texts,
    environment=st.none() | texts,
    host=st.none() | texts,
    pid=st.none() | st.integers(0, 2**31),
    container=st.none(),
    started_at=_moments,
    last_seen=_moments,
    state=st.sampled_from((*STATES, "DOWN")) | texts,
    emitted=_counts, stored=_counts, dropped=_counts, failed=_counts, queued=_counts, in_flight=_counts,
    spooled=_counts,
    dropped_by=st.dictionaries(texts, _counts, max_size=2),
    failed_by=st.dictionaries(texts, _counts, max_size=2),
    lag=st.none() | st.floats(0, 1e9),
    last_success=st.none() | _moments,
    last_error=st.none() | texts,
    dblog_version=st.none(),
)  # fmt: skip
"""Writers with anything in every field."""

letters = st.builds(
    DeadLetterRow,
    id=st.uuids(),
    failed_at=_moments,
    instance_id=st.uuids(),
    seq=st.none() | st.integers(0, 2**62),
    error_class=texts,
    code=texts,
    attempts=st.integers(0, 99),
    payload=st.dictionaries(
        texts | st.just("message"), st.none() | texts | st.integers() | st.lists(texts), max_size=4
    ),
)
"""Refused rows with anything in them."""
