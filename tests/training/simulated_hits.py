"""Hits of networks whose true accuracy is known: seeds, groups of clips, and clips differ.

A clip is recognised where the sum of normal effects of seed, group, clip, seed x group and
chance is above a threshold. Two systems find the same groups and clips hard.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

RATES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Case(NamedTuple):
    """What is simulated."""

    seeds: int
    groups: int
    sizes: str
    """Clips of a group: "1", "4" or "1 to 7"."""
    spread: float
    """Standard deviation of the true accuracies of seeds, .01 is a point."""
    likeness: float
    """Correlation of the hits of one seed on two clips of a group."""
    accuracy: float
    other: float | None = None
    """Accuracy of a second system, whose difference is looked for; None: of one system."""

    @property
    def truth(self) -> float:
        return self.accuracy - (self.other or 0.0)


class Drawn(NamedTuple):
    values: np.ndarray
    """(repetitions, S, V): hits, or differences of hits."""
    groups: tuple[str, ...]
    """(V,)."""


def draw(case: Case, repetitions: int, rng: np.random.Generator) -> Drawn | None:
    """Hits of a case; None where such a spread and likeness cannot be had together."""
    sizes = _sizes(case)
    of_clip = np.repeat(np.arange(case.groups), sizes)
    normal = _normal(rng)
    hard = normal(repetitions, 1, case.groups), normal(repetitions, 1, len(of_clip))
    sides = []
    for accuracy in (case.accuracy, *([] if case.other is None else [case.other])):
        seed, group = _spread(accuracy, case.spread), _likeness(accuracy, case.likeness)
        left = 1 - seed - group
        if left < 0.05:
            return None
        clip, both = min(0.3, 0.6 * left), min(0.05, 0.2 * left)
        own = normal(repetitions, 1, case.groups), normal(repetitions, 1, len(of_clip))
        of_group, of_one = (
            np.sqrt(0.7) * ours + np.sqrt(0.3) * new
            for ours, new in zip(hard, own, strict=True)
        )
        seeds = case.seeds
        found = np.sqrt(seed) * normal(repetitions, seeds, 1)
        found = found + np.sqrt(group) * of_group[:, :, of_clip]
        found = found + np.sqrt(clip) * of_one
        found += np.sqrt(both) * normal(repetitions, seeds, case.groups)[:, :, of_clip]
        chance = left - clip - both
        found += np.sqrt(chance) * normal(repetitions, seeds, len(of_clip))
        sides.append(found < ndtri(accuracy))
    values = sides[0].astype(np.float32)
    return Drawn(
        values if len(sides) == 1 else values - sides[1],
        tuple(f"g{group}" for group in of_clip),
    )


def _sizes(case: Case) -> np.ndarray:
    if case.sizes == "1 to 7":
        return np.random.default_rng(case.groups).integers(1, 8, case.groups)
    return np.full(case.groups, int(case.sizes))


def _normal(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    return lambda *shape: rng.standard_normal(shape, np.float32)


def _spread(accuracy: float, wanted: float) -> float:
    """Variance of the seeds' effect that spreads their true accuracies so far."""

    def spread(variance: float) -> float:
        rates = _rates(accuracy, variance)
        return float(np.sqrt(WEIGHTS @ (rates - accuracy) ** 2))

    return _solved(spread, wanted)


def _likeness(accuracy: float, wanted: float) -> float:
    """Variance of the groups' effect that makes hits on two of their clips so alike."""

    def likeness(variance: float) -> float:
        both = WEIGHTS @ _rates(accuracy, variance) ** 2
        return float((both - accuracy**2) / (accuracy * (1 - accuracy)))

    return _solved(likeness, wanted)


def _rates(accuracy: float, variance: float) -> np.ndarray:
    effect = np.sqrt(variance) * RATES
    return ndtr((ndtri(accuracy) - effect) / np.sqrt(1 - variance))


def _solved(growing: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 0.999
    if wanted == 0:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if growing(middle) < wanted else (low, middle)
    return low
