"""Scores of several streams -> their weighted mean.

Axes: S streams, V videos, K classes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..errors import DataError, RecipeError
from .scores import softmax

On = Literal["logits", "softmax", "clipped"]


class StreamScores(Protocol):
    """Scores of V videos for K classes by one network: the part of `Scores` used here."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> np.ndarray: ...

    @property
    def logits(self) -> np.ndarray: ...

    @property
    def softmax(self) -> np.ndarray: ...

    @property
    def relevant(self) -> np.ndarray | None:
        """(V, K) bool where videos have several labels or none, else None."""
        ...


def stacked(streams: Sequence[StreamScores], *, on: On) -> np.ndarray:
    """Scores of all streams, of the same videos and classes: (S, V, K) float64.

    Args:
        on: "logits", "softmax" (mean probabilities), or "clipped": logits, what is below
            0 set to 0, and divided by their sum (all classes alike where none is above).

    Raises:
        DataError: the streams are of other videos or classes.
        RecipeError: no stream, or an unknown `on`.
    """
    if on not in ("logits", "softmax", "clipped"):
        raise RecipeError(
            f"fusion: expected scores on logits, softmax or clipped, got {on}"
        )
    check_aligned(streams)
    chosen = [each.softmax if on == "softmax" else each.logits for each in streams]
    return weighable(np.stack(chosen), on=on)


def weighable(scores: np.ndarray, *, on: On) -> np.ndarray:
    """(..., K) logits, or probabilities on softmax -> (..., K) float64 to be weighted."""
    scores = scores.astype(np.float64)
    if on != "clipped":
        return scores
    scores = np.maximum(scores, 0)
    total = scores.sum(axis=-1, keepdims=True)
    return np.where(total > 0, scores, 1.0) / np.where(
        total > 0, total, scores.shape[-1]
    )


def as_probabilities(values: np.ndarray, *, on: On) -> np.ndarray:
    """(V, K) weighted scores -> (V, K) probabilities of the classes."""
    if on == "logits":
        return softmax(values)
    return values / np.maximum(values.sum(axis=1, keepdims=True), 1e-12)


def relevant_classes(stream: StreamScores) -> np.ndarray:
    """(V, K) bool: which classes each video is of."""
    if stream.relevant is not None:
        return np.asarray(stream.relevant, bool)
    return np.asarray(stream.labels)[:, None] == np.arange(stream.logits.shape[1])


def check_aligned(streams: Sequence[StreamScores]) -> None:
    """Check that the streams are of the same videos, in the same order, and classes.

    Raises:
        DataError: they are not; the first difference is named.
        RecipeError: there is none.
    """
    if not streams:
        raise RecipeError("fusion: expected at least one stream, got none")
    first = streams[0]
    for number, other in enumerate(streams[1:], start=2):
        if set(other.ids) != set(first.ids):
            name = min(set(other.ids) ^ set(first.ids))
            has, lacks = (1, number) if name in first.ids else (number, 1)
            raise DataError(
                f"fusion: expected streams of one split and part, but video {name} is"
                f" in stream {has} and not in stream {lacks}"
            )
        if other.ids != first.ids:
            raise DataError(f"fusion: stream {number} has its videos in another order")
        if other.logits.shape != first.logits.shape:
            raise DataError(
                f"fusion: expected {first.logits.shape[1]} classes in every stream,"
                f" got {other.logits.shape[1]} in stream {number}"
            )
        if not np.array_equal(other.labels, first.labels):
            raise DataError(
                f"fusion: stream {number} has other labels of the same videos"
            )


def check_unseen(ids: Sequence[str], *, training: Collection[str]) -> None:
    """Check that no video was used to train a stream, where scores are meaningless.

    Args:
        training: ids of the videos on which any of the streams was trained.

    Raises:
        DataError: one was.
    """
    seen = sorted(set(ids) & set(training))
    if seen:
        raise DataError(
            f"fusion: expected held-out videos, but {len(seen)} of {len(ids)} are"
            f" training videos (first: {seen[0]}): their scores are too good to learn from"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedAverage:
    """A weighted mean of the streams' scores.

    Source:
        On softmax, 1 : 2 for rgb and vectors: Zhang et al., "Real-Time Action Recognition
        With Deeply Transferred Motion Vector CNNs", IEEE TIP 2018. On logits, 1 : 1:
        Crasto et al., "MARS", CVPR 2019 (its code). Clipped, 1 : 1.5 for spatial and
        temporal: Zhu et al., "Hidden Two-Stream Convolutional Networks", ACCV 2018 (its
        code).
    """

    weights: tuple[float, ...]
    """One per stream, in their order; only their ratio counts."""
    on: On = "softmax"

    def __post_init__(self) -> None:
        if self.on not in ("logits", "softmax", "clipped"):
            raise RecipeError(
                f"fusion: expected scores on logits, softmax or clipped, got {self.on}"
            )
        if not self.weights or min(self.weights) < 0 or sum(self.weights) <= 0:
            raise RecipeError(
                "fusion: expected weights of at least 0 and one above,"
                f" got {self.weights}"
            )

    def __call__(self, streams: Sequence[StreamScores]) -> np.ndarray:
        """(V, K) float64.

        Raises:
            DataError: the streams are of other videos or classes.
            RecipeError: the number of weights is not that of the streams.
        """
        if len(streams) != len(self.weights):
            raise RecipeError(
                f"fusion: expected {len(self.weights)} streams, got {len(streams)}"
            )
        weights = np.array(self.weights) / sum(self.weights)
        return np.tensordot(weights, stacked(streams, on=self.on), axes=1)
