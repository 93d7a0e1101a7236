"""What a writer tells others about its work: a protocol, and the list of who listens.

``dblog.metrics`` is one listener; a writer knows none of them. Called from the
writer's thread, never from ``emit``; an exception in a listener is swallowed after
one line on stderr, because telling must not stop storing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dblog.diagnostics import complain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from dblog.errors import ErrorClass

__all__ = ["Observer", "observers", "tell"]


class Observer(Protocol):
    """Listens to writers; ``handler`` is the handler's name."""

    def tick(
        self, handler: str, instance_id: UUID, cells: Sequence[int], state: str, last_success: float | None
    ) -> None:
        """The cells of this writer's ledger (see ``dblog.ledger``), about once a second while there is work or trouble.

        Once more at its end. Names can be shared and used again; ``instance_id`` is one writer's.
        """

    def batch(self, handler: str, records: int, seconds: float, lag: float | None, *, stored: bool) -> None:
        """One attempt to store a batch: how long it took, whether it was committed, the oldest record's lag."""

    def retry(self, handler: str, kind: ErrorClass) -> None:
        """An attempt failed and will be made again."""

    def bisection(self, handler: str) -> None:
        """A batch was split to find the row the database refuses."""

    def adopted(self, handler: str, outcomes: Mapping[str, int]) -> None:
        """What became of records that dead writers left or took along: ``stored``, ``failed``, or why they are lost."""


observers: list[Observer] = []


def tell(event: str, *args: object, **keywords: object) -> None:
    """Call ``event`` on every observer; never raises."""
    for observer in observers:
        try:
            getattr(observer, event)(*args, **keywords)
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            complain("observer", f"{type(observer).__name__}.{event} raised {type(error).__name__}")
