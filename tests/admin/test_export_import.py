"""Entries leave one database and arrive in another: all of them, each once, whatever happens on the way."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin import exporting, importing
from dblog.admin import partitions as admin_partitions
from dblog.admin.connection import AdminConnection
from dblog.admin.exporting import Progress, export
from dblog.admin.formats import FORMATS, columns_of, format_of, tamed
from dblog.admin.importing import MOST_LINE, Import, lines_of
from dblog.admin.partfile import PartFile
from dblog.admin.partitions import partitions
from dblog.cli import progress
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.interchange import COLUMNS, from_json, to_json
from dblog.query import parse
from dblog.reading.values import Cursor, Page
from tests.administered import DAY, entry, everything, fill, now
from tests.oracle import examples, execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

ALL = parse("")


class Table:
    """A reader of entries in a list, which breaks down at the n-th page."""

    def __init__(self, entries: list[LogEntry], breaks: int | None = None) -> None:
        self.entries, self.left = sorted(entries, key=lambda each: (each.timestamp, each.id)), breaks

    async def search(self, _query: object, *, after: Cursor, limit: int) -> Page:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreError(ErrorClass.RECONNECT, "08006", "gone")
        behind = [each for each in self.entries if (each.timestamp, each.id) > tuple(after)][:limit]
        return Page(tuple(reversed(behind)), None, None)


class Torn(PartFile):
    """A file whose n-th piece is written in half, as by a crash."""

    def __init__(self, path: Path, breaks: int) -> None:
        super().__init__(path)
        self.left = breaks

    def append(self, piece: bytes, state: dict[str, Any]) -> None:
        self.left -= 1
        if self.left < 0:
            assert self._file is not None
            self._file.write(piece[: len(piece) // 2 + 1] or b"torn")
            self._file.flush()
            raise KeyboardInterrupt
        super().append(piece, state)


async def run(reader: Any, file: PartFile, shape: str, *, resume: bool = False, limit: int | None = None) -> int:
    with file:
        state = file.resume() if resume else {}
        if not resume:
            file.begin({})
        since = Progress.of(state) if state else None
        return await export(reader, ALL, format_of(shape), file, asked={}, since=since, limit=limit)


@pytest.mark.parametrize(("shape", "ending"), [("ndjson", ""), ("json", ".gz"), ("csv", "")])
async def test_an_interrupted_export_goes_on_without_gap_or_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, ending: str
) -> None:
    """Wherever the database goes away or a piece is torn, resuming until it is done gives the same bytes."""
    monkeypatch.setattr(exporting, "_PAGE", 4)
    entries = [entry(number) for number in range(18)]
    whole = tmp_path / f"whole{ending}"
    assert await run(Table(entries), PartFile(whole), shape) == len(entries)
    assert stat.S_IMODE(whole.stat().st_mode) == 0o600
    for place in range(7):
        path = tmp_path / f"{place}{ending}"
        with pytest.raises((StoreError, KeyboardInterrupt)):
            await run(Table(entries, breaks=place % 5), Torn(path, place), shape)
        more = 0
        while PartFile(path).side.exists() and (more := more + 1):
            with suppressing():
                await run(Table(entries, breaks=more), Torn(path, more), shape, resume=True)
        assert path.read_bytes() == whole.read_bytes()
        assert not PartFile(path).part.exists()
        assert not PartFile(path).side.exists()


class suppressing:  # noqa: N801 - reads as contextlib's
    """An interruption is what is tested."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> bool:
        return kind in (StoreError, KeyboardInterrupt)


@pytest.mark.parametrize("count", [0, 1, 4, 5])
async def test_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """NDJSON reads back to the entries; JSON is one array of the same objects; CSV has a header and a line for each."""
    monkeypatch.setattr(exporting, "_PAGE", 4)
    entries = [entry(number) for number in range(count)]
    files = {shape: tmp_path / shape for shape in FORMATS}
    for shape, path in files.items():
        assert await run(Table(entries), PartFile(path), shape) == count
    lines = files["ndjson"].read_bytes().splitlines()
    assert [from_json(line) for line in lines] == entries
    assert json.loads(files["json"].read_bytes()) == [json.loads(line) for line in lines]
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_bytes().decode(), newline="")))
    assert [row["message"] for row in rows] == [each.message for each in entries]
    assert [json.loads(row["metadata"]) for row in rows] == [each.attributes for each in entries]
    assert files["csv"].read_bytes().split(b"\r\n")[0] == ",".join(COLUMNS).encode()


