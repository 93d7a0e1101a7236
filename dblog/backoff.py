"""How long to wait before the next attempt: exponential, capped, full jitter; time is the caller's."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Delays drawn from ``[0, min(maximum, initial * 2**n)]`` ("full jitter").

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; as in Vector and Fluent Bit.

    Args:
        initial: upper bound of the first delay, in seconds.
        maximum: upper bound of any delay, in seconds.
        rng: where the jitter comes from.
    """

    def __init__(self, initial: float, maximum: float, rng: random.Random | None = None) -> None:
        self._initial = initial
        self._maximum = maximum
        # SystemRandom: two forked children must not retry in step.
        self._rng = rng or random.SystemRandom()
        self._attempts = 0

    def next(self) -> float:
        """The next delay in seconds."""
        bound = min(self._maximum, self._initial * 2.0 ** min(self._attempts, 64))
        self._attempts += 1
        return self._rng.uniform(0.0, bound)

    def reset(self) -> None:
        """The next delay is a first one again."""
        self._attempts = 0
