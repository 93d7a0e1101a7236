"""Dialogs with a list: which field to include or exclude by, and which columns to show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from dblog.cli.moments import moment
from dblog.errors import DblogError
from dblog.visible import visible
from dblog_tui.screens.asking import Ask
from dblog_tui.screens.dialog import Dialog, T
from dblog_tui.settings import checked_columns
from dblog_tui.widgets.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from textual import events
    from textual.widget import Widget

    from dblog_tui.clauses import Choice
    from dblog_tui.present.look import Look

__all__ = ["Columns", "PickField", "Picked", "Picking"]

_OWN: Final = {
    "service": "s", "level": "l", "logger": "g", "template": "t", "exc_type": "e", "host": "h", "trace_id": "r",
    "user_id": "u", "session_id": "i", "task_id": "a", "client_id": "c", "function": "f", "module": "o",
    "message": "m", "pid": "p", "thread": "w",
}  # fmt: skip
"""Keys of columns; ``j k q d`` move, close and remove in every list."""
_SPARE: Final = "1234567890bnvxyz"


class Picking(Dialog[T]):
    """A list of which one line is chosen."""

    empty = ""
    """The sentence where there is nothing."""

    def body(self) -> Iterable[Widget]:
        """The list."""
        yield Choices(self.look, empty=self.empty)

    def ready(self) -> None:
        """Ready to choose."""
        self.choices.focus()
        self.fill()

    def place(self) -> None:
        """As high as there is room for."""
        super().place()
        for each in self.query(Choices):
            each.fit()

    def fill(self) -> None:
        """Show the lines."""
        self.choices.fill(list(self.lines()))

    def lines(self) -> Iterator[tuple[Hashable, list[Segment]]]:
        """A key and what is shown for it."""
        raise NotImplementedError

    @property
    def choices(self) -> Choices:
        """The list."""
        return self.query_one(Choices)

    def action_cursor_down(self) -> None:
        """Next."""
        self.choices.action_move(1)

    def action_cursor_up(self) -> None:
        """Previous."""
        self.choices.action_move(-1)

    def action_page(self, by: int) -> None:
        """A page."""
        self.choices.action_page(by)

    def action_choose(self) -> None:
        """What the cursor is on."""

    def on_choices_chosen(self) -> None:
        """A second click."""
        self.action_choose()


class Picked(NamedTuple):
    """A field, its value, and what is to be done with it."""

    name: str
    value: Any
    wanted: bool
    """Include; exclude otherwise."""


class PickField(Picking[Picked]):
    """Which field of an entry to include or exclude by: one key each, or the cursor and Enter.

    Args:
        look: how things look.
        fields: ``clauses.choices(entry)``.
        wanted: include; exclude otherwise.
    """

    empty = "this entry has nothing to go by"

    def __init__(self, look: Look, fields: Sequence[Choice], *, wanted: bool) -> None:
        super().__init__(look, "")
        self._fields, self._wanted = list(fields), wanted
        self._letters = _letters([field.name for field in fields])

    def ready(self) -> None:
        """Say which of the two it is."""
        super().ready()
        self._say()

    def _say(self) -> None:
        self.entitle("Include: only entries with this value" if self._wanted else "Exclude: no entries with this value")
        other = ("-", "exclude instead") if self._wanted else ("+", "include instead")
        self.hint((("letter", "or"), ("Enter", "choose"), other, ("Esc", "close")))

    def lines(self) -> Iterator[tuple[Hashable, list[Segment]]]:
        """The letter, the name, the value."""
        styles = self.look.styles
        width = min(max((cell_len(field.name) for field in self._fields), default=0), 30)
        for index, field in enumerate(self._fields):
            letter = self._letters.get(index, " ")
            yield (
                index,
                [
                    Segment(f" {letter}  ", styles.accent),
                    Segment(f"{set_cell_size(visible(field.name), width)}  ", styles.dim),
                    Segment(self._shown(field.name, field.value), styles.text),
                ],
            )

    def _shown(self, name: str, value: Any) -> str:
        if name in ("timestamp", "ingested_at"):
            return self.look.ours(moment(value, self.look.zone))
        text = value if isinstance(value, str) else _json(value)
        return visible(text[:_SHOWN])

    def on_key(self, event: events.Key) -> None:
        """A letter chooses."""
        index = next((at for at, letter in self._letters.items() if letter == event.character), None)
        if index is not None:
            event.stop()
            event.prevent_default()
            self._pick(index)

    def action_wanted(self) -> None:
        """The other of the two."""
        self._wanted = not self._wanted
        self._say()

    def action_choose(self) -> None:
        """What the cursor is on."""
        if isinstance(index := self.choices.key, int):
            self._pick(index)

    def _pick(self, index: int) -> None:
        field = self._fields[index]
        self.dismiss(Picked(field.name, field.value, self._wanted))


_SHOWN: Final = 300


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "..."


def _letters(names: Sequence[str]) -> dict[int, str]:
    """A key for each name as long as there are some: for a column always the same, for other names digits."""
    spare = iter(_SPARE)
    given = {index: _OWN.get(name) or next(spare, "") for index, name in enumerate(names)}
    return {index: letter for index, letter in given.items() if letter}


class Columns(Picking[tuple[str, ...]]):
    """Which columns, in which order.

    Args:
        look: how things look.
        chosen: those there are now, in their order.
        known: every name there is; keys of metadata among them.
    """

    def __init__(self, look: Look, chosen: Sequence[str], known: Iterable[str]) -> None:
        hints = (("Space", "on/off"), ("J K", "move"), ("a", "name one"), ("Enter", "show them"), ("Esc", "close"))
        super().__init__(look, "Columns", hints=hints)
        self._names = list(dict.fromkeys((*chosen, *known)))
        self._chosen = set(chosen)

    def lines(self) -> Iterator[tuple[Hashable, list[Segment]]]:
        """A box, and the name."""
        styles = self.look.styles
        for name in self._names:
            box = "[x]" if name in self._chosen else "[ ]"
            style = styles.text if name in self._chosen else styles.dim
            yield name, [Segment(f" {box} ", styles.accent), Segment(visible(name), style)]

    def action_take(self) -> None:
        """Take it in behind the others, but before the message; or leave it out."""
        if not isinstance(name := self.choices.key, str):
            return
        self._chosen ^= {name}
        if name in self._chosen:
            self._names.remove(name)
            self._names.insert(self._behind_others(), name)
        self._changed(name)

    def _behind_others(self) -> int:
        """Where one more goes: the message takes all the room there is, and what stands behind it is not seen."""
        if "message" in self._chosen and "message" in self._names:
            return self._names.index("message")
        return sum(each in self._chosen for each in self._names)

    def action_shift(self, by: int) -> None:
        """Among those that are chosen."""
        name = self.choices.key
        if not isinstance(name, str) or name not in self._chosen:
            return
        at = self._names.index(name)
        places = [index for index, each in enumerate(self._names) if each in self._chosen]
        other = places.index(at) + by
        if 0 <= other < len(places):
            self._names[at], self._names[places[other]] = self._names[places[other]], self._names[at]
            self._changed(name)

    def _changed(self, name: str) -> None:
        self.tell("")
        self.fill()
        self.choices.put_cursor(name)

    def action_add(self) -> None:
        """Ask for a name."""

        def named(name: str | None) -> None:
            if name is not None:
                self._names = [each for each in self._names if each != name]
                self._names.insert(self._behind_others(), name)
                self._chosen.add(name)
                self._changed(name)

        ask = Ask(self.look, "A column, or a key of metadata", _name, verb="add", example="dur_ms, http.status_code")
        self.app.push_screen(ask, named)

    def action_choose(self) -> None:
        """Show those that are chosen."""
        try:
            self.dismiss(checked_columns(tuple(name for name in self._names if name in self._chosen)))
        except DblogError as error:
            self.mistake(error)


def _name(text: str) -> str:
    return checked_columns((text.strip(),))[0]
