"""What can be wrong with ``log_rollup``: what is deleted is not taken out of it any more, or nobody counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.admin.findings import fail, ok
from dblog.admin.rollup_counting import NOTHING, PostgresCounting, SQLiteCounting
from dblog.reading.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.admin.connection import AdminConnection
    from dblog.admin.findings import Check, Finding

__all__ = ["CHECKS"]

_FAR: Final = 100_000
"""Entries that are worth a word where histograms have to read them each time."""
_SUFFIXES: Final = {"postgresql": ("", "_changed", "_all"), "sqlite": ("", "_changed")}
"""Of the triggers' names, as revision 0002 makes them."""
_FIRES: Final = frozenset({"O", "A"})
"""How Postgres calls a trigger that fires in an ordinary session."""
_COUNT: Final = "dblog maintain counts them: from cron, or with --every 1h"


def _rollup(connection: AdminConnection) -> Iterator[Finding]:
    missing = [name for name in connection.names.rollups if not connection.has_table(name)]
    if missing:
        yield fail(f"missing: {', '.join(missing)}", f"dblog upgrade; where that changes nothing, {_anew(connection)}")
        return
    yield _triggers(connection)
    if _may_read(connection):
        yield _progress(connection)


def _anew(connection: AdminConnection) -> str:
    """What brings back whatever revision 0002 makes; nothing else knows the triggers, ``dblog check`` neither."""
    commands = ["dblog downgrade 0001", "dblog upgrade", "dblog maintain"]
    if not connection.postgres and connection.has_table(connection.names.index_on("message")):
        commands.append("dblog index add message")  # it is of the same revision
    return f"{', '.join(commands)}: entries stay, and are counted anew"


def _triggers(connection: AdminConnection) -> Finding:
    fires = _found(connection)
    wanted = [f"{connection.names.uncount}{suffix}" for suffix in _SUFFIXES[connection.dialect]]
    missing = [name for name in wanted if name not in fires]
    disabled = [name for name in wanted if not fires.get(name, True)]
    if not missing and not disabled:
        return ok("the rollup's triggers are there: what is deleted is taken out of it")
    parts = [f"{word}: {', '.join(names)}" for word, names in (("missing", missing), ("disabled", disabled)) if names]
    what = f"triggers {'; '.join(parts)}: histograms and counts may have entries that are gone"
    if missing:
        return fail(what, _anew(connection))
    enable = ", ".join(f'ENABLE TRIGGER "{name}"' for name in disabled)
    return fail(what, f"ALTER TABLE {connection.logs} {enable}; then dblog maintain --recount")


def _found(connection: AdminConnection) -> dict[str, bool]:
    """The triggers of the log table, and whether each fires."""
    if connection.postgres:
        found = connection.rows(
            "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid = to_regclass(?)", connection.logs
        )
        return {name: enabled in _FIRES for name, enabled in found}
    names = connection.rows(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", connection.names.logs
    )
    return {name: True for (name,) in names}


def _may_read(connection: AdminConnection) -> bool:
    """A writer's role may not."""
    if not connection.postgres:
        return True
    state = connection.names.qualified(connection.names.rollup_state)
    may = "has_table_privilege(to_regclass(?), 'SELECT')"
    return bool(connection.value(f"SELECT {may} AND {may}", connection.logs, state))


def _progress(connection: AdminConnection) -> Finding:
    never, waiting = (_progress_of_server if connection.postgres else _progress_of_file)(connection)
    if not waiting:
        return ok("every entry is counted for histograms")
    if never:
        return ok("no entry is counted yet: histograms and counts read them all", _COUNT)
    if waiting > _FAR:
        return ok(f"more than {_FAR:,} entries are not counted yet: histograms and counts read them each time", _COUNT)
    return ok(f"all entries but {waiting:,} are counted for histograms")


def _progress_of_server(connection: AdminConnection) -> tuple[bool, int]:
    """Whether nothing is counted, and how many entries are not, as far as that matters."""
    state = PostgresCounting(connection).read()
    ours = state.system == connection.value("SELECT system_identifier FROM pg_control_system()")
    never = state.token == NOTHING or not ours
    waiting = connection.value(
        f"SELECT count(*) FROM (SELECT FROM {connection.logs} WHERE xid >= CAST(CAST(? AS text) AS xid8)"  # noqa: S608 - a checked name
        f" LIMIT {_FAR + 1}) AS waiting",
        "0" if never else str(Snapshot.parse(state.token).end),
    )
    return never, int(waiting)


def _progress_of_file(connection: AdminConnection) -> tuple[bool, int]:
    """As of a server; an upper bound where entries that were not counted are gone."""
    token = SQLiteCounting(connection).read().token
    waiting = connection.value(
        f"SELECT max(ingest_seq) - max(?, min(ingest_seq) - 1) FROM {connection.logs}",  # noqa: S608 - as above
        token,
    )
    return not token, max(0, waiting or 0)


CHECKS: Final[tuple[Check, ...]] = (_rollup,)
"""Where the tables are there, and not on ClickHouse, which counts at each question."""
