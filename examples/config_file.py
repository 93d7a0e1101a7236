"""The handler configured in a file: ``fileConfig`` with .ini, ``dictConfig`` with .json or .toml.

    python examples/config_file.py configuration/logging.toml [--url postgresql://...]

The files lie in ``examples/configuration``. The URL is not in them: it is filled in
here, as it comes from the environment or a vault in most deployments.
"""

from __future__ import annotations

import argparse
import json
import logging
import logging.config
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import dblog
from dblog import migrate

HERE = Path(__file__).parent


def configure(file: Path, url: str) -> None:
    """Configure logging from the file, whichever of the three kinds it is."""
    if file.suffix == ".ini":
        # fileConfig knows no handler names but these; `defaults` fills in %(url)s.
        logging.config.fileConfig(file, defaults={"url": url.replace("%", "%%")}, disable_existing_loggers=False)
        return
    text = file.read_text()
    settings: dict[str, Any] = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    settings["handlers"]["db"]["url"] = url
    logging.config.dictConfig(settings)


def main(file: Path, url: str | None) -> None:
    """Configure, log, and say what became of it."""
    with tempfile.TemporaryDirectory(prefix="dblog-file-") as folder:
        url = url or f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        configure(file if file.exists() else HERE / file, url)
        logging.getLogger("shop").warning("login of %s failed", "Ada", extra={"password": "hunter2", "attempt": 3})
        logging.getLogger("shop").debug("below the level: not stored")
        logging.shutdown()  # flushes and closes every handler
        (stats,) = dblog.stats().values()
        print(f"{file.name}: emitted {stats.emitted}  stored {stats.stored}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", help="a temporary SQLite file by default")
    arguments = parser.parse_args()
    main(arguments.file, arguments.url)
