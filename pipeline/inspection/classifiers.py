"""Classifiers in closed form: naive Bayes for words, linear discriminants for numbers.

Both are plain on purpose: there is nothing to tune, and the same data gives the same
answer. They find what is easy to find; a network may find more.
"""

from collections.abc import Callable, Sequence

import numpy as np

Classifier = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(features, targets, train, test) -> targets predicted for the videos of `test`.

Features are (videos, features), targets (videos,) integers, `train` and `test` (videos,)
bool; targets of `test` are not read.
"""
RIDGE = 1e-6
"""Added to variances that are 1 at most, so that a covariance of zeros has an inverse."""


def as_numbers(rows: Sequence[Sequence[str]]) -> np.ndarray:
    """(videos, columns) integers from 0 that stand for the words of each column."""
    columns = [
        np.unique(words, return_inverse=True)[1] for words in zip(*rows, strict=True)
    ]
    return np.stack(columns, axis=1)


def naive_bayes(
    words: np.ndarray, targets: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Predict by the words of each column, as if columns were independent.

    Counts start from one. Of equally likely targets the smallest is taken.

    Args:
        words: (videos, columns) integers from 0 that stand for words.
    """
    classes, positions = np.unique(targets[train], return_inverse=True)
    counts = np.bincount(positions)
    scores = np.tile(np.log(counts), (int(np.count_nonzero(test)), 1))
    for column in words.T:
        seen = np.zeros((column.max() + 1, len(classes)))
        np.add.at(seen, (column[train], positions), 1)
        distinct = np.count_nonzero(seen.any(axis=1))
        scores += np.log((seen + 1) / (counts + distinct + 1))[column[test]]
    return classes[_largest(scores)]


def linear_discriminant(
    numbers: np.ndarray, targets: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Predict by Gaussians of one covariance, shrunk towards a multiple of the identity.

    Args:
        numbers: (videos, features); each feature is brought to mean 0 and variance 1
            on the training videos.
    """
    known = numbers[train]
    scale = known.std(axis=0)
    scale[scale == 0] = 1
    known, others = ((n - known.mean(axis=0)) / scale for n in (known, numbers[test]))
    classes, positions = np.unique(targets[train], return_inverse=True)
    counts = np.bincount(positions)
    means = np.zeros((len(classes), known.shape[1]))
    np.add.at(means, positions, known)
    means /= counts[:, None]
    rest = known - means[positions]
    freedom = max(len(known) - len(classes), 1)
    within = shrunk(rest.T @ rest / freedom, freedom)
    weights = np.linalg.solve(within + RIDGE * np.eye(len(within)), means.T)
    constants = np.log(counts) - (means * weights.T).sum(axis=1) / 2
    return classes[_largest(others @ weights + constants)]


def shrunk(covariance: np.ndarray, samples: int) -> np.ndarray:
    """Shrink a sample covariance by oracle approximating shrinkage (OAS).

    Source: Chen, Wiesel, Eldar, Hero, IEEE Transactions on Signal Processing 58(10),
    2010, equation 23.

    Args:
        covariance: (p, p) of `samples` samples.
    """
    size = len(covariance)
    trace, squares = np.trace(covariance), np.sum(covariance**2)
    excess = (samples + 1 - 2 / size) * (squares - trace**2 / size)
    share = min(((1 - 2 / size) * squares + trace**2) / excess, 1) if excess > 0 else 1
    return (1 - share) * covariance + share * trace / size * np.eye(size)


def _largest(scores: np.ndarray) -> np.ndarray:
    """Position of the largest score of each row; rounding does not decide between equals."""
    best = scores.max(axis=1, keepdims=True)
    return np.argmax(scores >= best - 1e-9 * np.abs(best), axis=1)
