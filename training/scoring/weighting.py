"""Weights of streams from scores of held-out videos: searched, or one set per class.

Axes: S streams, V videos, K classes. Nothing here has a gradient.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import DataError, RecipeError
from .scores import softmax
from .weighted_average import (
    On,
    StreamScores,
    WeightedAverage,
    check_aligned,
    check_unseen,
    relevant_classes,
    stacked,
)

Quality = Callable[[np.ndarray], float]
"""Quality of scores (V, K); higher is better."""


class Searched(NamedTuple):
    """Result of a search."""

    average: WeightedAverage
    quality: float
    """Accuracy of the selected weights on the videos of the search, hence optimistic."""
    tried: int


def searched_weights(
    streams: Sequence[StreamScores],
    *,
    training: Collection[str],
    on: On = "softmax",
    parts: int = 20,
    quality: Quality | None = None,
) -> Searched:
    """The best weighted average of held-out videos, over a grid of weights that sum to 1.

    Ties, frequent with few videos, go to the weights nearest to equal ones.

    Args:
        training: ids of the videos that trained a stream.
        parts: weights are multiples of 1 / parts.
        quality: top-1 accuracy where None; any class of a video of several is right.

    Raises:
        DataError: a video is a training video, or the streams do not fit each other.
    """
    if parts < 1:
        raise RecipeError(f"fusion: expected parts of at least 1, got {parts}")
    scores = stacked(streams, on=on)
    check_unseen(streams[0].ids, training=training)
    relevant = relevant_classes(streams[0])

    def accuracy(fused: np.ndarray) -> float:
        return float(np.take_along_axis(relevant, fused.argmax(1)[:, None], 1).mean())

    quality = quality or accuracy
    best: tuple[float, float] | None = None
    chosen: tuple[float, ...] = ()
    tried = 0
    for counts in _compositions(parts, len(streams)):
        weights = np.array(counts) / parts
        value = quality(np.tensordot(weights, scores, axes=1))
        here = (value, -float(np.square(weights).sum()))
        tried += 1
        if best is None or here > best:
            best, chosen = here, tuple(weights.tolist())
    assert best is not None
    return Searched(WeightedAverage(weights=chosen, on=on), best[0], tried)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveWeighting:
    """Adaptive weighting: weights of the streams per class, from held-out videos.

    A class a has for each stream the gain

        g_a = sum of S[:, a] over videos of the class - c * sum of S[:, a] over others

    with the streams' probabilities S, and its weights w are to make w . g_a largest.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", equations 10 to 15. There
        - the weights are only bound to be positive and to sum to 1. That is a linear
          programme on a simplex, so its solution is a corner: all weight on one stream,
          where the positive bound is not kept. `lp` is that; `bounded` leaves each stream
          `min_weight`; `softmax` grades by the gain of a mean video.
        - b is called a category, but is a video; W_a is a row vector of a matrix space;
          the inner sum of N_a lacks the index of the class; equation 15 takes the largest
          over b, where the class is meant.
        - c is 0.005. The weight of the negatives then grows with the number of classes:
          with equal classes it is 0.5 of the positives' for 101, 0.055 for 12. `balanced`
          keeps c (K - 1) at 0.5.
    """

    form: Literal["bounded", "lp", "softmax"] = "bounded"
    min_weight: float = 0.1
    """bounded: least weight of a stream."""
    temperature: float = 0.1
    """softmax: temperature, as a difference of mean probabilities."""
    c: float = 5e-3
    balanced: bool = False
    """c is 0.5 / (K - 1) instead."""

    def __post_init__(self) -> None:
        if self.form not in ("bounded", "lp", "softmax"):
            raise RecipeError(
                f"weighting: expected bounded, lp or softmax, got {self.form}"
            )
        if not 0 <= self.min_weight <= 1 or self.temperature <= 0 or self.c < 0:
            raise RecipeError(
                "weighting: expected min_weight in [0, 1], temperature above 0 and c of at"
                f" least 0, got {self.min_weight}, {self.temperature} and {self.c}"
            )

    def fit(
        self,
        streams: Sequence[StreamScores],
        *,
        training: Collection[str],
    ) -> "ClassWeights":
        """The weights of every class.

        A class without a video gets equal weights. A video of
        several classes counts for each.

        Args:
            streams: scores of held-out videos.
            training: ids of the videos that trained a stream.

        Raises:
            DataError: a video is a training video, or the streams do not fit each other.
            RecipeError: min_weight is more than each of the streams can have.
        """
        check_aligned(streams)
        check_unseen(streams[0].ids, training=training)
        scores = stacked(streams, on="softmax")
        classes = scores.shape[2]
        relevant = relevant_classes(streams[0])
        c = 0.5 / max(classes - 1, 1) if self.balanced else self.c
        gain = gains(scores, relevant, c=c)
        videos = relevant.sum(axis=0)
        if self.form == "softmax":
            weights = softmax(
                gain / (np.maximum(videos, 1)[:, None] * self.temperature)
            )
        else:
            least = self.min_weight if self.form == "bounded" else 0.0
            weights = corner_weights(gain, min_weight=least)
        weights[videos == 0] = 1 / len(streams)
        without = tuple(np.flatnonzero(videos == 0).tolist())
        return ClassWeights(weights, without)


class ClassWeights(NamedTuple):
    """Weights of the streams, class by class."""

    weights: np.ndarray
    """(K, S) float64, each row sums to 1."""
    without_videos: tuple[int, ...]
    """Classes that had no video, and so have equal weights."""

    def __call__(self, streams: Sequence[StreamScores]) -> np.ndarray:
        """(V, K) weighted probabilities; the largest is the decision.

        Raises:
            DataError: the streams do not fit each other or these weights.
        """
        scores = stacked(streams, on="softmax")
        classes, count = self.weights.shape
        if (len(scores), scores.shape[2]) != (count, classes):
            raise DataError(
                f"weighting: expected {count} streams of {classes} classes,"
                f" got {len(scores)} of {scores.shape[2]}"
            )
        return np.einsum("ks,svk->vk", self.weights, scores)


def gains(scores: np.ndarray, relevant: np.ndarray, *, c: float) -> np.ndarray:
    """Score of each stream for videos of a class, less `c` times its score for others.

    Args:
        scores: (S, V, K) probabilities.
        relevant: (V, K) bool.

    Returns:
        (K, S).
    """
    return np.einsum("svk,vk->ks", scores, np.where(relevant, 1.0, -c))


def corner_weights(gain: np.ndarray, *, min_weight: float = 0.0) -> np.ndarray:
    """The weights that make weights . gain largest, each at least `min_weight`, sum 1.

    A linear function on a simplex is largest in a corner: what is left above the
    bounds goes to the stream of the largest gain, in equal shares if there are several.

    Args:
        gain: (K, S).

    Returns:
        (K, S).

    Raises:
        RecipeError: the bounds sum to more than 1.
    """
    streams = gain.shape[1]
    left = 1 - streams * min_weight
    if left < -1e-12:
        raise RecipeError(
            f"weighting: expected min_weight of at most 1/{streams} for {streams} streams,"
            f" got {min_weight}"
        )
    best = gain == gain.max(axis=1, keepdims=True)
    return min_weight + max(left, 0.0) * best / best.sum(axis=1, keepdims=True)


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as a sum of `parts` counts of at least 0."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
