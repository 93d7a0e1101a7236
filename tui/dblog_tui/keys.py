"""Every key there is: what Textual binds, what the help shows, and what ``docs/tui.md`` lists are made of this table.

A key's ``id`` is what the ``[keymap]`` of the configuration file names. Printable keys are bound to panes and screens,
never to the application, and none has priority: an input that has the focus gets what is typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["GROUPS", "KEYS", "Key", "bindings", "hints", "shown_keys", "spelled"]


@dataclass(frozen=True, slots=True)
class Key:
    """One binding."""

    where: str
    """A key of ``GROUPS``: the widget or screen it works in."""
    name: str
    """With ``where`` the binding's id: ``logs.find``."""
    keys: str
    """In Textual's names, separated by commas."""
    action: str
    """The action's method, without ``action_``, with arguments."""
    says: str
    """What it does, for the help."""
    hint: str = ""
    """A word for the line of hints at the bottom; empty: not there."""
    wide: str = ""
    """The same, for where a wide terminal has room for more."""

    @property
    def id(self) -> str:
        """What a keymap names."""
        return f"{self.where}.{self.name}"


GROUPS: Final = {
    "everywhere": "Everywhere",
    "logs": "Logs",
    "query": "Filter and find",
    "histogram": "Histogram",
    "fields": "Fields",
    "figures": "Patterns and comparison",
    "detail": "Detail",
    "trace": "Trace",
    "context": "Context",
    "health": "Health",
    "start": "Start",
    "help": "Help",
    "lists": "Lists and dialogs",
}

