"""Values and paths as queries write them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LEVEL_FIELDS", "paths_of", "spelled_value"]

LEVEL_FIELDS: Final = ("level", "lvl", "severity")
_MOST: Final = 4096
"""Paths whose names are kept."""


def spelled_value(value: str, field: str = "") -> str:
    """A value as it stands behind ``field:``, in quotes where it needs them."""
    from dblog.query import literals, spelling  # noqa: PLC0415 - behind the first paint

    if not spelling.plain(value):
        return spelling.quoted(value)
    # A level of somebody's own whose name looks like a mistyped one is quoted.
    own = field in LEVEL_FIELDS and value.lower() not in literals.LEVELS and literals.near_level(value) is not None
    return spelling.quoted(value) if own else value


def paths_of(metadata: Mapping[str, object], *, depth: int = 4) -> Iterator[str]:
    """The paths into an entry's metadata that a query can name, as it would; dblog's own notes are left out."""
    stack: list[tuple[tuple[str, ...], object]] = [((key,), value) for key, value in metadata.items() if key != "dblog"]
    while stack:
        steps, value = stack.pop(0)
        if isinstance(value, dict) and value and len(steps) < depth:
            stack[:0] = [((*steps, str(key)), inner) for key, inner in value.items()]
        elif name := _path_name(steps):
            yield name


@functools.lru_cache(_MOST)
def _path_name(steps: tuple[str, ...]) -> str:
    """The name of a path; empty where no query can write it. Entries have the same few keys, thousands of times."""
    from dblog.query.fields import is_name, path, spelled  # noqa: PLC0415 - as above

    name, dotted = spelled(path(*steps)), steps[0]
    if len(steps) == 1 and "." in dotted and is_name(dotted):
        return dotted  # a key with dots is found by its steps as well
    return name if is_name(name) else ""
