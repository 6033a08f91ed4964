"""Scores of videos -> accuracies, with how sure we are of them. numpy only.

V videos, K classes. A hit is True where a video was recognised; every accuracy here is
a mean of hits, so intervals and differences are made from hits too.
"""

from typing import NamedTuple

import numpy as np

DRAWS = 2000


class Interval(NamedTuple):
    """A mean and the range that holds it in 95 % of bootstrap draws."""

    mean: float
    low: float
    high: float


def top_k(scores: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """Whether the true class is among the `k` best.

    Of equal scores the lower class counts as better, so that a network that says
    the same of every class is right once in K times, not always.

    Args:
        scores: (V, K), higher is better.
        labels: (V,) integers.

    Returns:
        (V,) bool.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    better = (scores > own) | ((scores == own) & earlier)
    return better.sum(axis=1) < k


def per_class(hits: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Accuracy within each class.

    Returns:
        (K,) float64, NaN for a class without a video.
    """
    videos = np.bincount(labels, minlength=num_classes)
    found = np.bincount(labels, weights=hits, minlength=num_classes)
    return np.where(videos > 0, found / np.maximum(videos, 1), np.nan)


def mean_class(hits: np.ndarray, labels: np.ndarray, num_classes: int) -> float:
    """Mean of the accuracies of the classes that have a video."""
    return float(np.nanmean(per_class(hits, labels, num_classes)))


def bootstrap(values: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Mean of `values` over videos, and its 95 % percentile interval.

    Args:
        values: (V,) hits, or anything measured per video.

    Source:
        Efron, "Bootstrap methods: another look at the jackknife", Annals of
        Statistics 1979: videos are drawn with replacement, as many as there are.
    """
    values = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = np.array(
        [
            values[rng.integers(len(values), size=len(values))].mean()
            for _ in range(draws)
        ]
    )
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(
    first: np.ndarray, second: np.ndarray, *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """By how much `first` is right more often than `second` on the same videos.

    Args:
        first, second: (V,) hits, the same video at the same place.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return bootstrap(difference, seed=seed, draws=draws)


def confusion(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often a video of class i (row) was called class j (column): (K, K) counts."""
    classes = scores.shape[1]
    called = scores.argmax(axis=1)
    return np.bincount(labels * classes + called, minlength=classes**2).reshape(
        classes, classes
    )
