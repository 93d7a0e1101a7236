"""Ten thousand texts of somebody who means harm to a terminal, and a database with one of them in every field.

Reproducible: the same count and seed give the same texts. All but the ``bare`` ones begin with a mark of their own, by
which a test can see that a text was shown, and was not lost.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from dblog.admin.storing import made_id
from dblog.entry import ID_FIELDS, LogEntry
from dblog.interchange import COLUMNS
from dblog.repair import repair
from tests.administered import SECOND, fill
from tests.buried import bury, letter
from tests.hostile import DANGEROUS
from tests.tui.writers import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["COUNT", "FIELDS", "KINDS", "SEED", "Hostile", "entries", "hostile", "store"]

COUNT: Final = 10_000
SEED: Final = 4
FIELDS: Final = (
    "level", "logger", "message", "template", "module", "function", "pathname", "thread", "async_task", "exc_type",
    "exc_message", "exc_text", *ID_FIELDS, "service", "host",
)  # fmt: skip
"""Columns of text."""
_EXTRAS: Final = 5
"""Texts in the metadata of one entry: two keys, two values, one deep down."""
_TRACE: Final = 5
"""So many entries share a trace's id, a template and a service."""


class Hostile(NamedTuple):
    """One text."""

    number: int
    kind: str
    text: str

    @property
    def mark(self) -> str:
        """What it begins with; empty of one that is bare."""
        return f"h{self.number:05}" if self.text.startswith(f"h{self.number:05}") else ""


def hostile(count: int = COUNT, seed: int = SEED) -> list[Hostile]:
    """So many texts, of every kind in turn."""
    random, names, made = Random(seed), list(KINDS), []
    for number in range(count):
        kind = names[number % len(names)]
        text = KINDS[kind](random)
        made.append(Hostile(number, kind, text if kind in _BARE else f"h{number:05}{text}"))
    return made


def entries(texts: Sequence[Hostile], until: int, apart: int = SECOND) -> Iterator[LogEntry]:
    """Entries that hold each text at least once, the newest first, the newest just before ``until`` (µs).

    Five after the other share a trace, a template and a service, so that there is something to see of these.
    """
    waiting = iter(texts)
    shared: dict[str, str] = {}
    number = 0
    while (fields := _next(waiting, number, shared)) is not None:
        moment = until - (number + 1) * apart
        severity = number % 24 + 1
        made = made_id(moment, f"hostile {number}".encode())
        yield LogEntry(timestamp=moment, severity=severity, id=made, lineno=number, pid=number, seq=number + 1,
                       instance_id=UUID(int=number % 3 + 1), **fields)  # fmt: skip
        number += 1


def _next(waiting: Iterator[Hostile], number: int, shared: dict[str, str]) -> dict[str, Any] | None:
    if number % _TRACE == 0:
        shared.clear()
    fields: dict[str, Any] = dict(shared)
    wanted = [name for name in FIELDS if name not in fields]
    drawn = [each.text for _, each in zip(range(len(wanted) + _EXTRAS), waiting, strict=False)]
    if not drawn:
        return None
    drawn += ["x"] * (len(wanted) + _EXTRAS - len(drawn))
    fields.update(zip(wanted, drawn, strict=False))
    shared.update({name: fields[name] for name in ("trace_id", "template", "service")})
    fields["metadata"] = _metadata(drawn[-_EXTRAS:], number)
    return fields


def _metadata(texts: list[str], number: int) -> str:
    key, other, value, item, deep = texts
    tree: dict[str, Any] = {key: value, other: [item, {key: {"deep": deep}}], "duration_ms": number * 1.5}
    if number % 4 == 0:
        tree["dblog"] = {"flags": [value], "redacted": [key], "truncated": {other: item}, "clock": deep}
    # Every other one as characters, not as escapes: what a text column may hold, and a strict parser refuses.
    return json.dumps(tree, ensure_ascii=number % 2 == 0)


