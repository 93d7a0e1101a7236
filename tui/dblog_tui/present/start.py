"""The start screen's lines: what one can do, what was found nearby, and how a program comes to log here."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from dblog.cli.charts import size
from dblog.cli.moments import ago
from dblog.visible import visible
from dblog_tui.keys import KEYS, shown_key, spelled
from dblog_tui.nearby import LOOKED_IN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.style import Style

    from dblog_tui.nearby import Found
    from dblog_tui.present.look import Look

__all__ = ["SETUP", "key_span", "keys_of", "label", "setup_lines", "start_lines"]

_CHOICES: Final = (
    ("demo", "Demo: three services, an incident every minute", "dblog-tui --demo"),
    ("open", "Open an SQLite file", "dblog-tui ./logs.db"),
    ("postgres", "Connect to PostgreSQL, read-only", "dblog-tui postgresql:///app"),
    ("setup", "The lines that make your program write logs here", ""),
)
SETUP: Final = """\
$ dblog upgrade --url sqlite:///logs.db

import dblog, logging
handler = dblog.DatabaseHandler("sqlite:///logs.db", service="shop")
logging.basicConfig(level=logging.INFO, handlers=[handler])"""
"""A shell's line, and a program's three."""
_NAME: Final = 28


def keys_of(keymap: Mapping[str, str]) -> dict[str, list[str]]:
    """Keys of each binding of this screen; "" where one is another's now."""
    given = {name: keys.split(",") for name, keys in keymap.items() if name.startswith("start.")}
    taken = {key for keys in given.values() for key in keys}
    found = {each.id: ["" if key in taken else key for key in each.keys.split(",")] for each in KEYS}
    return {name: given.get(name, keys) for name, keys in found.items() if name.startswith("start.")}


def label(key: str, look: Look) -> str:
    """A key as the screen shows it."""
    return spelled(shown_key(key)) if look.plain else shown_key(key)


def key_span(keys: Sequence[str]) -> str:
    """Keys as people write them: ``1-3``, ``a b c``."""
    digits = "".join(keys)
    return f"{keys[0]}-{keys[-1]}" if len(keys) > 1 and digits in "123456789" else " ".join(filter(None, keys))


def start_lines(
    version: str,
    found: Sequence[Found] | None,
    now: int,
    look: Look,
    width: int,
    *,
    keys: Mapping[str, Sequence[str]],
) -> list[Strip]:
    """All of it; ``found`` is None while it is looked for.

    Args:
        version: of dblog.
        found: what is nearby.
        now: µs; ages count from it.
        look: how things look.
        width: of the screen.
        keys: as they are shown, by the ids of their bindings.
    """
    styles = look.styles
    first = {name: next(iter(keys[f"start.{name}"]), "") for name, *_ in _CHOICES}
    wide = max(map(cell_len, [*first.values(), *keys["start.pick"]]))
    lines = [_line(look, (f"dblog-tui {version}", styles.strong)), _line(look)]
    lines += [_line(look, (" No database is named.", styles.text)), _line(look)]
    beside = max(cell_len(text) for _, text, _ in _CHOICES) + 2
    for name, text, command in _CHOICES:
        key = set_cell_size(first[name], wide)
        room = cell_len(command) + beside + 7 + wide <= width
        example = (f"{' ' * (beside - cell_len(text))}{command}" if room else "", styles.dim)
        lines.append(_line(look, (f"   {key}   ", styles.accent), (text, styles.text), example))
    lines += [_line(look), _line(look, (" Found nearby", styles.text))]
    lines += _found(found, now, look, [set_cell_size(key, wide) for key in keys["start.pick"]])
    return [*lines, _line(look), _line(look, (f" Looked in: {LOOKED_IN}", styles.dim))]


def _found(found: Sequence[Found] | None, now: int, look: Look, keys: Sequence[str]) -> Iterator[Strip]:
    styles = look.styles
    if not found:
        yield _line(look, (f"   {'looking' if found is None else 'nothing'}", styles.dim))
        return
    name = min(max(cell_len(visible(each.name)) for each in found), _NAME)
    for key, each in zip([*keys, *repeat(" ", len(found))], found, strict=False):
        facts = [visible(each.kind)]
        facts += [] if each.size is None else [size(each.size)]
        if each.looked:
            facts.append("no entry yet" if each.newest is None else f"newest entry {ago(each.newest, now)}")
        said = _cut(visible(each.name), name, look)
        yield _line(look, (f"   {key}   ", styles.accent), (f"{said}   ", styles.text), ("  ".join(facts), styles.dim))


def _cut(text: str, width: int, look: Look) -> str:
    """Exactly so many cells; the end of a path tells more than its beginning."""
    while cell_len(text) > width:
        text = look.glyphs.ellipsis + text[2:]
    return set_cell_size(text, width)


def setup_lines(look: Look, key: str) -> list[Strip]:
    """How a program comes to write its logs into a database; ``key`` copies the lines."""
    styles = look.styles
    lines = [_line(look, ("Make the tables once, then log as ever", styles.strong)), _line(look)]
    lines += [_line(look, (f"   {text}", styles.good)) for text in SETUP.splitlines()]
    lines += [
        _line(look),
        _line(look, (" PostgreSQL: postgresql://user@host/app in the place of the URL.", styles.text)),
    ]
    return [
        *lines,
        _line(look, (f" Or as one entry of your dictConfig: see the README. {key} copies the lines.", styles.text)),
    ]


def _line(look: Look, *pieces: tuple[str, Style]) -> Strip:
    return Strip([Segment(" ", look.styles.text), *(Segment(text, style) for text, style in pieces if text)])
