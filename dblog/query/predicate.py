"""Tree → a function of one entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

__all__ = ["predicate"]


def predicate(tree: Node) -> Callable[[LogEntry], bool]:
    """See ``dblog.query.Query.predicate``."""
    raise NotImplementedError
