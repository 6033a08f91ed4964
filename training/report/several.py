"""One system on several splits and seeds -> its mean, as papers print it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motion_shards.plain_text import printable

from ..errors import RunError
from ..scoring import metrics
from .read import by_split, hits_by_split, judged_run
from .text import split_text


def several_told(folders: Sequence[Path]) -> dict[str, Any]:
    """
    Raises:
        RunError: a run is not complete, or of another recipe or data set.
    """
    runs = [run for folder in folders if (run := judged_run(folder)) is not None]
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
    told: dict[str, Any] = {
        "recipe": first.recipe,
        "dataset": first.dataset,
        "splits": {
            name: {
                "split": next(iter(seeds.values())).split,
                "seeds": {
                    seed: {
                        "run": str(run.folder),
                        "top1": float(run.scores.hits().mean()),
                    }
                    for seed, run in seeds.items()
                },
                "top1": metrics.bootstrap(of_split)._asdict(),
            }
            for (name, seeds), of_split in zip(splits.items(), hits, strict=True)
        },
        "top1": metrics.over_splits(hits)._asdict(),
    }
    if first.scores.relevant is not None:
        values = [
            metrics.mean_average_precision(run.scores.scores, run.scores.relevant)
            for run in runs
            if run.scores.relevant is not None
        ]
        told["map"] = {"mean": float(np.mean(values)), "runs": len(values)}
    return told


def several_text(told: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{told['recipe']} on {told['dataset']}, top-1 in percent"]
    for split in told["splits"].values():
        each = "  ".join(
            f"seed {seed}: {100 * one['top1']:.1f}"
            for seed, one in split["seeds"].items()
        )
        lines.append(
            f"  {split_text(split['split'])}: {_interval(split['top1'])}  ({each})"
        )
    count = len(told["splits"])
    if count > 1:
        names = ", ".join(told["splits"])
        lines.append(f"  mean of {count} splits ({names}): {_interval(told['top1'])}")
    if "map" in told:
        lines.append(f"  mean average precision: {100 * told['map']['mean']:.1f}")
    return "\n".join(map(printable, lines))


def _interval(told: dict[str, float]) -> str:
    mean, low, high = (100 * told[name] for name in ("mean", "low", "high"))
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
