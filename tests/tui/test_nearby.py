"""What is found nearby: logs, and nothing else; nothing is changed, and no password is shown."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from dblog_tui.nearby import about, look
from tests.administered import entry, fill, now

NOWHERE = {"DBLOG_CONFIG": "/none"}


@pytest.fixture
def place(sqlite_url: str, tmp_path: Path) -> Path:
    """A folder with two logs, one of them older and one folder down, and what only looks like one."""
    folder = tmp_path / "place"
    (folder / "logs").mkdir(parents=True)
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), folder / "empty.db")
    fill(sqlite_url, [entry(1, timestamp=now() - 3_600_000_000)])
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), folder / "logs" / "old.db")
    fill(sqlite_url, [entry(2, timestamp=now())])
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), folder / "new.sqlite3")
    (folder / "text.db").write_text("10:42 hello")
    (folder / "nothing.db").touch()
    (folder / "folder.db").mkdir()
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE logs (text TEXT)")
    other.close()
    (folder / "what?.db").write_bytes((folder / "empty.db").read_bytes())
    (folder / "torn.db").write_bytes((folder / "empty.db").read_bytes()[:100] + b"\xff" * 4000)
    return folder


def test_logs_are_found_the_newest_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without a table of logs are passed over, whatever is wrong with them; each is opened for reading only."""
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    monkeypatch.chdir(place)
    found = look(environment=NOWHERE)
    assert [each.name for each in found] == ["new.sqlite3", "logs/old.db", "empty.db"]
    assert all(each.looked and each.size for each in found)
    assert found[0].database.url == f"sqlite:///{place / 'new.sqlite3'}"
    assert found[0].newest is not None
    assert found[1].newest is not None
    assert found[0].newest > found[1].newest
    assert found[2].newest is None
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_log_that_is_being_written(sqlite_url: str) -> None:
    """Somebody else's transaction does not hide it, nor is it waited for."""
    path = sqlite_url.removeprefix("sqlite:///")
    fill(sqlite_url, [entry(1)])
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        found = about(Path(path))
    finally:
        writer.close()
    assert found is not None
    assert found.newest is not None


def test_what_the_environment_and_profiles_name(tmp_path: Path) -> None:
    """They come behind the files, without passwords and without being asked; each database once, nine at most."""
    config = tmp_path / "config.toml"
    config.write_text(
        "[profiles.prod]\nurl = 'postgresql://u:geheim@db/app'\n[profiles.same]\nurl = 'postgresql://h/x'\n"
        "[profiles.broken]\nurl = 5\n" + "".join(f"[profiles.p{at}]\nurl = 'postgresql://h/{at}'\n" for at in range(9))
    )
    environment = {
        "DBLOG_CONFIG": str(config), "DATABASE_URL": "postgresql://h/x", "DBLOG_URL": "mysql://no",
    }  # fmt: skip
    found = look(tmp_path, environment)
    assert [each.name for each in found] == ["$DATABASE_URL", "prod", *(f"p{at}" for at in range(7))]
    assert "geheim" not in "".join(f"{each.name}{each.kind}" for each in found)
    assert not any(each.looked for each in found)


def test_nothing_at_all(tmp_path: Path) -> None:
    """An empty folder, and a file of profiles that cannot be read."""
    config = tmp_path / "config.toml"
    config.write_text("x = ")
    assert look(tmp_path, {"DBLOG_CONFIG": str(config)}) == []


def test_a_file_that_may_not_be_read(place: Path) -> None:
    """It is passed over; asked for by name it is an error of the system."""
    with pytest.raises(OSError, match="No such file"):
        about(place / "gone.db")
    (place / "dangling.db").symlink_to(place / "gone.db")
    assert "dangling.db" not in [each.name for each in look(place, NOWHERE)]
