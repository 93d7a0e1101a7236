"""The documents are complete and true: their programs run, and every option, metric, command and flag is in them."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import sqlite3
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import typer

import dblog
from dblog.buffer import Buffer
from dblog.cli import app
from dblog.errors import DblogError, ErrorClass
from dblog.ledger import DROP_REASONS, FAIL_REASONS, STATES
from dblog.levels import BAND_NAMES
from dblog.metrics import METRICS
from dblog.options import OVERFLOW_POLICIES, Options
from dblog.spooled_buffer import SpooledBuffer
from dblog.testing import MemorySink

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = [path for path in DOCUMENTS if "```python" in path.read_text()]
LOGGERS = {"dblog.loss", "dblog.audit", "dblog.unhandled", "dblog.health", "dblog.access"}
COMMANDS = typing.cast("typing.Any", typer.main.get_command(app)).commands


def text(name: str) -> str:
    return (ROOT / name).read_text()


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def first_cell(document: str) -> set[str]:
    """Every name in the first column of the document's tables."""
    rows = re.findall(r"^\| (.*?) \|", text(document), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


RUNNER = """
import sys, pathlib
from dblog import migrate
migrate.upgrade("sqlite:///logs.db")
for number, source in enumerate(sys.stdin.read().split("\\f")):
    if "dblog_sink" in source:
        pathlib.Path("conftest.py").write_text('pytest_plugins = ["dblog.testing"]')
        pathlib.Path("test_readme.py").write_text("import logging\\n" + source)
    else:
        exec(compile(source, f"block {number + 1}", "exec"), globals())
"""


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_python_blocks_run(path: Path, tmp_path: Path) -> None:
    """In order, in one program, in an empty folder with a migrated ``logs.db``, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", RUNNER]
    sources = "\f".join(blocks(path, "python"))
    result = subprocess.run(command, input=sources, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    if path.name == "README.md":
        check_the_readme_s_rows(tmp_path)
        check_the_readme_s_test(tmp_path)


def check_the_readme_s_rows(folder: Path) -> None:
    """The first screen does what it says: the record is there, with its template, extras and ids."""
    with contextlib.closing(sqlite3.connect(folder / "logs.db")) as connection:
        connection.row_factory = sqlite3.Row
        rows = {row["message"]: row for row in connection.execute("SELECT * FROM logs")}
    first = rows["3 items for Ada"]
    assert (first["service"], first["logger"], first["template"]) == ("shop", "shop.cart", "%d items for %s")
    assert first["metadata"] == '{"cart":"c-17"}'
    inner = rows["carries task_id"]
    assert (inner["task_id"], inner["user_id"]) == ("nightly", "u-17")
    assert inner["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def check_the_readme_s_test(folder: Path) -> None:
    """The test for the reader's own application passes, with its one line of conftest.py."""
    (folder / "pytest.ini").write_text("[pytest]\n")  # not ours, where the temporary folder lies in the checkout
    without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "asyncio")]
    command = [sys.executable, "-m", "pytest", "-q", "-Werror", *without, "."]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "1 passed" in result.stdout, result.stdout


def test_the_readme_s_first_screen() -> None:
    """What it is, the dictConfig entry and exactly two set-up commands; the rest is short."""
    readme = text("README.md")
    assert 100 <= len(readme.splitlines()) <= 175
    setups = [line for source in blocks(ROOT / "README.md", "sh") for line in source.splitlines() if "venv" in line]
    assert setups == [
        "python3 -m venv .venv && .venv/bin/pip install -q '.[all]' && .venv/bin/dblog demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[all,test]' && .venv/bin/pytest",
    ]
    assert readme.index('"class": "dblog.DatabaseHandler"') < readme.index(setups[0]) < readme.index("\n## ")
    assert readme.index(setups[1]) < readme.index("\n## ")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_named_exist_with_their_flags(path: Path) -> None:
    """No document names a command or flag that is not there."""
    called = re.compile(r"(?:^|[`/ ])dblog ([a-z][a-z-]*)\b([^|`\n]*)", re.MULTILINE)
    for command, rest in called.findall("\n".join(quoted(path))):
        assert command in COMMANDS, f"dblog {command}"
        assert set(re.findall(r"--[a-z-]+", rest)) <= flags_of(COMMANDS[command]) | {"--help"}, f"dblog {command}{rest}"


def flags_of(command: typing.Any) -> set[str]:
    """The long flags of a command, with those that say no."""
    flags = [flag for each in command.params for flag in (*each.opts, *each.secondary_opts)]
    return {flag for flag in flags if flag.startswith("--")}


