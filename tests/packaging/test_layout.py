"""What lies where: the source roots, the wheel, and what no file may hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TypeAlias

import pytest

Built: TypeAlias = tuple[list[str], list[str]]
"""The names in the wheel, and those in the sdist without its top folder."""

ROOT = Path(__file__).parents[2]
OURS = ("dblog", "tui", "alembic", "tests", "examples", "benchmarks", "docs", ".ci", ".github")
TEXT = {".py", ".md", ".toml", ".ini", ".cfg", ".mako", ".sql", ".yml", ".yaml", ".tcss", ".json", ".sh", ""}


def text_files() -> list[Path]:
    """Every text file of the project; the folder is walked, for an unpacked sdist has no git."""
    top = [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    below = [path for folder in OURS for path in (ROOT / folder).rglob("*")]
    files = [path for path in top + below if path.is_file() and path.suffix in TEXT]
    return [path for path in files if not {"__pycache__", "results"} & set(path.parts)]


@pytest.mark.parametrize("folder", ["alembic", "tui", "tests"])
def test_a_source_root_is_no_package(folder: str) -> None:
    """With an __init__.py, ./alembic shadows the library and a wheel would overwrite other people's files."""
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("folder", ["alembic", "tui", "dblog"])
def test_no_test_folder_is_named_like_a_package(folder: str) -> None:
    """A package tests/alembic would be imported as ``alembic``."""
    assert not (ROOT / "tests" / folder / "__init__.py").exists()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A wheel and an sdist, built by the backend itself: no build environment, so no network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as tar:
        return archive.namelist(), [name.partition("/")[2] for name in tar.getnames()]


def test_the_wheel_holds_three_packages_and_nothing_else(built: Built) -> None:
    """Nothing called ``tui``, ``alembic`` or ``tests`` reaches anybody's site-packages."""
    wheel, _ = built
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"dblog", "dblog_tui", "dblog_migrations"}
    assert len(top) == 4


def test_the_wheel_holds_every_file_of_its_packages(built: Built) -> None:
    """Data files too: py.typed, templates, SQL."""
    wheel, _ = built
    roots = [("dblog", ROOT), ("dblog_tui", ROOT / "tui"), ("dblog_migrations", ROOT / "alembic")]
    expected = {
        path.relative_to(root).as_posix()
        for package, root in roots
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {name for name in wheel if ".dist-info/" not in name} == expected
    assert {f"{package}/py.typed" for package, _ in roots} <= expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_the_sdist_can_be_built_and_tested(built: Built) -> None:
    """It holds what building a wheel and running the tests need."""
    _, sdist = built
    needed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "noxfile.py", "tests/conftest.py", ".ci/run"}
    assert needed <= set(sdist)


def test_no_file_names_a_place_of_one_machine() -> None:
    """No path below a home, a mount or a temporary folder stands in any file."""
    home = re.compile(r"(?<![\w.<{$])/(?:home|root|Users|tmp|work|mnt)/\w")
    assert _lines(home) == []


def test_no_file_names_a_registry() -> None:
    """Where packages come from is the installer's configuration."""
    words = ["index-url", "find-links", "trusted-host", "pythonhosted", "artifactory", r"\bregistry\.\w+\.\w+"]
    assert _lines(re.compile("|".join(f"(?:{word})" for word in words))) == []


def _lines(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
