"""A query's text and its tree, changed together: what ``clauses`` does, behind the import of the grammar."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dblog.errors import QuerySyntaxError
from dblog.query import parse
from dblog.query.canonical import canonical
from dblog.query.fields import names
from dblog.query.tree import All, And, Equal, Field, Kind, Like, Node, Not, Or, Wild, both, either, negated
from dblog.query.values import fold
from dblog_tui.highlight import terms

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

__all__ = ["Edit"]


class Edit:
    """A query's text, and its tree, which change together."""

    def __init__(self, text: str, now: float | None, zone: dt.tzinfo | None) -> None:
        self._now = time.time() if now is None else now
        self._zone = zone
        self.text = text.strip()
        self._tree = self._parse(self.text)

    def include(self, leaf: Node) -> None:
        """Ask for the value: beside those of its field that are asked for, or for it alone if it is one of them."""
        self._forget(leaf)
        for old, values in self._lists(leaf, negative=False):
            self._replace(old, leaf if _among(leaf, values) else either((*values, leaf)))
            return
        self._add(leaf)

    def exclude(self, leaf: Node) -> None:
        """Want the value no more."""
        for old, values in list(self._lists(leaf, negative=False)):
            rest = [each for each in values if not _among(each, (leaf,))]
            if not rest and not any(self._lists(leaf, negative=True)):
                self._replace(old, negated(leaf))
                return
            if not rest:
                self._replace(old, None)
                break
            # Others may overlap with it: of a list in metadata another element, beyond ASCII another spelling.
            if len(rest) < len(values) and _is_alone(leaf):
                self._replace(old, either(rest))
                return
        for old, values in self._lists(leaf, negative=True):
            if not _among(leaf, values):
                self._replace(old, negated(either((*values, leaf))))
            return
        self._add(negated(leaf))

    def _parse(self, text: str) -> Node:
        return parse(text, now=self._now, timezone=self._zone).tree

    @property
    def _parts(self) -> tuple[Node, ...]:
        tree = self._tree
        return tree.parts if isinstance(tree, And) else () if isinstance(tree, All) else (tree,)

    def _lists(self, leaf: Node, *, negative: bool) -> Iterator[tuple[Node, tuple[Node, ...]]]:
        """The clauses that are values of the leaf's field, one or a list; or that such are not wanted."""
        for part in self._parts:
            inner = part.part if negative and isinstance(part, Not) else part
            if isinstance(part, Not) is negative and (values := _values(inner, leaf)):
                yield part, values

    def _forget(self, leaf: Node) -> None:
        """Want the value again, where it was not wanted."""
        for old, values in list(self._lists(leaf, negative=True)):
            rest = [each for each in values if not _among(each, (leaf,))]
            if len(rest) < len(values):
                self._replace(old, negated(either(rest)) if rest else None)

    def _add(self, node: Node) -> None:
        """One clause more, unless it is there."""
        if _written(node) in map(_written, self._parts):
            return
        clause = _written(node)
        texts = (f"{self.text} {clause}", f"({self.text}) {clause}") if self.text else (clause,)
        self._become(both((*self._parts, node)), texts)

    def _replace(self, old: Node, new: Node | None) -> None:
        """Another clause in the place of one; None is nothing."""
        if old == new:
            return
        clause = "" if new is None else _written(new)
        parts = [each for part in self._parts if (each := new if part == old else part) is not None]
        self._become(both(parts) if parts else All(), (self._with(old, clause),))

    def _with(self, old: Node, clause: str) -> str:
        at, made, kept = 0, "", []
        for start, end in terms(self.text, names()):
            own = self.text[start:end]
            changed = False
            with suppress(QuerySyntaxError):
                changed = self._parse(own) == old
            made += self.text[at:start] + (clause if changed else own)
            at = end
            kept += [] if changed else [own]
        return made + self.text[at:] if clause else " ".join(kept)

    def _become(self, tree: Node, texts: tuple[str, ...]) -> None:
        """The first text that means the tree; written out in full where none does."""
        for text in texts:
            with suppress(QuerySyntaxError):
                if self._parse(text) == tree:
                    self.text, self._tree = text, tree
                    return
        self.text = canonical(tree)
        self._tree = self._parse(self.text)


def _written(node: Node) -> str:
    """A clause as it stands beside others: alternatives are a list, or in parentheses."""
    return canonical(Not(node)).removeprefix("-") if isinstance(node, Or) else canonical(node)


def _values(node: Node, leaf: Node) -> tuple[Node, ...]:
    """The node's values of the leaf's field, one or a list of them; none where it is anything else."""
    field = _field(leaf)
    parts = node.parts if isinstance(node, Or) else (node,)
    return parts if field is not None and all(_field(each) == field for each in parts) else ()


def _field(node: Node) -> Field | None:
    """The field that has to have one value; None of a node that says anything else."""
    if isinstance(node, Like):
        return None if any(isinstance(piece, Wild) for piece in node.pattern) else node.field
    return node.field if isinstance(node, Equal) and not node.negated else None


def _among(leaf: Node, values: Iterable[Node]) -> bool:
    """One of the values is this one, in any case."""
    return any(_key(leaf) == _key(each) for each in values)


def _key(node: Node) -> object:
    value: object = node
    if isinstance(node, Like):
        value = "".join(piece for piece in node.pattern if isinstance(piece, str))
    elif isinstance(node, Equal):
        value = node.value
    if isinstance(value, str) and (field := _field(node)) is not None and field.kind is not Kind.KEY:
        value = fold(value)
    return isinstance(value, bool), value  # True is no 1


def _is_alone(leaf: Node) -> bool:
    """An entry with this value has no other of a list as well."""
    field = _field(leaf)
    if field is None or field.kind is Kind.PATH:
        return False
    return not isinstance(leaf, Like) or all(isinstance(each, str) and each.isascii() for each in leaf.pattern)
