"""Scores of videos -> accuracies and average precisions. numpy only.

V videos, K classes. A hit is True where a video was recognised; every accuracy here is a
mean of hits. Truth is either one label a video, (V,) integers, or (V, K) bool where a
video may have several. Intervals are in `intervals`.
"""

import numpy as np


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
    every = np.ones((1, len(scores)), bool)
    return float(precisions_of(scores, np.asarray(relevant, bool), every)[0])


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


def precisions_of(
    scores: np.ndarray, relevant: np.ndarray, videos: np.ndarray
) -> np.ndarray:
    """Average precisions of one class over several sets of the videos.

    Args:
        scores, relevant: (V,), as for `average_precision`.
        videos: (D, V) bool, which videos are in each set.

    Returns:
        (D,) float64; NaN for a set without a relevant video.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, positions = scores[order], np.flatnonzero(relevant[order])
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    ends = last[np.searchsorted(last, positions)]  # of the videos with equal scores
    inside = videos[:, order]
    own = inside[:, positions]
    seen = np.cumsum(inside, axis=1)[:, ends]
    found = np.cumsum(own, axis=1)[:, np.searchsorted(positions, ends, "right") - 1]
    total = (own * found / np.maximum(seen, 1)).sum(axis=1)
    positives = own.sum(axis=1)
    return np.where(positives > 0, total / np.maximum(positives, 1), np.nan)


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
