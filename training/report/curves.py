"""Curves of trainings: the numbers of metrics.jsonl over the steps, run by run."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from motion_shards.near import near

from ..errors import RunError
from ..run_files.names import METRICS, RECIPE
from ..run_files.reading import MetricsLine, read_lines

CLOCKS = ("seconds", "waited", "clips_per_second")
MAIN = ("loss", "held_out_loss", "held_out_top1")
"""Metrics that are shown where none are named."""


class Curve(NamedTuple):
    """One metric of one run."""

    run: str
    """Name of the run."""
    steps: tuple[int, ...]
    """Steps done, growing."""
    values: tuple[float, ...]


Curves = Mapping[str, Sequence[Curve]]
"""Metric -> its curves, in the order of the runs; runs without it are left out."""


def curves_of(folders: Sequence[Path], metrics: Sequence[str] = ()) -> Curves:
    """Read the curves of runs, finished or not.

    Metrics that are measured every ten steps have these points, others one for each
    epoch. Values that are not finite are left out.

    Args:
        metrics: names of some; none: all, the main ones first.

    Raises:
        RunError: a folder is no run, a file is damaged, or no run has such a metric.
    """
    found: dict[str, list[Curve]] = {}
    for folder, name in zip(folders, names_of(folders), strict=True):
        if not (folder / RECIPE).is_file():
            raise RunError(f"{folder}: expected a run, but it has no {RECIPE}")
        lines = read_lines(folder / METRICS)
        points: dict[str, dict[int, float]] = {}
        for kind in ("epoch", "steps"):  # the finer ones replace the coarser
            of_kind = _points(lines, kind)
            points |= of_kind
        for metric, values in points.items():
            found.setdefault(metric, []).append(
                Curve(name, tuple(values), tuple(values.values()))
            )
    unknown = [name for name in metrics if found and name not in found]
    if unknown:
        raise RunError(
            f"expected metrics among {', '.join(sorted(found))}, got {unknown[0]}"
            f"{near(unknown[0], found)}"
        )
    order = metrics or sorted(found, key=_rank)
    return {name: found[name] for name in order if name in found}


def names_of(folders: Sequence[Path]) -> list[str]:
    """Names of runs: of their folders, or their paths where these are alike."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return [os.fspath(folder) for folder in folders]


def _points(lines: Sequence[MetricsLine], kind: str) -> dict[str, dict[int, float]]:
    points: dict[str, dict[int, float]] = {}
    for line in lines:
        values: Mapping[str, Any] = line
        if line["kind"] != kind:
            continue
        for name, value in values.items():
            if name in ("kind", "epoch", "step") or not isinstance(value, int | float):
                continue
            if math.isfinite(value):
                points.setdefault(name, {})[line["step"]] = float(value)
    return points


def _rank(metric: str) -> tuple[int, str]:
    if metric in MAIN:
        return MAIN.index(metric), metric
    return len(MAIN) + (metric in CLOCKS), metric
