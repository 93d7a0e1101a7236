"""What the tests of ``dblog-tui`` get: a pilot that waits for the application, and not for a while."""

from __future__ import annotations

import asyncio
import gc
import itertools
from typing import Any, Final

import pytest

_MANY = 1000
"""Turns of the loop: something that never rests does not hold up a test for ever."""
_FRAME = 0.008
"""Seconds between two pictures: half as many as on a terminal, for what follows a picture is waited for."""

_SETTLED: Final = frozenset({2, 20, 60})
"""So many tests after the first of a process, what they load is loaded."""
_tests = itertools.count(1)


def pytest_runtest_setup() -> None:
    """What is there between two tests stays: looking through all of it again and again took a sixth of their time."""
    if next(_tests) in _SETTLED:
        gc.collect()
        gc.freeze()


async def _idle(*_: float) -> None:
    """Until nothing is ready to run: what is left waits for a time, a thread or a file."""
    ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # no loop says it in public
    for _turn in range(_MANY):
        await asyncio.sleep(0)
        if not ready:
            return


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot sleeps two hundredths of a second twice for each key, as often as this process was busy.

    What is called after the next picture is called soon.
    """
    import textual.app
    import textual.pilot
    import textual.screen

    monkeypatch.setattr(textual.app, "wait_for_idle", _idle)
    monkeypatch.setattr(textual.pilot, "wait_for_idle", _idle)
    monkeypatch.setattr(textual.screen, "UPDATE_PERIOD", _FRAME)
