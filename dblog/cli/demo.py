"""``dblog demo``: see it work, in some seconds and 80 columns, on SQLite or on a database of yours."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dblog.safe_url import safe_url

if TYPE_CHECKING:
    from dblog.demo import Progress, Step, Summary

__all__ = ["demo"]

_WIDTH = 100
"""Columns used at most."""
_COLOURS = {"DEBUG": "bright_black", "INFO": "green", "WARNING": "yellow", "ERROR": "red"}


def demo(
    *,
    records: Annotated[int, typer.Option(min=10, max=1_000_000, help="How many records to log.")] = 200_000,
    directory: Annotated[
        Path | None,
        typer.Option(file_okay=False, show_default=False, help="Where to put the SQLite file; a temporary one else."),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", show_default=False, help="Another database; the demo's rows stay in it.")
    ] = None,
) -> None:
    """Log from three processes into one database, then follow one trace through them."""
    target = url or _sqlite_file(directory)
    screen = _Screen()
    screen.title("Three processes log into one database: gateway, orders, payments.")
    screen.line(f"database  {safe_url(target)}")
    try:
        from dblog import migrate
        from dblog.demo import run

        migrate.upgrade(
            target, progress=lambda step: screen.line(f"schema    upgraded to {step.revision} in {step.seconds:.2f} s")
        )
        summary = run(target, records, screen.progress)
        screen.end_progress()
    except KeyboardInterrupt:
        screen.end_progress()
        typer.echo("stopped; what was stored is in the database", err=True)
        raise typer.Exit(130) from None
    screen.summary(summary)
    screen.trace(summary)
    screen.next(target, summary.trace_id)


def _sqlite_file(directory: Path | None) -> str:
    import tempfile

    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="dblog-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{directory.resolve() / 'logs.db'}"


class _Screen:
    """A live bar and colours on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        out = sys.stdout
        self._live = out.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._live and not os.environ.get("NO_COLOR")
        self._width = max(40, min(shutil.get_terminal_size((80, 24)).columns, _WIDTH)) - 1
        unicode = (out.encoding or "").lower().replace("-", "") == "utf8"
        self._full, self._empty, self._rule = ("█", "░", "─") if unicode else ("#", ".", "-")
        self._micro = "µs" if unicode else "us"
        self._next_line = 0.0

    def _say(self, text: str = "", **style: object) -> None:
        typer.echo(typer.style(text, **style) if self._colour and style else text)  # type: ignore[arg-type]  # fg and bold

    def title(self, text: str) -> None:
        self._say(text, bold=True)

    def line(self, text: str) -> None:
        self._say(f"  {text}")

    def progress(self, now: Progress) -> None:
        rate = now.stored / now.seconds if now.seconds > 0 else 0.0
        figures = f"{now.stored:>9,} of {now.total:,} stored  {rate:>8,.0f}/s"
        if self._live:
            room = max(10, self._width - len(figures) - 4)
            done = min(room, room * now.stored // now.total)
            bar = typer.style(self._full * done, fg="cyan") if self._colour else self._full * done
            typer.echo(f"\r  {bar}{self._empty * (room - done)}  {figures}", nl=False)
        elif now.seconds >= self._next_line:
            self._next_line = now.seconds + 1.0
            typer.echo(f"  {now.seconds:4.1f} s {figures}")

    def end_progress(self) -> None:
        if self._live:
            typer.echo()

    def summary(self, summary: Summary) -> None:
        self._say()
        lost = summary.dropped + summary.failed
        for name in ("emitted", "stored", "dropped", "failed"):
            colour = "red" if lost and name in {"dropped", "failed"} else None
            self._say(f"  {name:<10}{getattr(summary, name):>9,}", **({"fg": colour} if colour else {}))
        self.line(f"{'in table':<10}{summary.found:>9,}   every one counted: emitted = stored + dropped + failed")
        rate = summary.stored / summary.seconds if summary.seconds else 0.0
        self.line(f"{'speed':<10}{rate:>9,.0f}   records/s, three processes, {summary.seconds:.1f} s")
        self.line(
            f"{'cost':<10}{summary.cost * 1e6:>9.1f}   {self._micro} per record for the caller of logger.info (median)"
        )

    def trace(self, summary: Summary) -> None:
        self._say()
        self.title(f"One trace across them: {summary.trace_id}")
        if not summary.trace:
            return
        start = summary.trace[0].timestamp
        for step in summary.trace:
            self._step(step, (step.timestamp - start) / 1000)

    def _step(self, step: Step, milliseconds: float) -> None:
        head = f"  {milliseconds:+8.2f} ms  {step.service:<9} "
        text = step.message[: max(10, self._width - len(head) - 9)]
        level = f"{step.level:<8}"
        if self._colour:
            level = typer.style(level, fg=_COLOURS.get(step.level))
        typer.echo(f"{head}{level} {text}")

    def next(self, target: str, trace_id: str) -> None:
        """Commands to look at the database with; as this one was called, for `dblog` may not be on the path."""
        shown = safe_url(target)
        command = sys.argv[0] if Path(sys.argv[0]).name == "dblog" and shutil.which("dblog") is None else "dblog"
        self._say()
        self.title("Look at it:")
        self.line(f"export DBLOG_URL='{shown}'")
        self.line(f"{command} search 'level>=error service:payments' --limit 5")
        self.line(f"{command} trace {trace_id[:8]}")
        self.line(f"{command} facets service")
        sql = "SELECT message FROM logs LIMIT 5"
        if target.startswith("sqlite"):
            self.line(f"sqlite3 {target.partition('///')[2]} '{sql}'")
        elif target.startswith("clickhouse"):
            self.line(f"clickhouse-client --query '{sql}'  # with --host, --user and --database as in the URL")
        else:
            self.line(f"psql '{shown.replace('+psycopg', '').replace('+asyncpg', '')}' -c '{sql}'")