def store(url: str, texts: Sequence[Hostile], until: int, *, writers: int = 30) -> int:
    """Put them into a database: entries, writers and dead letters; how many entries.

    An SQLite file takes them as they are, lone surrogates and NUL included, as somebody with the file could have put
    them there. PostgreSQL takes neither, so there they are replaced as a writer would.
    """
    made = list(entries(texts, until))
    if url.startswith("sqlite"):
        _insert(url.removeprefix("sqlite:///"), made)
    else:
        outcome = fill(url, map(repair, made))
        assert not outcome.refused, outcome.refused[:3]
    for number, each in enumerate(texts[:writers], 1):
        text = each.text[:2000].encode(errors="replace").decode().replace("\0", "\u2400")
        report(url, number, seen=number * 7 % 50, service=text, host=text, last_error=text, dropped=number % 3,
               dropped_by={text: 1}, service_version=text, environment=text)  # fmt: skip
        bury(url, letter(number, message=each.text, exc_text=each.text, level=each.text))
    return len(made)


def _insert(path: str, made: Sequence[LogEntry]) -> None:
    names = [name for name in COLUMNS if name != "ingested_at"]
    numbers = {"timestamp", "severity", "lineno", "pid", "seq", "id", "instance_id"}
    marks = ", ".join("?" if name in numbers else "CAST(? AS TEXT)" for name in names)
    rows = [[_bound(getattr(each, name)) for name in names] for each in made]
    with closing(sqlite3.connect(path)) as file, file:
        file.executemany(f"INSERT INTO logs ({', '.join(names)}) VALUES ({marks})", rows)


def _bound(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value.bytes if isinstance(value, UUID) else value


# -- the kinds ------------------------------------------------------------------------------------------------

_WORDS: Final = ("payment", "failed", "timeout", "GET /v1/pay", "user=9547", "ünïcödé", "retry 2 of 5")
_SEQUENCES: Final = (
    "\x1b[31m", "\x1b[2J", "\x1b[H", "\x1b[1;1H", "\x1b[?1049l", "\x1b[?25l", "\x1b[6n", "\x1b[c", "\x1bc", "\x1b#8",
    "\x1b[999D", "\x1b[5i", "\x1b[?2004l", "\x1b[20t", "\x1b[s\x1b[u", "\x1b[L", "\x1b(0", "\x1b[0;5;7m",
    "\x1b[38;5;1m",
)  # fmt: skip
_STRINGS: Final = (
    "\x1b]0;owned\x07", "\x1b]2;owned\x1b\\", "\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4K\x07", "\x1b]52;p;?\x1b\\", "\x1b]1337;File=inline=1:AAAA\x07", "\x1bP+q544e\x1b\\",
    "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\", "\x1b_Gf=24;AAAA\x1b\\", "\x1b^pm\x1b\\", "\x1b]10;?\x07",
    "\x1b]4;1;red\x07",
    "\x1b]777;notify;a;b\x07", "\x1b]9;4;1;50\x07", "\x1b]", "\x1b[", "\x1b",
)  # fmt: skip
_C1: Final = (
    "\x9b31m",
    "\x9b2J",
    "\x9d52;c;aGk=\x9c",
    "\x90q\x9c",
    "\x9f\x9c",
    "\x85",
    "\x84",
    "\x8d",
    "\x9e\x9c",
    "\x98",
)
_BIDI: Final = (
    "\u202egnp.exe", "\u202d", "\u202a", "\u202b", "\u202c", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f",
    "\u061c",
)  # fmt: skip
_LINES: Final = (
    "\u2028",
    "\u2029",
    "\n",
    "\r\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\t",
    "\t\t",
    "\x08" * 9,
)
_UNSEEN: Final = (
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\xad",
    "\u180e",
    "\u034f",
    "\U000e0041",
    "\u3164",
    "\xa0",
)
_COMBINING: Final = ("\u0301", "\u0489", "\u20dd", "\u0e49", "\u093f", "\u0336", "\u1ab0", "\u3099")
_WIDE: Final = ("漢字", "ｆｕｌｌ", "한글", "\u1112\u1161\u11ab", "日本語ログ", "，。", "▁▂█●▲", "𠮷", "\u3000")
_EMOJI: Final = (
    "👩\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "👍🏽", "🇩🇪🇫🇷", "1\ufe0f\u20e3", "❤\ufe0f", "🧑🏿\u200d💻",
    "🫠", "☺", "\ufe0f",
    "🇩",
)  # fmt: skip
_MARKUP: Final = (
    "[@click=app.quit]x[/]", "[@click='app.bell()']x[/]", "[red]", "[/]", "[/red]", "[link=https://evil.example]x[/link]",
    "[bold", "\\[red]", "[[", "]]", "[on red]", "[blink reverse]x", "[$error]x[/]", "[not a tag]", "[0]", "[/@click]",
    "{0}", "{message!r}", "%(message)s", "%n%s", "$(reboot)", "`id`", ":smile:", "&lt;b&gt;", "[#ff0000]x", "[dim]",
)  # fmt: skip
_QUERIES: Final = (
    '"', "'", "\\", "`", "' OR 1=1 --", 'level:error" OR "', "*", "?", "a:b", "(", ")", "=~", "/x/", "NOT", "AND", "..",
    "a.b[0]", "--", "-x", "#", "since:1h", '\\"', "%", "_", "0", "null", "true", "-0", "1e999",
)  # fmt: skip
_RTL: Final = ("שלום עולם", "مرحبا بالعالم", "שגיאה 500", "خطأ: timeout", "אב\u05b0ג")
_ODD: Final = (
    "\ud800",
    "\udfff",
    "\udc9b",
    "\ud83d",
    "\ufffe",
    "\uffff",
    "\U0010ffff",
    "\ue000",
    "\0",
    "\x7f",
    "\x05",
    "\x0e",
)


