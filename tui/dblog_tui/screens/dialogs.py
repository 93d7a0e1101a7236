"""Every dialog, to be imported from one place."""

from __future__ import annotations

from dblog_tui.screens.asking import Ask, Confirm
from dblog_tui.screens.dialog import Dialog
from dblog_tui.screens.exporting import Exported, Exporting
from dblog_tui.screens.picking import Columns, Picked, PickField
from dblog_tui.screens.sql import Sql
from dblog_tui.screens.views import Views

__all__ = ["Ask", "Columns", "Confirm", "Dialog", "Exported", "Exporting", "PickField", "Picked", "Sql", "Views"]
