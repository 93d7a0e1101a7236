"""The rooms behind ``dblog.reader``: sessions that leave nothing behind, pages, the exact tail, figures."""