KEYS: Final = (
    Key("everywhere", "help", "question_mark,f1", "help", "the keys of the pane that has the focus", "help"),
    Key("everywhere", "palette", "ctrl+p", "command_palette", "every command, by name"),
    Key("everywhere", "redraw", "ctrl+l", "redraw", "paint the screen anew"),
    Key("everywhere", "copy", "ctrl+c", "copy_or_cancel", "copy what is selected; else end the running query"),
    Key("everywhere", "quit", "ctrl+q", "quit", "quit"),
    # -- logs: moving
    Key("logs", "down", "j,down", "move(1)", "next row"),
    Key("logs", "up", "k,up", "move(-1)", "previous row; leaves LIVE"),
    Key("logs", "half.down", "ctrl+d", "page(0.5)", "half a page down"),
    Key("logs", "half.up", "ctrl+u", "page(-0.5)", "half a page up"),
    Key("logs", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("logs", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("logs", "oldest", "g,home", "oldest", "the oldest row of the range"),
    Key("logs", "newest", "G,end", "newest", "the newest row; LIVE again"),
    Key("logs", "follow", "F", "follow", "LIVE: follow what is logged"),
    Key("logs", "pause", "equals_sign", "pause", "pause where you are"),
    Key("logs", "left", "h,left", "sideways(-1)", "scroll to the left"),
    Key("logs", "right", "l,right", "sideways(1)", "scroll to the right"),
    Key("logs", "wrap", "backslash", "wrap", "wrap long rows, or cut them"),
    # -- logs: asking
    Key("logs", "filter", "f", "filter", "edit the filter", "filter"),
    Key("logs", "find", "slash", "find", "find: jumps, hides nothing", "find"),
    Key("logs", "find.next", "n", "find_next(-1)", "the next hit, towards older"),
    Key("logs", "find.previous", "N", "find_next(1)", "the hit before, towards newer"),
    Key("logs", "include", "plus", "include", "only what has this row's value of a field", "- only/not"),
    Key("logs", "exclude", "minus", "exclude", "nothing that has it"),
    Key("logs", "level.raise", "greater_than_sign", "level(1)", "raise the least level"),
    Key("logs", "level.lower", "less_than_sign", "level(-1)", "lower the least level"),
    Key("logs", "error.next", "e", "seek('error', 1)", "next error, towards newer"),
    Key("logs", "error.previous", "E", "seek('error', -1)", "previous error", "error"),
    Key("logs", "warning.next", "w", "seek('warning', 1)", "next warning or worse"),
    Key("logs", "warning.previous", "W", "seek('warning', -1)", "previous warning or worse"),
    Key("logs", "live", "0", "follow", "LIVE"),
    Key("logs", "range.all", "1", "span('1')", "all of time"),
    Key("logs", "range.1m", "2", "span('2')", "the last minute"),
    Key("logs", "range.5m", "3", "span('3')", "the last 5 minutes"),
    Key("logs", "range.15m", "4", "span('4')", "the last 15 minutes"),
    Key("logs", "range.30m", "5", "span('5')", "the last 30 minutes"),
    Key("logs", "range.1h", "6", "span('6')", "the last hour"),
    Key("logs", "range.24h", "7", "span('7')", "the last 24 hours"),
    Key("logs", "advice", "8", "advice('8')", "nothing matches: what the 8 beside a repair does"),
    Key("logs", "advice.9", "9", "advice('9')", "nothing matches: what the 9 does"),
    Key("logs", "goto", "at", "goto", "go to a time: 14:05, -2h, 2026-11-20T10:00", wide="time"),
    Key("logs", "back", "left_square_bracket", "history(-1)", "the view before", wide="back"),
    Key("logs", "forward", "right_square_bracket", "history(1)", "the view after"),
    Key("logs", "rerun", "ctrl+r,f5", "rerun", "ask again"),
    Key("logs", "retry", "r", "retry", "the database is away: try again now"),
    # -- logs: looking closer
    Key("logs", "detail", "enter", "detail", "the whole entry; again: full screen", "open"),
    Key("logs", "pane", "p", "pane", "show or hide the entry's pane"),
    Key("logs", "trace", "t", "trace", "the whole trace, across services", "trace"),
    Key("logs", "trace.next", "o", "seek('trace', 1)", "next row of this trace"),
    Key("logs", "trace.previous", "O", "seek('trace', -1)", "previous row of this trace"),
    Key(
        "logs", "context", "c", "context", "what was logged around it on the host; again: by its logger; all", "around"
    ),
    Key("logs", "histogram", "i", "histogram", "into the histogram", wide="histogram"),
    Key("logs", "fields", "s", "fields", "fields and their values, with counts", wide="fields"),
    Key("logs", "patterns", "P", "patterns", "templates, and how many entries of each", wide="patterns"),
    Key("logs", "compare", "D", "compare", "what differs here from everything else", wide="compare"),
    Key("logs", "relative", "T", "relative", "times relative to the row above, or of the clock"),
    Key("logs", "columns", "x", "columns", "choose columns"),
    Key("logs", "bookmark", "m", "bookmark", "mark this row"),
    Key("logs", "bookmark.next", "u", "seek('bookmark', 1)", "next marked row"),
    Key("logs", "bookmark.previous", "U", "seek('bookmark', -1)", "previous marked row"),
    Key("logs", "note", "M", "note", "mark this row with a note"),
    # -- logs: taking away
    Key("logs", "copy", "y", "copy_line", "copy the row", wide="copy"),
    Key("logs", "copy.json", "Y", "copy_json", "copy the entry as JSON"),
    Key("logs", "link", "L", "link", "copy this view and row as a command line", wide="link"),
    Key("logs", "views", "v", "views", "saved views", wide="views"),
    Key("logs", "view.save", "V", "save_view", "save this view under a name"),
    Key("logs", "export", "ctrl+s", "export", "write what matches into a file"),
    Key("logs", "plain", "exclamation_mark", "plain", "the rows on the plain terminal, to select them there"),
    Key("logs", "sql", "semicolon", "sql", "the SQL of this view"),
    Key("logs", "health", "H", "health", "writers, dead letters, the table", wide="health"),
    Key("logs", "command", "colon", "command", "type a command", wide="command"),
    Key("logs", "escape", "escape", "escape", "close a pane; end the query; clear the find: one step each"),
    Key("logs", "quit", "q", "leave", "back; at the top: quit"),
    # -- the query line
    Key("query", "submit", "enter", "submit", "ask", "ask"),
    Key("query", "complete", "tab", "complete", "take the suggestion or the repair; list what fits", "complete"),
    Key("query", "suggestion.next", "down", "suggestion(1)", "next suggestion; else the newer query", "choose"),
    Key("query", "suggestion.previous", "up", "suggestion(-1)", "previous suggestion; else the older query", "older"),
    Key("query", "page.next", "pagedown", "suggestion(8)", "further down in the suggestions"),
    Key("query", "page.previous", "pageup", "suggestion(-8)", "further up in the suggestions"),
    Key("query", "as.text", "f4", "as_text", "look for exactly this text", "as text"),
    Key("query", "cancel", "escape", "cancel", "close the list; leave the query as it was", "leave"),
    Key("query", "left", "left", "step(-1)", "one character to the left"),
    Key("query", "right", "right", "step(1)", "one character to the right; at the end the pale text is taken"),
    Key("query", "word.left", "ctrl+left,alt+b", "go('jump', -1)", "one word to the left"),
    Key("query", "word.right", "ctrl+right,alt+f", "go('jump', 1)", "one word to the right"),
    Key("query", "start", "home,ctrl+a", "go('edge', -1)", "to the beginning"),
    Key("query", "end", "end,ctrl+e", "go('edge', 1)", "to the end"),
    Key("query", "erase", "backspace", "edit('erase', -1)", "erase the character before the cursor"),
    Key("query", "erase.right", "delete,ctrl+d", "edit('erase', 1)", "erase the character behind it"),
    Key("query", "erase.word", "ctrl+w,alt+backspace", "edit('erase_word')", "erase the word before it"),
    Key("query", "erase.start", "ctrl+u", "edit('erase_side', -1)", "erase everything before it"),
    Key("query", "erase.end", "ctrl+k", "edit('erase_side', 1)", "erase everything behind it"),
    Key("query", "undo", "ctrl+z,ctrl+underscore", "edit('undo')", "take the last change back"),
    # -- histogram
    Key("histogram", "left", "left,h", "bar(-1)", "one bar to the left"),
    Key("histogram", "right", "right,l", "bar(1)", "one bar to the right"),
    Key("histogram", "select.left", "shift+left", "select(-1)", "take the bar to the left into the selection"),
    Key("histogram", "select.right", "shift+right", "select(1)", "take the bar to the right into it"),
    Key("histogram", "first", "g,home", "edge(-1)", "the oldest bar"),
    Key("histogram", "last", "G,end", "edge(1)", "the newest bar"),
    Key("histogram", "error.next", "e", "error(1)", "next bar with an error", "error"),
    Key("histogram", "error.previous", "E", "error(-1)", "previous bar with an error"),
    Key("histogram", "zoom", "z", "zoom(1)", "zoom in on the bar", "zoom"),
    Key("histogram", "unzoom", "Z", "zoom(-1)", "zoom out"),
    Key("histogram", "range", "enter", "range", "look at the selection, or at the bar", "this range"),
    Key("histogram", "compare", "D", "compare", "what differs in the selection from the rest", "compare"),
    Key("histogram", "exact", "s", "exact", "count everything, not a part"),
    Key("histogram", "leave", "escape,i,q", "leave", "back to the rows"),
    # -- fields
    Key("fields", "down", "j,down", "move(1)", "next value"),
    Key("fields", "up", "k,up", "move(-1)", "previous value"),
    Key("fields", "page.down", "pagedown", "page(1)", "a page down"),
    Key("fields", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("fields", "first", "g,home", "edge(-1)", "first value"),
    Key("fields", "last", "G,end", "edge(1)", "last value"),
    Key("fields", "include", "plus,enter", "include", "only this value", "only"),
    Key("fields", "exclude", "minus", "exclude", "not this value", "not"),
    Key("fields", "exact", "S", "exact", "count every entry, not the newest"),
    Key("fields", "more", "space", "more", "more values of this field"),
    Key("fields", "leave", "escape,s,q", "leave", "back to the rows"),
    # -- patterns and comparison
    Key("figures", "down", "j,down", "move(1)", "next row"),
    Key("figures", "up", "k,up", "move(-1)", "previous row"),
    Key("figures", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("figures", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("figures", "first", "g,home", "edge(-1)", "first row"),
    Key("figures", "last", "G,end", "edge(1)", "last row"),
    Key("figures", "include", "enter,plus", "include", "only entries like this", "only these"),
    Key("figures", "exclude", "minus", "exclude", "none like this", "not these"),
    Key("figures", "sort", "o", "sort", "most frequent, worst, or newest first", "order"),
    Key("figures", "exact", "S", "exact", "look at every entry, not the newest", "all entries"),
    Key("figures", "rerun", "ctrl+r,f5", "rerun", "ask again"),
    Key("figures", "leave", "escape,q", "leave", "back to the rows", "back"),
    # -- detail
    Key("detail", "down", "j,down", "move(1)", "next field"),
    Key("detail", "up", "k,up", "move(-1)", "previous field"),
    Key("detail", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("detail", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("detail", "first", "g,home", "edge(-1)", "to the top"),
    Key("detail", "last", "G,end", "edge(1)", "to the end"),
    Key("detail", "neighbour.next", "J", "neighbour(1)", "the entry of the next row"),
    Key("detail", "neighbour.previous", "K", "neighbour(-1)", "the entry of the row before"),
    Key("detail", "include", "plus", "include", "only entries with this value", "- only/not"),
    Key("detail", "exclude", "minus", "exclude", "none with this value"),
    Key("detail", "column", "x", "column", "this field as a column of the rows"),
    Key("detail", "unfold", "o,right,l", "unfold", "unfold an object, or the frames of libraries; fold it", "unfold"),
    Key("detail", "fold", "left,h", "fold", "fold it, or go to what it lies in"),
    Key("detail", "copy", "y", "copy_field", "copy the field", "copy"),
    Key("detail", "copy.json", "Y", "copy_json", "copy the entry as JSON"),
    Key("detail", "trace", "t", "trace", "the whole trace", "trace"),
    Key("detail", "context", "c", "context", "what was logged around it", "around"),
    Key("detail", "pattern", "P", "pattern", "only entries of this template"),
    Key("detail", "full", "enter", "full", "full screen, and back", "full"),
    Key("detail", "leave", "escape,q", "leave", "back to the rows", "back"),
    # -- trace
    Key("trace", "down", "j,down", "move(1)", "next entry"),
    Key("trace", "up", "k,up", "move(-1)", "previous entry"),
    Key("trace", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("trace", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("trace", "first", "g,home", "edge(-1)", "first entry"),
    Key("trace", "last", "G,end", "edge(1)", "last entry"),
    Key("trace", "gap.next", "right_square_bracket", "gap(1)", "the next silence", "gap"),
    Key("trace", "gap.previous", "left_square_bracket", "gap(-1)", "the silence before"),
    Key("trace", "error.next", "e", "error(1)", "next error", "error"),
    Key("trace", "error.previous", "E", "error(-1)", "previous error"),
    Key("trace", "find.next", "n", "find_next(1)", "the next hit of what was looked for"),
    Key("trace", "find.previous", "N", "find_next(-1)", "the hit before"),
    Key("trace", "level.raise", "greater_than_sign", "level(1)", "raise the least level"),
    Key("trace", "level.lower", "less_than_sign", "level(-1)", "lower the least level", "> level"),
    Key("trace", "spans", "s", "spans", "spans as a tree, or entries by time", "tree"),
    Key("trace", "services", "x", "services", "one service only, the next one, all of them", wide="service"),
    Key("trace", "detail", "enter", "detail", "the whole entry", "open"),
    Key("trace", "context", "c", "context", "what was logged around the entry, by others too", "around"),
    Key("trace", "goto", "o", "goto", "the entry among all rows"),
    Key("trace", "copy", "y", "copy_id", "copy the trace's id"),
    Key("trace", "link", "L", "link", "copy this trace as a command line"),
    Key("trace", "rerun", "ctrl+r,f5", "rerun", "ask again"),
    Key("trace", "leave", "escape,q", "leave", "back to the rows", "back"),
    # -- context
    Key("context", "down", "j,down", "move(1)", "next entry"),
    Key("context", "up", "k,up", "move(-1)", "previous entry"),
    Key("context", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("context", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("context", "first", "g,home", "edge(-1)", "first entry"),
    Key("context", "last", "G,end", "edge(1)", "last entry"),
    Key("context", "middle", "full_stop", "middle", "back to the entry it is about"),
    Key("context", "scope", "c", "scope", "of the same host; by the same logger; all", "scope"),
    Key("context", "more", "z", "more(1)", "more entries", "more"),
    Key("context", "less", "Z", "more(-1)", "fewer entries", "less"),
    Key("context", "error.next", "e", "error(1)", "next error"),
    Key("context", "error.previous", "E", "error(-1)", "previous error"),
    Key("context", "detail", "p", "detail", "the whole entry", "detail"),
    Key("context", "goto", "enter", "goto", "the entry among all rows", "go there"),
    Key("context", "trace", "t", "trace", "the whole trace of the entry", "trace"),
    Key("context", "copy", "y", "copy_line", "copy the entry as a line"),
    Key("context", "rerun", "ctrl+r,f5", "rerun", "ask again"),
    Key("context", "leave", "escape,q", "leave", "back", "back"),
    # -- health
    Key("health", "down", "j,down", "move(1)", "next writer or dead letter"),
    Key("health", "up", "k,up", "move(-1)", "previous writer or dead letter"),
    Key("health", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("health", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("health", "rows", "enter", "rows", "entries of that writer; of a dead letter: its payload", "rows"),
    Key("health", "errors", "e", "errors", "only what has a problem", "problems"),
    Key("health", "section", "tab", "section(1)", "writers, dead letters, table, doctor", "next part"),
    Key("health", "retry", "R", "retry", "store the dead letter again; needs --admin", "retry"),
    Key("health", "copy", "y", "copy_report", "copy the report", "copy"),
    Key("health", "rerun", "ctrl+r,f5", "rerun", "look again"),
    Key("health", "leave", "escape,q", "leave", "back to the rows", "back"),
    # -- start
    Key("start", "demo", "d", "demo", "the demo: three services, an incident every minute"),
    Key("start", "open", "o", "open", "open a SQLite file"),
    Key("start", "postgres", "p", "postgres", "connect to PostgreSQL"),
    Key("start", "setup", "i", "setup", "the lines that make your program write logs here"),
    Key("start", "pick", "1,2,3,4,5,6,7,8,9", "pick", "open what was found nearby"),
    Key("start", "copy", "y", "copy_setup", "copy those lines"),
    Key("start", "leave", "escape,q", "leave", "back; quit"),
    # -- help
    Key("help", "down", "j,down", "move(1)", "a line down"),
    Key("help", "up", "k,up", "move(-1)", "a line up"),
    Key("help", "page.down", "pagedown,space", "page(1)", "a page down"),
    Key("help", "page.up", "pageup,b", "page(-1)", "a page up"),
    Key("help", "first", "g,home", "edge(-1)", "the beginning"),
    Key("help", "last", "G,end", "edge(1)", "the end"),
    Key("help", "leave", "escape,q,f1,question_mark", "leave", "close"),
    # -- lists and dialogs
    Key("lists", "down", "j,down", "cursor_down", "next"),
    Key("lists", "up", "k,up", "cursor_up", "previous"),
    Key("lists", "choose", "enter", "choose", "choose"),
    Key("lists", "page.down", "pagedown", "page(1)", "a page down"),
    Key("lists", "page.up", "pageup", "page(-1)", "a page up"),
    Key("lists", "complete", "tab", "complete(1)", "the next suggestion; of an export the next format"),
    Key("lists", "complete.back", "shift+tab", "complete(-1)", "the suggestion before"),
    Key("lists", "take", "space", "take", "take a column in, or leave it out"),
    Key("lists", "earlier", "K,shift+up", "shift(-1)", "move a column to the left"),
    Key("lists", "later", "J,shift+down", "shift(1)", "move a column to the right"),
    Key("lists", "add", "a", "add", "name a column"),
    Key("lists", "wanted", "plus,minus", "wanted", "include, or exclude instead"),
    Key("lists", "copy", "y", "copy", "copy the SQL"),
    Key("lists", "remove", "delete,d", "remove", "remove a saved view; twice, to be sure"),
    Key("lists", "leave", "escape,q", "leave", "close"),
)
"""In the order in which people read them."""


def bindings(where: str) -> list[Binding]:
    """The bindings of a widget or screen."""
    return [
        Binding(key.keys, key.action, key.says, id=key.id, show=False, system=where == "everywhere")
        for key in KEYS
        if key.where == where
    ]


def shown_keys(key: Key, keymap: Mapping[str, str] | None = None) -> str:
    """The keys as people write them: ``j ↓``."""
    return " ".join(map(shown_key, (keymap or {}).get(key.id, key.keys).split(",")))


def shown_key(key: str) -> str:
    """One key as people write it."""
    prefix, _, last = key.strip().rpartition("+")
    shown = _NAMES.get(last or key, last or key)
    return f"{prefix}+{shown}" if prefix else shown


_NAMES: Final = {
    "question_mark": "?", "slash": "/", "backslash": "\\", "plus": "+", "minus": "-", "equals_sign": "=",
    "greater_than_sign": ">", "less_than_sign": "<", "at": "@", "left_square_bracket": "[",
    "right_square_bracket": "]", "exclamation_mark": "!", "semicolon": ";", "colon": ":", "down": "↓", "up": "↑",
    "left": "←", "right": "→", "pagedown": "PgDn", "pageup": "PgUp", "home": "Home", "end": "End", "enter": "Enter",
    "escape": "Esc", "full_stop": ".", "space": "Space", "tab": "Tab", "delete": "Del", "f1": "F1", "f4": "F4",
    "f5": "F5",
}  # fmt: skip


_ARROWS: Final = {"↓": "Down", "↑": "Up", "←": "Left", "→": "Right"}


def spelled(keys: str) -> str:
    """Keys as they are shown, in letters that every font has."""
    for arrow, word in _ARROWS.items():
        keys = keys.replace(arrow, word)
    return keys


def hints(where: str, *, wide: bool = False) -> Iterator[tuple[str, str]]:
    """Keys and words of the line at the bottom; ``wide``: those for which only wide terminals have room."""
    for key in KEYS:
        word = key.wide if wide else key.hint
        if key.where == where and word:
            yield shown_key(key.keys.split(",")[0]), word


def markdown() -> Iterator[str]:
    """The tables of ``docs/tui.md``; ``python -m dblog_tui.keys`` prints them."""
    for where, title in GROUPS.items():
        yield f"### {title}"
        yield ""
        yield "| keys | | id |"
        yield "|---|---|---|"
        for key in KEYS:
            if key.where == where:
                shown = [shown_key(each) for each in key.keys.split(",")]
                yield f"| {' '.join(map(_code, shown))} | {key.says.replace('|', chr(92) + '|')} | `{key.id}` |"
        yield ""


def _code(key: str) -> str:
    return f"`` {key} ``" if "`" in key else f"`{key}`"


if __name__ == "__main__":
    print(*markdown(), sep="\n", end="")  # noqa: T201 - its purpose