async def test_limit_and_columns(tmp_path: Path) -> None:
    """The oldest so many; only the columns named, by alias too, in CSV in the order they were named in."""
    entries = [entry(number) for number in range(5)]
    assert await run(Table(entries), PartFile(tmp_path / "a"), "ndjson", limit=3) == 3
    assert len((tmp_path / "a").read_bytes().splitlines()) == 3
    names = columns_of(" msg, level,msg")
    assert names == ("message", "level")
    assert format_of("csv", names).head() == b"message,level\r\n"
    assert json.loads(format_of("ndjson", names).body(entries[:1], first=True)) == {
        "message": entries[0].message,
        "level": "INFO",
    }
    for wrong in ("nope", ","):
        with pytest.raises(ConfigurationError, match="column"):
            columns_of(wrong)


@given(st.text() | st.text(st.sampled_from("=+-@\t\r\n '＝＋－＠a")))
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would take for a formula begins with an apostrophe, blanks before it or not."""
    cell = tamed(text)
    assert cell in (text, f"'{text}")
    assert not cell.startswith(("\t", "\r", "\n"))
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_csv_reads_back(text: str) -> None:
    """RFC 4180: commas, quotes and line breaks in a text are the reader's again; ``raw`` changes nothing."""
    made = LogEntry(0, "INFO", 9, "", text)
    body = format_of("csv", ("message",), raw=True).body([made, made], first=True)
    assert list(csv.reader(io.StringIO(body.decode(), newline=""))) == [[text] if text else [""]] * 2


def test_files_in_the_way_are_kept(tmp_path: Path) -> None:
    """An export overwrites nothing, and resumes only what it knows."""
    path = tmp_path / "x"
    for name, says in (("x", "is there already"), ("x.part", "--resume")):
        (tmp_path / name).write_text("precious")
        with pytest.raises(ConfigurationError, match=says):
            PartFile(path).begin({})
        assert (tmp_path / name).read_text() == "precious"
        with pytest.raises(ConfigurationError, match="nothing to resume"):
            PartFile(path).resume()
        (tmp_path / name).unlink()
    with PartFile(path) as file:
        file.begin({})
        file.append(b"12345", {"a": 1})
    (tmp_path / "x.part").write_bytes(b"123")
    with pytest.raises(ConfigurationError, match="shorter"):
        PartFile(path).resume()
    (tmp_path / "other").write_text("precious")
    (tmp_path / "y.part").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigurationError):
        PartFile(tmp_path / "y").begin({})
    assert (tmp_path / "other").read_text() == "precious"


def test_from_one_kind_of_database_into_the_other(
    sqlite_url: str, postgres_url: str, tmp_path: Path, dblog: Dblog
) -> None:
    """Out of SQLite into PostgreSQL and back into SQLite: the same entries with the same ids; twice stores once."""
    made = [entry(number) for number in range(1203)] + [entry(5000, now() - 400 * DAY), entry(5001, 0)]
    assert fill(sqlite_url, made).stored == len(made)
    there = everything(sqlite_url)
    assert len(there) == len(made)
    for source, target in ((sqlite_url, postgres_url), (postgres_url, f"sqlite:///{tmp_path / 'new.db'}")):
        file = tmp_path / f"{target[:6]}.ndjson.gz"
        if target.endswith("new.db"):
            assert dblog("upgrade", "--url", target).code == 0
        assert dblog("export", "--url", source, "--output", file)[:2] == (0, "")
        first = dblog("import", file, "--url", target)
        assert first.out.startswith("1,205 lines read, 1,205 stored, 0 already there, 0 refused")
        assert everything(target) == there
        again = dblog("import", file, "--url", target)
        assert (again.code, again.out) == (0, "1,205 lines read, 0 stored, 1,205 already there, 0 refused\n")
        assert everything(target) == there


