"""Speeds in windows of time, of which the median counts."""

import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

import torch

from ..engine.loop import TimedBatches

ROUNDS = 5
"""Windows of each measurement."""


class Speed(NamedTuple):
    """Clips per second: of the median window, the slowest and the fastest."""

    median: float
    slowest: float
    fastest: float

    @property
    def spread(self) -> tuple[float, float]:
        return (self.slowest, self.fastest)


class Windows:
    """Something endless, and how fast it goes in each of some windows."""

    def __init__(
        self,
        steps: Iterator[Any],
        *,
        ahead: int = 0,
        waiting: TimedBatches | None = None,
    ) -> None:
        """
        Args:
            ahead: number of batches that may lie ready after a pause and do not count.
        """
        self.steps, self.ahead, self.waiting = steps, ahead, waiting
        self.rates, self.shares = list[float](), list[float]()

    def go_on(self, seconds: float) -> None:
        """Measure another window."""
        for _ in range(2 + self.ahead):
            next(self.steps)
        settle()
        waited = self.waiting.seconds if self.waiting else 0.0
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds or not count:
            next(self.steps)
            count += 1
            if count % 16 == 0:  # a GPU's work is only ordered, not done
                settle()
        settle()
        taken = time.perf_counter() - started
        self.rates.append(count / taken)
        waited = (self.waiting.seconds if self.waiting else 0.0) - waited
        self.shares.append(waited / taken)

    def speed(self, clips: int) -> Speed:
        """Clips per second.

        Args:
            clips: of each step.
        """
        rates = (median(self.rates), min(self.rates), max(self.rates))
        return Speed(*(round(rate * clips, 2) for rate in rates))


def settle() -> None:
    """Wait until the GPU has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