def quoted(path: Path) -> list[str]:
    """What is set as code: shell blocks and inline."""
    return blocks(path, "sh") + [f"`{part}`" for part in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", path.read_text())]


def test_every_command_and_flag_is_documented() -> None:
    """Each command has its row in ``docs/cli.md``, with exactly its flags."""
    rows = {
        row[0]: row[1]
        for row in re.findall(r"^\| `dblog ([a-z][a-z-]*)[^`]*` \| (.*) \|$", text("docs/cli.md"), re.MULTILINE)
    }
    assert set(rows) == set(COMMANDS)
    for name, command in COMMANDS.items():
        assert flags_of(command) - {"--help"} == set(re.findall(r"--[a-z-]+", rows[name])), name


def test_every_option_is_documented() -> None:
    """Every field of ``Options`` and every other keyword of the handler has its row, and no row names another."""
    keywords = set(inspect.signature(dblog.DatabaseHandler).parameters) - {"options"}
    fields = {field.name for field in dataclasses.fields(Options)}
    assert first_cell("docs/options.md") == keywords | fields
    named = first_cell("README.md")
    assert named <= keywords | fields, named - keywords - fields


def test_the_options_of_the_audit_handler_are_documented() -> None:
    """Its own keyword, what it has another default for, and exactly those options that it refuses."""
    section = text("docs/options.md").partition("\n## `AuditHandler`\n")[2]
    refused = set(re.findall("`([a-z_]+)`", section.partition("is refused:")[2]))
    fields = {field.name for field in dataclasses.fields(Options)}
    taken = {}
    for name in fields:
        try:
            taken[name] = dblog.AuditHandler(sink=MemorySink(), **{name: getattr(Options(), name)}).options
        except dblog.ConfigurationError:
            assert name in refused
    assert refused == fields - set(taken)
    own = set(inspect.signature(dblog.AuditHandler).parameters) - set(
        inspect.signature(dblog.DatabaseHandler).parameters
    )
    assert own == set(re.findall("Its own is `([a-z_]+)`", section))
    plain = dblog.AuditHandler(sink=MemorySink())
    other = {name for name in taken if getattr(plain.options, name) != getattr(Options(), name)}
    assert {f"`{name}` is `{getattr(plain.options, name)}`" in section for name in other} == {True}
    assert f"`timeout`: {plain.timeout:g} s" in section


@pytest.mark.parametrize("policy", OVERFLOW_POLICIES)
def test_every_overflow_policy_is_documented(policy: str) -> None:
    """Each policy is explained beside the option."""
    assert f"`{policy}`" in text("docs/options.md")


def test_documented_defaults_are_the_defaults() -> None:
    """The numbers of the tables, as the handler has them."""
    document, defaults = text("docs/options.md"), Options()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", document, re.MULTILINE))
    units = {"MiB": 1 << 20, "KiB": 1 << 10, "s": 1, "": 1}
    checked = 0
    for name, shown in rows.items():
        if number := re.fullmatch(r"([\d,.]+) ?(MiB|KiB|s|)", shown):
            assert float(number[1].replace(",", "")) * units[number[2]] == getattr(defaults, name), name
            checked += 1
        elif hasattr(defaults, name) and re.fullmatch(r"`\w+`", shown) and isinstance(getattr(defaults, name), str):
            assert shown.strip("`") == getattr(defaults, name)
            checked += 1
    assert checked >= 15


def test_the_documented_durability_is_what_a_handler_has(tmp_path: Path) -> None:
    """What the option defaults to depends on what records go to, as its row says."""
    (shown,) = re.findall(r"^\| `durability` \| (.*?) \|", text("docs/options.md"), re.MULTILINE)
    assert shown == "`spool`; with `sink` `memory`"
    assert "| `durability`, `spool_dir` | `spool`, " in text("README.md")
    for handler, mode in (
        (dblog.DatabaseHandler(f"sqlite:///{tmp_path}/logs.db"), SpooledBuffer),
        (dblog.DatabaseHandler(sink=MemorySink()), Buffer),
    ):
        assert type(handler._writer.buffer) is mode
        assert (handler._folder is not None) == (mode is SpooledBuffer)


def test_every_metric_is_documented_with_its_labels() -> None:
    """The table of ``docs/metrics.md`` is the code's: names, types and labels."""
    rows = re.findall(r"^\| `(dblog_\w+)` \| (\w+) \| (.*?) \|", text("docs/metrics.md"), re.MULTILINE)
    documented = {name: (kind, tuple(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    assert documented == {f"dblog_{name}": (spec.kind, spec.labels) for name, spec in METRICS.items()}


def test_every_metric_named_anywhere_exists() -> None:
    """No document names a metric, in an alert for instance, that is not exported."""
    names = {f"dblog_{name}" for name in METRICS} | {f"dblog_{name}_bucket" for name in METRICS}
    others = {"dblog_sink", "dblog_clock", "dblog_migrations", "dblog_ensure_day", "dblog_tui"}
    for path in DOCUMENTS:
        assert set(re.findall(r"\bdblog_\w+", path.read_text())) <= names | others, path.name


def test_every_label_value_is_documented() -> None:
    """Reasons, states and levels are listed where a reader of metrics or ``stats()`` looks them up."""
    metrics = text("docs/metrics.md")
    for value in (*DROP_REASONS, *FAIL_REASONS, *STATES, *BAND_NAMES):
        assert re.search(rf"\b{value}\b", metrics), value
    reliability = first_cell("docs/reliability.md")
    assert {*DROP_REASONS, *FAIL_REASONS} <= reliability
    assert len({kind.value for kind in ErrorClass}) == len(ErrorClass)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link is to the web or to a file of the checkout."""
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_dotted_names_exist(path: Path) -> None:
    """``dblog.something`` in a document is something."""
    import importlib

    for dotted in set(re.findall(r"`(dblog(?:\.\w+)+)", path.read_text())) - LOGGERS:
        module, _, name = dotted.rpartition(".")
        try:
            found = hasattr(importlib.import_module(module), name)
        except ImportError:
            found = False
        if not found:
            importlib.import_module(dotted)
    assert issubclass(dblog.ConfigurationError, DblogError)
