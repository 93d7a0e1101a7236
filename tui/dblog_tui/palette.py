"""What the palette (ctrl+p) finds: every command, and what every key does where the focus is; from the same tables.

A screen that carries out commands has ``execute(Command)``, and ``action_command(text)``, which opens the command line
with a text in it; on others there are only keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from textual.command import DiscoveryHit, Hit, Provider

from dblog_tui.commands import COMMANDS, Command, Spec
from dblog_tui.keys import KEYS, Key, shown_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.command import Hits
    from textual.dom import DOMNode

__all__ = ["Commands", "Entry", "groups_of"]


class Entry(NamedTuple):
    """One line of the palette."""

    title: str
    help: str
    run: Callable[[], Any]


class Commands(Provider):
    """Commands and keys."""

    async def search(self, query: str) -> Hits:
        """Those that fit what is typed."""
        matcher = self.matcher(query)
        for entry in self.entries():
            if (score := matcher.match(entry.title)) > 0:
                yield Hit(score, matcher.highlight(entry.title), entry.run, help=entry.help)

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for entry in self.entries():
            yield DiscoveryHit(entry.title, entry.run, help=entry.help)

    def entries(self) -> Iterator[Entry]:
        """Commands first; then the keys that do what no command does."""
        screen: Any = self.screen
        done = set()
        if _executes(screen):
            for spec in COMMANDS:
                done.add(spec.action.removeprefix("app."))
                yield Entry(f"{spec.name}: {spec.says}", spec.usage, _runner(screen, spec))
        for group, node in groups_of(self.focused, screen):
            for key in KEYS:
                if key.where == group and key.action not in done and key.name not in _PLAIN:
                    yield Entry(key.says, f"key {shown_keys(key, self._keymap)}", self._presser(key, node))

    @property
    def _keymap(self) -> dict[str, str]:
        settings = getattr(self.app, "settings", None)
        return dict(getattr(settings, "keymap", {}))

    def _presser(self, key: Key, node: DOMNode) -> Callable[[], Any]:
        async def press() -> None:
            await self.app.run_action(key.action, default_namespace=node)

        return press


_PLAIN: Final = frozenset({
    "down", "up", "left", "right", "page.down", "page.up", "half.down", "half.up", "palette", "submit", "cancel",
    "leave", "escape",
})  # fmt: skip
"""What nobody looks for by its name."""


def _runner(screen: Any, spec: Spec) -> Callable[[], Any]:
    if spec.argument and not spec.action:
        return lambda: screen.action_command(f"{spec.name} ")
    return lambda: screen.execute(Command(spec.name))


def _executes(node: DOMNode) -> bool:
    return hasattr(node, "execute") and hasattr(node, "action_command")


def groups_of(focused: DOMNode | None, screen: DOMNode) -> Iterator[tuple[str, DOMNode]]:
    """The groups of keys that work where the focus is, the nearest first, and the node that knows what they do."""
    seen = set()
    for node in (*(focused.ancestors_with_self if focused is not None else ()), screen):
        group = getattr(node, "KEYS", "")
        if not group and _executes(node):
            group = "logs"
        if isinstance(group, str) and group and group not in seen:
            seen.add(group)
            yield group, node
    yield "everywhere", screen.app
