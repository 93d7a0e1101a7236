"""Where a handler stores: its one target, what opens a sink there for a writer, where that keeps its spool.

Nothing here connects. SQLAlchemy is loaded by the first target that is a database.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from dblog.container import detect
from dblog.diagnostics import complain
from dblog.errors import ConfigurationError
from dblog.sink import Origin
from dblog.spool import SpoolUnavailable, refuse_network, spool_root, target_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dblog.options import Options
    from dblog.sink import Sink

__all__ = ["folder_of", "new_origin", "opener_of", "secret_of", "settled", "target_of"]

_HOST: Final = socket.gethostname()


def target_of(url: Any, engine: Any, sink: Any) -> Any:
    """The one that was given; None where none was.

    Raises:
        ConfigurationError: there are several.
    """
    given = [target for target in (url, engine, sink) if target is not None]
    if len(given) > 1:
        raise ConfigurationError("url, engine and sink exclude each other: give one of them")
    return given[0] if given else None


def settled(options: Options, target: Any) -> Options:
    """With what the options leave to the target: what a sink does not store by its end, no later process would."""
    if options.durability is None and _is_sink(target):
        return dataclasses.replace(options, durability="memory")
    return options


def _is_sink(target: Any) -> bool:
    """Whether it is a sink, or makes some, and no database."""
    return callable(target) or hasattr(target, "dead_letter")


def secret_of(password: Any, password_file: Any) -> tuple[Any, Any]:
    """Both as they are.

    Raises:
        ConfigurationError: one of them is nothing that a password can be had of.
    """
    if password is not None and not isinstance(password, str) and not callable(password):
        raise ConfigurationError(f"password is a {type(password).__name__}: give a text or a callable")
    if password_file is not None and not isinstance(password_file, str | os.PathLike):
        raise ConfigurationError(f"password_file={password_file!r} is not allowed: give a path")
    return password, password_file


def opener_of(target: Any, options: Options, secret: tuple[Any, Any]) -> Callable[[Origin], Sink]:
    """What makes a writer's sink of a URL, an engine, a sink or a callable."""
    if callable(target):
        opener: Callable[[Origin], Sink] = target
        return opener
    if hasattr(target, "dead_letter"):
        return lambda _origin: target
    from dblog.store import opener as store_opener  # noqa: PLC0415 - SQLAlchemy comes with the first handler, not with dblog

    return store_opener(target, options, *secret)


def folder_of(target: Any, options: Options) -> Path | None:
    """Where the spools of all writers to this target lie; None where nothing is to be kept on disk.

    Who did not ask for a spool goes without where there is no place for one, and is told so.

    Raises:
        ConfigurationError: the directory named cannot be one, or none is named and nobody's home is known.
    """
    asked = options.durability in {"spool", "durable"}
    own = _is_sink(target)
    if own and not asked:
        return None
    try:
        root = spool_root(options.spool_dir)
        refuse_network(root)
    except SpoolUnavailable as error:
        if asked:
            raise ConfigurationError(str(error)) from None
        if options.durability is None:
            complain("spool", f"{error}; records are in memory only")
        return None
    if own:
        return root / target_name("sink", type(target).__qualname__)
    from dblog.store import identity  # noqa: PLC0415 - SQLAlchemy comes with the first handler that has a database

    return root / target_name(*identity(target, options))


def new_origin(options: Options) -> Origin:
    """A new writer of this process."""
    return Origin(
        instance_id=uuid.UUID(bytes=os.urandom(16), version=4),
        service=options.service,
        service_version=options.service_version,
        environment=options.environment,
        host=_HOST,
        pid=os.getpid(),
        started_at=time.time_ns() // 1000,
        container=detect().label,
    )
