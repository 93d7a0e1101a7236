"""What the shops of the servers' tests have in common: their log, and an order."""

from __future__ import annotations

import logging
import logging.config
import os
import threading

log = logging.getLogger("shop")


def configure() -> None:
    """Everything from INFO on goes to the database of the test."""
    handler = {"class": "dblog.DatabaseHandler", "url": os.environ["SHOP_LOGS"], "service": "shop"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"db": handler},
            "root": {"level": "INFO", "handlers": ["db"]},
        }
    )


def order(number: int) -> str:
    """Taken, and answered."""
    log.info("order %d received", number, extra={"order": number})
    log.info("order %d stored", number, extra={"order": number})
    return str(number)


def hang() -> None:
    """For longer than any server waits."""
    log.info("about to hang")
    threading.Event().wait(60)
