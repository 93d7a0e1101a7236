"""``dblog doctor``: is everything set up as it should be?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dblog.cli.admin import print_json
from dblog.cli.common import EXIT_USAGE, ProfileOption, SchemaOption, TableOption, UrlOption, chosen
from dblog.cli.options import examples

if TYPE_CHECKING:
    from dblog.admin.findings import Finding

__all__ = ["EPILOG", "doctor"]

EPILOG = examples("dblog doctor", "dblog doctor --profile production --json")


def doctor(
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON, one line for each finding.")] = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
    schema: SchemaOption = None,
    table: TableOption = None,
) -> None:
    """Look at the database, its tables and our rights there, and say what to mend. Exits 2 when something fails."""
    database = chosen(url, profile, schema, table)
    from dblog.admin.doctor import Place, examine
    from dblog.admin.findings import Status

    place = Place(
        url=database.url,
        login=lambda: database.login,
        source=_source(url, profile),
        visible=url is not None,
        schema=database.schema,
        table=database.table,
        password_file=database.password_file,
    )
    failed = False
    for finding in examine(place):
        failed = failed or finding.status is Status.FAIL
        if json:
            print_json({"status": finding.status, "what": finding.what, "fix": finding.fix})
        else:
            typer.echo(_line(finding))
    if failed:
        raise typer.Exit(EXIT_USAGE)


def _source(url: str | None, profile: str | None) -> str:
    if url is not None:
        return "--url"
    if profile is not None:
        return f"--profile {profile}"
    for name in ("DBLOG_URL", "DBLOG_PROFILE"):
        if os.environ.get(name):
            return name
    return "the default profile"


def _line(finding: Finding) -> str:
    from dblog.visible import visible

    return visible(f"{finding.status:<4}  {finding.what}" + (f"  — {finding.fix}" if finding.fix else ""))
