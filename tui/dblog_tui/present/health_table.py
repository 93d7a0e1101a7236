"""The log table, and what the doctor found, as blocks of lines; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dblog.cli.moments import ago, moment
from dblog.visible import visible
from dblog_tui.present.blocks import Block, dash, line, many, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.style import Style
    from textual.strip import Strip

    from dblog.admin.findings import Finding
    from dblog.reading.layout import Index, Partition
    from dblog_tui.present.look import Look
    from dblog_tui.source.health import Table

__all__ = ["PARTITIONS", "doctor_blocks", "size", "table_blocks"]

PARTITIONS: Final = "partitions"
"""The key of the line that stands for older partitions."""
_SHOWN: Final = 6
"""So many partitions are shown folded."""
_LABEL: Final = 9
_KIBI: Final = 1024
_NAMES: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "clickhouse": "ClickHouse"}
_KEPT: Final = {
    "sqlite": "retention is an option of each writer; the database does not know it",
    "postgresql": "what is too old goes by dblog maintain; the database does not know it",
    "clickhouse": "what is too old goes by dblog maintain, or by a TTL, which the doctor names",
}
"""How long entries are kept, in each kind of database."""


def size(count: float) -> str:
    """Bytes as people read them: ``512 B``, ``1.4 GiB``."""
    units = ["TiB", "GiB", "MiB", "KiB"]
    if count < _KIBI:
        return f"{count:.0f} B"
    while (count := count / _KIBI) >= _KIBI and len(units) > 1:
        units.pop()
    return f"{count:.1f} {units[-1]}"


def table_blocks(table: Table, now: int, look: Look, width: int, *, unfolded: bool = False) -> Iterator[Block]:
    """What there is, how large, and how it lies on the disk.

    Args:
        table: as it was found.
        now: µs since 1970 UTC.
        look: glyphs, styles, zone.
        width: cells.
        unfolded: every partition.
    """
    for number, (label, pieces) in enumerate(_facts(table, now, look)):
        blanks = (f" {label:<{_LABEL}} ", look.styles.dim)
        yield Block(f"table:{number}", (line(look, width, blanks, *pieces),))
    yield from _indexes(table.layout.indexes, look, width)
    if table.layout.partitions is not None:
        yield from _partitions(table.layout.partitions, look, width, unfolded=unfolded)


def _facts(table: Table, now: int, look: Look) -> Iterator[tuple[str, list[tuple[str, Style]]]]:
    layout, access, styles = table.layout, table.access, look.styles
    about = "" if table.rows.exact or not table.rows.value else look.glyphs.about
    each = f", {layout.bytes / table.rows.value:,.0f} bytes each" if table.rows.value else ""
    yield "entries", [(f"{about}{table.rows.value:,}", styles.text), (f"  {size(layout.bytes)}{each}", styles.dim)]
    if table.oldest is None or table.newest is None:
        yield "oldest", [("the table is empty", styles.dim)]
    else:
        for label, time in (("oldest", table.oldest), ("newest", table.newest)):
            shown = look.ours(moment(time, look.zone))
            yield label, [(f"{ago(time, now)}", styles.text), (f"  {shown[:19]}{shown[26:]}", styles.dim)]
    revision = f"revision {visible(layout.revision)}" if layout.revision else "unknown: the role may not read it"
    yield "schema", [(revision, styles.text), (f"  {_KEPT[access.dialect]}", styles.dim)]
    if layout.dead is not None:
        yield "vacuum", list(_vacuum(layout.dead, layout.vacuumed, now, styles.text, styles.dim))
    if layout.free is not None:
        yield "free", [(f"{size(layout.free)} of the file hold nothing", styles.text)]
    who = f" as {visible(access.role)}" if access.role else ""
    sure = ("read-only", styles.good) if access.read_only else ("NOT read-only", styles.danger)
    could = "; the role could write elsewhere" if access.may_write and access.role else ""
    server = f"{_NAMES[access.dialect]} {visible(access.server)}{who}, "
    yield "session", [(server, styles.text), sure, (could, styles.dim)]


def _vacuum(dead: int, vacuumed: int | None, now: int, text: Style, dim: Style) -> Iterator[tuple[str, Style]]:
    yield ("never, as far as the server's statistics go" if vacuumed is None else ago(vacuumed, now)), text
    yield f"  about {many(dead, 'dead row')}", dim


def _indexes(indexes: Sequence[Index], look: Look, width: int) -> Iterator[Block]:
    styles = look.styles
    yield Block("table:indexes", (line(look, width, (f" {'indexes':<{_LABEL}} {len(indexes)}", styles.dim)),))
    names = max((len(each.name) for each in indexes), default=0)
    for each in indexes:
        pieces: list[tuple[str, Style]] = [(f"   {visible(each.name):<{min(names, 28)}}  ", styles.text)]
        if not each.valid:
            pieces.append(("INVALID ", styles.error))
        if each.bytes is not None:
            pieces.append((f"{size(each.bytes):>9}  ", styles.text))
        if each.scans is not None:
            pieces.append((f"{many(each.scans, 'scan'):>12}  ", styles.dim))
        definition = visible(each.definition).removeprefix("btree ")
        pieces.append((f"{'unique ' if each.unique else ''}{definition}", styles.dim))
        yield Block(f"table:index:{each.name}", (line(look, width, *pieces),))


def _partitions(partitions: Sequence[Partition], look: Look, width: int, *, unfolded: bool) -> Iterator[Block]:
    """The newest first; older ones behind one line."""
    styles, newest = look.styles, list(reversed(partitions))
    folded = len(newest) > _SHOWN + 1
    mark = (look.glyphs.unfolded if unfolded else look.glyphs.folded) if folded else " "
    title = f" {'partitions':<{_LABEL}} {len(newest)}"
    yield Block(PARTITIONS, (line(look, width, (title, styles.dim), (f" {mark}", styles.dim)),))
    for each in newest if unfolded or not folded else newest[:_SHOWN]:
        yield Block(f"table:day:{each.name}", (_partition(each, look, width),))
    if folded and not unfolded:
        rest = newest[_SHOWN:]
        says = f"   {mark} {len(rest)} older  {size(sum(each.bytes for each in rest))}"
        yield Block("partitions:older", (line(look, width, (says, styles.dim)),))


def _partition(each: Partition, look: Look, width: int) -> Strip:
    styles = look.styles
    rows = dash(look) if each.rows is None else f"{look.glyphs.about}{each.rows:,}"
    pieces = [
        (f"   {each.day.isoformat() if each.day else visible(each.name):<12}  ", styles.text),
        (f"{size(each.bytes):>9}  {rows:>14} entries", styles.dim),
    ]
    if not each.attached:
        pieces.append(("  detached: its rows are not read", styles.warning))
    elif each.day is None:
        pieces.append(("  DEFAULT partition: see the doctor", styles.warning))
    return line(look, width, *pieces)


def doctor_blocks(
    findings: Sequence[Finding] | None, look: Look, width: int, *, busy: bool = False, problems: bool = False
) -> Iterator[Block]:
    """A block for each finding; a line to begin with where nobody has looked yet."""
    styles = look.styles
    if findings is None:
        says = f" {look.glyphs.folded} not examined yet: Enter does what dblog doctor does"
        yield Block("doctor:begin", (line(look, width, (says, styles.text)),))
        return
    marks = {"ok": styles.good, "warn": styles.warning, "fail": styles.error}
    for number, each in enumerate(findings):
        if problems and each.status == "ok":
            continue
        strips = [
            line(look, width, (f" {each.status:<5}" if not index else " " * 6, marks[each.status]), *text)
            for index, text in enumerate(_said(each, look, width))
        ]
        yield Block(f"doctor:{number}", tuple(strips))
    if busy:
        yield Block("doctor:busy", (line(look, width, (f"  looking {look.glyphs.ellipsis}", styles.dim)),))


def _said(each: Finding, look: Look, width: int) -> Iterator[list[tuple[str, Style]]]:
    """A finding in lines of pieces: what is so, and below it what to do."""
    texts = [(each.what, look.styles.text), *([(each.fix, look.styles.dim)] if each.fix else ())]
    for text, style in texts:
        for strip in wrapped(look, max(width - 6, 2), visible(text), style):
            yield [(segment.text, segment.style or style) for segment in strip]
