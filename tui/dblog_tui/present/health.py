"""Writers and refused rows as blocks of lines; pure functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from dblog.cli.moments import at, clock
from dblog.visible import visible
from dblog_tui.present.blocks import (
    Block,
    Cell,
    Column,
    age,
    columns_that_fit,
    dash,
    line,
    many,
    row,
    short,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rich.style import Style
    from textual.strip import Strip

    from dblog.reading.values import DeadLetterRow
    from dblog_tui.present.look import Look
    from dblog_tui.source.health import Writer

__all__ = ["FOLD", "letter_blocks", "moment_of", "writer_blocks"]

FOLD: Final = "fold"
"""The key of the line that stands for writers that are over and done with."""
_FEW: Final = 3
"""So many of them need no folding."""
_HEEDED: Final = 2
"""The grade from which somebody should look (``dblog_tui.source.health``)."""
_MOST: Final = 400
"""Lines of one payload at most."""
_DAY: Final = 86_400_000_000
_LAG: Final = 2.0
"""Seconds from which a lag is coloured."""
_COLUMNS: Final = (
    Column("host", 10), Column("service", 8), Column("pid", 7, right=True), Column("state", 8),
    Column("queue", 6, right=True), Column("enq/s", 5, right=True), Column("ins/s", 5, right=True),
    Column("drop", 5, right=True), Column("fail", 4, right=True), Column("lag", 5, right=True),
    Column("spool", 5, right=True), Column("seen", 4, right=True), Column("emitted", 7, right=True),
    Column("stored", 7, right=True), Column("up", 4, right=True), Column("version", 10), Column("environment", 12),
)  # fmt: skip
_ORDER: Final = (
    "host", "state", "queue", "ins/s", "drop", "fail", "lag", "pid", "service", "enq/s", "spool", "seen", "emitted",
    "stored", "up", "version", "environment",
)  # fmt: skip
"""The most important first."""
_WIDER: Final = {"host": 24, "service": 20}
"""Columns that take what room is left, up to so many cells."""


def moment_of(timestamp: int, now: int, look: Look) -> str:
    """``10:42:04`` of today, ``06-30 10:42`` of another day."""
    time, today = at(timestamp, look.zone), at(now, look.zone)
    if time is None:
        return "?"
    if today is not None and time.date() == today.date():
        return clock(timestamp, look.zone)[:8]
    return f"{time:%m-%d %H:%M}" if abs(now - timestamp) < 300 * _DAY else f"{time:%Y-%m-%d}"


def writer_blocks(
    writers: Sequence[Writer], now: int, look: Look, width: int, *, unfolded: bool = False, problems: bool = False
) -> Iterator[Block]:
    """A block for each writer: its figures, and what is wrong with it.

    Args:
        writers: the worst first.
        now: µs since 1970 UTC.
        look: glyphs, styles, zone.
        width: cells.
        unfolded: those that are over and done with as well.
        problems: only those with a problem.
    """
    columns = _columns(width)
    shown = [each for each in writers if each.troubled or not problems]
    gone = [each for each in shown if not each.grade]
    folded = len(gone) > _FEW
    if not shown:
        yield Block("writer:none", (line(look, width, (f"  {_nobody(writers)}", look.styles.dim)),))
        return
    heads = [Cell(column.name, look.styles.dim) for column in columns]
    yield Block("", (row(look, width, columns, heads),))
    for each in shown:
        if each.grade or not folded:
            yield _writer_block(each, now, look, width, columns)
    if folded:
        mark = look.glyphs.unfolded if unfolded else look.glyphs.folded
        says = f" {mark} {many(len(gone), 'writer')} that closed or were replaced"
        yield Block(FOLD, (line(look, width, (says, look.styles.dim)),))
        if unfolded:
            yield from (_writer_block(each, now, look, width, columns) for each in gone)


def _nobody(writers: Sequence[Writer]) -> str:
    return "no writer has a problem" if writers else "no writer has said anything yet"


def _columns(width: int) -> tuple[Column, ...]:
    columns = columns_that_fit(width, _COLUMNS, _ORDER)
    room = width - sum(column.width + 1 for column in columns)
    wider = []
    for column in columns:
        more = min(_WIDER.get(column.name, column.width) - column.width, room)
        room -= more
        wider.append(column._replace(width=column.width + more))
    return tuple(wider)


def _writer_block(writer: Writer, now: int, look: Look, width: int, columns: Sequence[Column]) -> Block:
    cells = _cells(writer, now, look)
    strips = [row(look, width, columns, [cells[column.name] for column in columns])]
    strips += _notes(writer, now, look, width)
    return Block(f"writer:{writer.said.instance_id.hex}", tuple(strips))


def _cells(writer: Writer, now: int, look: Look) -> dict[str, Cell]:
    said, styles, none = writer.said, look.styles, Cell(dash(look), look.styles.dim)
    graded = (styles.dim, styles.good, styles.warning, styles.error)[writer.grade]
    plain = styles.text if writer.grade else styles.dim
    waiting = said.queued + said.in_flight
    word = f"{writer.word} {age(now - said.last_seen)}" if writer.word in ("DOWN", "gone") else writer.word

    def lost(count: int) -> Cell:
        return Cell(short(count), (styles.error if writer.grade else styles.warning) if count else styles.dim)

    def rate(value: float | None) -> Cell:
        return none if value is None else Cell(short(max(value, 0.0)), plain if value else styles.dim)

    lagging = said.lag is not None and said.lag >= _LAG
    return {
        "host": Cell(visible(said.host or "?"), plain),
        "service": Cell(visible(said.service or ""), look.service(said.service) if writer.grade else styles.dim),
        "pid": Cell("" if said.pid is None else str(said.pid), plain),
        "state": Cell(visible(word), graded),
        "queue": Cell(short(waiting), plain if waiting else styles.dim),
        "enq/s": rate(writer.emitted_rate),
        "ins/s": rate(writer.stored_rate),
        "drop": lost(said.dropped),
        "fail": lost(said.failed),
        "lag": none if said.lag is None else Cell(_seconds(said.lag), styles.warning if lagging else plain),
        "spool": Cell(short(said.spooled), styles.warning) if said.spooled else none,
        "seen": Cell(age(now - said.last_seen), plain),
        "emitted": Cell(short(said.emitted), plain),
        "stored": Cell(short(said.stored), plain),
        "up": Cell(age((now if writer.grade else said.last_seen) - said.started_at), plain),
        "version": Cell(visible(said.service_version or ""), styles.dim),
        "environment": Cell(visible(said.environment or ""), styles.dim),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 100 else age(round(seconds * 1e6))  # noqa: PLR2004 - five cells


def _notes(writer: Writer, now: int, look: Look, width: int) -> Iterator[Strip]:
    """What the figures do not say, below them."""
    said, styles = writer.said, look.styles
    notes: list[tuple[str, Style]] = []
    if writer.word == "DOWN":
        waiting = said.queued + said.in_flight
        left = f" with {many(waiting, 'record')} waiting to be stored" if waiting else " with nothing left to store"
        notes.append((f"silent since {moment_of(said.last_seen, now, look)}{left}", styles.error))
    if said.last_error and writer.grade:
        stored = "" if said.last_success is None else f" (last stored {moment_of(said.last_success, now, look)})"
        notes.append((f"{visible(said.last_error)}{stored}", styles.error if writer.grade >= _HEEDED else styles.text))
    lost = [
        f"{word} {count:,}{_reasons(by)}"
        for word, count, by in (("dropped", said.dropped, said.dropped_by), ("failed", said.failed, said.failed_by))
        if count
    ]
    if lost:
        notes.append(("; ".join(lost), styles.warning if writer.grade else styles.dim))
    for text, style in notes:
        yield from wrapped(look, width, text, style, indent=3)


def _reasons(by: Mapping[str, int]) -> str:
    """``: queue_full 100, evicted 18``."""
    told = ", ".join(f"{visible(str(reason))} {count:,}" for reason, count in by.items() if count)
    return f" ({told})" if told else ""


def letter_blocks(
    letters: Sequence[DeadLetterRow],
    names: Mapping[str, str],
    now: int,
    look: Look,
    width: int,
    *,
    unfolded: Collection[str] = (),
) -> Iterator[Block]:
    """A block for each refused row: when, whose, why, what it says; its payload where it is unfolded.

    Args:
        letters: the newest first.
        names: what writers are called, by the hexadecimal digits of their ids.
        now: µs since 1970 UTC.
        look: glyphs, styles, zone.
        width: cells.
        unfolded: keys of blocks.
    """
    if not letters:
        yield Block("letter:none", (line(look, width, ("  none: the database has refused no row", look.styles.dim)),))
    for each in letters:
        key = f"letter:{each.id.hex}"
        strips = [_letter(each, names, now, look, width, open_=key in unfolded)]
        if key in unfolded:
            strips += _payload(each, look, width)
        yield Block(key, tuple(strips))


def _letter(each: DeadLetterRow, names: Mapping[str, str], now: int, look: Look, width: int, *, open_: bool) -> Strip:
    styles, message = look.styles, each.payload.get("message")
    writer = names.get(each.instance_id.hex, f"writer {each.instance_id.hex[-8:]}")
    why = " ".join(part for part in (each.error_class, each.code) if part)
    said = message if isinstance(message, str) else _json(dict(each.payload))
    return line(
        look,
        width,
        (f" {look.glyphs.unfolded if open_ else look.glyphs.folded} ", styles.dim),
        (f"{moment_of(each.failed_at, now, look)} ", styles.dim),
        (f"{visible(writer)} ", styles.text),
        (f"{visible(why)} ", styles.error),
        (f"{many(each.attempts, 'attempt')}  ", styles.dim),
        (visible(said[: 4 * width]), styles.text),
    )


def _payload(each: DeadLetterRow, look: Look, width: int) -> Iterator[Strip]:
    """The row as it was to be stored, column by column, without what is empty."""
    styles, left = look.styles, _MOST
    head = f"id {each.id}  writer {each.instance_id}  seq {each.seq if each.seq is not None else '?'}"
    yield from wrapped(look, width, head, styles.dim, indent=4)
    for name, value in each.payload.items():
        if value is None:
            continue
        text = visible(value if isinstance(value, str) else _json(value), lines=True).expandtabs(4)
        first, *rest = text.split("\n")
        for number, part in enumerate((first, *rest)):
            for strip in wrapped(
                look, width, f"{visible(name)}  {part}" if not number else part, styles.text, 4 + 2 * bool(number)
            ):
                yield strip
                left -= 1
                if not left:
                    yield line(look, width, ("    the rest is not shown: dblog dead-letters --full", styles.dim))
                    return


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
