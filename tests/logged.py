"""Some entries in a database, logged as programs log them."""

from __future__ import annotations

import logging

from dblog import DatabaseHandler, bound


def log_some(url: str) -> None:
    """Ten entries of the service `shop`, in two traces of five; the last of each is an error with a traceback."""
    handler = DatabaseHandler(url, service="shop")
    logger = logging.getLogger("tests.cli")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    for number in range(2):
        with bound(trace_id=f"{number + 1:08x}" + "0" * 24, user_id="u-17"):
            for step in range(4):
                logger.info("step %d of %d", step, number, extra={"step": step})
            try:
                raise ValueError("no card")
            except ValueError:
                logger.exception("order %d failed", number)
    assert handler.flush(20)
    logger.removeHandler(handler)
    handler.close()
