"""Entries and figures as ``rich`` segments and texts: pure functions, without a database and without widgets.

Everything that came out of a database passes ``dblog.visible.visible`` here, once, before it can reach a widget.
"""
