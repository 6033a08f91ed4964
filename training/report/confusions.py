"""Confusion of every system, summed over its seeds and splits."""

from collections.abc import Mapping

import numpy as np

from pipeline.store import Json

from ..scoring import metrics
from . import panels
from .numbers import Systems
from .page import Page
from .read import Splits

FEWEST = 0.02
"""Least share of a class's videos that is drawn."""


def confusion_of(runs: Splits) -> np.ndarray | None:
    """(K, K) int: rows are the true classes, columns the answers; all runs together.

    Returns:
        None where videos have several labels.
    """
    counts = [
        metrics.confusion(run.scores.scores, run.scores.labels)
        for seeds in runs.values()
        for run in seeds.values()
        if run.scores.relevant is None
    ]
    return np.sum(counts, axis=0) if counts else None


def confusions_part(page: Page, systems: Systems) -> None:
    """The section of confusion matrices: one of each system, or of several of the same runs."""
    drawn = []
    for names, runs in _distinct(systems).items():
        counts = confusion_of(runs)
        if counts is not None:
            drawn.append(panels.Matrix(", ".join(names), counts))
    if not drawn:
        return
    classes = next(
        run.classes
        for runs in systems.values()
        for seeds in runs.values()
        for run in seeds.values()
    )
    page.heading("Confusion of every system")
    page.figure(
        panels.confusions_svg(drawn, classes, fewest=FEWEST),
        caption="Rows are the true classes, columns the answers, in the same order; dark is"
        f" often. All seeds and splits together; less than {FEWEST:.0%} of a class is not"
        " drawn. `table.json` has the counts. Systems of the same runs share a matrix.",
        name="confusions",
    )


def confusion_numbers(systems: Systems) -> dict[str, Json]:
    """System -> true class -> answer -> videos, over all seeds; zeros are left out."""
    found: dict[str, Json] = {}
    for names, runs in _distinct(systems).items():
        counts = confusion_of(runs)
        if counts is None:
            continue
        classes = next(run.classes for of in runs.values() for run in of.values())
        found[", ".join(names)] = {
            classes[i]: {
                classes[j]: int(counts[i, j]) for j in np.flatnonzero(counts[i])
            }
            for i in range(len(classes))
        }
    return found


def _distinct(systems: Systems) -> Mapping[tuple[str, ...], Splits]:
    """Systems by their runs, those of the same runs together."""
    names: dict[frozenset[str], list[str]] = {}
    for name, runs in systems.items():
        folders = (str(r.folder) for seeds in runs.values() for r in seeds.values())
        names.setdefault(frozenset(folders), []).append(name)
    return {tuple(same): systems[same[0]] for same in names.values()}
