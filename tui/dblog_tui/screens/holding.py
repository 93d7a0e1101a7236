"""``Holding``: keys typed before there is anything they could act on act when it is there, in their order."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Holding", "held"]

_MOST: Final = 1_000
"""Keys; whoever leans on one does not mean all of them."""

Action = TypeVar("Action", bound="Callable[..., None]")


class Holding:
    """A mixin of screens that wait for an answer."""

    _waiting = False
    _led_away = False
    """A key leads elsewhere: those behind it would have been meant for another place."""
    _held: list[Callable[[], None]]

    def wait(self) -> None:
        """From now on keys are held."""
        self._waiting, self._led_away, self._held = True, False, []

    def release(self) -> None:
        """What they act on is there."""
        if self._waiting:
            actions, self._held, self._waiting = self._held, [], False
            for action in actions:
                action()

    def drop(self) -> None:
        """It will not come: keys act on what is there instead, those that were held on nothing."""
        self._held, self._waiting = [], False

    def _hold(self, action: Callable[[], None], *, leads: bool) -> bool:
        if self._waiting and not self._led_away and len(self._held) < _MOST:
            self._held.append(action)
            self._led_away = leads
        return self._waiting


def held(*, leads: bool = False) -> Callable[[Action], Action]:
    """An action of a ``Holding`` that is held while it waits; ``leads``: somewhere else, where other keys are meant."""

    def decorated(action: Action) -> Action:
        @functools.wraps(action)
        def run(self: Holding, *arguments: Any) -> None:
            if not self._hold(functools.partial(action, self, *arguments), leads=leads):
                action(self, *arguments)

        return run  # type: ignore[return-value]  # it takes what the action takes

    return decorated
