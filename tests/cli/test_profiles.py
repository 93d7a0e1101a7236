"""Which database a command means."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dblog.cli.common import chosen
from dblog.cli.profiles import Database, config_path, resolve
from dblog.errors import ConfigurationError
from dblog.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fake_reader import FakeReader

FILE = """
default = "laptop"
[profiles.laptop]
url = "sqlite:////srv/logs.db"
[profiles.prod]
url = "postgresql://reader@db/app"
schema = "obs"
table = "events"
password_file = "secret"
statement_timeout = 5
tail_overlap = 20
"""
LAPTOP = Database("sqlite:////srv/logs.db")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The file the environment names, which nobody else may read."""
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


@pytest.fixture
def prod(config: Path) -> Database:
    """What the file says of it."""
    return Database("postgresql://reader@db/app", "obs", "events", config.parent / "secret", 5, 20)


def test_what_goes_before_what(config: Path, prod: Database) -> None:
    """``--url``, ``--profile``, ``DBLOG_URL``, ``DBLOG_PROFILE``, the file's default."""
    environment = {"DBLOG_CONFIG": str(config), "DBLOG_URL": "sqlite:////env.db", "DBLOG_PROFILE": "prod"}
    assert resolve("sqlite:////given.db", "prod", environment) == (Database("sqlite:////given.db"), None)
    assert resolve(None, "prod", environment) == (prod, None)
    assert resolve(None, None, environment) == (Database("sqlite:////env.db"), None)
    environment["DBLOG_URL"] = ""
    assert resolve(None, None, environment) == (prod, None)
    del environment["DBLOG_PROFILE"]
    assert resolve(None, None, environment) == (LAPTOP, None)


def test_options_go_before_the_profile(config: Path, prod: Database) -> None:
    """One by one; what is not given stays the profile's."""
    assert chosen(None, "prod") == prod
    found = chosen(None, "prod", "other", None, 1.5)
    assert (found.schema, found.table, found.statement_timeout) == ("other", "events", 1.5)


def test_nothing_names_a_database(tmp_path: Path) -> None:
    """Without a file, too, and the sentence says what to do."""
    assert resolve(None, None, {"DBLOG_CONFIG": str(tmp_path / "none")}) == (None, None)
    with pytest.raises(ConfigurationError, match="no database named: give --url or --profile, or set DBLOG_URL"):
        chosen(None)


def test_where_the_file_is() -> None:
    """Where the platform has its configuration, unless the environment names another."""
    assert config_path({}).parts[-2:] == ("dblog", "config.toml")
    assert config_path({"DBLOG_CONFIG": "/x/y.toml"}) == Path("/x/y.toml")


def test_the_password_file(config: Path) -> None:
    """It lies beside the file that names it; its password goes into the URL of what takes no other."""
    (config.parent / "secret").write_text("p@ss word\n")
    login = chosen(None, "prod").login
    assert getattr(login, "password", None) == "p@ss word"
    assert chosen(None, "laptop").login == LAPTOP.url
    (config.parent / "secret").unlink()
    with pytest.raises(ConfigurationError, match=r"password_file='.*secret' cannot be read: No such file"):
        _ = chosen(None, "prod").login


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "is not TOML: "),
        ("\x00", "is not TOML: "),
        ("dfault = 'prod'", "'dfault' is not allowed at the top: use default and [profiles.NAME]"),
        ("default = 'nope'\n[profiles.a]\nurl='x'", "default='nope' is not a profile: there are a"),
        ("profiles = 5", "'profiles' holds tables only"),
        ("[profiles]\nprod = 'x'", "'profiles' holds tables only"),
        ("[profiles.staging]\nurl='x'", "profile 'prod' is not in "),
        ("[profiles.staging]\nurl='x'", ": there are staging"),
        ("", "it has no profiles"),
        ("[profiles.prod]\nschema='x'", "profiles.prod has no url"),
        ("[profiles.prod]\nurl=5", "profiles.prod.url is not allowed: give a text"),
        ("[profiles.prod]\nurl=''", "profiles.prod.url is not allowed: give a text"),
        ("[profiles.prod]\nurl='x'\nuser='y'", "profiles.prod.user is not allowed: use url, schema, table"),
        (
            "[profiles.prod]\nurl='x'\nstatement_timeout=-1",
            "statement_timeout=-1 is not allowed: give a number of seconds",
        ),
        ("[profiles.prod]\nurl='x'\ncolour='pink'", "colour='pink' is not allowed: use red, yellow, green"),
        ("[profiles.prod]\nurl='x'\nadmin_url=''", "admin_url is not allowed: give a text"),
        ("[profiles.prod]\nurl='x'\nstatement_timeout=nan", "statement_timeout=nan is not allowed"),
        ("[profiles.prod]\nurl='x'\nstatement_timeout=true", "statement_timeout=True is not allowed"),
    ],
)
def test_mistakes_in_the_file(config: Path, text: str, says: str) -> None:
    """Each names the file and the key, says what is allowed, and shows no URL."""
    config.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, "prod", {"DBLOG_CONFIG": str(config)})
    assert says in str(caught.value)
    assert str(config) in str(caught.value)


