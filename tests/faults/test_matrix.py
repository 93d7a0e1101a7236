"""The fault matrix: every kind of fault, each database, each mode of durability; the oracle holds every promise.

By default some kinds are met once each, databases and modes in turn; ``long`` fills the matrix.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import kinds_database, kinds_network, kinds_places, kinds_process
from tests.faults.fault import Fault, run
from tests.faults.harness import MODES, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.conftest import MakesBenches

KINDS = [*kinds_process.KINDS, *kinds_database.KINDS, *kinds_places.KINDS, *kinds_network.KINDS]


SHORT = frozenset({
    "KilledWhileWaiting", "UnhandledException", "Struck", "Signals", "Poison", "Storm",
    "Locked", "Full", "FileRotated", "CommitReplyLost",
})  # fmt: skip
"""The kinds that are met by default; ``test_endurance`` has kills, forks, crashes and silence."""


def cells() -> Iterator[Any]:
    """Every cell; each of the short kinds has one by default, in another database and mode than the one before."""
    turn = itertools.count()
    for kind in KINDS:
        whole = list(itertools.product(kind.databases, MODES))
        chosen = whole[next(turn) % len(whole)] if kind.__name__ in SHORT else None
        for name, mode in whole:
            marks = [] if (name, mode) == chosen else [pytest.mark.long]
            yield pytest.param((kind, name, mode), marks=marks, id=f"{kind.__name__}-{name}-{mode.name}")


@pytest.mark.parametrize("cell", list(cells()))
def test_a_fault(bench_at: MakesBenches, cell: tuple[type[Fault], str, Mode]) -> None:
    """Afterwards: missing = corrupted = spurious = duplicates = 0, identity exact, a fresh record stored; it fired."""
    kind, name, mode = cell
    assert run(bench_at(name, mode, server=kind.server), kind) > 0


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_the_matrix_is_filled(name: str) -> None:
    """At least 24 kinds of fault for each database."""
    kinds = {kind for kind in KINDS if name in kind.databases}
    print(f"{len(KINDS)} kinds, {len(kinds)} of them on {name}")
    assert len(kinds) >= 24
