"""clickhouse-connect's dialect as readers use it: values beside the statement, and FINAL wherever a table is."""

from __future__ import annotations

from typing import Any, Final

from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from clickhouse_connect.cc_sqlalchemy.sql.compiler import ChStatementCompiler

__all__ = ["ReadingDialect"]

_OPTION: Final = "dblog_row_once"


class _Compiler(ChStatementCompiler):
    """Its own ``final()`` is lost where a Select becomes a subquery."""

    def visit_table(self, table: Any, asfrom: bool = False, **keywords: Any) -> str:  # type: ignore[override]  # untyped
        text: str = super().visit_table(table, asfrom=asfrom, **keywords)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return f"{text} FINAL" if asfrom and self.execution_options.get(_OPTION) else text


class ReadingDialect(ClickHouseDialect):
    """Only compiles; the execution option ``dblog_row_once`` has each row read once."""

    statement_compiler = _Compiler
    supports_statement_cache = False

    def __init__(self, **options: Any) -> None:
        super().__init__(server_side_params=True, **options)