def test_a_mistake_bars_only_its_own_profile(config: Path) -> None:
    """The others stay usable; a URL that is given does not even need the file to be readable."""
    config.write_text(f"{FILE}\n[profiles.broken]\nurl = 5\n")
    assert resolve(None, None, {"DBLOG_CONFIG": str(config)}) == (LAPTOP, None)
    config.write_text("x = ")
    assert resolve("sqlite:////x.db", None, {"DBLOG_CONFIG": str(config)}) == (Database("sqlite:////x.db"), None)


@pytest.mark.parametrize(
    ("url", "mode", "warns"),
    [
        ("postgresql://u:pw@h/x", 0o644, True),
        ("postgresql://u@h/x?password=pw", 0o640, True),
        ("postgresql://u:pw@h/x", 0o600, False),
        ("postgresql://u@h/x", 0o644, False),
        ("sqlite:////x.db", 0o644, False),
        ("postgresql://[x", 0o644, True),
    ],
)
def test_a_password_others_can_read(config: Path, url: str, mode: int, warns: bool) -> None:
    """One line says so, without the password; the profile works all the same."""
    config.write_text(f'[profiles.a]\nurl = "{url}"\n')
    config.chmod(mode)
    database, warning = resolve(None, "a", {"DBLOG_CONFIG": str(config)})
    assert database == Database(url)
    expected = f"{config} holds a password and others can read it: chmod 600, or use password_file"
    assert warning == (expected if warns else None)


def test_commands_use_profiles(dblog: Callable[..., Any], fake: FakeReader, config: Path) -> None:
    """What the profile says reaches the reader, and a warning is one line on stderr."""
    assert dblog("search", "--profile", "prod", "--timeout", "2").code == 0
    assert dict(fake.asked)["LogReader"] == {
        "schema": "obs", "table": "events", "statement_timeout": 2.0, "connect_timeout": 2.0,
        "password_file": config.parent / "secret", "tail_overlap": 20,
    }  # fmt: skip
    config.write_text('[profiles.a]\nurl = "postgresql://u:hunter2@h/x"\n')
    config.chmod(0o644)
    done = dblog("search", "--profile", "a")
    assert (done.code, done.err.count("\n"), "hunter2" in done.err) == (0, 1, False)
    unknown = dblog("upgrade", "--profile", "b")
    assert (unknown.code, unknown.err) == (2, f"dblog: profile 'b' is not in {config}: there are a\n")


def test_a_profile_s_defaults_are_the_reader_s() -> None:
    """Written twice, for a command that names a database loads no reader."""
    given = inspect.signature(LogReader).parameters
    assert LAPTOP.tail_overlap == given["tail_overlap"].default
    assert LAPTOP.statement_timeout == given["statement_timeout"].default


def test_completion_knows_the_profiles(config: Path) -> None:
    """Those that begin so; a file that is wrong has none."""
    from dblog.cli.common import _profiles

    assert _profiles("p") == ["prod"]
    config.write_text("x = ")
    assert _profiles("") == []


@pytest.mark.parametrize("option", ["url", "profile"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_option_is_a_mistake(dblog: Callable[..., Any], fake: FakeReader, option: str, value: str) -> None:
    """It names the option, and neither the environment nor the file's default takes its place."""
    done = dblog("search", f"--{option}", value)
    assert (done.code, fake.asked) == (2, [])
    assert f"--{option} is empty" in done.err
