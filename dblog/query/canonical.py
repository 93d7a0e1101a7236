"""Tree → text that parses back to the same tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dblog.query.tree import Node

__all__ = ["canonical"]


def canonical(tree: Node) -> str:
    """The one text of a tree."""
    raise NotImplementedError
