"""One system on several splits and seeds -> its mean, as papers print it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from motion_shards.plain_text import printable

from ..errors import RunError
from ..run_files.names import SCORES
from ..run_files.results import Interval
from ..run_files.run_config import SplitFacts
from ..scoring.intervals import Estimate
from ..scoring.scores import Scores
from .read import EvaluatedRun, Splits, by_split, estimate, read_evaluated_run
from .text import split_text, units_text


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
    """Mean average precision over splits and seeds."""

    mean: float
    interval: Interval
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralRuns:
    """Runs of one recipe on several splits and seeds."""

    recipe: str
    dataset: str
    splits: Mapping[str, SplitMean]
    top1: Interval
    """Mean over splits, which count alike."""
    intervals_over: str
    """Units of the intervals: seeds and groups of videos, or groups alone."""
    map: MeanPrecision | None = None
    """Mean average precision, where videos have several labels."""
    variants: Mapping[str, Interval] | None = None
    """Name of a variant of the store -> mean top-1 on it, where all runs have it."""


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
    top1 = _top1(splits)
    precision = None
    if first.scores.relevant is not None and (found := estimate(splits)):
        precision = MeanPrecision(
            mean=found.mean, interval=found.interval, runs=len(runs)
        )
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
                top1=_top1({name: seeds}).interval,
            )
            for name, seeds in splits.items()
        },
        top1=top1.interval,
        intervals_over=units_text(top1.seeds, top1.groups),
        map=precision,
        variants=_on_variants(runs) or None,
    )


def _top1(runs: Splits) -> Estimate:
    found = estimate(runs, hits=True)
    if found is None:
        raise RunError("expected runs with test videos in common, got none")
    return found


def _on_variants(runs: Sequence[EvaluatedRun]) -> dict[str, Interval]:
    """Variant -> mean top-1, of the variants on which all runs were tested."""
    tested = [
        [name for name, one in run.results.variants.stores.items() if one.test]
        if run.results.variants
        else []
        for run in runs
    ]
    return {
        name: _top1(by_split([_on_variant(run, name) for run in runs])).interval
        for name in tested[0]
        if all(name in names for names in tested)
    }


def _on_variant(run: EvaluatedRun, name: str) -> EvaluatedRun:
    """The run with its scores on a variant."""
    path = run.folder / SCORES.format(part=f"test.{Path(name).name}")
    return run._replace(scores=Scores.load(path))


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
        lines.append(f"  mean average precision: {_interval(several.map.interval)}")
    for name, interval in (several.variants or {}).items():
        lines.append(f"  on {name}: {_interval(interval)}")
    if several.variants:
        means = {"the training's own store": several.top1} | dict(several.variants)
        worst = min(means, key=lambda name: means[name].mean)
        lines.append(f"  worst of {len(means)} stores: {worst}")
    lines.append(f"  brackets: 95 % intervals over {several.intervals_over}")
    return "\n".join(map(printable, lines))


def _interval(interval: Interval) -> str:
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
