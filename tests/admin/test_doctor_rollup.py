"""The doctor looks at the rollup: whether deletions still reach it, and whether anybody counts; what it says helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dblog import migrate
from dblog.admin import indexes, rollup
from dblog.admin.connection import AdminConnection
from dblog.admin.doctor import _all
from dblog.admin.doctor_rollup import CHECKS
from dblog.cli.doctor import _line
from tests.administered import ask, entry, fill
from tests.oracle import execute, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from dblog.reader import LogReader
    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]

COUNTED = "SELECT coalesce(sum(entries), 0) FROM log_rollup WHERE width = 60"
BROKEN = "histograms and counts may have entries that are gone"


def said(url: str, *words: str) -> list[str]:
    """The lines of the doctor's look at the rollup with one of these words in them."""
    with AdminConnection(url) as connection:
        lines = [_line(each) for each in _all(CHECKS, connection)]
    return [line for line in lines if any(word in line for word in words)]


def count(url: str) -> int:
    async def asked(reader: LogReader) -> int:
        return (await reader.count()).value

    return ask(url, asked)


def counted(url: str) -> None:
    fill(url, [entry(number) for number in range(6)])
    with AdminConnection(url) as connection:
        assert rollup.refresh(connection).complete


def follow(url: str, dblog: Dblog, fix: str) -> None:
    """Run every command that is named."""
    found = re.findall(r"dblog ((?:downgrade|upgrade|maintain|index)[^,:;]*)", fix)
    assert found
    for command in found:
        done = dblog(*command.split(), *(("--yes",) if command.startswith("index") else ()), "--url", url)
        assert (done.code, done.err) == (0, ""), command


def test_who_counts_hears_nothing(database_url: str) -> None:
    """A database without entries, one that is counted and one that is nearly so are well; what is left is told."""
    assert [line[:4] for line in said(database_url, "rollup", "counted")] == ["ok  ", "ok  "]
    counted(database_url)
    assert any("every entry is counted" in line for line in said(database_url, "counted"))
    fill(database_url, [entry(9)])
    assert any("all entries but 1 are counted" in line for line in said(database_url, "counted"))
    assert not said(database_url, BROKEN, "dblog maintain counts")


