"""Folders of runs -> their scores of the test videos."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..catalogue import same_as
from ..errors import RunError
from ..papers.groups import Group, group_hits, videos_of
from ..papers.verdicts import Outcomes
from ..run_files.names import CROPS, RECIPE, RESULTS, SCORES
from ..run_files.reading import reading
from ..run_files.results import Interval, Results, read_results
from ..run_files.run_config import SplitFacts, read_recipe
from ..scoring import intervals
from ..scoring.outcomes import Outcome, influence_of
from ..scoring.scores import Scores

SIZES = ("_medium", "_small", "_tiny")
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


def with_same(systems: Mapping[str, Splits]) -> dict[str, Splits]:
    """Systems, and those that are the same as one of them at the size of all its runs."""
    found: dict[str, Splits] = {}
    for of_split in systems.values():
        runs = [run for seeds in of_split.values() for run in seeds.values()]
        for name in same_as(runs[0].recipe):
            if all(name in same_as(run.recipe) for run in runs):
                found[name] = of_split
    return found | dict(systems)


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


def outcomes_of(systems: Mapping[str, Splits], group: Group | None) -> Outcomes:
    """Answers to all test videos, or to those of a group of classes."""
    return {
        name: {
            split: {seed: outcome(run, group) for seed, run in seeds.items()}
            for split, seeds in splits.items()
        }
        for name, splits in systems.items()
    }


def outcome(run: EvaluatedRun, group: Group | None = None) -> Outcome:
    """A run's answers to all its test videos, or to those of a group of classes.

    Without a group it is of scores where videos have several labels, else of hits.
    """
    where, scores = str(run.folder), run.scores
    if group is None and scores.relevant is not None:
        return Outcome(where, scores.ids, scores.units, scores.scores, scores.relevant)
    return hits_outcome(run, group)


def hits_outcome(run: EvaluatedRun, group: Group | None = None) -> Outcome:
    """Whether a run recognised each labelled video, or each of a group of classes."""
    scores = run.scores.labelled
    if group is None:
        return Outcome(str(run.folder), scores.ids, scores.units, scores.hits())
    inside = np.flatnonzero(videos_of(scores.labels, run.classes, group))
    return Outcome(
        str(run.folder),
        tuple(scores.ids[i] for i in inside),
        tuple(scores.units[i] for i in inside),
        group_hits(scores.scores, scores.labels, run.classes, group),
    )


def estimate(
    runs: Splits, group: Group | None = None, *, hits: bool = False
) -> intervals.Estimate | None:
    """Mean over splits, seeds and videos with its interval, splits counting alike; mAP
    where videos have several labels.

    Args:
        hits: take the top-1 accuracy there, too.

    Returns:
        None where the group has no video.
    """
    answers = hits_outcome if hits else outcome
    each = [
        influence_of({seed: answers(run, group) for seed, run in seeds.items()})
        for seeds in runs.values()
    ]
    found = [one for one in each if one is not None]
    return intervals.share(intervals.over_splits(found)) if found else None


def accuracy(runs: Splits, group: Group | None = None) -> Interval | None:
    """The mean of `estimate`, with its interval alone."""
    found = estimate(runs, group)
    return found.interval if found else None
