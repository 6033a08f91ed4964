"""Folders of runs -> their scores of the test videos."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import RunError
from ..papers.groups import Group, group_hits, videos_of
from ..papers.orderings import Hits
from ..run_files.names import CROPS, RECIPE, RESULTS, SCORES
from ..run_files.reading import reading
from ..run_files.results import Results, read_results
from ..run_files.run_config import SplitFacts, read_recipe
from ..scoring import metrics
from ..scoring.scores import Scores

SIZES = ("_small", "_tiny")
TEST_SCORES = SCORES.format(part="test")


class EvaluatedRun(NamedTuple):
    """One complete run."""

    folder: Path
    recipe: str
    seed: int
    dataset: str
    split: SplitFacts
    scores: Scores
    """Scores of the labelled test videos."""
    results: Results
    crops10: Scores | None = None
    """Scores of ten crops, where they were evaluated in addition to the recipe's."""

    @property
    def system(self) -> str:
        """The recipe's name without its size."""
        for suffix in SIZES:
            if self.recipe.endswith(suffix):
                return self.recipe.removesuffix(suffix)
        return self.recipe

    @property
    def classes(self) -> tuple[str, ...]:
        return self.scores.classes


def read_evaluated_run(folder: Path) -> EvaluatedRun | None:
    """Read a run's files; None for one without scores of videos, as of a motion network.

    Raises:
        RunError: it is not complete, or its files are something else.
    """
    with reading(folder):
        for name in (RECIPE, RESULTS):
            if not (folder / name).is_file():
                raise RunError(
                    f"{folder}: expected a complete run, but it has no {name}"
                )
        if not (folder / TEST_SCORES).is_file():
            return None
    config = read_recipe(folder).run
    ten = folder / (CROPS.format(crops=10) + TEST_SCORES)
    run = EvaluatedRun(
        folder=folder,
        recipe=config.recipe.name,
        seed=config.seed,
        dataset=config.store.dataset,
        split=config.split,
        scores=Scores.load(folder / TEST_SCORES),
        results=read_results(folder),
        crops10=Scores.load(ten) if ten.is_file() else None,
    )
    for scores in filter(None, (run.scores, run.crops10)):
        if scores.classes != config.store.classes:
            raise RunError(
                f"{folder}: expected scores of the {len(config.store.classes)}"
                f" classes of {RECIPE}, got {len(scores.classes)} others"
            )
    return run


Splits = Mapping[str, Mapping[int, EvaluatedRun]]
"""Runs of one system: split -> seed -> run."""


def by_split(runs: Iterable[EvaluatedRun]) -> dict[str, dict[int, EvaluatedRun]]:
    """Runs of one system by split and seed, as they come."""
    found: dict[str, dict[int, EvaluatedRun]] = {}
    for run in runs:
        found.setdefault(run.split.name, {})[run.seed] = run
    return found


def by_system(
    runs: Sequence[EvaluatedRun],
    recipe_of: Mapping[str, str] | None = None,
    *,
    splits: Sequence[str] | None = None,
) -> dict[str, dict[str, dict[int, EvaluatedRun]]]:
    """System -> split -> seed -> run, those of a split of the same test videos.

    Args:
        recipe_of: systems that run under another's recipe; None: each under its own.
        splits: that may stand together; None: one.

    Raises:
        RunError: two runs are of different data, so that they can't be compared, or
            are the same system with the same seed on the same split.
    """
    first = runs[0]
    called = _names(runs)
    names = splits or (first.split.name,)
    known: dict[str, SplitFacts] = {}
    of_system: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        split = run.split.name
        same = (run.dataset, run.classes) == (first.dataset, first.classes)
        if (
            not same
            or split not in names
            or known.setdefault(split, run.split) != run.split
        ):
            raise RunError(
                f"{run.folder}: expected a run of the same data set, classes and split as"
                f" {first.folder} ({first.dataset}, split {', '.join(names)}), got"
                f" {run.dataset}, split {split}"
            )
        systems = [called[run.folder]]
        if recipe_of is not None:
            systems = [
                name for name, recipe in recipe_of.items() if recipe == run.recipe
            ]
        for name in systems:
            like = of_system.setdefault(name, [])
            for other in like:
                if (other.split, other.seed) == (run.split, run.seed):
                    raise RunError(
                        f"{run.folder} and {other.folder} are both {name} with seed"
                        f" {run.seed} on split {split}: name only one of them"
                    )
            like.append(run)
    place = {name: i for i, name in enumerate(names)}
    return {
        name: by_split(sorted(own, key=lambda run: place[run.split.name]))
        for name, own in of_system.items()
    }


def _names(runs: Sequence[EvaluatedRun]) -> dict[Path, str]:
    """Folder -> the recipe's name; with what it did where runs of one recipe differ."""
    did: dict[str, set[str]] = {}
    for run in runs:
        did.setdefault(run.system, set()).add(run.results.what)
    return {
        run.folder: run.system
        if len(did[run.system]) == 1
        else f"{run.system}: {run.results.what}"
        for run in runs
    }


def hits_of(systems: Mapping[str, Splits], group: Group | None) -> Hits:
    """Hits in the form of `orderings.evaluate_ordering`: of all videos, or of those of a group."""
    return {
        name: {
            split: {seed: _by_video(run, group) for seed, run in seeds.items()}
            for split, seeds in splits.items()
        }
        for name, splits in systems.items()
    }


def hits_in(
    run: EvaluatedRun, group: Group | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Videos of a group, or all, and whether each was recognised."""
    scores = run.scores.labelled
    if group is None:
        return scores.ids, scores.hits()
    inside = videos_of(scores.labels, run.classes, group)
    hits = group_hits(scores.scores, scores.labels, run.classes, group)
    return tuple(scores.ids[i] for i in np.flatnonzero(inside)), hits


def hits_by_split(runs: Splits, group: Group | None = None) -> list[np.ndarray]:
    """(seeds, videos) of each split, for `metrics.over_splits`."""
    return [
        np.stack([hits_in(seeds[seed], group)[1] for seed in sorted(seeds)])
        for seeds in runs.values()
    ]


def accuracy(runs: Splits, group: Group | None = None) -> metrics.Interval | None:
    """Mean over splits, seeds and videos with its interval, splits counting alike; mAP
    where videos have several labels.

    Returns:
        None where the group has no video.
    """
    first = next(run for seeds in runs.values() for run in seeds.values())
    if group is None and first.scores.relevant is not None:
        each = [
            np.mean(
                [
                    metrics.bootstrap_map(
                        run.scores.scores, run.scores.relevant, draws=300
                    )
                    for run in seeds.values()
                    if run.scores.relevant is not None
                ],
                axis=0,
            )
            for seeds in runs.values()
        ]
        return metrics.Interval(*(float(v) for v in np.mean(each, axis=0)))
    hits = [one for one in hits_by_split(runs, group) if one.size]
    return metrics.over_splits(hits) if hits else None


def _by_video(run: EvaluatedRun, group: Group | None) -> dict[str, bool]:
    ids, hits = hits_in(run, group)
    return dict(zip(ids, hits.tolist(), strict=True))
