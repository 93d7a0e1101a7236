"""Values and paths as queries write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LEVEL_FIELDS", "paths_of", "spelled_value"]

LEVEL_FIELDS: Final = ("level", "lvl", "severity")


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
    from dblog.query.fields import is_name, path, spelled  # noqa: PLC0415 - as above

    stack: list[tuple[tuple[str, ...], object]] = [((key,), value) for key, value in metadata.items() if key != "dblog"]
    while stack:
        steps, value = stack.pop(0)
        if isinstance(value, dict) and value and len(steps) < depth:
            stack[:0] = [((*steps, str(key)), inner) for key, inner in value.items()]
        elif is_name(name := spelled(path(*steps))):
            dotted = ".".join(steps)
            yield dotted if len(steps) == 1 and "." in dotted and is_name(dotted) else name
