"""SQL made once, for reads so cheap that building their statement anew would cost more than the database takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dblog.reading.dialects import compiler

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

__all__ = ["Prepared"]


class Prepared:
    """A statement as its driver takes it.

    Args:
        statement: every value in it that changes is a ``bindparam`` with a name; none of them expands.
        dialect: ``"postgresql"``, ``"sqlite"`` or ``"clickhouse"``.
        alone: it reads no table, and goes without a transaction around it.
    """

    def __init__(self, statement: sa.Executable, dialect: str, *, alone: bool = False) -> None:
        self.alone = alone
        compiled = statement.compile(dialect=compiler(dialect))  # type: ignore[attr-defined]  # every Executable has it
        self.sql = str(compiled)
        self._fixed: dict[str, Any] = compiled.params
        self._names: list[str] = compiled.positiontup or []

    def __str__(self) -> str:
        return self.sql

    def values(self, parameters: Mapping[str, Any] | None) -> list[Any]:
        """The values of its parameters, in their order."""
        given = self.named(parameters)
        return [given[name] for name in self._names]

    def named(self, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """The values of its parameters, by name."""
        return self._fixed | dict(parameters or {})
