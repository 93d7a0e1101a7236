"""The terminal browser for logs stored by dblog.

It is not part of this release: the package holds the name and the command, so
that neither moves when the screens arrive. It imports ``dblog``, never the
other way round.
"""
