"""One system on several splits and seeds -> its mean, as papers print it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from motion_shards.plain_text import printable

from ..errors import RunError
from ..run_files.results import Interval
from ..run_files.run_config import SplitFacts
from ..scoring import metrics
from .read import by_split, hits_by_split, read_evaluated_run
from .text import split_text


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRun:
    """One run, and its top-1 accuracy."""

    run: str
    """Its folder."""
    top1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMean:
    """The runs on one split, and their mean top-1."""

    split: SplitFacts
    seeds: Mapping[int, SeedRun]
    top1: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPrecision:
    """Mean average precision over runs."""

    mean: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralRuns:
    """Runs of one recipe on several splits and seeds."""

    recipe: str
    dataset: str
    splits: Mapping[str, SplitMean]
    top1: Interval
    """Mean over splits, which count alike."""
    map: MeanPrecision | None = None
    """Mean average precision, where videos have several labels."""


def several_runs(folders: Sequence[Path]) -> SeveralRuns:
    """The mean of complete runs of one recipe.

    Raises:
        RunError: a run is not complete, or of another recipe or data set.
    """
    runs = [
        run for folder in folders if (run := read_evaluated_run(folder)) is not None
    ]
    first = runs[0]
    for run in runs:
        ours = (run.recipe, run.dataset, run.classes)
        if ours != (first.recipe, first.dataset, first.classes):
            raise RunError(
                f"{run.folder}: expected a run of {first.recipe} on {first.dataset}, as"
                f" {first.folder}, got {run.recipe} on {run.dataset}"
            )
    splits = by_split(runs)
    hits = hits_by_split(splits)
    precision = None
    if first.scores.relevant is not None:
        values = [
            metrics.mean_average_precision(run.scores.scores, run.scores.relevant)
            for run in runs
            if run.scores.relevant is not None
        ]
        precision = MeanPrecision(mean=float(np.mean(values)), runs=len(values))
    return SeveralRuns(
        recipe=first.recipe,
        dataset=first.dataset,
        splits={
            name: SplitMean(
                split=next(iter(seeds.values())).split,
                seeds={
                    seed: SeedRun(
                        run=str(run.folder), top1=float(run.scores.hits().mean())
                    )
                    for seed, run in seeds.items()
                },
                top1=metrics.bootstrap(of_split),
            )
            for (name, seeds), of_split in zip(splits.items(), hits, strict=True)
        },
        top1=metrics.over_splits(hits),
        map=precision,
    )


def several_text(several: SeveralRuns) -> str:
    """A few lines for people."""
    lines = [f"{several.recipe} on {several.dataset}, top-1 in percent"]
    for split in several.splits.values():
        each = "  ".join(
            f"seed {seed}: {100 * one.top1:.1f}" for seed, one in split.seeds.items()
        )
        lines.append(f"  {split_text(split.split)}: {_interval(split.top1)}  ({each})")
    count = len(several.splits)
    if count > 1:
        names = ", ".join(several.splits)
        lines.append(f"  mean of {count} splits ({names}): {_interval(several.top1)}")
    if several.map:
        lines.append(f"  mean average precision: {100 * several.map.mean:.1f}")
    return "\n".join(map(printable, lines))


def _interval(interval: Interval) -> str:
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
