"""Which key does what, where somebody wants it otherwise: ids and keys are checked against the table and Textual.

A key that the file gives to something is taken from what had it in the same place; two things that the file gives the
same key in one place are a mistake, and so is an id or a key that does not exist: it would be a key that does nothing.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from textual.keys import Keys, _character_to_key

from dblog.errors import ConfigurationError
from dblog_tui.keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["key_of", "resolved"]

_MODIFIERS: Final = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_IDS: Final = {key.id: key for key in KEYS}


def resolved(keymap: Mapping[str, str]) -> dict[str, str]:
    """The same with keys in Textual's names.

    Raises:
        ConfigurationError: an id or a key does not exist, or one key has two meanings in one place.
    """
    found = {name: ",".join(_keys_of(name, keys)) for name, keys in keymap.items()}
    taken: dict[tuple[str, str], str] = {}
    for name, keys in found.items():
        for key in keys.split(","):
            other = taken.setdefault((_IDS[name].where, key), name)
            if other != name:
                raise ConfigurationError(f"keymap: {other} and {name} have the same key {key!r}")
    return found


def _keys_of(name: str, keys: str) -> Iterator[str]:
    if name not in _IDS:
        near = difflib.get_close_matches(name, _IDS, n=1)
        advice = f"did you mean {near[0]}?" if near else "docs/tui.md lists the ids"
        raise ConfigurationError(f"keymap: there is no {name[:80]!r}: {advice}")
    for text in keys.split(","):
        try:
            yield key_of(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"keymap.{name}: {error}") from None


def key_of(text: str) -> str:
    """A key in Textual's name: ``?`` is ``question_mark``, ``Ctrl+X`` is ``ctrl+x``.

    Raises:
        ValueError: there is no such key.
    """
    *modifiers, last = text.split("+") if len(text) > 1 else [text]
    modifiers = [each.lower() for each in modifiers]
    last = _character_to_key(last) if len(last) == 1 else last.lower()
    wrong = not text or not last.isprintable() or bool(set(modifiers) - _MODIFIERS)
    if wrong or (len(last) != 1 and last not in _NAMES):
        near = difflib.get_close_matches(last, _NAMES, n=1) if last else []
        advice = f", did you mean {near[0]}?" if near else ": write f, ?, ctrl+x, pagedown"
        raise ValueError(f"{text[:40]!r} is no key{advice}")
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    return "+".join((*modifiers, last.lower() if modifiers else last))


_NAMES: Final = frozenset({_character_to_key(chr(code)) for code in range(33, 127)}) | frozenset(
    key.value for key in Keys if key.value.isidentifier()
)
"""Of keys without modifiers."""
