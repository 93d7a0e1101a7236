"""``erase`` takes what was there, whatever the clocks say, the letters that would match, and never everything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.admin.queries import matches_everything, supposing
from dblog.query import parse
from dblog.query.predicate import predicate
from tests.administered import DAY, entry, everything, fill, now
from tests.buried import WRITER, bury, letter, remaining
from tests.oracle import execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]


def audit_of(url: str) -> dict[str, Any]:
    """The newest audit row."""
    found: dict[str, Any] = json.loads(everything(url, "logger=dblog.audit")[-1].metadata or "{}")
    return found


def test_what_was_taken_in_the_future_goes_too(database_url: str, dblog: Dblog) -> None:
    """A clock that was set back, or a file from a machine ahead of us, keeps no entry from being erased."""
    fill(database_url, [entry(number) for number in range(20)])
    later = str(now() + DAY) if database_url.startswith("sqlite") else "now() + interval '1 day'"
    execute(database_url, f"UPDATE logs SET ingested_at = {later}")
    if database_url.startswith("postgres"):  # and as a dump of another server has it
        execute(database_url, "UPDATE logs SET xid = '999999999999' WHERE lineno < 10")
    done = dblog("erase", "logger:shop", "--url", database_url, "--yes")
    assert (done.code, "erased: 20 entries" in done.out) == (0, True)
    assert everything(database_url, "logger=shop") == []
    assert audit_of(database_url)["complete"] is True


def test_what_is_left_is_told(database_url: str, dblog: Dblog) -> None:
    """Rows that the database keeps make it incomplete: in the exit code, on stderr and in the audit row."""
    fill(database_url, [entry(number) for number in range(5)])
    if database_url.startswith("sqlite"):
        execute(
            database_url,
            "CREATE TRIGGER keep BEFORE DELETE ON logs WHEN old.lineno > 2 BEGIN SELECT raise(IGNORE); END",
        )
    else:
        execute(
            database_url,
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            "CREATE TRIGGER keep BEFORE DELETE ON logs FOR EACH ROW WHEN (old.lineno > 2) EXECUTE FUNCTION keep()",
        )
    done = dblog("erase", "logger:shop", "--url", database_url, "--yes")
    assert (done.code, "2 entries could not be deleted" in done.err) == (3, True)
    found = audit_of(database_url)
    assert (found["count"], found["left"], found["complete"]) == (3, 2, False)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("service=shop", 2),
        ("host=h1 pid=42", 2),
        ("user_id=u-1 -service=shop", 0),
        ("user_id=u-1 -service=other", 1),
        ("*:h1", 2),
    ],
)
def test_letters_as_they_would_be_stored(database_url: str, dblog: Dblog, query: str, fits: int) -> None:
    """Their writer's service, host and process are theirs, in a negation too."""
    sqlite = database_url.startswith("sqlite")
    writer = f"x'{WRITER.instance_id.hex}'" if sqlite else f"'{WRITER.instance_id}'"
    moment = "1" if sqlite else "now()"
    execute(
        database_url,
        "INSERT INTO log_instances (instance_id, service, host, pid, started_at, last_seen, state)"
        f" VALUES ({writer}, 'shop', 'h1', 42, {moment}, {moment}, 'CLOSED')",
    )
    bury(database_url, letter(1), letter(2))
    done = dblog("erase", query, "--url", database_url, "--yes")
    assert (done.code, len(remaining(database_url))) == (0, 2 - fits)


def test_letters_of_a_forgotten_writer(sqlite_url: str, dblog: Dblog) -> None:
    """Those the query may fit are counted and stay; those it fits or does not fit whatever the writer was, do not."""
    bury(sqlite_url, letter(1), letter(2), letter(3, service="shop"))
    for query, undecided, left in (
        ("service=shop user_id=u-9", 0, 3),
        ("service=shop user_id=u-1", 1, 3),
        ("user_id=u-1 -host=h1", 1, 3),
        ("service=shop", 2, 2),
        ("user_id=u-2 or service=nothing", 1, 1),
    ):
        done = dblog("erase", query, "--url", sqlite_url, "--yes")
        assert (done.code, len(remaining(sqlite_url))) == (0, left), query
        assert (f"of {undecided} dead letter" in done.err) == bool(undecided), done.err


@given(st.sampled_from(["", "shop"]), st.sampled_from(["", "u-1", "u-2"]), st.integers(0, 7))
def test_what_may_be_and_what_must_be(service: str, user: str, shape: int) -> None:
    """Whatever an unknown column holds, the query is between its lower and its upper bound."""
    texts = ["service=shop", "-service=shop", "user=u-1 service=shop", "user=u-1 or -service:s*", "*:shop"]
    query = parse([*texts, "-(user=u-1 service=shop)", "has(service)", "-*:shop or user=u-1"][shape])
    made = entry(1, service=service or None, user_id=user or None)
    bare = made._replace(service=None)
    least, most = (predicate(supposing(query.tree, {"service"}, most=each))(bare) for each in (False, True))
    assert least <= query.predicate()(made) <= most


@pytest.mark.parametrize(
    "query",
    ["*", "message:*", "level:*", "*:*", "has(message)", "has(timestamp)", "* or x", "* and level:*", "level>=trace",
     "severity<=24", "level:error or -level:error", "-(level:error -level:error)", "timestamp>=1970-01-01T00:00:00Z",
     'message like "%"', "--since", ""],
)  # fmt: skip
def test_everything_is_not_erased(sqlite_url: str, dblog: Dblog, query: str) -> None:
    """A query that every entry matches by its form is refused as the empty one is, and prune is named."""
    fill(sqlite_url, [entry(1)])
    words = [query] if query != "--since" else ["*", "--since", "1970-01-01T00:00:00Z"]
    done = dblog("erase", *words, "--url", sqlite_url, "--yes")
    assert (done.code, "dblog prune" in done.err) == (2, True)
    assert len(everything(sqlite_url)) == 1


@pytest.mark.parametrize("query", ["* service=shop", "level>trace", "-message:*x*", "a:*", "level>=info", "-user:u-1"])
def test_what_some_entry_may_not_match(query: str) -> None:
    """Such a query is none of them."""
    assert not matches_everything(parse(query).tree)


def test_who_erased_is_not_erased(database_url: str, dblog: Dblog) -> None:
    """Audit rows stay whatever matches, unless the query names their logger."""
    fill(database_url, [entry(1)])
    url = ("--url", database_url, "--yes")
    assert dblog("erase", "lineno=1", *url).code == 0
    for query in ("level:warning", "service:dblog or erased", "logger:dblog.*", "-logger:dblog.audit or level:warning"):
        assert dblog("erase", query, *url).out.startswith("0 entries match"), query
    assert dblog("erase", "logger:dblog.audit", *url).code == 0
    assert [audit_of(database_url)["count"], len(everything(database_url))] == [1, 1]
