"""When the demo's deploys happen: one a minute, each known to whoever knows when the first is."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

__all__ = ["EVERY", "Incidents"]

EVERY: Final = 60.0
"""Seconds from one deploy to the next."""


@dataclass(frozen=True, slots=True)
class Incidents:
    """A deploy at ``anchor`` (seconds since 1970 UTC), and one every minute before and after it."""

    anchor: float

    def next(self, at: float) -> tuple[float, float, str]:
        """Beginning, end and revision of the next deploy whose rollback is not over yet."""
        number = math.floor((at - self.anchor) / EVERY)
        while (found := self._one(number))[1] <= at:
            number += 1
        return found

    def _one(self, number: int) -> tuple[float, float, str]:
        chance = random.Random(number)  # noqa: S311 - a story
        begins = self.anchor + number * EVERY
        return begins, begins + chance.uniform(12.0, 18.0), f"{chance.getrandbits(28):07x}"
