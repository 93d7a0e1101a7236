"""``dblog dead-letters``: rows the database refused; list, store again, drop."""

from __future__ import annotations

import enum
import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.admin import Choose, YesOption, administers, confirm, connection_to, many, print_json
from dblog.cli.common import (
    EXIT_NOTHING,
    EXIT_USAGE,
    fail,
    warn,
)
from dblog.cli.options import examples
from dblog.cli.progress import Progress

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection
    from dblog.admin.letters import Letter

__all__ = ["EPILOG", "dead_letters"]

EPILOG = examples(
    "dblog dead-letters",
    "dblog dead-letters retry --all",
    "dblog dead-letters drop 5f21ab90",
)


class Action(enum.StrEnum):
    """What to do with them."""

    LIST = "list"
    RETRY = "retry"
    DROP = "drop"


@administers
def dead_letters(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.LIST,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", show_default=False, help="Whole ids, or their last 8 digits; list shows them."),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="retry, drop: all of them.")] = False,
    full: Annotated[bool, typer.Option("--full", help="list: with the texts of the rows.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON, one line for each.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="list: so many at most.")] = 200,
    yes: YesOption = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", min=0.001, show_default=False, help="Of one statement (600)."),
    ] = None,
    choose: Choose,
) -> None:
    """Rows that the database refused for their content: list them, store them again, or drop them."""
    action = Action(action)  # typer hands a default over as it is written
    if action is not Action.LIST and bool(ids) == everything:
        fail(f"{action.value} which? give ids, or --all", EXIT_USAGE)
    with connection_to(choose(), timeout, clickhouse=True) as connection:
        if action is Action.LIST:
            _list(connection, ids or [], full=full, json=json, limit=limit)
        elif action is Action.RETRY:
            _retry(connection, ids or [], json=json)
        else:
            _drop(connection, ids or [], yes=yes, json=json)


def _list(connection: AdminConnection, ids: list[str], *, full: bool, json: bool, limit: int) -> None:
    from dblog.admin import letters

    found = letters.named(connection, ids) if ids else letters.letters(connection)
    shown = 0
    for letter in itertools.islice(found, limit):
        print_json(_fields(letter, full=full)) if json else _line(letter, full=full)
        shown += 1
    if not json and not shown:
        typer.echo("no dead letters")


def _fields(letter: Letter, *, full: bool) -> dict[str, Any]:
    from dblog.interchange import iso

    fields = letter._asdict() | {"failed_at": iso(letter.failed_at), "size": len(letter.payload)}
    payload = fields.pop("payload")
    return fields | {"payload": payload} if full else fields


def _line(letter: Letter, *, full: bool) -> None:
    from dblog.interchange import iso
    from dblog.visible import visible

    typer.echo(
        f"{letter.id}  {iso(letter.failed_at)}  {visible(letter.error_class)}  {visible(letter.code)}"
        f"  {many(letter.attempts, 'attempt')}  {len(letter.payload):,} bytes  writer {letter.instance_id}"
    )
    if full:
        typer.echo(f"  {visible(letter.payload)}")


def _retry(connection: AdminConnection, ids: list[str], *, json: bool) -> None:
    from dblog.admin import letters

    with Progress("dead letters") as progress:
        chosen_ones = letters.named(connection, ids) if ids else letters.letters(connection)
        done = letters.retry(connection, chosen_ones, report=progress)
    if json:
        kept = [{"id": identity, "reason": reason} for identity, reason in done.kept]
        print_json({"stored": done.stored, "present": done.present, "kept": kept})
    else:
        typer.echo(f"{done.stored:,} stored, {done.present:,} already there, {len(done.kept):,} still refused")
        for identity, reason in done.kept:
            warn(f"{identity}: {reason}")
    if done.kept:
        raise typer.Exit(EXIT_NOTHING)


def _drop(connection: AdminConnection, ids: list[str], *, yes: bool, json: bool) -> None:
    from dblog.admin import letters

    found = [letter.id for letter in (letters.named(connection, ids) if ids else letters.letters(connection))]
    if found:
        confirm(f"type {len(found)} to drop {many(len(found), 'dead letter')} for ever", str(len(found)), yes=yes)
    gone = letters.drop(connection, found)
    print_json({"dropped": gone}) if json else typer.echo(f"{many(gone, 'dead letter')} dropped")
