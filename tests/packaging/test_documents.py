"""Promises made in words: each is checked where it can be."""

from __future__ import annotations

import ast
import re
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)
SILENCERS = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no (cover|branch)|pyright:\s*ignore)")
REASONED = re.compile(
    r"""\#\s*(
        noqa:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*\s+-\s+\w.*
      | type:\s*ignore\[[\w,\s-]+\]\s+\#\s*\w.*
      | pragma:\s*no\s(cover|branch)\s+-\s+\w.*
    )""",
    re.VERBOSE,
)


def python_files() -> list[Path]:
    folders = ("dblog", "tui", "alembic", "tests", "examples", "benchmarks")
    return [ROOT / "noxfile.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]


def test_the_readme_and_ci_run_the_same_test_command() -> None:
    """What CI proves is what a newcomer is told to type, character for character."""
    command = re.compile(r"python3 -m venv \.venv && .*/pytest\b.*")
    (in_ci,) = command.findall((ROOT / ".ci" / "run").read_text())
    assert in_ci in command.findall((ROOT / "README.md").read_text())


def test_the_changelog_knows_this_version() -> None:
    """It has a heading for the version in ``pyproject.toml``, or one for what is not released."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {"Unreleased", PROJECT["project"]["version"]} & set(headings)


def test_every_silenced_check_says_why() -> None:
    """``# noqa: CODE - why``, ``# type: ignore[code]  # why``, ``# pragma: no cover - why``."""
    bare = []
    for path in python_files():
        with tokenize.open(path) as source:
            comments = [token for token in tokenize.generate_tokens(source.readline) if token.type == tokenize.COMMENT]
        bare += [
            f"{path.relative_to(ROOT)}:{each.start[0]}: {each.string}"
            for each in comments
            if SILENCERS.search(each.string) and not REASONED.search(each.string)
        ]
    assert not bare, "\n".join(bare)


def test_every_test_says_what_it_proves() -> None:
    """The name is the sentence; the docstring says what holds, so that a failure can be judged without the code."""
    silent = [
        f"{path.relative_to(ROOT)}:{each.lineno}: {each.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and each.name.startswith("test_")
        if not ast.get_docstring(each)
    ]
    assert not silent, "\n".join(silent)


def test_every_rule_left_out_says_why() -> None:
    """Each of ruff's rules that is ignored has its reason on the line."""
    section = PYPROJECT[PYPROJECT.index("[tool.ruff.lint]") : PYPROJECT.index("[tool.ruff.lint.isort]")]
    codes = [line for line in section.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*",', line)]
    assert codes
    assert [line for line in codes if not re.search(r"#\s*\w", line)] == []


def test_every_tolerated_warning_says_why() -> None:
    """Each exception from pytest's ``error`` has its reason on the line."""
    (block,) = re.findall(r"^filterwarnings = \[(.*?)\]$", PYPROJECT, re.MULTILINE | re.DOTALL)
    tolerated = [line for line in block.splitlines() if "ignore" in line]
    assert len(tolerated) == len(PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]) - 1
    assert [line for line in tolerated if "#" not in line] == []


@pytest.mark.parametrize("extra", sorted(PROJECT["project"]["optional-dependencies"]))
def test_every_requirement_has_a_lower_bound(extra: str) -> None:
    """``nox -s minimums`` installs exactly those."""
    lines = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"][extra]
    assert [line for line in lines if ">=" not in line and not line.startswith("dblog-logging[")] == []
