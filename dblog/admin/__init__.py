"""What an administrator does with a database of logs: move entries in and out, prune, erase, retry, examine.

Every function is synchronous and says what it did as a value; talking to people is the command line's. On Postgres
most of it needs the role of ``dblog grants --admin``; whatever is missing is said by name. Reading entries is
``LogReader``'s, so that a query means here what it means to ``dblog search``.
"""
