"""What dblog says about an entry (``metadata.dblog``), in words: what it had to change, and what was lost. Pure.

The column is anybody's: a shape nobody knows is shown as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dblog_tui.present.items import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["changes"]

_WORDS: Final = {
    "truncated": "cut to fit the limits of a record",
    "redacted": "secrets are hidden: values under secret keys say [REDACTED]",
    "sanitized": "what no database stores was replaced: NUL, lone surrogates, integers beyond 2^53",
    "nonfinite": "NaN and infinity are kept as text",
    "unserializable": "some values are only kept as their repr",
    "format_error": "the message could not be formatted with its arguments",
    "clock": "its own clock was out of bounds; the time is when dblog took it",
}


def changes(notes: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A label, a sentence, and the flag it stands for (or nothing), for everything that is said."""
    rest = dict(notes)
    flags = rest.pop("flags", [])
    for flag in flags if isinstance(flags, list) else [flags]:
        name = flag if isinstance(flag, str) else text_of(flag)
        words = _WORDS.get(name, name)
        if name == "truncated" and "original_bytes" in rest:
            words += _sizes(rest.pop("original_bytes"))
        if name == "clock" and "created" in rest:
            words += f"; it said {text_of(rest.pop('created'))}"
        yield "changed", words, name
    losses = rest.pop("loss", [])
    for loss in losses if isinstance(losses, list) else [losses]:
        yield "lost", _loss(loss), ""
    for name, value in rest.items():
        yield "dblog", f"{name} {text_of(value)}", ""


def _sizes(sizes: Any) -> str:
    if not isinstance(sizes, dict):
        return f"; it had {text_of(sizes)} bytes"
    return "; " + ", ".join(
        f"{name} had {size:,} bytes" if isinstance(size, int) else f"{name} {text_of(size)}"
        for name, size in sizes.items()
    )


def _loss(loss: Any) -> str:
    if not isinstance(loss, dict) or not isinstance(loss.get("levels", {}), dict):
        return text_of(loss)
    rest = dict(loss)
    said = f"{text_of(rest.pop('count', '?'))} records: {text_of(rest.pop('reason', 'unknown'))}"
    if levels := rest.pop("levels", {}):
        said += f" ({', '.join(f'{name} {text_of(count)}' for name, count in levels.items())})"
    if "seq_from" in rest and "seq_to" in rest:
        said += f", seq {text_of(rest.pop('seq_from'))} to {text_of(rest.pop('seq_to'))}"
    return said + "".join(f", {name} {text_of(value)}" for name, value in rest.items())
