"""The command: what its line means, what happens without a terminal, and what is left when it fails."""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError
from dblog_tui import cli
from dblog_tui.arguments import Chosen, database_of, is_at, linked, named, placed, read, settings_of
from dblog_tui.links import Link, command_line, link_of
from dblog_tui.settings import Settings
from dblog_tui.source import Source
from tests.administered import entry, fill
from tests.tui.terminal import Terminal, command, environment_in

PROFILES = """
default = "laptop"
[profiles.laptop]
url = "sqlite:////srv/logs.db"
[profiles.prod]
url = "postgresql://reader:secret@db/app"
colour = "red"
admin_url = "postgresql://owner@db/app"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One whose profiles are those above."""
    path = tmp_path / "config.toml"
    path.write_text(PROFILES)
    path.chmod(0o600)
    return {"DBLOG_CONFIG": str(path)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What looks like a database of SQLite."""
    path = tmp_path / "app.db"
    path.write_bytes(b"SQLite format 3\0")
    return path


# -- which database ------------------------------------------------------------------------------------------------


def test_what_names_a_database(environment: dict[str, str], file: Path) -> None:
    """A URL, a file, a profile; without a word the environment's URL, then its profile, then the file's default."""
    laptop = Database("sqlite:////srv/logs.db")
    assert named("postgresql:///app", environment) == Chosen(Database("postgresql:///app"))
    assert named(str(file), environment) == Chosen(Database(f"sqlite:///{file}"), "app.db")
    assert named("prod", environment).name == "prod"
    assert named(None, environment) == Chosen(laptop, "laptop")
    assert named(None, {**environment, "DBLOG_PROFILE": "prod"}).name == "prod"
    assert named(None, {**environment, "DBLOG_URL": "sqlite:////x.db"}) == Chosen(Database("sqlite:////x.db"))
    assert named(None, {"DBLOG_CONFIG": "/none"}) == Chosen(None)


def test_a_relative_file_is_found_from_anywhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL of a file is absolute."""
    monkeypatch.chdir(file.parent)
    assert named("app.db", {}) == named("./app.db", {}) == Chosen(Database(f"sqlite:///{file}"), "app.db")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.log", b"10:42 hello world", "is no SQLite database; dblog import reads NDJSON"),
        ("empty.db", b"", "is no SQLite database"),
        ("what?.db", b"SQLite format 3\0", "has a question mark in its path"),
    ],
)
def test_files_that_are_no_databases(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """They are refused before anything is opened."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=says.replace("?", r"\?")):
        named(str(tmp_path / name), {})


def test_what_names_nothing(environment: dict[str, str]) -> None:
    """It is a mistake, which says what there is; no new database is meant."""
    with pytest.raises(ConfigurationError, match="neither a URL, nor a file, nor a profile: profiles are laptop, prod"):
        named("prd", environment)
    with pytest.raises(ConfigurationError, match="there are no profiles"):
        named("./none.db", {"DBLOG_CONFIG": "/none"})


def test_options_go_before_the_profile(environment: dict[str, str]) -> None:
    """Schema, table and colour, one by one."""
    found = database_of(read(["--schema", "obs", "--profile-colour", "green"]), "prod", environment).database
    assert found is not None
    assert (found.schema, found.table, found.colour, found.admin_url) == (
        "obs", "logs", "green", "postgresql://owner@db/app",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], []),
        (["--table", "audit"], ["--table", "audit"]),
        (["--schema", "obs", "--table", "audit"], ["--schema", "obs", "--table", "audit"]),
        (["--table", "logs", "--schema", "prod_logs"], []),
    ],
)
@pytest.mark.parametrize("word", ["prod", "postgresql://u:s3cret@h/app"])
def test_a_link_names_the_table_where_its_address_means_another(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, word: str, given: list[str], words: list[str]
) -> None:
    """Of a profile what the profile does not say, of a URL what is not the default; read again it is the same table,
    in a shell and behind ``:``, where the password that a link leaves out is known."""
    with Path(environment["DBLOG_CONFIG"]).open("a") as file:
        file.write('schema = "prod_logs"\n')
    monkeypatch.setenv("DBLOG_CONFIG", environment["DBLOG_CONFIG"])
    database = database_of(read(given), word).database
    assert database is not None
    source = Source(database, profile=word if word == "prod" else None)
    link = Link(**placed(source), trace="4bf92f35")
    line = shlex.split(command_line(link))
    if word == "prod" or "prod_logs" not in given:
        assert line == ["dblog-tui", source.address, *words, "--trace", "4bf92f35"]
    asked = read(line[1:])
    again = database_of(asked, asked.database).database
    assert again is not None
    assert (again.schema, again.table) == (database.schema, database.table)
    assert linked(link, source).database == database
    assert is_at(link, source)
    assert not is_at(replace(link, table="another"), source)
    assert linked(Link(table="another"), source).database == replace(database, table="another")


def test_flags_go_before_the_file_of_settings() -> None:
    """What is not given stays as it is set."""
    settings = Settings(theme="nord", timezone="Europe/Berlin")
    assert settings_of(read([]), settings) == settings
    found = settings_of(read(["--tz", "UTC", "--ascii", "--slow", "--no-mouse"]), settings)
    assert (found.theme, found.timezone, found.glyphs, found.slow, found.mouse) == ("nord", "UTC", "ascii", True, False)
    with pytest.raises(ConfigurationError, match="Mars"):
        settings_of(read(["--tz", "Mars"]), settings)


# -- the application -----------------------------------------------------------------------------------------------


class Recorded:
    """Stands for the application: keeps what it was made with."""

    made: dict[str, Any]
    _exception = None
    return_code = 0

    def __init__(self, **given: Any) -> None:
        type(self).made = given

    def run(self, *, mouse: bool) -> None:
        type(self).made["mouse"] = mouse

    def exit(self, **_: Any) -> None:
        """Never called here."""

    def _close_messages_no_wait(self) -> None:
        """As above."""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Recorded]:
    """A terminal on both ends, settings of one's own, and an application that only keeps what it is given."""
    monkeypatch.setattr(cli, "is_terminal", lambda stream: True)
    for name in tuple(os.environ):
        if name.startswith(("DBLOG_", "TEXTUAL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DBLOG_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("DBLOG_TUI_CONFIG", str(tmp_path / "tui.toml"))
    monkeypatch.setitem(sys.modules, "dblog_tui.app", SimpleNamespace(DblogTui=Recorded))
    (tmp_path / "config.toml").write_text(PROFILES)
    (tmp_path / "config.toml").chmod(0o600)
    return Recorded


def test_what_the_application_is_made_with(terminal: type[Recorded], tmp_path: Path) -> None:
    """Database, name, view, settings, colour and who may change something, all from one line and two files."""
    (tmp_path / "tui.toml").write_text("timezone = 'Europe/Berlin'\n[keymap]\n'logs.find' = '?'\n")
    assert cli.main(["prod", "-q", "service:api", "--since", "1h", "--level", "warn", "--columns", "time,message"]) == 0
    made = terminal.made
    assert made["database"].url == "postgresql://reader:secret@db/app"
    assert (made["name"], made["colour"], made["admin_url"]) == ("prod", "red", "postgresql://owner@db/app")
    assert (made["link"].query, made["link"].last, made["link"].least) == ("service:api", 3600, 3)
    assert made["settings"].columns == ("time", "message")
    assert made["settings"].timezone == made["link"].zone == "Europe/Berlin"
    assert dict(made["settings"].keymap) == {"logs.find": "question_mark"}
    assert (made["demo"], made["mouse"]) == (False, True)


def test_who_may_change_something(terminal: type[Recorded]) -> None:
    """Only with ``--admin``, or where the profile says with which URL."""
    cli.main(["sqlite:////x.db"])
    assert terminal.made["admin_url"] is None
    cli.main(["sqlite:////x.db", "--admin"])
    assert terminal.made["admin_url"] == "sqlite:////x.db"


def test_the_demo_looks_at_no_other_database(
    terminal: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the environment's nor the profile's; a database beside it is a mistake."""
    monkeypatch.setenv("DBLOG_URL", "postgresql:///prod")
    assert cli.main(["--demo"]) == 0
    assert (terminal.made["database"], terminal.made["demo"]) == (None, True)
    assert cli.main(["--demo", "prod"]) == cli.EXIT_USAGE
    assert "leave the other out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--level", "loud"], "'loud' is not a level"),
        (["--since", "soon"], "--since: "),
        (["--at", "here"], "'here' is not a cursor"),
        (["--columns", "a,a"], "'a' is there twice"),
        (["--theme", "beige"], "theme='beige'"),
        (["nowhere"], "'nowhere' is neither a URL"),
    ],
)
def test_mistakes_in_the_line(
    terminal: type[Recorded], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    """Each is one sentence on stderr, before the screen is touched, with exit status 2."""
    assert cli.main(words) == cli.EXIT_USAGE
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("dblog-tui: ")
    assert "secret" not in said


def test_without_the_extra(terminal: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """One line names what to install, with exit status 2."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main([]) == cli.EXIT_USAGE
    assert capsys.readouterr().err == "dblog-tui: textual is not installed: pip install 'dblog-logging[tui]'\n"


def test_without_a_keyboard(terminal: type[Recorded], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """stdin that is no terminal has no keys; the sentence names the command for scripts."""
    monkeypatch.setattr(cli, "is_terminal", lambda stream: stream is not sys.stdin)
    assert cli.main([]) == cli.EXIT_USAGE
    assert "dblog search" in capsys.readouterr().err


def test_what_textual_is_told() -> None:
    """No animation and few frames, fewer still on a slow line; what somebody has set stays."""
    environment: dict[str, str] = {}
    cli.prepare(environment, slow=False)
    assert (environment["TEXTUAL_ANIMATIONS"], environment["TEXTUAL_FPS"]) == ("none", "60")
    environment = {"TEXTUAL_ANIMATIONS": "full"}
    cli.prepare(environment, slow=True)
    assert (environment["TEXTUAL_ANIMATIONS"], environment["TEXTUAL_FPS"]) == ("full", "4")


# -- without a terminal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        ([], ["search"]),
        (["-q", "a or b", "--level", "warn"], ["search", "--", "(a or b) level>=warning"]),
        (["-q", "-level:debug"], ["search", "--", "-level:debug"]),
        (["--since", "1h", "--level", "error"], ["search", "--since=3600s", "--", "level>=error"]),
        (["--since", "2026-11-20T10:00:00Z", "--until", "2026-11-20T11:00:00Z"],
         ["search", "--since=2026-11-20T10:00:00Z", "--until=2026-11-20T11:00:00Z"]),
        (["--trace", "4bf92f35"], ["trace", "4bf92f35"]),
        (["--entry", "0af4297000808138"], ["show", "0af4297000808138"]),
        (["--tz", "UTC"], ["search", "--utc"]),
        (["prod", "--schema", "obs"], ["search", "--profile=prod", "--schema=obs"]),
        (["postgresql:///x", "--table", "t"], ["search", "--url=postgresql:///x", "--table=t"]),
        (["--encoded", "prod", "--table", "a%20b"], ["search", "--profile=prod", "--table=a b"]),
    ],
)  # fmt: skip
def test_the_headless_twin(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, words: list[str], becomes: list[str]
) -> None:
    """Every view is a command line of ``dblog``."""
    monkeypatch.setenv("DBLOG_CONFIG", environment["DBLOG_CONFIG"])
    asked = read(words)
    assert cli.command_of(asked, link_of(asked)) == becomes


def test_output_into_a_pipe(sqlite_url: str, tmp_path: Path) -> None:
    """It is what ``dblog search`` prints, with one line on stderr; so is its exit status."""
    fill(sqlite_url, [entry(number, message=f"row {number}") for number in range(3)])
    done = subprocess.run(
        [*command(sqlite_url, "-q", "row"), "--level", "info"],
        capture_output=True, text=True, check=False, env=environment_in(tmp_path), cwd=tmp_path,
    )  # fmt: skip
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["row 0", "row 1", "row 2"]
    assert done.stderr.splitlines()[0] == "dblog-tui: stdout is no terminal, so this is dblog search"
    assert done.returncode == 0
    words = command(sqlite_url, "-q", "servce:api")
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment_in(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")


# -- the end ---------------------------------------------------------------------------------------------------------

FAILING = """
import sys, types
from textual.app import App
from textual.widgets import Static

class DblogTui(App):
    def __init__(self, **_):
        super().__init__()
    def compose(self):
        yield Static("here it is")
    def on_key(self, event):
        secret = "hunter" + str(2)
        if event.key == "x":
            raise RuntimeError("a value " + secret)
    def command_line(self):
        return "dblog-tui prod -q 'service:api'"

sys.modules["dblog_tui.app"] = types.SimpleNamespace(DblogTui=DblogTui)
from dblog_tui.cli import main
sys.exit(main(["--demo"]))
"""


def test_a_failure(tmp_path: Path) -> None:
    """The terminal is as it was, the exit status 1; a file of one's own has the traceback without values of variables,
    and the last line is the command for the same view."""
    with Terminal([sys.executable, "-c", FAILING], tmp_path) as terminal:
        terminal.until("here it is")
        terminal.send(b"x")
        assert terminal.ended() == cli.EXIT_FAILED
        assert terminal.restored
        said = terminal.screen.text.replace("\n", "")
    assert "dblog-tui: ended by RuntimeError" in said
    assert said.rstrip().endswith("the same view again: dblog-tui prod -q 'service:api'")
    (report,) = (tmp_path / "xdg_state_home" / "dblog").glob("crash-*.txt")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert "in on_key" in text
    assert "secret =" not in text
    assert "hunter2" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """It ends the application as its own key does; the exit status tells which it was."""
    with Terminal([sys.executable, "-c", FAILING], tmp_path) as terminal:
        terminal.until("here it is")
        os.kill(terminal.pid, number)
        assert terminal.ended() == 128 + number
        assert terminal.restored


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are answered without a terminal; the help has an example of everything people come for."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("dblog-tui 0.")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(flag in said for flag in ("--demo", "--since", "--trace", "--admin", "examples:"))
