"""The fault matrix: every kind of fault, each database, each mode of durability; the oracle holds every promise.

By default some kinds are met once each, databases and modes in turn; ``long`` fills the matrix.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dblog.grants import grants
from tests.faults import kinds_database, kinds_network, kinds_process
from tests.faults.conftest import Place
from tests.faults.fault import Fault, run
from tests.faults.harness import MODES, Bench, ForkServer, Mode
from tests.postgres import database, new_private, role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Private

KINDS = [*kinds_process.KINDS, *kinds_database.KINDS, *kinds_network.KINDS]


SHORT = frozenset({
    "Sigkill", "UnhandledException", "ForkStorm", "Struck", "Signals", "Poison", "Storm",
    "Locked", "Full", "FileRotated", "CommitReplyLost", "BlackHole", "ServerKilled",
})  # fmt: skip
"""The kinds that are met by default."""


def cells() -> Iterator[Any]:
    """Every cell; each of the short kinds has one by default, in another database and mode than the one before."""
    turn = itertools.count()
    for kind in KINDS:
        whole = list(itertools.product(kind.databases, MODES))
        chosen = whole[next(turn) % len(whole)] if kind.__name__ in SHORT else None
        for name, mode in whole:
            marks = [] if (name, mode) == chosen else [pytest.mark.long]
            yield pytest.param((kind, name, mode), marks=marks, id=f"{kind.__name__}-{name}-{mode.name}")


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """Where systems come from."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def own_server(request: pytest.FixtureRequest) -> Iterator[Private]:
    """A PostgreSQL server for the faults that stop it, one after another."""
    with new_private(request.config) as server:
        yield server


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, forks: ForkServer, tmp_path: Path, cell: tuple[type[Fault], str, Mode]
) -> Iterator[Bench]:
    """A bench for one cell of the matrix."""
    kind, name, mode = cell
    folder = tmp_path / "bench"
    folder.mkdir()
    seed = int(os.environ.get("DBLOG_SEED") or secrets.randbits(32))
    print(f"seed {seed}")
    with contextlib.ExitStack() as stack:
        place, server = _place(request, stack, name, server=kind.server)
        yield stack.enter_context(Bench(forks, place, folder, seed, mode, server))


def _place(
    request: pytest.FixtureRequest, stack: contextlib.ExitStack, name: str, *, server: bool
) -> tuple[Place, Private | None]:
    if name == "sqlite":
        url = str(request.getfixturevalue("sqlite_url"))
        return Place(url, url), None
    if not server:
        return Place(*(str(request.getfixturevalue(fixture)) for fixture in ("writer_url", "postgres_url"))), None
    private: Private = request.getfixturevalue("own_server")
    owner = stack.enter_context(database(private, "dblog"))
    made = stack.enter_context(role(private, owner))
    stack.callback(_revive, private)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(grants(writer=made.name).encode())
    return Place(made.url, owner), private


def _revive(server: Private) -> None:
    """A test that failed may have left it anyhow."""
    server.thaw()
    if not server.pid:
        server.start()


@pytest.mark.parametrize("cell", list(cells()))
def test_a_fault(bench: Bench, cell: tuple[type[Fault], str, Mode]) -> None:
    """Afterwards: missing = corrupted = spurious = duplicates = 0, identity exact, a fresh record stored; it fired."""
    assert run(bench, cell[0]) > 0


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_the_matrix_is_filled(name: str) -> None:
    """At least 24 kinds of fault for each database."""
    kinds = {kind for kind in KINDS if name in kind.databases}
    print(f"{len(KINDS)} kinds, {len(kinds)} of them on {name}")
    assert len(kinds) >= 24
