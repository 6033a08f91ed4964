"""Scores of videos -> accuracies, with how sure we are of them. numpy only.

V videos, K classes, S seeds. A hit is True where a video was recognised; every accuracy
here is a mean of hits, so intervals and differences are made from hits too. Truth is
either one label a video, (V,) integers, or (V, K) bool where a video may have several.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..run_files.results import Interval

DRAWS = 10_000
SEEDS = 5
"""Fewer seeds decide nothing about an ordering."""
BLOCK = 500
"""Draws at once: what they need fits into a processor's cache."""

Verdict = Literal["holds", "consistent", "not reproduced", "too few seeds"]


def top_k(scores: np.ndarray, truth: np.ndarray, k: int = 1) -> np.ndarray:
    """Whether the true class is among the `k` best; one of them, where there are several.

    Of equal scores the lower class counts as better, so that a network that says
    the same of every class is right once in K times, not always.

    Args:
        scores: (V, K), higher is better.
        truth: (V,) labels, or (V, K) bool.

    Returns:
        (V,) bool.
    """
    if truth.ndim == 2:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.any(np.take_along_axis(truth, best, axis=1), axis=1)
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < truth[:, None]
    better = (scores > own) | ((scores == own) & earlier)
    return better.sum(axis=1) < k


def per_class(hits: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Accuracy within each class.

    Returns:
        (K,) float64, NaN for a class without a video.
    """
    members = _members(truth, num_classes)
    videos, found = members.sum(axis=0), np.asarray(hits, np.float64) @ members
    return np.where(videos > 0, found / np.maximum(videos, 1), np.nan)


def mean_class(hits: np.ndarray, truth: np.ndarray, num_classes: int) -> float:
    """Mean of the accuracies of the classes that have a video."""
    return float(np.nanmean(per_class(hits, truth, num_classes)))


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Average precision of one class: how near the top of its ranking the relevant videos are.

    The mean, over the relevant videos, of the share of relevant ones among all that
    score at least as high. Nothing is interpolated. Videos with equal scores share one
    place, so the order in which they come does not matter.

    Args:
        scores: (V,) of one class, higher is better.
        relevant: (V,) bool.

    Returns:
        From 0 to 1; NaN where no video is relevant.

    Source:
        Jiang et al., "THUMOS Challenge 2014": AP = sum_k P(k) rel(k) / sum_k rel(k).
    """
    weights = np.ones((1, len(scores)))
    return float(_precisions(scores, np.asarray(relevant, bool), weights)[0])


def mean_average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Mean of the average precisions of the classes that have a relevant video.

    Args:
        scores, relevant: (V, K). A video of no class is background: it counts, as one
            that every class should rank low.
    """
    return float(np.nanmean(precision_per_class(scores, relevant)))


def precision_per_class(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """(K,) average precisions, NaN for a class without a relevant video."""
    columns = range(scores.shape[1])
    return np.array([average_precision(scores[:, k], relevant[:, k]) for k in columns])


def bootstrap_map(
    scores: np.ndarray, relevant: np.ndarray, *, seed: int = 0, draws: int = 1000
) -> Interval:
    """Mean average precision and its 95 % percentile interval over videos.

    In a draw a class counts if one of its videos was drawn; a draw without any does not.
    """
    videos, classes = scores.shape
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    with_any = [k for k in range(classes) if relevant[:, k].any()]
    for first in range(0, draws, BLOCK):
        count = min(BLOCK, draws - first)
        weights = rng.multinomial(videos, np.full(videos, 1 / videos), size=count)
        weights = weights.astype(np.int32)
        total, counted = np.zeros(count), np.zeros(count)
        for k in with_any:
            found = _precisions(scores[:, k], relevant[:, k], weights)
            total += np.nan_to_num(found)
            counted += ~np.isnan(found)
        some = np.where(counted > 0, counted, np.nan)
        means[first : first + count] = total / some
    return _interval(mean_average_precision(scores, relevant), means)


def bootstrap(values: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Interval:
    """Mean of `values`, and its 95 % percentile interval over videos, and over seeds too.

    Args:
        values: (V,) hits, or anything measured per video; or (S, V) for several seeds
            of the same videos: then both are drawn anew, each with replacement.

    Source:
        Efron, "Bootstrap methods: another look at the jackknife", Annals of
        Statistics 1979: videos are drawn with replacement, as many as there are.
    """
    values = np.atleast_2d(np.asarray(values, np.float64))
    if values.ndim != 2 or not values.size:
        raise ValueError(f"expected values of seeds and videos, got {values.shape}")
    return _interval(float(values.mean()), _drawn_means(values, seed, draws))


def over_splits(
    values: Sequence[np.ndarray], *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """The mean of the means of several splits, as the papers' "3 splits".

    Splits count alike whatever their sizes. Each is drawn anew for itself: where test
    videos belong to several splits, the interval is somewhat too narrow.

    Args:
        values: for each split (V,) or (S, V), as in `bootstrap`.
    """
    each = [np.atleast_2d(np.asarray(v, np.float64)) for v in values]
    means = [
        _drawn_means(one, [seed, number], draws) for number, one in enumerate(each)
    ]
    return _interval(float(np.mean([v.mean() for v in each])), np.mean(means, axis=0))


def paired_difference(
    first: np.ndarray, second: np.ndarray, *, seed: int = 0, draws: int = DRAWS
) -> Interval:
    """Difference in accuracy of `first` and `second` on the same videos, with its interval.

    Args:
        first, second: (V,) or (S, V) hits: the same video, and the same seed, at the
            same place.

    Raises:
        ValueError: they are not of the same videos and seeds.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(
            "expected the same seeds and videos on both sides of a comparison,"
            f" got {first.shape} and {second.shape}"
        )
    return bootstrap(first - second, seed=seed, draws=draws)


def verdict(difference: Interval, *, seeds: int) -> Verdict:
    """Judge an ordering that a paper claims by a paired difference.

    "holds" where the interval lies above 0, "consistent" where only the mean does.
    """
    if seeds < SEEDS:
        return "too few seeds"
    if difference.low > 0:
        return "holds"
    return "consistent" if difference.mean > 0 else "not reproduced"


def confusion(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Confusion matrix: (K, K) counts of videos of class i (row) that were called class j."""
    classes = scores.shape[1]
    called = scores.argmax(axis=1)
    return np.bincount(labels * classes + called, minlength=classes**2).reshape(
        classes, classes
    )


def _members(truth: np.ndarray, num_classes: int) -> np.ndarray:
    """(V, K) float64: 1 where a video is of a class."""
    if truth.ndim == 2:
        return truth.astype(np.float64)
    return (truth[:, None] == np.arange(num_classes)).astype(np.float64)


def _drawn_means(
    values: np.ndarray, seed: int | Sequence[int], draws: int
) -> np.ndarray:
    """(draws,) means over seeds and videos drawn with replacement from (S, V)."""
    seeds, videos = values.shape
    rng = np.random.default_rng(seed)
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    means = np.empty(draws)
    for first in range(0, draws, BLOCK):
        block = times[first : first + BLOCK] @ values / seeds  # of each video
        drawn = rng.integers(videos, size=block.shape)
        drawn += videos * np.arange(len(block))[:, None]
        means[first : first + BLOCK] = block.ravel().take(drawn).mean(axis=1)
    return means


def _precisions(
    scores: np.ndarray, relevant: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision of one class, videos counting `weights` times: (D, V) -> (D,).

    A video is compared with others and with itself once, however often it was drawn:
    else a few relevant videos would, drawn twice, raise each other.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, places = scores[order], np.flatnonzero(relevant[order])
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    ends = last[np.searchsorted(last, places)]  # of the videos with equal scores
    weights = weights[:, order]
    own = weights[:, places]
    seen = np.cumsum(weights, axis=1)[:, ends]
    found = np.cumsum(own, axis=1)[:, np.searchsorted(places, ends, side="right") - 1]
    again = np.maximum(own - 1, 0)
    total = (own * (found - again) / np.maximum(seen - again, 1)).sum(axis=1)
    positives = own.sum(axis=1)
    return np.where(positives > 0, total / np.maximum(positives, 1), np.nan)


def _interval(mean: float, means: np.ndarray) -> Interval:
    low, high = np.nanpercentile(means, (2.5, 97.5))
    return Interval(mean, float(low), float(high))
