"""What is said of revisions: that one was applied, and where a database stands."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One revision that has just been applied or taken back."""

    revision: str
    title: str
    upgrade: bool
    seconds: float

    def __str__(self) -> str:
        word = "upgraded to" if self.upgrade else "took back"
        return f"{word} {self.revision} ({self.title.rstrip('.')}) in {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Check:
    """Where a database stands."""

    current: str | None
    """Its revision; None when dblog's tables are not there."""
    head: str
    """The newest revision this dblog knows."""
    known: bool
    """Whether this dblog knows ``current``; a newer dblog's revision is not known."""
    differences: tuple[str, ...] = ()
    """What is not as head has it (ClickHouse, where Alembic cannot see it)."""

    @property
    def ok(self) -> bool:
        """Nothing to do: at head, or ahead of it (a writer copes with a newer schema)."""
        return self.current is not None and not self.differences and (self.current == self.head or not self.known)

    def __str__(self) -> str:
        if self.current is None:
            return f"the schema is not there (head is {self.head}): run `dblog upgrade`"
        if not self.known:
            return f"the schema is at {self.current}, newer than this dblog knows (head is {self.head})"
        if self.current == self.head:
            differs = "".join(f"\n  {difference}" for difference in self.differences)
            return f"the schema is at head ({self.head})" + (f", but differs from it:{differs}" if differs else "")
        return f"the schema is at {self.current}, behind head ({self.head}): run `dblog upgrade`"
