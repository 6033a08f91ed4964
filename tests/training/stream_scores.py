"""Scores of streams whose strengths are known."""

from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    """As much of a run's scores as fusion looks at."""

    ids: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    softmax: np.ndarray
    relevant: np.ndarray | None = None


def stream(logits: np.ndarray, labels: np.ndarray, *, name: str = "v") -> Stream:
    """Scores of one clip a video: the mean of probabilities is that of the logits."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    ids = tuple(f"{name}{k:03d}" for k in range(len(labels)))
    return Stream(ids, labels, logits, powers / powers.sum(axis=1, keepdims=True))


def specialists(
    *, videos: int = 60, classes: int = 4, seed: int = 0, sure: float = 3.0
) -> list[Stream]:
    """Two streams; the first knows the lower half of the classes, the second the others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % classes
    streams = []
    for known in (labels < classes // 2, labels >= classes // 2):
        logits = rng.normal(0, 0.5, (videos, classes))
        logits[np.arange(videos), labels] += sure * known
        streams.append(stream(logits, labels))
    return streams
