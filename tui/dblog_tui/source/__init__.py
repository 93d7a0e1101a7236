"""The only room that reads: what the screens ask of a database, as coroutines and asynchronous iterators of values.

It asks ``dblog.LogReader``; nothing of the reader is done again here. Nothing in it knows a widget.
"""

from dblog_tui.source.source import Down, Extent, Source
from dblog_tui.source.sweep import Reached

__all__ = ["Down", "Extent", "Reached", "Source"]
