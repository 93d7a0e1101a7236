"""The fixtures of ``tests.postgres`` themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgres import Private, Role


def test_each_database_is_migrated_and_its_own(postgres_url: str) -> None:
    """A test's database has the tables at head, and nothing in them."""
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM logs").fetchone() == (0,)


def test_a_role_needs_its_password(postgres_role: Role) -> None:
    """Over TCP a wrong password is refused, so refusals can be tested."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_role.url.replace("Pw-", "wrong-"))
    psycopg.connect(postgres_role.url).close()


def test_a_private_server_can_be_restarted_killed_and_frozen(private_postgres: Private) -> None:
    """After each of them it takes connections again on the same port."""
    for end in (private_postgres.restart, _killed(private_postgres), _frozen(private_postgres)):
        end()
        with psycopg.connect(private_postgres.database_url, connect_timeout=5) as connection:
            assert connection.execute("SELECT count(*) FROM logs").fetchone() == (0,)


def _killed(server: Private) -> Callable[[], None]:
    def kill() -> None:
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.database_url)
        server.start()

    return kill


def _frozen(server: Private) -> Callable[[], None]:
    def freeze() -> None:
        server.freeze()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.database_url, connect_timeout=2)
        server.thaw()

    return freeze
