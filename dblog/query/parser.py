"""Text → tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from dblog.query.tree import Node

__all__ = ["parse_tree", "where_tree"]


def parse_tree(text: str, *, now: float | None = None, timezone: dt.tzinfo | None = None) -> Node:
    """See ``dblog.query.parse``."""
    raise NotImplementedError


def where_tree(fields: Mapping[str, object]) -> Node:
    """See ``dblog.query.where``."""
    raise NotImplementedError
