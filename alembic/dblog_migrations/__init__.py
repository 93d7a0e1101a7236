"""dblog's revisions, for ``dblog upgrade`` and for Alembic itself (``script_location = dblog_migrations:``)."""
