"""The figures of a reproduction: confusion, groups of classes, filters, motion."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..papers.groups import Group
from ..run_files.arrays import read_arrays
from ..run_files.names import FIGURES
from ..run_files.results import Interval
from . import svg
from .confusions import confusion_of
from .numbers import Systems
from .page import Page
from .read import Splits, accuracy
from .tables import seeds_text

FILTERED = ("mv", "dtmv", "flow2d")
COLUMNS = {
    "frame": "frame",
    "next": "next frame",
    "third": "third frame",
    "flow": "stored TV-L1",
    "flow_next": "stored TV-L1, 2nd pair",
    "layer": "TV-L1 as a layer",
    "layer_next": "as a layer, 2nd pair",
    "motionnet": "MotionNet",
    "mv": "motion vectors",
    "mv_next": "vectors, 2nd pair",
}
"""Array of pictures between frames -> title of its column."""
STORED = {
    f"filters_{name}{part}": ("f4", 3) for name in FILTERED for part in ("", "_down")
} | {f"example_{name}": ("u1", 4) for name in COLUMNS}
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
            counts = confusion_of(systems[name])
            if counts is not None:
                classes = next(
                    run.classes for of in systems[name].values() for run in of.values()
                )
                page.figure(
                    svg.confusion_svg(counts, classes),
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
    for part, motion, letter in (("", "horizontal", "a"), ("_down", "vertical", "b")):
        filters = [
            (name, [svg.filters_picture(kept[f"filters_{name}{part}"])])
            for name in FILTERED
            if f"filters_{name}{part}" in kept
        ]
        if filters:
            page.figure(
                svg.pictures_svg(filters, scale=5),
                caption=f"First-layer filters for the {motion} motion of the middle field,"
                f" each with its own contrast, as in DTMV's figure 7{letter}: of the net of"
                " vectors alone, of DTMV, and of its teacher.",
                name=f"filters{part}",
            )
    columns = [
        (title, list(kept[f"example_{key}"]))
        for key, title in COLUMNS.items()
        if f"example_{key}" in kept
    ]
    if columns:
        page.figure(
            svg.pictures_svg(columns),
            caption="Motion between the first two of three frames of test videos, and"
            " between the last two (2nd pair), as in FTSnet's figure 5: white is rest, red"
            " moves to the right, yellow down, light blue to the left and violet up; one"
            " scale in a row.",
            name="flow",
        )
