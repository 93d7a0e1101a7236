"""The revisions for ClickHouse: a chain of its own (``script_location = dblog_migrations:clickhouse``)."""
