"""Learning curves of all runs, from the epochs in their metrics.jsonl."""

import math
from collections.abc import Sequence

from pipeline.store import Json

from ..run_files.reading import MetricsLine
from . import panels
from .page import Page
from .records import RunRecord, by_recipe

TRAINING = ("labels", "loss")
"""Loss of an epoch's training clips: the cross-entropy where it is one of several terms,
as it can be compared with the held-out loss; else all of it."""


def curves_part(page: Page, records: Sequence[RunRecord]) -> None:
    """The section of learning curves, where runs have logged epochs."""
    drawn = []
    for name, own in by_recipe(records).items():
        logged = [record.epochs for record in own if record.epochs]
        if not logged:
            continue
        losses = [
            panels.Curve(curve, kind)
            for kind, names in ((0, TRAINING), (1, ("held_out_loss",)))
            for lines in logged
            if (curve := curve_of(lines, names))
        ]
        top1 = [
            panels.Curve([(x, 100 * y) for x, y in curve], 1)
            for lines in logged
            if (curve := curve_of(lines, ("held_out_top1",)))
        ]
        drawn.append(panels.Plot(f"{name}: loss", losses))
        drawn.append(panels.Plot(f"{name}: held-out top-1, %", top1, (0.0, 100.0)))
    if not drawn:
        return
    page.heading("Learning curves")
    page.figure(
        panels.curves_svg(drawn, ("training clips", "held-out videos")),
        caption="Loss of the training clips and of the held-out videos, and accuracy on"
        " the held-out videos, after each epoch; a line for each seed and split. The"
        " training loss is the cross-entropy with the labels where a recipe has it: other"
        " terms of a distillation are not in it.",
        name="curves",
    )


def curve_numbers(records: Sequence[RunRecord]) -> dict[str, Json]:
    """Run -> its values by epoch, from 1, for programs."""
    return {
        record.folder.name: {
            "training_loss": _pairs(curve_of(record.epochs, TRAINING)),
            "held_out_loss": _pairs(curve_of(record.epochs, ("held_out_loss",))),
            "held_out_top1": _pairs(curve_of(record.epochs, ("held_out_top1",))),
        }
        for record in records
        if record.epochs
    }


def curve_of(
    lines: Sequence[MetricsLine], names: Sequence[str]
) -> list[tuple[int, float]]:
    """(epoch from 1, value) of the first of some values that each line has.

    Epochs without one, as where nothing was validated, and values that are no finite
    numbers are left out.
    """
    found = []
    for line in lines:
        value = next((v for n in names if (v := line.get(n)) is not None), None)
        if isinstance(value, (int, float)) and math.isfinite(value):
            found.append((line["epoch"] + 1, float(value)))
    return found


def _pairs(curve: Sequence[tuple[int, float]]) -> dict[str, float]:
    return {str(epoch): float(f"{value:.4g}") for epoch, value in curve}
