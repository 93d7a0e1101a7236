"""What an import costs, and what it gives."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dblog

ROOT = Path(__file__).parents[2]
LIBRARIES = ("sqlalchemy", "alembic", "textual", "rich", "prometheus_client", "psycopg", "asyncpg", "aiosqlite", "lark")


def loaded_by(statement: str, candidates: tuple[str, ...]) -> set[str]:
    """Which of the candidate modules a fresh interpreter holds after the statement."""
    code = f"{statement}\nimport sys\nprint(*(set(sys.modules) & {set(candidates)!r}))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(result.stdout.split())


def test_import_dblog_loads_next_to_nothing() -> None:
    """An application may import dblog in a settings module, or in a worker that never logs to it."""
    assert loaded_by("import dblog", (*LIBRARIES, "typer", "multiprocessing", "asyncio", "orjson")) == set()


def test_the_handler_loads_no_database_library() -> None:
    """SQLAlchemy (0.4 s) is loaded by the writer, when it first connects."""
    assert loaded_by("import dblog; dblog.DatabaseHandler", (*LIBRARIES, "typer", "multiprocessing.pool")) == set()


def test_the_command_line_answers_without_a_database_library() -> None:
    """``dblog --help`` and completion stay quick: Alembic alone costs 0.7 s."""
    assert loaded_by("from dblog.cli import main", LIBRARIES) <= {"rich"}  # typer may load rich, to print


@pytest.mark.parametrize("name", dblog.__all__)
def test_every_public_name_resolves(name: str) -> None:
    """What ``dblog.__all__`` promises can be had, and is seen by completion."""
    assert getattr(dblog, name) is not None
    assert name in dir(dblog)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy resolution fails as an ordinary module does, and names what was asked for."""
    with pytest.raises(AttributeError, match="nonesuch"):
        getattr(dblog, "nonesuch")  # noqa: B009 - mypy would refuse the plain spelling


def test_the_version_is_the_distribution_s() -> None:
    """``dblog.__version__`` is the one in ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert dblog.__version__ == project["version"]


def modules() -> list[Path]:
    roots = [ROOT / "dblog", ROOT / "tui" / "dblog_tui", ROOT / "alembic" / "dblog_migrations"]
    return sorted(path for root in roots for path in root.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """Each module of the three packages has a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text()))


def exporting() -> list[str]:
    """The modules of the library that declare ``__all__``."""
    names = []
    for path in sorted((ROOT / "dblog").rglob("*.py")):
        if "__all__" in path.read_text() and path.stem != "__main__":
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


@pytest.mark.parametrize("name", exporting())
def test_all_of_a_module_exists(name: str) -> None:
    """``__all__`` names only what is there, and nothing twice."""
    module = importlib.import_module(name)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
    assert len(module.__all__) == len(set(module.__all__))
