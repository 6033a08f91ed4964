"""Answers of runs to the same test videos -> means over seeds and videos, and their pairs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .intervals import Influence, influence_of_map, influence_of_mean


class Outcome(NamedTuple):
    """One run's answers to the test videos of one split."""

    run: str
    """Its folder: the same for two systems that are one run."""
    videos: tuple[str, ...]
    """(V,) ids."""
    groups: tuple[str, ...]
    """(V,) group of each."""
    values: np.ndarray
    """(V,) bool, whether each was recognised; (V, K) scores where `relevant` is given."""
    relevant: np.ndarray | None = None
    """(V, K) bool where mean average precision counts, since videos have several labels."""

    def of(self, videos: Sequence[str]) -> "Outcome":
        """The answers to some of the videos, in this order."""
        if tuple(videos) == self.videos:
            return self
        place = {video: i for i, video in enumerate(self.videos)}
        rows = [place[video] for video in videos]
        return self._replace(
            videos=tuple(videos),
            groups=tuple(self.groups[i] for i in rows),
            values=self.values[rows],
            relevant=None if self.relevant is None else self.relevant[rows],
        )


SplitOutcomes = Mapping[str, Mapping[int, Outcome]]
"""Answers of one system: split -> seed -> outcome."""


class Pairs(NamedTuple):
    """Two systems on the seeds, splits and videos that both have."""

    difference: tuple[Influence, ...]
    """The first's mean less the second's, on each split."""
    seeds: tuple[int, ...]
    """Those of every split."""
    videos: int
    """Number of compared videos, of all splits."""
    runs: tuple[frozenset[str], frozenset[str]]
    """Folders of the compared runs of both sides."""


def influence_of(seeds: Mapping[int, Outcome]) -> Influence | None:
    """The mean over seeds and over the videos that all of them have, on one split.

    It is the mean accuracy; the mean average precision where videos have several labels.

    Returns:
        None where they have no video in common.
    """
    videos = _common(seeds.values())
    if not videos:
        return None
    numbers = sorted(seeds)
    aligned = [seeds[seed].of(videos) for seed in numbers]
    first = aligned[0]
    values = np.stack([one.values for one in aligned])
    if first.relevant is not None:
        return influence_of_map(values, first.relevant, first.groups, numbers)
    return influence_of_mean(values, first.groups, numbers)


def paired(first: SplitOutcomes, second: SplitOutcomes) -> Pairs:
    """Two systems, compared video by video and seed by seed.

    The seeds are those that both have on all common splits. Splits without a common
    video are left out.
    """
    splits = [name for name in first if name in second]
    sides = [side[name] for name in splits for side in (first, second)]
    seeds = sorted(set.intersection(*(set(side) for side in sides))) if sides else []
    found, videos = list[Influence](), 0
    runs = (set[str](), set[str]())
    for name in splits if seeds else ():
        both = [side[name][seed] for side in (first, second) for seed in seeds]
        common = _common(both)
        if not common:
            continue
        ours, theirs = (
            influence_of({seed: side[name][seed].of(common) for seed in seeds})
            for side in (first, second)
        )
        if ours is None or theirs is None:
            continue
        found.append(ours.minus(theirs))
        videos += len(common)
        for own, side in zip(runs, (first, second), strict=True):
            own.update(side[name][seed].run for seed in seeds)
    return Pairs(
        tuple(found), tuple(seeds), videos, (frozenset(runs[0]), frozenset(runs[1]))
    )


def _common(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """The videos that all have, in the order of the first."""
    every = list(outcomes)
    if not every:
        return ()
    first = every[0].videos
    if all(one.videos == first for one in every):
        return first
    shared = set(first).intersection(*(one.videos for one in every[1:]))
    return tuple(video for video in first if video in shared)
