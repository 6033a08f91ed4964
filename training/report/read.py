"""Run folders -> what each network made of the test videos."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import metrics
from ..errors import RunError
from .groups import Group, group_hits
from .orderings import Hits

SIZES = ("_small", "_tiny")


class Judged(NamedTuple):
    """One complete run."""

    folder: Path
    recipe: str
    seed: int
    dataset: str
    classes: tuple[str, ...]
    split: dict[str, str]
    ids: tuple[str, ...]
    labels: np.ndarray
    """(V,) int64; of several labels the first, -1 for none."""
    relevant: np.ndarray | None
    """(V, K) bool where a video may have several labels."""
    scores: np.ndarray
    """(V, K): what the run decides by, higher is better."""
    results: dict[str, Any]

    @property
    def system(self) -> str:
        """The recipe's name without its size."""
        for suffix in SIZES:
            if self.recipe.endswith(suffix):
                return self.recipe.removesuffix(suffix)
        return self.recipe

    @property
    def truth(self) -> np.ndarray:
        """As `metrics` wants it."""
        return self.labels if self.relevant is None else self.relevant

    def hits(self) -> np.ndarray:
        """(V,) bool."""
        return metrics.top_k(self.scores, self.truth)


def judged_run(folder: Path) -> Judged:
    """Read a run's files.

    Raises:
        RunError: it is not complete, or its files are something else.
    """
    for name in ("recipe.json", "results.json", "scores_test.npz"):
        if not (folder / name).is_file():
            raise RunError(f"{folder}: expected a complete run, but it has no {name}")
    try:
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["run"]
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        with np.load(folder / "scores_test.npz", allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
        aggregate = _aggregate(recipe["recipe"]["settings"])
        several = "relevant" in kept and (kept["relevant"].sum(axis=1) != 1).any()
        return Judged(
            folder=folder,
            recipe=recipe["recipe"]["name"],
            seed=int(recipe["seed"]),
            dataset=recipe["store"]["dataset"],
            classes=tuple(recipe["store"]["classes"]),
            split={k: recipe["split"][k] for k in ("name", "kind", "videos")},
            ids=tuple(str(one) for one in kept["ids"].tolist()),
            labels=kept["labels"],
            relevant=kept["relevant"].astype(bool) if several else None,
            scores=kept[aggregate],
            results=results,
        )
    except (KeyError, ValueError, OSError) as error:
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
            if group is None:
                pairs = zip(run.ids, run.hits().tolist(), strict=True)
            else:
                inside = _inside(run, group)
                hits = group_hits(run.scores, run.labels, run.classes, group)
                ids = [one for one, own in zip(run.ids, inside, strict=True) if own]
                pairs = zip(ids, hits.tolist(), strict=True)
            told.setdefault(name, {})[seed] = dict(pairs)
    return told


def accuracy(
    runs: Mapping[int, Judged], group: Group | None = None
) -> metrics.Interval | None:
    """Mean over seeds and videos with its interval; mAP where videos have several labels.

    Returns:
        None where the group has no video.
    """
    chosen = [runs[seed] for seed in sorted(runs)]
    if group is None and chosen[0].relevant is not None:
        each = [
            metrics.bootstrap_map(run.scores, run.relevant, draws=300)
            for run in chosen
            if run.relevant is not None
        ]
        return metrics.Interval(*(float(v) for v in np.mean(each, axis=0)))
    if group is None:
        hits = np.stack([run.hits() for run in chosen])
    else:
        hits = np.stack(
            [group_hits(run.scores, run.labels, run.classes, group) for run in chosen]
        )
    return metrics.bootstrap(hits) if hits.size else None


def _inside(run: Judged, group: Group) -> np.ndarray:
    names = {name for one in group.sets for name in one}
    columns = [i for i, name in enumerate(run.classes) if name in names]
    return np.isin(run.labels, columns)


def _aggregate(settings: Mapping[str, Any]) -> str:
    """Whether a run decides by mean logits or by mean softmax."""
    if "protocol" in settings:
        return settings["protocol"]["aggregate"]
    return settings.get("on", "softmax")
