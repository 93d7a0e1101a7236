"""Dead letters become entries again, once, and only then they go."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from dblog.admin import letters
from dblog.admin.connection import AdminConnection
from dblog.store.rows import id_words, origin_bits
from tests.administered import entry, everything, now
from tests.buried import WRITER, bury, letter, remaining
from tests.oracle import execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]


def test_a_letter_stored_again_is_the_writer_s_row(database_url: str, dblog: Dblog) -> None:
    """Same id, writer and host as if it had been stored at once; so twice is once, and the letter is gone."""
    host = f"x'{WRITER.instance_id.hex}'" if database_url.startswith("sqlite") else f"'{WRITER.instance_id}'"
    moment = "1" if database_url.startswith("sqlite") else "now()"
    execute(
        database_url,
        "INSERT INTO log_instances (instance_id, service, host, pid, started_at, last_seen, state)"
        f" VALUES ({host}, 'shop', 'h1', 42, {moment}, {moment}, 'CLOSED')",
    )
    found = letter(4)
    bury(database_url, found)
    done = dblog("dead-letters", "retry", "--all", "--url", database_url)
    assert (done.code, done.out) == (0, "1 stored, 0 already there, 0 still refused\n")
    (row,) = everything(database_url)
    high, low = id_words(row.timestamp, 5, origin_bits(WRITER))
    assert row.id == UUID(int=high << 64 | low)
    assert (row.service, row.host, row.pid, row.instance_id, row.seq) == ("shop", "h1", 42, WRITER.instance_id, 5)
    assert row.message == entry(4).message
    assert remaining(database_url) == []
    bury(database_url, found)
    assert dblog("dead-letters", "retry", str(found.id), "--url", database_url).out.startswith("0 stored, 1 already")
    assert len(everything(database_url)) == 1
    assert remaining(database_url) == []


def test_what_was_refused_is_repaired_as_capture_would(database_url: str, dblog: Dblog) -> None:
    """NUL, lone surrogates, wrong types, numbers out of range and impossible times become storable."""
    bury(
        database_url,
        letter(1, message="a\0b\ud800", metadata='{"x": "\\u0000"}'),
        letter(2, lineno=2**80, severity=99, user_id=17, exc_text=["x"]),
        letter(3, timestamp=-(10**30)),
        letter(4, timestamp="never", metadata="no JSON"),
    )
    done = dblog("dead-letters", "retry", "--all", "--json", "--url", database_url)
    assert json.loads(done.out) == {"stored": 4, "present": 0, "kept": []}
    rows = {each.seq: each for each in everything(database_url)}
    assert rows[2].message == "a\u2400b\ufffd"
    assert (rows[3].severity, rows[3].lineno, rows[3].user_id, rows[3].exc_text) == (24, 2**31 - 1, "17", "<list>")
    assert abs(rows[4].timestamp - now()) < 60_000_000
    assert "sanitized" in rows[3].attributes["dblog"]["flags"]


@pytest.mark.parametrize("payload", ["[]", "nothing", "{}", '{"message": "x"}'])
def test_what_cannot_be_an_entry_stays(database_url: str, payload: str, dblog: Dblog) -> None:
    """The letter is kept, the reason told, and the others are stored."""
    bury(database_url, letter(1), letter(2)._replace(payload=payload))
    done = dblog("dead-letters", "retry", "--all", "--url", database_url)
    assert (done.code, done.out) == (1, "1 stored, 0 already there, 1 still refused\n")
    assert "not readable as an entry" in done.err
    assert [each.payload for each in remaining(database_url)] == [payload]


def test_lists_tell_no_text(database_url: str, dblog: Dblog) -> None:
    """Id, time, class, code, attempts, size and writer; the row itself only with ``--full``, controls made visible."""
    url = ("--url", database_url)
    assert dblog("dead-letters", *url).out == "no dead letters\n"
    bury(database_url, letter(1, message="secret"), letter(2, message="secret")._replace(code="\x1b[31m"))
    shown = dblog("dead-letters", *url)
    assert (shown.code, shown.out.count("\n")) == (0, 2)
    assert "secret" not in shown.out
    assert "\x1b" not in shown.out
    assert "22P05" in shown.out
    full = dblog("dead-letters", "list", "--full", "--json", *url)
    first = json.loads(full.out.splitlines()[0])
    assert json.loads(first.pop("payload"))["message"] == "secret"
    assert first.keys() == {"id", "failed_at", "instance_id", "seq", "error_class", "code", "attempts", "size"}
    assert re.fullmatch(r"\d{4}-.*Z", first["failed_at"])
    assert dblog("dead-letters", "--limit", "1", *url).out.count("\n") == 1


def test_nothing_acts_on_a_terminal(sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1 controls, DEL and bidirectional marks of a letter are escaped in JSON, which means the same."""
    nasty = "\x9b31m\x7f\u202e"
    bury(sqlite_url, letter(1)._replace(code=nasty))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = dblog("dead-letters", "--json", "--url", sqlite_url)
    assert json.loads(done.out)["code"] == nasty
    assert not set(nasty) & set(done.out) - set("31m")


def test_drop(database_url: str, dblog: Dblog) -> None:
    """Only what is named, by whole id or its last digits, and only when confirmed."""
    bury(database_url, *(letter(number) for number in range(3)))
    url = ("--url", database_url)
    assert dblog("dead-letters", "drop", *url).code == 2
    assert dblog("dead-letters", "drop", "00000002", *url).code == 2  # nobody can be asked
    assert dblog("dead-letters", "drop", "00000002", *url, typed="no\n").code == 2
    assert dblog("dead-letters", "drop", "00000009", "--yes", *url).code == 2
    assert dblog("dead-letters", "drop", "2", "--yes", *url).code == 2
    assert len(remaining(database_url)) == 3
    assert dblog("dead-letters", "drop", "00000002", *url, typed="1\n").out == "1 dead letter dropped\n"
    assert [each.id.int for each in remaining(database_url)] == [1, 3]
    assert dblog("dead-letters", "drop", "--all", "--yes", "--json", *url).out == '{"dropped":2}\n'


def test_many_letters_are_read_in_pages(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, whatever the page's size, while they are being dropped."""
    bury(sqlite_url, *(letter(number) for number in range(7)))
    monkeypatch.setattr(letters, "_PAGE", 3)
    with AdminConnection(sqlite_url) as connection:
        done = letters.retry(connection, letters.letters(connection))
    assert (done.stored, remaining(sqlite_url)) == (7, [])
