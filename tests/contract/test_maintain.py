"""What maintaining and pruning leave, on every database: the same entries, by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog import SyncLogReader
from dblog.admin.maintaining import maintain, preview
from dblog.admin.rules import rules_of
from dblog.store.capabilities import capabilities_of
from tests.administered import DAY, entry, now
from tests.contract.copied import clear, connected, fill
from tests.embedded_clickhouse import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
few = settings(max_examples=max(3, settings().max_examples // 30))


def left(url: str) -> set[int | None]:
    with SyncLogReader(url) as reader:
        return {each.lineno for each in reader.search("logger:shop", limit=1000).entries}


def test_the_same_entries_are_left_everywhere(place: Callable[..., str]) -> None:
    """Of any entries, ages and rules: what was foreseen goes, the same on all, and a second run finds nothing."""
    urls = {kind: place(kind) for kind in ENGINES}

    @given(
        st.lists(st.tuples(st.floats(0.01, 20), st.sampled_from(sorted(LEVELS))), max_size=15),
        st.none() | st.integers(1, 15),
        st.dictionaries(st.sampled_from(sorted(LEVELS)), st.integers(1, 15), min_size=1, max_size=3),
    )
    @few
    def holds(batch: list[tuple[float, str]], older: int | None, policy: dict[str, int]) -> None:
        moment = now()
        keep = [f"{level}={age}d" for level, age in policy.items()]
        rules = rules_of(None if older is None else f"{older}d", None, keep, moment)
        made = [
            entry(
                number, moment - int(age * DAY), level=level, severity=LEVELS[level], lineno=number, ingested_at=moment
            )
            for number, (age, level) in enumerate(batch)
        ]
        goes = {
            each.lineno
            for each in made
            for rule in rules
            if each.timestamp < rule.before and rule.lowest <= each.severity <= rule.highest
        }
        for url in urls.values():
            clear(url)
            fill(url, made)
            with connected(url) as connection:
                foreseen, done, again = (run(connection, rules) for run in (preview, maintain, maintain))
            assert left(url) == {each.lineno for each in made} - goes
            assert foreseen.pruned.rows == done.pruned.rows == len(goes)
            assert (again.pruned.rows, again.pruned.days) == (0, [])

    holds()


@pytest.mark.parametrize("kind", ENGINES)
def test_a_whole_day_goes_as_the_database_can(place: Callable[..., str], kind: str) -> None:
    """As one partition where there are such, and is named then; an audit row says how many entries it had."""
    url = place(kind)
    moment = now()
    fill(url, [entry(number, moment - 10 * DAY + number, ingested_at=moment) for number in range(20)])
    fill(url, [entry(99, moment, ingested_at=moment)])
    with connected(url) as connection:
        done: Any = maintain(connection, rules_of("5d", None, [], moment))
    assert done.pruned.rows == 20
    assert bool(done.pruned.days) == capabilities_of(kind).partitions
    with SyncLogReader(url) as reader:
        (audit,) = reader.search("logger:dblog.audit").entries
        assert (audit.attributes["action"], audit.attributes["count"]) == ("maintain", 20)
    assert left(url) == {99}
