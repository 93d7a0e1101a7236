"""A PgBouncer in transaction mode, before the PostgreSQL server of the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.oracle import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SETTINGS = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_idle_timeout = 0
logfile = {log}
"""


def executable() -> str:
    """Where it is.

    Raises:
        RuntimeError: nowhere; how to get it.
    """
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError("pgbouncer is not installed: apt-get install pgbouncer")
    return found


class Pooler:
    """One that runs."""

    def __init__(self, port: int, size: int) -> None:
        self.port = port
        self.size = size
        """Connections to the server per user and database."""

    def through(self, url: str) -> str:
        """The URL of the same database by way of the pooler."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"))


@contextlib.contextmanager
def pooler(folder: Path, *urls: str, size: int) -> Iterator[Pooler]:
    """Start one for the users of these URLs, which share a server; end it.

    Args:
        folder: for its files; open to everybody's reading, and to the user it runs as.
        urls: of the server, as roles with their passwords.
        size: connections to the server per user and database.
    """
    parts = [urlsplit(url) for url in urls]
    users, settings, log = (folder / name for name in ("users.txt", "pgbouncer.ini", "pgbouncer.log"))
    users.write_text("".join(f'"{each.username}" "{each.password or ""}"\n' for each in parts))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = probe.getsockname()[1]
    settings.write_text(
        _SETTINGS.format(host=parts[0].hostname, port=parts[0].port, listen=listen, users=users, size=size, log=log)
    )
    rights = {}
    if os.geteuid() == 0:  # which it refuses to be
        user = pwd.getpwnam("nobody")
        rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        for path in (folder, users, settings):
            os.chown(path, user.pw_uid, user.pw_gid)
    process = subprocess.Popen([executable(), "-q", str(settings)], **rights)  # type: ignore[call-overload]  # keywords by name
    made = Pooler(listen, size)
    try:
        until(lambda: _answers(made.through(urls[0])), say=lambda: log.read_text() if log.exists() else "no log")
        yield made
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False
