"""One whole entry as items: message, what dblog says about it, template, source, attributes, exception, record.

``Whole`` takes an entry apart once; ``document`` makes items of it, as often as something is folded. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dblog.cli.lines import attributes_of
from dblog.cli.moments import clock, duration, moment
from dblog.levels import BAND_NAMES, band_of
from dblog.visible import visible
from dblog_tui.present.changes import changes
from dblog_tui.present.exception import own_package, traceback_items
from dblog_tui.present.flow import fits
from dblog_tui.present.items import Field, Item, shown
from dblog_tui.present.traceback import fingerprint, parse
from dblog_tui.present.tree import members, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.style import Style

    from dblog.entry import LogEntry
    from dblog_tui.present.flow import Piece
    from dblog_tui.present.items import Folds
    from dblog_tui.present.look import Look
    from dblog_tui.present.traceback import Part

__all__ = ["Similar", "Whole", "document", "head", "level_field"]

_MAIN: Final = ("service", "trace_id", "user_id", "session_id", "task_id", "client_id")
"""What is asked for most; the other columns are in the section ``record``."""
_RECORD: Final = (
    "timestamp", "ingested_at", "id", "level", "severity", "logger", "module", "function", "pathname", "lineno",
    "host", "pid", "thread", "async_task", "span_id", "parent_span_id", "context_id", "instance_id", "seq",
)  # fmt: skip
_MESSAGE_LINES: Final = (6, 12)
"""Lines of a message before it is unfolded, in a low pane and in a tall one."""
_ERROR: Final = BAND_NAMES.index("error")


@dataclass(frozen=True, slots=True)
class Similar:
    """How many entries have the same template."""

    count: int
    exact: bool = True
    where: str = "in range"


@dataclass(slots=True)
class Whole:
    """An entry, taken apart."""

    entry: LogEntry
    loading: bool = False
    """Only what a list has of it; the rest is on its way."""
    trouble: str = ""
    """Why the rest did not come."""
    similar: Similar | None = None
    alike: Similar | None = None
    """How many have an exception of the same type."""
    attributes: dict[str, Any] = field(init=False)
    named: bool = field(init=False)
    """Its attributes can be named in queries: they are an object."""
    notes: dict[str, Any] = field(init=False)
    """What dblog says about it."""
    exception: list[Part] = field(init=False)
    stack: list[Part] = field(init=False)
    crash: str = field(init=False)
    """See ``fingerprint``."""

    def __post_init__(self) -> None:
        found = attributes_of(self.entry)
        self.named = found != {"metadata": self.entry.metadata} and (self.entry.metadata or "").lstrip()[:1] == "{"
        notes = found.get("dblog") if self.named else None
        self.notes = notes if isinstance(notes, dict) else {}
        self.attributes = {name: value for name, value in found.items() if name != "dblog" or not self.notes}
        parts = parse(self.entry.exc_text) if self.entry.exc_text else []
        begins = next((n for n, part in enumerate(parts) if part.kind == "stack"), len(parts))
        self.exception, self.stack = parts[:begins], parts[begins:]
        self.crash = fingerprint(self.exception)


def level_field(entry: LogEntry) -> Field:
    """The level, as queries can name it: one that nobody knows by its number."""
    if entry.level.lower() in BAND_NAMES:
        return Field("level", value=entry.level)
    return Field("severity", value=entry.severity)


def head(whole: Whole, look: Look, width: int) -> tuple[Piece, ...]:
    """Level, logger, time, where: what fits of it, the least important at the end."""
    entry, styles = whole.entry, look.styles
    band = band_of(entry.severity)
    pieces: list[Piece] = [(visible(entry.level), styles.bands[band]), (f" {visible(entry.logger)}", styles.strong)]
    pieces.append((f"  {clock(entry.timestamp, look.zone)}", styles.text))
    if entry.service:
        pieces.append((f"  {visible(entry.service)}", look.service(entry.service)))
    if entry.host:
        pieces.append((f"  {visible(entry.host)}", styles.dim))
    if entry.pid is not None:
        pieces.append((f" pid {entry.pid}", styles.dim))
    if entry.trace_id:
        pieces.append((f"  trace {visible(entry.trace_id[:8])}", styles.dim))
    if whole.loading:
        pieces.insert(0, ("loading  ", styles.accent))
    return fits([(text[:200], style) for text, style in pieces], width, look.glyphs.ellipsis)


def document(whole: Whole, look: Look, folds: Folds, *, tall: bool = False) -> list[Item]:
    """Every item, in order.

    Args:
        whole: the entry.
        look: styles, glyphs, zone.
        folds: what somebody has folded and unfolded.
        tall: there is room: more of the message is shown at first, and the section ``record``.
    """
    items = list(_top(whole, look, folds, tall=tall))
    if whole.trouble:
        style = look.styles.error
        items.append(Item(("trouble",), ((shown(whole.trouble), style),), 0, 2, 2, raw=whole.trouble, what="sentence"))
    items += _attributes(whole, look, folds)
    items += _exception(whole, look, folds)
    items += _record(whole, look, folds, tall=tall)
    return items


def _top(whole: Whole, look: Look, folds: Folds, *, tall: bool) -> Iterator[Item]:
    entry, styles = whole.entry, look.styles
    names = [name for name in _MAIN if getattr(entry, name) is not None]
    width = max(map(len, ("template", *names))) + 2
    band = band_of(entry.severity)
    style = styles.bands[band] if band >= _ERROR else styles.strong
    message = Field("message", value=entry.message)
    head = ("message".ljust(width), styles.dim)
    yield from plain_text(
        ("message",), head, entry.message, look, folds,
        style=style, indent=0, field=message, what="message", lines=_MESSAGE_LINES[tall],
    )  # fmt: skip
    yield from _changes(whole, look, width)
    if entry.template is not None:
        yield _template(whole, look, width)
    if entry.pathname or entry.function or entry.module:
        yield _source(entry, look, width)
    for name in names:
        value = getattr(entry, name)
        shade = look.service(value) if name == "service" else styles.text
        keys = "t" if name == "trace_id" else ""
        yield _column(name, value, visible(value), style=shade, width=width, look=look, keys=keys)


def _column(
    name: str, value: Any, text: str, *, style: Style, width: int, look: Look, indent: int = 0, keys: str = "",
    field: Field | None = None,
) -> Item:  # fmt: skip
    pieces = ((name.ljust(width), look.styles.dim), (text, style))
    field = field or Field(name, value=value if isinstance(value, (str, int)) else str(value))
    return Item((name,), pieces, indent, 2, 2, len(name), field=field, raw=str(value), what=name, keys=keys)


def _template(whole: Whole, look: Look, width: int) -> Item:
    template, styles, similar = whole.entry.template or "", look.styles, whole.similar
    right: tuple[Piece, ...] = ()
    if similar is not None:
        right = ((_counted(similar, look), styles.accent),)
    same = template == whole.entry.message
    text = "as the message" if same else shown(template)
    pieces = (("template".ljust(width), styles.dim), (text, styles.dim if same else styles.text))
    field = Field("template", value=template)
    return Item(
        ("template",),
        pieces,
        0,
        2,
        2,
        len("template"),
        right=right,
        field=field,
        raw=template,
        what="template",
        keys="P",
    )


def _counted(similar: Similar, look: Look) -> str:
    return f"{'' if similar.exact else look.glyphs.about}{similar.count:,} {similar.where}"


def _source(entry: LogEntry, look: Look, width: int) -> Item:
    place = visible(entry.pathname or entry.module or "")
    line = "" if entry.lineno is None else f":{entry.lineno}"
    function = f" {visible(entry.function)}()" if entry.function else ""
    pieces = (("source".ljust(width), look.styles.dim), (f"{place}{line}{function}", look.styles.text))
    field = Field("pathname", value=entry.pathname) if entry.pathname else None
    raw = f"{entry.pathname or entry.module or ''}{line}{function and ' ' + (entry.function or '')}"
    return Item(("source",), pieces, 0, 2, 2, len("source"), field=field, raw=raw, what="source")


def _changes(whole: Whole, look: Look, width: int) -> Iterator[Item]:
    for number, (label, text, flag) in enumerate(changes(whole.notes)):
        pieces = ((label.ljust(width), look.styles.dim), (shown(text), look.styles.warning))
        field = Field(path=("dblog", "flags"), value=flag) if flag else None
        yield Item(("changes", number), pieces, 0, 2, 2, len(label), field=field, raw=text, what="note")


def _section(
    name: str, title: Sequence[Piece], look: Look, folds: Folds, *, at_first: bool, raw: Any,
    right: tuple[Piece, ...] = (), field: Field | None = None,
) -> Item:  # fmt: skip
    pieces = ((name, look.styles.strong), *title)
    unfolded = folds.get((name,), at_first)
    return Item((name,), pieces, 0, 2, 2, len(name), unfolded, right=right, field=field, raw=raw, what=name)


def _attributes(whole: Whole, look: Look, folds: Folds) -> Iterator[Item]:
    if not whole.attributes:
        if whole.loading:
            yield Item(("attrs",), (("attrs", look.styles.strong), ("  loading", look.styles.dim)), what="attrs")
        return
    count = f"  {len(whole.attributes)}" if len(whole.attributes) > 1 else ""
    section = _section("attrs", ((count, look.styles.dim),), look, folds, at_first=True, raw=whole.entry.metadata)
    yield section
    if section.unfolded:
        yield from members(whole.attributes, look, folds, named=whole.named)


def _exception(whole: Whole, look: Look, folds: Folds) -> Iterator[Item]:
    entry, styles = whole.entry, look.styles
    own = own_package(entry.pathname)
    if entry.exc_type or entry.exc_message or whole.exception:
        said = shown(entry.exc_message or "").split("\n", 1)[0][:300]
        title: list[Piece] = []
        if entry.exc_type:
            title = [(f"  {visible(entry.exc_type)}", styles.error), (f": {said}" if said else "", styles.error)]
        elif said:
            title = [(f"  {said}", styles.error)]
        right: tuple[Piece, ...] = ((f"fingerprint {whole.crash}", styles.dim),) if whole.crash else ()
        if whole.alike is not None:
            right = ((f"{_counted(whole.alike, look)} of this type  ", styles.accent), *right)
        field = Field("exc_type", value=entry.exc_type) if entry.exc_type else None
        raw = entry.exc_text or ": ".join(part for part in (entry.exc_type, entry.exc_message) if part)
        section = _section("exception", title, look, folds, at_first=True, raw=raw, right=right, field=field)
        yield section
        if section.unfolded:
            yield from traceback_items(whole.exception, look, folds, key=("exception",), own=own)
            if not whole.exception and entry.exc_message and "\n" in entry.exc_message:
                text = shown(entry.exc_message)
                yield Item(("exception", "message"), ((text, styles.error),), 1, 0, 2, raw=text, what="error")
    if whole.stack:
        raw = "\n".join(line for part in whole.stack for line in part.lines)
        title = [("  where it was logged", styles.dim)]
        section = _section("stack", title, look, folds, at_first=not whole.exception, raw=raw)
        yield section
        if section.unfolded:
            yield from traceback_items(whole.stack, look, folds, key=("stack",), own=own)


def _record(whole: Whole, look: Look, folds: Folds, *, tall: bool) -> Iterator[Item]:
    entry, styles = whole.entry, look.styles
    names = [name for name in _RECORD if getattr(entry, name) is not None]
    title = [(f"  {', '.join(names[3:7])} {look.glyphs.ellipsis}", styles.dim)]
    section = _section("record", title, look, folds, at_first=tall, raw=None)
    if not section.unfolded:
        yield section
        return
    yield _section("record", (), look, folds, at_first=tall, raw=None)
    width = max(map(len, names)) + 2
    for name in names:
        value = getattr(entry, name)
        text, field = visible(str(value)), None
        if name in ("timestamp", "ingested_at"):
            text, field = look.ours(moment(value, look.zone)), Field(name)
            if name == "ingested_at":
                text += f"  {look.ours(duration((value - entry.timestamp) / 1e6))} later"
            value = moment(value, look.zone)
        elif name == "level":
            field = level_field(entry)
        yield _column(name, value, text, style=styles.text, width=width, look=look, indent=1, field=field)
