"""Run folders -> their records: settings, machine, training, log of epochs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..run_files.names import METRICS
from ..run_files.reading import MetricsLine, read_lines
from ..run_files.results import Results, read_results
from ..run_files.run_config import RecipeFile, read_recipe


class RunRecord(NamedTuple):
    """The files of one complete run, whether it has scores of videos or not."""

    folder: Path
    recipe: RecipeFile
    results: Results
    epochs: tuple[MetricsLine, ...]
    """Lines of metrics.jsonl, one an epoch; none where nothing was trained by steps."""

    @property
    def name(self) -> str:
        """Name of its recipe."""
        return self.recipe.run.recipe.name


def read_record(folder: Path) -> RunRecord:
    """The record of a complete run.

    Raises:
        RunError: it is not complete, or a file is something else.
    """
    lines = read_lines(folder / METRICS)
    return RunRecord(
        folder=folder,
        recipe=read_recipe(folder),
        results=read_results(folder),
        epochs=tuple(line for line in lines if line["kind"] == "epoch"),
    )


def by_recipe(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Recipe -> its runs, of all seeds and splits, in their order."""
    found: dict[str, list[RunRecord]] = {}
    for record in records:
        found.setdefault(record.name, []).append(record)
    return found


def range_text(values: Sequence[float], form: str = ",.0f") -> str:
    """ "216", or "210 to 220" where values differ."""
    low, high = (format(value, form) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
