"""The table of keys: everything in it works, is explained, and gets in nothing else's way."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, _character_to_key

import dblog_tui
from dblog_tui.commands import COMMANDS
from dblog_tui.keys import GROUPS, KEYS, Key, bindings, shown_keys
from dblog_tui.present.help import help_lines
from dblog_tui.present.look import Look
from dblog_tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCS: Final = Path(__file__).parents[2] / "docs" / "tui.md"
_DESIGNED: Final = r"""
j k ↓ ↑ ctrl+d ctrl+u Space b PgDn PgUp g Home G End F = h l ← → \ / n N f F4 Tab + - > < e E w W o O t c z Z i shift+←
shift+→ 0 1 2 3 4 5 6 7 @ T s P D Enter p m u U M y Y L x v V [ ] : ; ctrl+s ctrl+r F5 ctrl+l ! Esc ctrl+c q ctrl+q F1 ?
ctrl+p ctrl+o
""".split()  # noqa: SIM905 - as one reads them
"""The keys of the interaction design."""


def _nodes() -> list[type[DOMNode]]:
    found = []
    for module in pkgutil.walk_packages(dblog_tui.__path__, "dblog_tui."):
        if not module.name.endswith("__main__"):
            members = vars(importlib.import_module(module.name)).values()
            found += [each for each in members if inspect.isclass(each) and issubclass(each, DOMNode)]
    return [each for each in dict.fromkeys(found) if each.__module__.startswith("dblog_tui")]


def _own(node: type[DOMNode]) -> Iterator[Binding]:
    """The bindings a class has of itself, as Textual reads them."""
    for binding in node.__dict__.get("BINDINGS", ()):
        yield from Binding.make_bindings([binding])


def _bound() -> Iterator[tuple[type[DOMNode], Binding]]:
    for node in _nodes():
        for binding in _own(node):
            yield node, binding


def _acts(node: type[DOMNode], action: str) -> bool:
    name = action.partition("(")[0]
    namespace, _, name = name.rpartition(".")
    where: Any = {"": node, "app": dblog_tui.app.DblogTui, "screen": node}[namespace]  # type: ignore[attr-defined]  # a module by now
    return callable(getattr(where, f"action_{name}", None)) or callable(getattr(where, f"_action_{name}", None))


def test_every_key_is_bound_where_its_group_says() -> None:
    """No row of the table is there for nothing; and nothing is bound that is not in the table."""
    assert {binding.id for _, binding in _bound()} == {key.id for key in KEYS}


def test_every_action_exists() -> None:
    """On the very class that binds it; a dialog's on at least one dialog."""
    missing = [
        f"{node.__name__}.{b.action} ({b.id})"
        for node, b in _bound()
        if node is not Dialog and not _acts(node, b.action)
    ]
    assert missing == []
    dialogs = [each for each in _nodes() if issubclass(each, Dialog)]
    inside = [*dialogs, *(each for each in _nodes() if each.__module__.startswith("dblog_tui.widgets"))]
    unmet = [key.id for key in KEYS if key.where == "lists" and not any(_acts(each, key.action) for each in inside)]
    assert unmet == []


def test_arguments_of_actions_are_taken() -> None:
    """``move(1)`` needs an ``action_move`` with one argument."""
    from textual.actions import parse

    for node, binding in _bound():
        _, name, arguments = parse(binding.action)
        if node is Dialog and not hasattr(node, f"action_{name}"):
            continue
        method = getattr(node, f"action_{name}", None)
        if method is not None:
            inspect.signature(method).bind(node, *arguments)


def test_no_two_keys_of_a_group_clash() -> None:
    """One key does one thing in one place."""
    for where in GROUPS:
        keys = Counter(each.strip() for key in KEYS if key.where == where for each in key.keys.split(","))
        assert [key for key, count in keys.items() if count > 1] == []
    assert max(Counter(key.id for key in KEYS).values()) == 1
    assert {key.where for key in KEYS} == set(GROUPS)


def test_no_printable_key_has_priority_or_is_the_application_s() -> None:
    """An input with the focus gets what is typed; ? opens the help everywhere else, and is typed there."""
    for node, binding in _bound():
        if binding.priority:
            assert _is_control(binding.key), (node, binding)
    everywhere = [each.strip() for key in KEYS if key.where == "everywhere" for each in key.keys.split(",")]
    assert [key for key in everywhere if not _is_control(key)] == ["question_mark"]


def _is_control(key: str) -> bool:
    return "+" in key or re.fullmatch(r"f\d+", key) is not None


def test_every_key_has_a_name_of_textual_s() -> None:
    """A key spelled wrong is never pressed."""
    names = {str(each.value) for each in Keys} | {_character_to_key(chr(code)) for code in range(0x20, 0x7F)}
    last = {each.strip().split("+")[-1] for key in KEYS for each in key.keys.split(",")}
    modifiers = {each for key in KEYS for keys in key.keys.split(",") for each in keys.split("+")[:-1]}
    assert last <= names
    assert modifiers <= {"ctrl", "shift", "alt"}


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_binding_is_in_the_help(width: int) -> None:
    """With its keys and what it does, whatever pane one asks in, the pane's own first; and every command."""
    commands = [(f":{each.name}", each.says) for each in COMMANDS]
    for where in GROUPS:
        lines = [line.text for line in help_lines(where, Look(), width, {}, commands)]
        text = " ".join(" ".join(lines).split())
        for key in KEYS:
            assert all(each in text for each in shown_keys(key).split()), key.id
            assert all(word in text for word in key.says.split()), key.id
        if where != "help":  # nobody asks for it there
            assert lines[0].strip() == GROUPS[where]


def test_every_designed_key_is_bound_or_left_out_for_a_reason() -> None:
    """The reason stands in ``docs/tui.md``."""
    shown = {each for key in KEYS for each in shown_keys(key).split()}
    text = _DOCS.read_text(encoding="utf-8")
    left_out = text.partition("### Keys that are left out")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", left_out, re.MULTILINE)
    reasons = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    assert [key for key in _DESIGNED if key not in shown and key not in reasons] == []
    assert shown.isdisjoint(reasons)


def test_bindings_carry_what_the_table_says() -> None:
    """Keys, action, words and id."""
    for where in GROUPS:
        made = {binding.id: binding for binding in bindings(where)}
        for key in KEYS:
            if key.where == where:
                assert isinstance(key, Key)
                assert (made[key.id].key, made[key.id].action, made[key.id].description) == (
                    key.keys,
                    key.action,
                    key.says,
                )
