"""An application factory that learns its database late: what was logged before ``attach`` is stored too.

    python examples/late_attach.py [--url postgresql://...]

The handler is there from the first line of the program; the settings come later, from
a file, a vault or the command line.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from typing import Any

import sqlalchemy as sa

import dblog
from dblog import migrate

handler = dblog.DatabaseHandler(service="shop")  # no url: it buffers
logging.basicConfig(level=logging.INFO, handlers=[handler])
logger = logging.getLogger("shop")
logger.info("imported, before anybody knows a database")


class Shop:
    """The application; ``engine`` is its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        logger.info("made")


def create_app(settings: dict[str, Any]) -> Shop:
    """The factory: dblog takes the engine's URL and way to connect, and leaves its pool alone."""
    logger.info("settings read: %s", sorted(settings))
    engine = sa.create_engine(settings["url"])
    migrate.upgrade(engine)
    handler.attach(engine)
    return Shop(engine)


def main(url: str | None) -> None:
    """Make the application, and read back what it logged."""
    with tempfile.TemporaryDirectory(prefix="dblog-late-") as folder:
        app = create_app({"url": url or f"sqlite:///{folder}/logs.db"})
        handler.close()
        with app.engine.connect() as connection:
            for message in connection.scalars(sa.text("SELECT message FROM logs ORDER BY timestamp, id")):
                print(message)
        app.engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a temporary SQLite file by default")
    main(parser.parse_args().url)
