"""Scores of a network on the videos of one part: storage and combination.

V videos, K classes. numpy only: fusion, comparison and reports need no network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from motion_shards.plain_text import first_names

from ..errors import RunError
from ..run_files.arrays import read_arrays, write_arrays
from . import metrics

Aggregate = Literal["logits", "softmax"]

TEXTS = ("aggregate", "part", "split")
ARRAYS = ("labels", "logits", "softmax")
KINDS = {
    "labels": ("i8", 1),
    "logits": ("f8", 2),
    "softmax": ("f8", 2),
    "relevant": ("b1", 2),
    "ids": ("U", 1),
    "classes": ("U", 1),
    "groups": ("U", 1),
} | dict.fromkeys(TEXTS, ("U", 0))
"""Array -> its type and its number of axes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Mean logits and mean probabilities of every video."""

    ids: tuple[str, ...]
    labels: np.ndarray
    """(V,) int64; the first where a video has several, -1 where it has none."""
    logits: np.ndarray
    """(V, K) float64."""
    softmax: np.ndarray
    """(V, K) float64; every row sums to 1."""
    relevant: np.ndarray | None = None
    """(V, K) bool where some video has several labels or none, else None."""
    aggregate: Aggregate = "logits"
    """The scores that the protocol evaluates: logits or softmax."""
    classes: tuple[str, ...] = ()
    """Names of the K classes."""
    groups: tuple[str, ...] = ()
    """(V,) group of each video, such as the recording that it was cut from; empty where
    groups are not known."""
    split: str = ""
    part: str = ""
    """"held_out" or "test"."""

    def __post_init__(self) -> None:
        shape = (len(self.ids), self.logits.shape[-1])
        sizes = [self.logits.shape, self.softmax.shape]
        sizes += [] if self.relevant is None else [self.relevant.shape]
        if self.labels.shape != shape[:1] or any(size != shape for size in sizes):
            raise ValueError(
                f"expected scores of {shape[0]} videos and {shape[1]} classes, got labels"
                f" {self.labels.shape}, logits {self.logits.shape}, softmax {self.softmax.shape}"
            )
        if self.groups and len(self.groups) != shape[0]:
            raise ValueError(
                f"expected groups of {shape[0]} videos, got {len(self.groups)}"
            )
        if self.classes and len(self.classes) != shape[1]:
            raise ValueError(
                f"expected scores of {len(self.classes)} classes, got {shape[1]}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def scores(self) -> np.ndarray:
        """(V, K): the scores that the protocol evaluates."""
        return self.logits if self.aggregate == "logits" else self.softmax

    @property
    def truth(self) -> np.ndarray:
        """(V,) labels, or (V, K) bool where a video may have several: see `metrics`."""
        return self.labels if self.relevant is None else self.relevant

    @cached_property
    def units(self) -> tuple[str, ...]:
        """(V,) group of each video; its own id where it has none."""
        groups = self.groups or ("",) * len(self)
        return tuple(
            group or video for group, video in zip(groups, self.ids, strict=True)
        )

    @cached_property
    def labelled(self) -> "Scores":
        """The videos with a label; accuracies leave background videos out."""
        known = self.labels >= 0
        return self if known.all() else self.rows(np.flatnonzero(known))

    def hits(self, k: int = 1) -> np.ndarray:
        """Whether the true class (or one of them) is among the `k` best.

        Returns:
            (V,) bool, for the videos of `labelled`.
        """
        one = self.labelled
        return metrics.top_k(one.scores, one.truth, k)

    @property
    def loss(self) -> float:
        """Mean cross-entropy of labelled videos; uniform targets for several labels."""
        one = self.labelled
        return cross_entropy(one.scores, one.truth, logits=self.aggregate == "logits")

    def rows(self, places: np.ndarray | Sequence[int]) -> "Scores":
        """Scores of some of the videos, in this order."""
        places = np.asarray(places, np.int64)
        relevant = None if self.relevant is None else self.relevant[places]
        return replace(
            self,
            ids=tuple(self.ids[i] for i in places),
            labels=self.labels[places],
            logits=self.logits[places],
            softmax=self.softmax[places],
            relevant=relevant,
            groups=tuple(self.groups[i] for i in places) if self.groups else (),
        )

    def save(self, path: Path) -> None:
        """Write an .npz without pickles, with its hash, atomically.

        Raises:
            WriteError: it cannot be written; the previous file is still there.
        """
        values = {name: getattr(self, name) for name in ARRAYS}
        values |= {name: np.array(getattr(self, name), "U") for name in TEXTS}
        values |= {
            name: np.array(getattr(self, name), "U")
            for name in ("ids", "classes", "groups")
        }
        if self.relevant is not None:
            values["relevant"] = self.relevant
        write_arrays(path, values)

    @classmethod
    def load(cls, path: Path) -> "Scores":
        """
        Raises:
            RunError: no such file, or not of scores, or one that has changed.
        """
        found = read_arrays(path, KINDS, optional=("relevant",), what="scores")
        values: dict[str, Any] = {name: found[name] for name in ARRAYS}
        values |= {name: str(found[name]) for name in TEXTS}
        try:
            values |= {
                name: tuple(found[name].tolist())
                for name in ("ids", "classes", "groups")
            }
            scores = cls(relevant=found.get("relevant"), **values)
            _check_values(scores)
            return scores
        except ValueError as error:
            raise RunError(f"{path}: {error}") from None


def together(*several: Scores) -> tuple[Scores, ...]:
    """The videos that all of these have, in the order of the first.

    Raises:
        RunError: they are of other classes, splits, parts or labels, or of no video in
            common: combining or comparing them would be meaningless.
    """
    first = several[0]
    common = set(first.ids).intersection(*(one.ids for one in several[1:]))
    for one in several[1:]:
        for name in ("classes", "split", "part"):
            ours, theirs = getattr(first, name), getattr(one, name)
            if ours != theirs:
                raise RunError(
                    f"expected scores of the same {name}, got {_told(ours)} and"
                    f" {_told(theirs)}"
                )
    if not common:
        raise RunError("expected scores of the same videos, got none in common")
    wanted = [video for video in first.ids if video in common]
    same = []
    for one in several:
        place = {video: i for i, video in enumerate(one.ids)}
        same.append(one.rows([place[video] for video in wanted]))
    for one in same[1:]:
        different = np.flatnonzero(one.labels != same[0].labels)
        if len(different) or not np.array_equal(_targets(one), _targets(same[0])):
            video = wanted[different[0]] if len(different) else "some"
            raise RunError(
                f"expected scores of the same labels, but those of {video} differ"
            )
    return tuple(same)


def for_fitting(scores: Scores) -> Scores:
    """Scores to fit weights of streams on: not those of the test part.

    Raises:
        RunError: they are of the test part.
    """
    if scores.part == "test":
        raise RunError(
            f"split {scores.split}: expected scores of held-out videos to fit weights on,"
            " got those of the test part"
        )
    return scores


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, (V, K) -> (V, K); rows sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(scores: np.ndarray, truth: np.ndarray, *, logits: bool) -> float:
    """Mean of -log p(true class). Probabilities are kept away from 0.

    Args:
        truth: (V,) labels, or (V, K) bool: then the mean over a video's classes.
    """
    if logits:
        scores = scores - scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    else:
        logs = np.log(np.maximum(scores, 1e-12))
    if truth.ndim == 2:
        return float(-((logs * truth).sum(axis=1) / truth.sum(axis=1)).mean())
    return float(-np.take_along_axis(logs, truth[:, None], axis=1).mean())


def _check_values(scores: Scores) -> None:
    """
    Raises:
        ValueError: a value is not one that a network could have had.
    """
    classes = scores.logits.shape[1]
    if not (np.isfinite(scores.logits).all() and np.isfinite(scores.softmax).all()):
        raise ValueError("expected finite scores, got others")
    if len(set(scores.ids)) != len(scores.ids):
        raise ValueError("expected scores of different videos, got one twice")
    if not ((scores.labels >= -1) & (scores.labels < classes)).all():
        raise ValueError(
            f"expected labels from -1 to {classes - 1}, got {scores.labels.min()} to"
            f" {scores.labels.max()}"
        )
    if scores.aggregate not in get_args(Aggregate):
        raise ValueError(f"expected logits or softmax, got {scores.aggregate!r}")


def _targets(scores: Scores) -> np.ndarray:
    if scores.relevant is not None:
        return scores.relevant
    return scores.labels[:, None] == np.arange(scores.logits.shape[1])


def _told(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value or "none"
    return f"{len(value)} ({first_names(value)})"
