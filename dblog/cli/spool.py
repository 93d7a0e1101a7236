"""``dblog spool``: records on disk that a writer could not store before its end; list, check, store, drop."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dblog.cli.admin import YesOption, confirm, many, print_json
from dblog.cli.common import (
    EXIT_NOTHING,
    EXIT_STORE,
    EXIT_USAGE,
    ProfileOption,
    SchemaOption,
    TableOption,
    UrlOption,
    fail,
    sought,
    warn,
)
from dblog.cli.options import examples

if TYPE_CHECKING:
    from dblog.admin.spools import Kept, Place

__all__ = ["EPILOG", "spool"]

EPILOG = examples("dblog spool", "dblog spool verify", "dblog spool replay --url sqlite:////var/log/app.db")


class Action(enum.StrEnum):
    """What to do with them."""

    LIST = "list"
    REPLAY = "replay"
    VERIFY = "verify"
    DROP = "drop"


def spool(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.LIST,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", show_default=False, help="drop: writers, whole or 8 digits; list shows them."),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="drop: what all dead writers left.")] = False,
    directory: Annotated[
        str | None,
        typer.Option(
            "--dir", metavar="DIR", show_default=False, help="Where the spools are. [env var: DBLOG_SPOOL_DIR]"
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default=False, help="The folder of one database; replay: store it in this one instead."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON, one line for each.")] = False,
    unrecorded: Annotated[
        bool, typer.Option("--unrecorded", help="drop: no database is told; dblog audit cannot explain the numbers.")
    ] = False,
    yes: YesOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="replay: give up then.")
    ] = 600.0,
) -> None:
    """Records kept on disk for a database, of one that is named or of all.

    A writer stores what others left by itself; this is for when none is running.
    """
    from dblog.admin.spools import Place

    database = sought(url, profile, schema, table)
    place = Place(
        directory,
        None if database is None else database.url,
        schema=None if database is None else database.schema,
        table=None if database is None else database.table,
        password_file=None if database is None else database.password_file,
        target=target,
    )
    action = Action(action)  # typer hands a default over as it is written
    if action is not Action.DROP and (ids or everything or unrecorded):
        fail(f"{action.value} takes no ids, no --all and no --unrecorded", EXIT_USAGE)
    if action is Action.DROP:
        _drop(place, _chosen(place, ids or [], everything=everything), unrecorded=unrecorded, yes=yes, json=json)
    elif action is Action.REPLAY:
        _replay(place, timeout, json=json)
    else:
        _show(place, verify=action is Action.VERIFY, json=json)


def _show(place: Place, *, verify: bool, json: bool) -> None:
    """One line for each; what is damaged ends ``verify`` with 1."""
    from dblog.admin.spools import spools

    shown = damaged = closed = 0
    for kept in spools(place):
        print_json(_fields(kept)) if json else _line(kept)
        shown += 1
        damaged += kept.corrupt
        closed += kept.trouble is not None
    if not shown and not json:
        typer.echo(f"nothing is kept in {_visible(str(place.root))}")
    if verify and damaged:
        fail(f"{many(damaged, 'stretch', 'stretches')} of the files damaged; those are in quarantine", EXIT_NOTHING)
    if verify and closed:
        fail(f"{many(closed, 'directory', 'directories')} could not be read", EXIT_NOTHING)


def _fields(kept: Kept) -> dict[str, Any]:
    from dblog.interchange import iso

    origin = kept.origin
    return {
        "target": kept.target,
        "instance_id": str(kept.instance_id),
        "in_use": kept.alive,
        "records": kept.records,
        "bytes": kept.size,
        "oldest": None if kept.oldest is None else iso(kept.oldest),
        "damaged": kept.corrupt,
        "trouble": kept.trouble,
        "service": None if origin is None else origin.service,
        "host": None if origin is None else origin.host,
        "pid": None if origin is None else origin.pid,
        "started_at": None if origin is None else iso(origin.started_at),
    }


def _line(kept: Kept) -> None:
    fields = _fields(kept)
    who = " ".join(_visible(str(fields[name])) for name in ("service", "host", "pid") if fields[name] is not None)
    state = "in use" if kept.alive else "left behind"
    since = f"  since {fields['oldest']}" if kept.oldest is not None else ""
    damaged = f"  {many(kept.corrupt, 'damage')}" if kept.corrupt else ""
    damaged += f"  {_visible(kept.trouble)}" if kept.trouble else ""
    typer.echo(
        f"{kept.target}  {kept.instance_id}  {state}  {many(kept.records, 'record')}  {kept.size:,} bytes"
        f"{since}{damaged}{f'  {who}' if who else ''}"
    )


def _replay(place: Place, timeout: float, *, json: bool) -> None:
    import dataclasses

    from dblog.admin.spools import replay
    from dblog.adoption import Adopted
    from dblog.cli.progress import Progress

    counts = [field.name for field in dataclasses.fields(Adopted) if type(field.default) is int]
    total, waiting, why = dict.fromkeys(counts, 0), False, None
    del total["discarded"]
    with Progress("records") as progress:
        for turn in replay(place, timeout):
            for name in total:
                total[name] += getattr(turn, name)
            waiting, why = turn.waiting, turn.why or why
            progress(total["stored"])
    if json:
        print_json(total | {"waiting": waiting})
    else:
        typer.echo(
            f"{many(total['stored'], 'record')} stored, {total['failed']:,} refused, {total['expired']:,} too old,"
            f" {total['lost']:,} lost with their writers' memory, {total['corrupt']:,} damaged;"
            f" {many(total['directories'], 'writer')} settled"
        )
    if waiting:
        fail(f"not all of it is stored: {why or 'time was up'}", EXIT_STORE)


def _chosen(place: Place, ids: list[str], *, everything: bool) -> list[Kept]:
    from dblog.admin.spools import named, spools

    if bool(ids) == everything:
        fail("drop which? give ids, or --all", EXIT_USAGE)
    return named(place, ids) if ids else [kept for kept in spools(place) if not kept.alive]


def _drop(place: Place, found: list[Kept], *, unrecorded: bool, yes: bool, json: bool) -> None:
    from dblog.admin.spools import drop, drop_unrecorded

    if place.url is None and not unrecorded:
        sentence = "what is dropped is written down in its database, and none is named: give --url or --profile"
        fail(f"{sentence}; or --unrecorded, and nobody will know why the numbers are missing", EXIT_USAGE)
    records, wanted = sum(kept.records for kept in found), {kept.instance_id for kept in found}
    if found:
        what = f"what {many(len(found), 'writer')} left, {many(records, 'record')}"
        confirm(f"type {records} to drop {what}, for ever", str(records), yes=yes)
    if unrecorded:
        gone, why = drop_unrecorded(place, wanted), None
    else:
        done = drop(place, wanted)
        gone, records, why = done.directories, done.discarded, done.why if done.waiting else None
    if json:
        print_json({"dropped": gone, "records": records, "recorded": not unrecorded})
    else:
        said = "" if unrecorded or not records else "; dblog audit says so"
        typer.echo(f"{many(records, 'record')} of {many(gone, 'writer')} dropped{said}")
    if unrecorded and records:
        warn("dblog audit will show their numbers as missing")
    if why is not None:
        fail(f"what could not be written down is kept ({why}); --unrecorded drops it all the same", EXIT_STORE)


def _visible(text: str) -> str:
    from dblog.visible import visible

    return visible(text)