def _some(random: Random, pieces: Sequence[str]) -> str:
    """Some of the pieces, between words."""
    made = [random.choice((random.choice(pieces), random.choice(_WORDS), " ")) for _ in range(random.randint(1, 6))]
    made.insert(random.randrange(len(made) + 1), random.choice(pieces))
    return "".join(made)


def _of(pieces: Sequence[str]) -> Callable[[Random], str]:
    return lambda random: _some(random, pieces)


def _flood(random: Random) -> str:
    return random.choice("aé漢 ") + random.choice(_COMBINING) * random.choice((1, 3, 40, 400)) + random.choice(_WORDS)


def _long(random: Random) -> str:
    return random.choice(("x", "漢", "ab\u0301", "🎉", "[", "\x1b", "\u202e", "a\t", "w ")) * random.choice(
        (300, 2000, 9000)
    )


def _anything(random: Random) -> str:
    return "".join(chr(random.choice((random.randrange(0x300), random.randrange(0x110000)))) for _ in range(20))


def _dangerous(random: Random) -> str:
    return "".join(f"{char}{random.choice('ab ')}" for char in random.sample(_EVERY, 12))


def _blank(random: Random) -> str:
    return random.choice(
        ("", " ", "\t", "\n", "\r", "\0", "\u200b", "\u2028", "\x1b", "\u0301", "\u202e", "\n\n\n", "\ufeff")
    )


def _number(random: Random) -> str:
    return random.choice(("0", "-1", "1e308", "NaN", "9" * 400, "٣", "²", "½", "1_000", "0x1b", "+1"))


_EVERY: Final = sorted(char for char in DANGEROUS if not "\ud800" <= char <= "\udfff")

KINDS: Final[dict[str, Callable[[Random], str]]] = {
    "sequences": _of(_SEQUENCES), "strings": _of(_STRINGS), "c1": _of(_C1), "bidi": _of(_BIDI), "lines": _of(_LINES),
    "unseen": _of(_UNSEEN), "combining": _flood, "wide": _of(_WIDE), "emoji": _of(_EMOJI), "markup": _of(_MARKUP),
    "queries": _of(_QUERIES), "rtl": _of(_RTL), "odd": _of(_ODD), "long": _long, "anything": _anything,
    "dangerous": _dangerous, "blank": _blank, "number": _number,
    "mixed": _of((*_SEQUENCES, *_STRINGS, *_C1, *_BIDI, *_LINES, *_MARKUP, *_WIDE, *_EMOJI, *_ODD)),
    "bare": _of((*_SEQUENCES, *_STRINGS, *_C1, *_BIDI, *_MARKUP)),
}  # fmt: skip
"""What texts there are, and how one of each is made."""
_BARE: Final = frozenset({"blank", "number", "bare"})
"""Without a mark, for what begins a text matters."""
