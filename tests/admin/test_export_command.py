"""``dblog export`` as it is typed: each format, and going on only with what it has begun."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from dblog.admin import exporting
from dblog.admin.partfile import PartFile
from dblog.errors import ConfigurationError
from tests.administered import entry, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]


@pytest.mark.parametrize("shape", ["ndjson", "json", "csv"])
def test_a_format_is_named(sqlite_url: str, tmp_path: Path, dblog: Dblog, shape: str) -> None:
    """``--format`` goes before the file's ending, into a pipe and into a file alike."""
    fill(sqlite_url, [entry(number) for number in range(3)])
    command = ("export", "--url", sqlite_url, "--format", shape, "--columns", "lineno")
    piped = dblog(*command)
    assert piped.code == 0
    assert dblog(*command, "--output", tmp_path / "out.txt").code == 0
    text = (tmp_path / "out.txt").read_bytes().decode()
    assert text == piped.out
    read: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "ndjson": lambda: [json.loads(line) for line in text.splitlines()],
        "json": lambda: json.loads(text),
        "csv": lambda: list(csv.DictReader(io.StringIO(text))),
    }
    assert [int(row["lineno"]) for row in read[shape]()] == [0, 1, 2]


def test_another_database_is_not_mixed_in(
    sqlite_url: str, empty_sqlite_url: str, tmp_path: Path, dblog: Dblog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--resume`` refuses another database, schema or table by a sentence; what is there stays as it was."""
    fill(sqlite_url, [entry(number) for number in range(9)])
    monkeypatch.setattr(exporting, "_PAGE", 4)
    command = ("export", "--output", tmp_path / "out")
    interrupt(dblog, monkeypatch, *command, "--url", sqlite_url)
    part = PartFile(tmp_path / "out")
    before = part.part.read_bytes()
    assert "database" in json.loads(part.side.read_bytes())["state"]["asked"]
    for other in (("--url", empty_sqlite_url), ("--url", sqlite_url, "--table", "events")):
        done = dblog(*command, *other, "--resume")
        assert (done.code, "from another database" in done.err) == (2, True)
    assert part.part.read_bytes() == before
    assert dblog(*command, "--url", sqlite_url, "--resume").code == 0
    assert len((tmp_path / "out").read_bytes().splitlines()) == 9


def interrupt(dblog: Dblog, monkeypatch: pytest.MonkeyPatch, *command: object) -> None:
    """Run an export until its second page."""
    append = PartFile.append

    def interrupted(self: PartFile, piece: bytes, state: dict[str, Any]) -> None:
        if state["count"] > 4:
            raise KeyboardInterrupt
        append(self, piece, state)

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "append", interrupted)
        assert dblog(*command).code == 130


def test_no_password_is_remembered(tmp_path: Path, dblog: Dblog) -> None:
    """The side file names the database without it."""
    url = "postgresql://u:hunter2@127.0.0.1:1/x"
    assert dblog("export", "--url", url, "--output", tmp_path / "out").code == 3
    assert "127.0.0.1" in PartFile(tmp_path / "out").side.read_text()
    assert "hunter2" not in PartFile(tmp_path / "out").side.read_text()


def test_one_at_a_time(tmp_path: Path) -> None:
    """While one export writes, another cannot resume it; afterwards, it can."""
    path = tmp_path / "x"
    with PartFile(path) as one:
        one.begin({"a": 1})
        one.append(b"12", {"a": 2})
        with PartFile(path) as other, pytest.raises(ConfigurationError, match="being written by another export"):
            other.resume()
    with PartFile(path) as other:
        assert other.resume() == {"a": 2}
        other.append(b"34", {})
        other.finish()
    assert path.read_bytes() == b"1234"


def test_killed_before_the_first_piece(sqlite_url: str, tmp_path: Path, dblog: Dblog) -> None:
    """Whether or not it came to its first note, ``--resume`` completes the export, as the refusal to begin says."""
    fill(sqlite_url, [entry(number) for number in range(3)])
    command = ("export", "--url", sqlite_url, "--output", tmp_path / "out")
    part = PartFile(tmp_path / "out")
    part.part.touch()
    refused = dblog(*command)
    assert (refused.code, "go on with --resume" in refused.err) == (2, True)
    assert dblog(*command, "--resume").code == 0
    (tmp_path / "out").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartFile, "append", lambda *_: sys.exit(143))
        assert dblog(*command).code == 143
    assert dblog(*command, "--resume").code == 0
    assert len((tmp_path / "out").read_bytes().splitlines()) == 3


def test_no_stdout_at_all(sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dblog export >&-` ends as a pipe nobody reads, and as the other commands do."""
    monkeypatch.setattr(sys, "stdout", None)
    done = dblog("export", "--url", sqlite_url)
    assert (done.code, done.err) == (141, "")