def test_lines_without_ids_are_stored_once(database_url: str, dblog: Dblog) -> None:
    """The same file again stores nothing new, also when it has grown; equal lines are as many entries."""
    stamp = datetime.fromtimestamp(now() // 1_000_000, UTC).isoformat().encode()  # of a day that has its partition
    line = b'{"ts": "' + stamp + b'", "msg": "hello", "who": "x"}\n'
    other = b'{"ts": "' + stamp + b'", "msg": "bye"}\n'
    data = line + line + b"\n" + other
    done = dblog("import", "-", "--url", database_url, stdin=data)
    assert (done.code, done.out) == (0, _told(3, 3, 0))
    assert dblog("import", "-", "--url", database_url, stdin=data).out == _told(3, 0, 3)
    assert dblog("import", "-", "--url", database_url, stdin=data + line).out == _told(4, 1, 3)
    found = everything(database_url)
    assert sorted(each.message for each in found) == ["bye", "hello", "hello", "hello"]
    assert all(each.id is not None and each.id.version == 7 for each in found)


def _told(read: int, stored: int, present: int) -> str:
    return f"{read} lines read, {stored} stored, {present} already there, 0 refused\n"


def test_bad_lines_are_named_and_kept_apart(database_url: str, tmp_path: Path, dblog: Dblog) -> None:
    """The good ones are stored; the bad ones are told by number, never shown, and written to ``--rejects``; exit 2."""
    good = to_json(entry(1))
    bad = [b"secret, not JSON", b'{"message": "secret"}', b'{"timestamp": 12, "message": "secret"}']
    file = tmp_path / "in.ndjson"
    file.write_bytes(b"\n".join([bad[0], good, bad[1], b"", bad[2]]))
    rejects = tmp_path / "bad.ndjson"
    dry = dblog("import", file, "--dry-run")
    assert (dry.code, dry.out) == (2, "4 lines read, 3 refused\n")
    assert everything(database_url) == []
    done = dblog("import", file, "--url", database_url, "--rejects", rejects)
    assert (done.code, done.out) == (2, "4 lines read, 1 stored, 0 already there, 3 refused\n")
    assert [line.split(":")[1].split(" is")[0].strip() for line in done.err.splitlines()] == [
        "line 1",
        "line 3",
        "line 5",
    ]
    assert "secret" not in done.err
    assert rejects.read_bytes().splitlines() == bad
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert dblog("import", file, "--url", database_url, "--rejects", rejects).code == 2
    assert rejects.read_bytes().splitlines() == bad  # not overwritten


def test_a_row_the_database_refuses_holds_no_other_back(database_url: str) -> None:
    """A batch is bisected to the bad row."""
    made = [entry(number) for number in range(50)]
    made[17] = made[17]._replace(severity=10**9 if database_url.startswith("postgres") else 2**70)
    outcome = fill(database_url, made)
    assert (outcome.stored, outcome.present, [index for index, _ in outcome.refused]) == (49, 0, [17])
    assert len(everything(database_url)) == 49


def test_a_writer_imports_what_has_a_day(postgres_url: str, writer_postgres_url: str, dblog: Dblog) -> None:
    """The INSERT-only role stores recent entries; for older ones it is told what is missing, and they are counted."""
    data = b"\n".join(map(to_json, [entry(1), entry(2, now() - 20 * DAY), entry(3, now() - 100 * DAY)]))
    done = dblog("import", "-", "--url", writer_postgres_url, stdin=data)
    assert (done.code, done.out) == (2, "3 lines read, 2 stored, 0 already there, 1 refused, 1 partition made\n")
    assert "line 3" in done.err
    assert "dblog grants --admin" in done.err
    owner = dblog("import", "-", "--url", postgres_url, stdin=data)
    assert (owner.code, owner.out) == (0, "3 lines read, 1 stored, 2 already there, 0 refused, 1 partition made\n")


def test_a_day_that_is_on_its_way_out_does_not_come_back(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a detached day are refused, as dblog_ensure_day refuses it; so is a file of endless days."""
    old, older = entry(1, now() - 50 * DAY), entry(2, now() - 60 * DAY)
    assert fill(postgres_url, [old]).stored == 1
    with AdminConnection(postgres_url) as connection:
        name = partitions(connection)[0].name
    execute(postgres_url, f"ALTER TABLE logs DETACH PARTITION {name}")
    monkeypatch.setattr(admin_partitions, "MOST_DAYS", 0)
    outcome = fill(postgres_url, [old, entry(3), older])
    assert (outcome.stored, [index for index, _ in outcome.refused]) == (1, [0, 2])
    assert f"{name} is detached" in outcome.refused[0][1]
    assert "in parts" in outcome.refused[1][1]


def test_a_line_without_end(tmp_path: Path) -> None:
    """Longer than any entry: refused without being held in memory as a whole, and the next line is read."""
    file = tmp_path / "long"
    with file.open("wb") as out:
        out.write(b'{"message": "')
        out.truncate(2 * MOST_LINE + 17)
        out.seek(0, os.SEEK_END)
        out.write(b"\n" + to_json(entry(1)))
    with file.open("rb") as lines:
        summary = Import(None).run(lines_of(lines))
    assert (summary.read, summary.refused) == (2, 1)
    assert summary.reasons == [(1, "line 1 is longer than 16 MiB")]


def test_damaged_input(tmp_path: Path, sqlite_url: str, dblog: Dblog) -> None:
    """A truncated .gz, and no file at all, are one sentence each."""
    whole = gzip.compress(b"\n".join(to_json(entry(number)) for number in range(2000)))
    (tmp_path / "x.gz").write_bytes(whole[: len(whole) // 2])
    done = dblog("import", tmp_path / "x.gz", "--url", sqlite_url)
    assert done.code == 2
    assert "cannot be read" in done.err
    assert dblog("import", tmp_path / "none", "--url", sqlite_url).code == 2


def test_ctrl_c_says_how_to_go_on(
    sqlite_url: str, tmp_path: Path, dblog: Dblog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted export names its part file and --resume, which then completes it; another query is refused."""
    fill(sqlite_url, [entry(number) for number in range(25)])
    monkeypatch.setattr(exporting, "_PAGE", 10)
    append = PartFile.append

    def interrupted(self: PartFile, piece: bytes, state: dict[str, Any]) -> None:
        if state["count"] > 10:
            raise KeyboardInterrupt
        append(self, piece, state)

    command = ("export", "--url", sqlite_url, "--output", tmp_path / "out.json", "logger:shop", "--since", "2d")
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "append", interrupted)
        done = dblog(*command)
    assert done.code == 130
    assert "--resume" in done.err
    assert not (tmp_path / "out.json").exists()
    other = dblog(*command, "level:info", "--resume")
    assert (other.code, "another export" in other.err) == (2, True)
    assert dblog(*command, "--resume").code == 0
    assert len(json.loads((tmp_path / "out.json").read_bytes())) == 25


def test_export_into_a_pipe(database_url: str, dblog: Dblog) -> None:
    """Without --output the lines go to stdout, the oldest first, and only what matches."""
    fill(database_url, [entry(number) for number in range(10)])
    done = dblog("export", "--url", database_url, "lineno>=4", "--columns", "lineno")
    assert (done.code, done.out.splitlines()) == (0, [f'{{"lineno":{number}}}' for number in range(4, 10)])
    assert dblog("export", "--url", database_url, "--resume").code == 2


@examples(20)
@given(st.lists(st.integers(0, 20), max_size=30))
def test_made_ids_are_the_same_for_the_same_lines(numbers: list[int]) -> None:
    """Each line gets an id of its own time, the n-th of equal lines always the same, and none gets another's."""
    lines = [json.dumps({"timestamp": "2026-11-20T10:00:00Z", "n": number}).encode() for number in numbers]
    first, second = _ids(lines), _ids(lines)
    assert first == second
    assert len(set(first)) == len(lines)


def test_equal_lines_are_counted_across_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is forgotten meanwhile, equal lines within the bound have ids of their own; memory is bounded."""
    monkeypatch.setattr(importing, "_REMEMBERED", 10)
    line = '{"timestamp": "2026-11-20T10:00:00Z", "n": %d}'
    numbers = [number for start in range(0, 60, 5) for number in (0, *range(start, start + 5), 0)]
    made = Import(None)
    found = [made._entry(each) for each in lines_of(io.BytesIO(b"\n".join((line % n).encode() for n in numbers)))]
    assert len({each.id for each in found if each}) == len(numbers)
    assert max(len(made._recent), len(made._older)) <= 10


def _ids(lines: list[bytes]) -> list[object]:
    made = Import(None)
    found = [made._entry(line) for line in lines_of(io.BytesIO(b"\n".join(lines)))]
    return [each.id for each in found if each is not None]


def test_progress_is_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal one line with count, share and rate, gone at the end; elsewhere nothing."""
    with progress.Progress("entries", 10) as quiet:
        quiet(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_SETTLED", -1.0)
    with progress.Progress("entries", 10) as shown:
        shown(5)
        shown(6)  # too soon
    err = capsys.readouterr().err
    assert re.fullmatch(r"\r5 entries \(50 %\), [\d,]+/s\r +\r", err)
