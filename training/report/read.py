"""Run folders -> what each network made of the test videos."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import metrics
from ..errors import RunError
from ..scores import Scores
from .groups import Group, group_hits, videos_of
from .orderings import Hits

SIZES = ("_small", "_tiny")
RECIPE, RESULTS, TEST_SCORES = "recipe.json", "results.json", "scores_test.npz"


class Judged(NamedTuple):
    """One complete run."""

    folder: Path
    recipe: str
    seed: int
    dataset: str
    split: dict[str, str]
    scores: Scores
    """Of the labelled test videos."""
    results: dict[str, Any]
    crops10: Scores | None = None
    """Of ten crops, where they were looked at beside the recipe's."""

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


def judged_run(folder: Path) -> Judged | None:
    """Read a run's files; None for one that judges no video, as of a motion network.

    Raises:
        RunError: it is not complete, or its files are something else.
    """
    for name in (RECIPE, RESULTS):
        if not (folder / name).is_file():
            raise RunError(f"{folder}: expected a complete run, but it has no {name}")
    if not (folder / TEST_SCORES).is_file():
        return None
    scores = Scores.load(folder / TEST_SCORES)
    try:
        ten = folder / f"crops10_{TEST_SCORES}"
        decided = json.loads((folder / RECIPE).read_text(encoding="utf-8"))["run"]
        return Judged(
            folder=folder,
            recipe=decided["recipe"]["name"],
            seed=int(decided["seed"]),
            dataset=decided["store"]["dataset"],
            split={k: decided["split"][k] for k in ("name", "kind", "videos")},
            scores=scores,
            results=json.loads((folder / RESULTS).read_text(encoding="utf-8")),
            crops10=Scores.load(ten) if ten.is_file() else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder}: expected a run of ours, got {error!r}") from None


def by_system(
    runs: Iterable[Judged], recipe_of: Mapping[str, str] | None = None
) -> dict[str, dict[int, Judged]]:
    """System -> seed -> run, all of the same test videos.

    Args:
        recipe_of: systems that run under another's recipe; None: each under its own.

    Raises:
        RunError: two runs are of different data, so that they can't be compared.
    """
    found: dict[str, dict[int, Judged]] = {}
    first: Judged | None = None
    for run in runs:
        first = first or run
        if (run.dataset, run.split, run.classes) != (
            first.dataset,
            first.split,
            first.classes,
        ):
            raise RunError(
                f"{run.folder}: expected a run of the same data set, classes and split as"
                f" {first.folder} ({first.dataset}, split {first.split['name']}), got"
                f" {run.dataset}, split {run.split['name']}"
            )
        names = [run.system]
        if recipe_of is not None:
            names = [name for name, recipe in recipe_of.items() if recipe == run.recipe]
        for name in names:
            found.setdefault(name, {})[run.seed] = run
    return found


def hits_of(systems: Mapping[str, Mapping[int, Judged]], group: Group | None) -> Hits:
    """What `orderings.judge` wants: of all videos, or of those of a group."""
    told: dict[str, dict[int, dict[str, bool]]] = {}
    for name, seeds in systems.items():
        for seed, run in seeds.items():
            ids, hits = hits_in(run, group)
            told.setdefault(name, {})[seed] = dict(zip(ids, hits.tolist(), strict=True))
    return told


def hits_in(run: Judged, group: Group | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Videos of a group, or all, and whether each was recognised."""
    scores = run.scores.labelled
    if group is None:
        return scores.ids, scores.hits()
    inside = videos_of(scores.labels, run.classes, group)
    hits = group_hits(scores.scores, scores.labels, run.classes, group)
    return tuple(scores.ids[i] for i in np.flatnonzero(inside)), hits


def accuracy(
    runs: Mapping[int, Judged], group: Group | None = None
) -> metrics.Interval | None:
    """Mean over seeds and videos with its interval; mAP where videos have several labels.

    Returns:
        None where the group has no video.
    """
    chosen = [runs[seed] for seed in sorted(runs)]
    if group is None and chosen[0].scores.relevant is not None:
        each = [
            metrics.bootstrap_map(run.scores.scores, run.scores.relevant, draws=300)
            for run in chosen
            if run.scores.relevant is not None
        ]
        return metrics.Interval(*(float(v) for v in np.mean(each, axis=0)))
    hits = np.stack([hits_in(run, group)[1] for run in chosen])
    return metrics.bootstrap(hits) if hits.size else None
