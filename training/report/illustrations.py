"""The figures of a reproduction: confusion, groups of classes, filters, motion."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..papers.groups import Group
from ..run_files.arrays import read_arrays
from ..run_files.names import FIGURES
from ..run_files.results import Interval
from ..scoring import metrics
from . import svg
from .numbers import Systems
from .page import Page
from .read import Splits, accuracy
from .tables import seeds_text

STORED = {f"filters_{name}": ("f4", 3) for name in ("mv", "dtmv", "flow2d")} | {
    f"example_{name}": ("u1", 4)
    for name in ("frame", "next", "flow", "layer", "motionnet", "mv")
}
"""Array of figures.npz -> its type and its number of axes."""


def figures_part(
    page: Page, systems: Systems, groups: Sequence[Group], folder: Path | None
) -> None:
    """The section of figures.

    Args:
        folder: where figures.npz lies.
    """
    page.heading("Figures")
    for name in ("dtmv", "htsc", "ds", "fts", *systems):
        if name in systems:
            runs = [run for of in systems[name].values() for run in of.values()]
            counts = sum(
                metrics.confusion(run.scores.scores, run.scores.labels)
                for run in runs
                if run.scores.relevant is None
            )
            if isinstance(counts, np.ndarray):
                page.figure(
                    svg.confusion_svg(counts, runs[0].classes),
                    caption=f"Confusion of {name} ({_together(systems[name])}), in percent"
                    " of the true class (rows). DTMV's figure 5 has the same for UCF101.",
                    name=re.sub(r"[^\w.-]", "_", f"confusion_{name}"),  # of a file
                )
            break
    _group_figure(page, systems, groups)
    path = folder / FIGURES if folder else None
    if path and path.is_file():
        _stored_figures(page, path)


def _together(runs: Splits) -> str:
    """`1 seed`, `5 seeds together`, `4 to 5 seeds on 3 splits together`."""
    seeds = seeds_text(runs)
    text = "1 seed" if seeds == "1" else f"{seeds} seeds"
    if len(runs) > 1:
        text += f" on {len(runs)} splits"
    return text if text == "1 seed" else f"{text} together"


def _group_figure(page: Page, systems: Systems, groups: Sequence[Group]) -> None:
    shown = [name for name in ("mv", "emv", "dtmv", "flow2d") if name in systems]
    if not shown or not groups:
        return
    nothing = Interval(float("nan"), 0.0, 0.0)
    series = [
        (
            name,
            [accuracy(systems[name], group) or nothing for group in (None, *groups)],
        )
        for name in shown
    ]
    page.figure(
        svg.bars_svg(["all", *(group.name for group in groups)], series),
        caption="Accuracy by group of classes, as in DTMV's figure 6 (there four kinds of"
        " UCF101's actions); lines are 95 % intervals.",
        name="groups",
    )


def _stored_figures(page: Page, path: Path) -> None:
    kept = read_arrays(path, STORED, optional=tuple(STORED), what="figures")
    filters = [
        (name, [svg.filters_picture(kept[f"filters_{name}"])])
        for name in ("mv", "dtmv", "flow2d")
        if f"filters_{name}" in kept
    ]
    if filters:
        page.figure(
            svg.pictures_svg(filters, scale=5),
            caption="First-layer filters for the horizontal motion of the middle field,"
            " each with its own contrast, as in DTMV's figure 7: of the net of vectors"
            " alone, of DTMV, and of its teacher.",
            name="filters",
        )
    columns = [
        (title, list(kept[f"example_{key}"]))
        for key, title in (
            ("frame", "frame"),
            ("next", "next frame"),
            ("flow", "stored TV-L1"),
            ("layer", "TV-L1 as a layer"),
            ("motionnet", "MotionNet"),
            ("mv", "motion vectors"),
        )
        if f"example_{key}" in kept
    ]
    if columns:
        page.figure(
            svg.pictures_svg(columns),
            caption="Motion between two frames of test videos, as in FTSnet's figure 5:"
            " white is rest, red moves to the right, yellow down, light blue to the left and"
            " violet up; one scale in a row.",
            name="flow",
        )
