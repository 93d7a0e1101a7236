"""``prune``: what is too old goes, by level if wished; on Postgres whole days go as partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.admin import pruning_clickhouse
from dblog.admin.deleting import Deleting, audit, may_delete
from dblog.admin.dropping import Dropping
from dblog.admin.rules import Pruned, Rule, age_of, before_of, condition_of, facts, rules_of
from dblog.admin.timescale import whole_days

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection
    from dblog.admin.partitions import Partition

__all__ = ["Pruned", "Rule", "age_of", "carry_out", "facts", "plan", "prune", "rules_of", "vacuum"]

_PATIENCE: Final = 20.0
"""Seconds to wait in all until nobody is in the way of a drop."""


def plan(connection: AdminConnection, rules: list[Rule]) -> Pruned:
    """What ``prune`` would do now; looks at every row that would go."""
    found = Pruned()
    if connection.dialect == "clickhouse":
        pruning_clickhouse.plan(connection, rules, found)
        return found
    dropped = _droppable(connection, rules)
    found.days = [str(partition.day) for partition in dropped]
    for partition in dropped:
        if not partition.attached:
            found.rows += _count(connection, partition.table)
    found.rows += _count(connection, connection.logs, *condition_of(connection, rules))
    if before := before_of(rules):
        moment = connection.moment(before)
        found.dead_letters = _count(connection, connection.dead_letters, "failed_at < ?", (moment,))
        found.instances = _count(connection, connection.instances, "last_seen < ?", (moment,))
    return found


def prune(
    connection: AdminConnection,
    rules: list[Rule],
    *,
    patience: float = _PATIENCE,
    report: Callable[[int], None] = lambda _: None,
) -> Pruned:
    """Delete what the rules name, and leave an audit row if anything went.

    Args:
        connection: of a role that may delete; of the tables' owner, so that whole days can be dropped.
        rules: what goes; an entry goes when one of them names it.
        patience: seconds to wait in all, in short turns, where others are in the way of a drop.
        report: called with the rows gone so far.

    Raises:
        StoreError: a privilege is missing, or the database is away; what went before is gone, and in the audit row
            where one could be written.
    """
    done = Pruned()
    try:
        carry_out(connection, rules, done, patience=patience, report=report)
    finally:
        if done.any:
            audit(connection, f"pruned {done.rows} entries", action="prune", **facts(rules, done))
    if connection.dialect == "sqlite":
        done.free = connection.value("PRAGMA freelist_count") * connection.value("PRAGMA page_size")
    return done


def carry_out(
    connection: AdminConnection,
    rules: list[Rule],
    done: Pruned,
    *,
    patience: float = _PATIENCE,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """As ``prune``, without the audit row; ``done`` is filled as it goes, whatever happens.

    Raises:
        StoreError: as ``prune``.
    """
    if connection.dialect == "clickhouse":
        pruning_clickhouse.carry_out(connection, rules, done, report)
        return
    may_delete(connection)
    waiting = []
    with Dropping(connection, patience) as dropping:
        for partition in _droppable(connection, rules):
            if (rows := dropping.drop(partition)) is None:
                waiting.append(partition)
                continue
            done.days.append(str(partition.day))
            done.rows += rows
            report(done.rows)
    deleting = Deleting(connection)
    done.waiting = [str(partition.day) for partition in waiting]
    # What such a day holds is not deleted row by row: the next prune drops it.
    floor = 0 if not waiting else max(partition.end for partition in waiting)
    for rule in rules:
        condition, parameters = condition_of(connection, [rule])
        if floor:
            condition, parameters = f"({condition}) AND timestamp >= ?", (*parameters, connection.moment(floor))
        done.rows += deleting.delete_where(condition, *parameters)
        report(done.rows)
    if before := before_of(rules):
        done.dead_letters = deleting.delete_old(connection.dead_letters, "id", "failed_at", before)
        done.instances = deleting.delete_old(connection.instances, "instance_id", "last_seen", before)


def _droppable(connection: AdminConnection, rules: list[Rule]) -> list[Partition]:
    """The days that are too old as a whole, if they are ours to drop."""
    if not connection.postgres or not (before := before_of(rules)):
        return []
    owner = connection.value(
        "SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass(?)", connection.logs
    )
    return [partition for partition in whole_days(connection) if partition.end <= before] if owner else []


def _count(connection: AdminConnection, table: str, condition: str = "", parameters: tuple[object, ...] = ()) -> int:
    where = f" WHERE {condition}" if condition else ""
    return int(connection.value(f"SELECT count(*) FROM {table}{where}", *parameters))  # noqa: S608 - our own


def vacuum(connection: AdminConnection) -> int:
    """SQLite: write the file anew without its empty pages; its bytes afterwards. Writers wait meanwhile.

    From then on ``dblog maintain`` can give pages back in steps.

    Raises:
        StoreError: another process is in the way, or there is no room for the copy.
    """
    connection.run("PRAGMA auto_vacuum = INCREMENTAL")
    connection.run("VACUUM")
    connection.checkpoint()
    return connection.file.stat().st_size
