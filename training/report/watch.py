"""Trainings while they run: charts for the terminal, or one page for a browser."""

from collections.abc import Sequence
from pathlib import Path

from motion_shards.plain_text import printable

from ..run_files.writing import write_text
from .charts import MARKS, curves_svg, text_chart
from .curves import MAIN, Curve, curves_of, names_of
from .html import html
from .page import Page
from .runs_table import COMPLETE_STATE, Listed, listed

NOTHING = "no steps so far"


def watch_text(
    folders: Sequence[Path], metrics: Sequence[str] = (), *, width: int = 78
) -> str:
    """Runs with their state, and a chart of each metric.

    Args:
        metrics: names; none: the losses and the accuracy of the held-out part.

    Raises:
        RunError: see `curves_of`.
    """
    names = names_of(folders)
    curves = curves_of(folders, metrics)
    lines = [
        f"{mark}  {printable(name)}: {printable(listed(folder).state_text)}"
        for mark, name, folder in zip(_marks(names), names, folders, strict=True)
    ]
    shown = [name for name in curves if metrics or name in MAIN]
    for metric in shown:
        marks = [_marks(names)[names.index(one.run)] for one in curves[metric]]
        lines += ["", text_chart(curves[metric], marks, title=metric, width=width)]
    if not shown:
        lines.append(NOTHING)
    return "\n".join(lines)


def write_watch_page(
    folders: Sequence[Path], out: Path, metrics: Sequence[str] = ()
) -> None:
    """Write a page with the curves of runs side by side, as one HTML file.

    Raises:
        RunError: see `curves_of`.
        WriteError: the file cannot be written.
    """
    names = names_of(folders)
    curves = curves_of(folders, metrics)
    page = Page(title="Training curves")
    states = [listed(folder) for folder in folders]
    page.table(
        ("run", "recipe", "store", "split", "seed", "test top-1", "state"),
        [_row(name, state) for name, state in zip(names, states, strict=True)],
    )
    for metric, own in curves.items():
        page.heading(metric)
        colours = [names.index(one.run) for one in own]
        page.figure(
            curves_svg(own, colours), caption=_caption(metric, own), name=metric
        )
    if not curves:
        page.text(NOTHING)
    write_text(out, html(page))


def all_complete(folders: Sequence[Path]) -> bool:
    """Whether no run will change any more."""
    return all(listed(folder).state == COMPLETE_STATE for folder in folders)


def _marks(names: Sequence[str]) -> list[str]:
    return [MARKS[i % len(MARKS)] for i in range(len(names))]


def _row(name: str, run: Listed) -> tuple[str, ...]:
    top1 = "" if run.top1 is None else f"{100 * run.top1.mean:.1f} %"
    seed = "" if run.seed is None else str(run.seed)
    return (name, run.recipe, run.store, run.split, seed, top1, run.state_text)


def _caption(metric: str, curves: Sequence[Curve]) -> str:
    last = ", ".join(f"{one.run} {one.values[-1]:.4g}" for one in curves)
    return f"{metric} over the steps; last values: {last}"
