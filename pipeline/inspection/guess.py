"""Predict a property of videos from features of others, groups kept apart.

The accuracy stands against that of the most frequent answer, or against another
prediction of the same videos. Videos of a group are not independent, so errors are
computed over groups.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from pipeline.store import Json

from .classifiers import Classifier

FOLDS = 5
"""Parts into which groups are dealt; each is predicted from the others."""
CONFIDENCE = 0.975
"""Quantile of Student's t beyond which a difference counts: 95 % on two sides."""


class Difference(NamedTuple):
    """Accuracy of one prediction less that of another one, on the same videos."""

    difference: float
    standard_error: float
    """Standard error of the difference, over groups: videos of a group are not independent."""
    units: int
    """Number of groups behind the standard error."""

    @property
    def significant(self) -> bool:
        """Whether the difference is positive beyond chance."""
        return self.difference > self.margin

    @property
    def margin(self) -> float:
        """Difference that must be exceeded."""
        return float(stdtrit(self.units - 1, CONFIDENCE)) * self.standard_error


class Guess(NamedTuple):
    """Accuracy of guessing a property of a video from features of other groups' videos."""

    videos: int
    groups: int
    accuracy: float
    chance: float
    """Accuracy of always guessing the most frequent answer."""
    standard_error: float
    """Standard error of accuracy less chance, over groups."""
    units: int
    """Number of groups (or classes, if the error over these is larger) behind it."""

    @property
    def lead(self) -> Difference:
        """Accuracy less chance."""
        return Difference(self.accuracy - self.chance, self.standard_error, self.units)

    @property
    def leaks(self) -> bool:
        """Whether the features predict the property better than chance."""
        return self.lead.significant

    def to_dict(self) -> dict[str, Json]:
        return {**self._asdict(), "leaks": self.leaks}


def predictions(
    features: np.ndarray,
    targets: np.ndarray,
    classify: Classifier,
    *,
    apart: Sequence[Sequence[str]],
) -> np.ndarray:
    """Predict the target of every video from videos that share nothing with it.

    Args:
        features: (videos, features), as `classify` takes them.
        targets: (videos,) integers.
        apart: labellings of the videos. Videos that have the label of a predicted video
            in any of them are not learned from: their groups, or groups and classes.

    Returns:
        (videos,) integers; -1 where nothing could be learned from.
    """
    found = np.full(len(targets), -1)
    folds = [_folds(labels, targets) for labels in apart]
    for numbers in product(*(range(fold.max() + 1) for fold in folds)):
        inside = np.stack([fold == k for fold, k in zip(folds, numbers, strict=True)])
        train, test = ~np.any(inside, axis=0), np.all(inside, axis=0)
        if train.any() and test.any():
            found[test] = classify(features, targets, train, test)
    return found


def guess(
    found: np.ndarray, targets: np.ndarray, *, clusters: Sequence[Sequence[str]]
) -> Guess:
    """Compare predictions with the most frequent target.

    Args:
        clusters: labellings of the videos; the first is that of groups. The standard
            error is the largest of those over each labelling.
    """
    frequent = Counter(targets.tolist()).most_common(1)[0][0]
    lead = compared(found, np.full(len(targets), frequent), targets, clusters=clusters)
    return Guess(
        videos=len(targets),
        groups=len(set(clusters[0])),
        accuracy=float(np.mean(found == targets)),
        chance=float(np.mean(targets == frequent)),
        standard_error=lead.standard_error,
        units=lead.units,
    )


def compared(
    found: np.ndarray,
    other: np.ndarray,
    targets: np.ndarray,
    *,
    clusters: Sequence[Sequence[str]],
) -> Difference:
    """Difference in accuracy of two predictions of the same videos.

    Few groups may agree by accident, so the standard error is never smaller than that
    of videos that are independent.
    """
    ahead = (found == targets).astype(int) - (other == targets)
    single = float(ahead.std()) / math.sqrt(len(ahead))
    errors = [(_standard_error(ahead, labels), len(set(labels))) for labels in clusters]
    error, units = max(errors, key=lambda pair: (pair[0], -pair[1]))
    return Difference(float(ahead.mean()), max(error, single), units)


def _standard_error(ahead: np.ndarray, labels: Sequence[str]) -> float:
    """Standard error of the mean of `ahead`, whose sums over groups are independent."""
    _, positions = np.unique(labels, return_inverse=True)
    sums = np.bincount(positions, weights=ahead)
    count = len(sums)
    if count < 2:
        return math.inf
    squares = float(((sums - sums.mean()) ** 2).sum())
    return math.sqrt(squares * count / (count - 1)) / len(ahead)


def _folds(labels: Sequence[str], targets: np.ndarray) -> np.ndarray:
    """(videos,) number of the fold of each video; a label lies in one fold.

    Labels of one target are dealt out in turn, so that it is in several folds.
    """
    members: dict[str, Counter[int]] = {}
    for label, target in zip(labels, targets.tolist(), strict=True):
        members.setdefault(label, Counter())[target] += 1

    def key(label: str) -> tuple[int, str]:
        counts = members[label]
        return min(counts, key=lambda target: (-counts[target], target)), label

    number = {label: k % FOLDS for k, label in enumerate(sorted(members, key=key))}
    return np.array([number[label] for label in labels])
