"""Widgets: values come in by methods, messages go out. None of them knows a database."""