def test_where_nobody_counts(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never, or not for a long time: a note says who does; counted by another server is never."""
    monkeypatch.setattr("dblog.admin.doctor_rollup._FAR", 5)
    fill(database_url, [entry(0)])
    (never,) = said(database_url, "dblog maintain counts")
    assert never.startswith("ok    no entry is counted yet")
    counted(database_url)
    fill(database_url, [entry(number) for number in range(10, 16)])
    (behind,) = said(database_url, "dblog maintain counts")
    assert behind.startswith("ok    more than 5 entries are not counted yet")
    if database_url.startswith("postgres"):
        execute(database_url, "UPDATE log_rollup_state SET system = system + 1")
        assert said(database_url, "no entry is counted yet")


def test_triggers_that_are_missing(database_url: str, dblog: Dblog) -> None:
    """It fails, and what it says to do puts them back and makes the counts right; ``check`` does not notice."""
    counted(database_url)
    lite = database_url.startswith("sqlite")
    if lite:
        with AdminConnection(database_url) as connection:
            indexes.add(connection, "message")
    execute(
        database_url, "DROP TRIGGER dblog_uncount" + ("" if lite else " ON logs"), "DELETE FROM logs WHERE lineno < 3"
    )
    assert (count(database_url), migrate.check(database_url).ok) == (6, True)
    (found,) = said(database_url, BROKEN)
    assert found.startswith("fail  triggers missing: dblog_uncount:")
    whole = dblog("doctor", "--url", database_url)
    assert (whole.code, found in whole.out.splitlines()) == (2, True)
    follow(database_url, dblog, found.partition("  — ")[2])
    assert not said(database_url, BROKEN, "fail")
    assert (count(database_url), rows(database_url, COUNTED)) == (3, [(3,)])
    execute(database_url, "DELETE FROM logs WHERE lineno = 3")
    assert (count(database_url), rows(database_url, COUNTED)) == (2, [(2,)])
    if lite:
        with AdminConnection(database_url) as connection:
            assert indexes.indexes(connection)[0].state == "ready"


def test_triggers_of_another_table(sqlite_url: str) -> None:
    """A table that was made anew has none, though the old one still has them under their names."""
    counted(sqlite_url)
    execute(sqlite_url, "ALTER TABLE logs RENAME TO kept", "CREATE TABLE logs AS SELECT * FROM kept")
    (found,) = said(sqlite_url, BROKEN)
    assert "missing: dblog_uncount, dblog_uncount_changed:" in found


def test_triggers_that_are_disabled(postgres_url: str, dblog: Dblog) -> None:
    """Whatever of them fires not, or in a replica only; the statement that is named enables them, and no more."""
    counted(postgres_url)
    execute(postgres_url, "ALTER TABLE logs DISABLE TRIGGER dblog_uncount, ENABLE REPLICA TRIGGER dblog_uncount_all")
    execute(postgres_url, "DELETE FROM logs WHERE lineno < 3")
    (found,) = said(postgres_url, BROKEN)
    assert found.startswith("fail  triggers disabled: dblog_uncount, dblog_uncount_all:")
    statement, _, then = found.partition("  — ")[2].partition("; ")
    execute(postgres_url, statement)
    assert count(postgres_url) == 6
    follow(postgres_url, dblog, then)
    assert not said(postgres_url, BROKEN)
    assert count(postgres_url) == 3
    execute(postgres_url, "ALTER TABLE logs ENABLE ALWAYS TRIGGER dblog_uncount")
    assert not said(postgres_url, BROKEN)


def test_what_takes_the_function_along(postgres_url: str, dblog: Dblog) -> None:
    """Function, triggers, tables: whatever of them is gone, the same commands bring all of it back."""
    counted(postgres_url)
    execute(postgres_url, "DROP FUNCTION dblog_uncount() CASCADE", "DROP TABLE log_rollup")
    (found,) = said(postgres_url, "missing: log_rollup")
    follow(postgres_url, dblog, found.partition("where that ")[2])
    assert not said(postgres_url, BROKEN, "fail")
    assert rows(postgres_url, COUNTED) == [(6,)]


def test_before_there_was_a_rollup(database_url: str) -> None:
    """What is missing is named, and ``dblog upgrade`` brings it; a row that is missing has its statement."""
    migrate.downgrade(database_url, revision="0001")
    (found,) = said(database_url, "missing: log_rollup, log_rollup_state")
    assert "dblog upgrade" in found
    migrate.upgrade(database_url)
    execute(database_url, "DELETE FROM log_rollup_state")
    (found,) = said(database_url, "INSERT INTO")
    assert found.startswith("fail  rollup: P0002")


def test_a_role_that_may_not_read_it(writer_postgres_url: str) -> None:
    """The triggers are seen by any role; how far counting is by those who may read."""
    assert [line[:4] for line in said(writer_postgres_url, "rollup")] == ["ok  "]
    assert not said(writer_postgres_url, "counted")


# -- counting anew --------------------------------------------------------------------------------------------


def test_counts_are_made_again(database_url: str, dblog: Dblog) -> None:
    """Whatever they were: ``--recount`` throws them away and counts; a preview does neither."""
    counted(database_url)
    execute(database_url, "UPDATE log_rollup SET entries = entries + 7")
    assert count(database_url) != 6
    wrong = rows(database_url, COUNTED)
    shown = dblog("maintain", "--recount", "--dry-run", "--url", database_url)
    assert (shown.code, "would throw the counts away" in shown.out) == (0, True)
    assert rows(database_url, COUNTED) == wrong
    done = dblog("maintain", "--recount", "--url", database_url)
    assert (done.code, "counted 6 entries anew" in done.out) == (0, True)
    assert (count(database_url), rows(database_url, COUNTED)) == (6, [(6,)])


def test_what_goes_from_a_days_own_table(postgres_url: str, dblog: Dblog) -> None:
    """Triggers of the table do not see it, and counting anew makes it right."""
    counted(postgres_url)
    ((day,),) = rows(postgres_url, "SELECT DISTINCT tableoid::regclass::text FROM logs")
    execute(postgres_url, f"DELETE FROM {day} WHERE lineno < 2")
    assert count(postgres_url) == 6
    assert dblog("maintain", "--recount", "--url", postgres_url).code == 0
    assert count(postgres_url) == 4


def test_anew_once(sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--every`` at the first turn; without the tables it is said what to run."""
    counted(sqlite_url)
    turns = iter((None, None, KeyboardInterrupt()))

    def wait(_: float) -> None:
        if (ends := next(turns)) is not None:
            raise ends

    monkeypatch.setattr("dblog.cli.maintain._wait", wait)
    done = dblog("maintain", "--recount", "--every", "1h", "--url", sqlite_url)
    assert done.out.count("anew") == 1
    assert done.out.count("nothing to do") == 2
    migrate.downgrade(sqlite_url, revision="0001")
    assert "run dblog upgrade" in dblog("maintain", "--recount", "--url", sqlite_url).err
