"""One line of JSON for each record, in the names of the table's columns: what ``dblog import`` reads back.

::

    "formatters": {"json": {"()": "dblog.integrations.jsonlines.JsonFormatter", "service": "shop"}}

It is what ``dblog export`` writes of the stored row, but for what only the writer and the database know (``id``,
``seq``, ``instance_id``, ``ingested_at``). It colours nothing and takes no format string.
"""

from __future__ import annotations

import logging
from typing import Any

from dblog.integrations.fields import Entries
from dblog.interchange import to_json

__all__ = ["JsonFormatter"]


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; never raises, whatever the record holds.

    Args:
        **options: ``service``, ``service_version``, ``environment``, ``max_line_bytes`` (256 KiB), ``redact_keys``,
            ``redact_patterns``: see ``dblog.integrations.fields.Entries``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._entries = Entries(**options)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return self._entries.line(record, self, lambda entry: to_json(entry).decode())
