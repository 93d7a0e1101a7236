"""What matches, into a file."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dblog.cli.profiles import Database
from dblog.errors import ConfigurationError, StoreError
from dblog.query import parse
from dblog_tui.source import Source
from dblog_tui.source.export import SHAPES, Export, _Watched, path_of, shape_of
from tests.administered import entry, fill

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 2500


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of SQLite with ``ROWS`` entries."""
    from dblog.migrate import upgrade

    url = f"sqlite:///{tmp_path_factory.mktemp('full')}/logs.db"
    upgrade(url)
    fill(url, [entry(number, service="shop" if number % 5 else "cart") for number in range(ROWS)])
    return url


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def test_what_matches_is_in_the_file_the_oldest_first(full: str, tmp_path: Path) -> None:
    """As NDJSON, JSON and CSV, compressed where the name says so; and it says how far it is."""
    source = Source(Database(full))
    for name in ("a.ndjson", "a.json", "a.csv", "a.ndjson.gz"):
        export = Export(source, parse("service:cart"), tmp_path / name, shape=shape_of(name))
        assert await export.run() == ROWS // 5
        assert export.written.count == ROWS // 5
        assert export.written.reached is not None
        assert export.written.size > 100_000
        assert export.path.stat().st_mode & 0o777 == 0o600
    assert messages(tmp_path / "a.ndjson") == [f"order {number}, “déjà”\n\tline" for number in range(0, ROWS, 5)]
    assert len(json.loads((tmp_path / "a.json").read_text())) == ROWS // 5
    assert gzip.decompress((tmp_path / "a.ndjson.gz").read_bytes()) == (tmp_path / "a.ndjson").read_bytes()
    assert names(tmp_path) == ["a.csv", "a.json", "a.ndjson", "a.ndjson.gz"]


async def test_the_columns_are_those_that_were_chosen(full: str, tmp_path: Path) -> None:
    """In their order."""
    export = Export(
        Source(Database(full)), parse("service:cart"), tmp_path / "a.csv", shape="csv", columns=("service", "lineno")
    )
    await export.run()
    assert export.path.read_text().split()[:3] == ["service,lineno", "cart,0", "cart,5"]


async def interrupted(export: Export, monkeypatch: pytest.MonkeyPatch, *, heard: bool = True) -> None:
    """Run an export, and cancel it when it has written its first entries; ``heard``: its thread's loop is told so."""
    begun, ended = threading.Event(), threading.Event()
    append, stop = _Watched.append, Export._stop

    def first(self: _Watched, piece: bytes, state: dict[str, Any]) -> None:
        append(self, piece, state)
        if state["count"]:
            begun.set()
            assert ended.wait(30)

    def stopped(self: Export) -> None:
        if heard:
            stop(self)
        self.stopped = True
        ended.set()

    with monkeypatch.context() as patched:
        patched.setattr(_Watched, "append", first)
        patched.setattr(Export, "_stop", stopped)
        task = asyncio.create_task(export.run())
        assert await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_export_that_was_cancelled_goes_on(full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled after the first piece it leaves no file; run again it writes what one run would have written."""
    export = Export(Source(Database(full)), parse(""), tmp_path / "a.ndjson")
    await interrupted(export, monkeypatch)
    assert names(tmp_path) == ["a.ndjson.part", "a.ndjson.part.json"]
    assert export.written.count == 1000
    assert await export.run() == ROWS
    whole = Export(Source(Database(full)), parse(""), tmp_path / "b.ndjson")
    await whole.run()
    assert export.path.read_bytes() == whole.path.read_bytes()


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_was_stopped_writes_no_further_piece(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    """Also where its thread has not heard of it yet; and run again it is whole."""
    export = Export(Source(Database(full)), parse("service:shop"), tmp_path / "a", shape=shape)
    await interrupted(export, monkeypatch, heard=False)
    assert export.written.count == 1000
    assert names(tmp_path) == ["a.part", "a.part.json"]
    assert await export.run() == ROWS // 5 * 4
    whole = Export(Source(Database(full)), parse("service:shop"), tmp_path / "b", shape=shape)
    await whole.run()
    assert export.path.read_bytes() == whole.path.read_bytes()


async def test_what_is_stopped_too_late_is_done(full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is in its place: it is said to be, and cannot be gone on with."""
    there, ended = threading.Event(), threading.Event()
    finish = _Watched.finish

    def finished(self: _Watched) -> None:
        finish(self)
        there.set()
        assert ended.wait(30)

    def stopped(self: Export) -> None:
        ended.set()

    monkeypatch.setattr(_Watched, "finish", finished)
    monkeypatch.setattr(Export, "_stop", stopped)
    task = asyncio.create_task(Export(Source(Database(full)), parse(""), tmp_path / "a.ndjson").run())
    assert await asyncio.to_thread(there.wait, 30)
    task.cancel()
    assert await task == ROWS
    assert names(tmp_path) == ["a.ndjson"]


async def test_what_is_discarded_leaves_nothing(full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file nor what was to become it."""
    export = Export(Source(Database(full)), parse(""), tmp_path / "a.ndjson")
    await interrupted(export, monkeypatch)
    export.discard()
    assert not names(tmp_path)


async def test_an_unfinished_file_of_another_export_is_left_alone(full: str, tmp_path: Path) -> None:
    """It is somebody's work."""
    from dblog.admin.partfile import PartFile

    with PartFile(tmp_path / "a.ndjson") as file:
        file.begin({"asked": "something else"})
        file.append(b"x", {"asked": "something else"})
    with pytest.raises(ConfigurationError, match="of another export"):
        await Export(Source(Database(full)), parse(""), tmp_path / "a.ndjson").run()
    assert (tmp_path / "a.ndjson.part").read_bytes() == b"x"


async def test_a_database_that_is_away_is_a_store_error(tmp_path: Path) -> None:
    """With its sentence, for the dialog."""
    with pytest.raises(StoreError):
        await Export(Source(Database(f"sqlite:///{tmp_path}/none.db")), parse(""), tmp_path / "a.ndjson").run()


def test_a_name_is_a_file_or_a_sentence(tmp_path: Path) -> None:
    """What cannot be written is said before anything is read."""
    (tmp_path / "there").write_text("")
    for name, sentence in (
        ("", "needs a name"),
        (str(tmp_path), "is a folder"),
        (f"{tmp_path}/there", "is there already"),
        (f"{tmp_path}/no/such", "there is no folder"),
        ("a\0b", "is to be seen in full"),
        (f"{tmp_path}/{'x' * 5000}", "cannot be the name"),
        ("~nobody-of-that-name/x", "cannot be the name"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            path_of(name)
    assert path_of(f" {tmp_path}/new ") == tmp_path / "new"


def test_a_format_is_that_of_the_ending() -> None:
    """As for ``dblog export``."""
    from dblog.admin.formats import FORMATS

    assert SHAPES == FORMATS
    assert [shape_of(name) for name in ("a.csv", "a.CSV.gz", "a.json", "a.json.gz", "a", "a.log.gz")] == [
        "csv", "csv", "json", "json", "ndjson", "ndjson",
    ]  # fmt: skip
