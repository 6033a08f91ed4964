"""Table of the runs below a folder: settings, state and accuracy of each."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from motion_shards.plain_text import printable
from pipeline.store import Json, holder_of

from ..errors import RunError, TrainingError
from ..run_files.names import CONTRACT, METRICS, RECIPE, RESULTS
from ..run_files.reading import MetricsLine, read_lines, reading
from ..run_files.results import Interval, read_results
from ..run_files.run_config import read_recipe
from ..run_files.sealed import checked_seal

COMPLETE_STATE, RUNNING, INTERRUPTED, DAMAGED = (
    "complete",
    "running",
    "interrupted",
    "damaged",
)
DEPTH = 3
"""Folders below the given one in which runs are looked for."""


class Listed(NamedTuple):
    """A run, and how far it is."""

    folder: Path
    state: str
    """complete, running, interrupted or damaged."""
    detail: str
    """Folder, writing process, or fault."""
    recipe: str = ""
    store: str = ""
    split: str = ""
    seed: int | None = None
    top1: Interval | None = None
    """Accuracy on the test part; None without one."""
    seconds: float | None = None
    """Seconds of training so far."""

    @property
    def state_text(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state

    def to_dict(self) -> dict[str, Json]:
        """The values for JSON."""
        told = self._asdict() | {"folder": str(self.folder)}
        return told | {"top1": self.top1._asdict() if self.top1 else None}


def runs_below(folder: Path, *, verify: bool = False) -> list[Listed]:
    """Every run in a folder and in the folders in it, by path.

    Args:
        verify: also compare weights and scores of complete runs with their hashes.
    """
    return [listed(path, verify=verify) for path in sorted(_run_folders(folder))]


def listed(folder: Path, *, verify: bool = False) -> Listed:
    """One run, finished or not. Changes nothing."""
    try:
        recipe = read_recipe(folder)
    except RunError as error:
        return Listed(folder, DAMAGED, _without(folder, error))
    run = recipe.run
    found = Listed(
        folder,
        INTERRUPTED,
        "",
        recipe=run.recipe.name,
        store=Path(recipe.machine.store or "").name or run.store.dataset,
        split=run.split.name,
        seed=run.seed,
    )
    try:
        lines = read_lines(folder / METRICS)
        found = found._replace(seconds=_seconds(lines))
        if (folder / RESULTS).exists():
            return _complete(found, verify)
    except TrainingError as error:
        return found._replace(state=DAMAGED, detail=_without(folder, error))
    where = _where(lines, run.recipe.settings.get("epochs"))
    holder = holder_of(folder)
    if holder and holder.running:
        return found._replace(state=RUNNING, detail=f"{where}, {holder.text()}")
    return found._replace(detail=where)


def unfinished(folder: Path) -> str | None:
    """Progress of an incomplete run; None of a complete one, or of something else."""
    with reading(folder):
        if not (folder / RECIPE).is_file() or (folder / RESULTS).exists():
            return None
    return listed(folder).state_text


def table(runs: Sequence[Listed], folder: Path) -> str:
    """Lines for people."""
    if not runs:
        return f"{printable(folder)}: no runs"
    head = ("run", "recipe", "store", "split", "seed", "test top-1", "time", "state")
    rows = [
        (
            os.path.relpath(one.folder, folder),
            one.recipe,
            one.store,
            one.split,
            "" if one.seed is None else str(one.seed),
            _score(one.top1),
            _time(one.seconds),
            one.state_text,
        )
        for one in runs
    ]
    cells = [head, *(tuple(map(printable, row)) for row in rows)]
    wide = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            f"{cell:<{size}}" for cell, size in zip(row, wide, strict=True)
        ).rstrip()
        for row in cells
    )


def _run_folders(folder: Path) -> Iterator[Path]:
    for place, inner, files in os.walk(folder):
        path = Path(place)
        if CONTRACT in files:  # an exported model, which has a recipe.json, too
            inner.clear()
        elif RECIPE in files:
            yield path
            inner.clear()
        if len(path.relative_to(folder).parts) >= DEPTH:
            inner.clear()
        inner[:] = [name for name in inner if not name.startswith((".", "_"))]


def _complete(found: Listed, verify: bool) -> Listed:
    results = read_results(found.folder)
    for name, expected in (results.files or {}).items():
        path = found.folder / Path(name).name
        if not path.is_file() or not path.stat().st_size:
            missing = "is empty" if path.is_file() else "is missing"
            raise RunError(f"{path}: {missing}")
        if verify and checked_seal(path) != expected:
            raise RunError(f"{path}: not the weights that {RESULTS} is of")
    if verify:
        for path in sorted(found.folder.glob("*scores_*.npz")):
            checked_seal(path)
    training = results.training
    return found._replace(
        state=COMPLETE_STATE,
        top1=results.test.top1 if results.test else None,
        seconds=training.seconds if training else found.seconds,
    )


def _seconds(lines: Sequence[MetricsLine]) -> float | None:
    epochs = [line["seconds"] for line in lines if line["kind"] == "epoch"]
    return round(sum(epochs), 1) if epochs else None


def _where(lines: Sequence[MetricsLine], epochs: Any) -> str:
    steps = [line for line in lines if line["kind"] not in ("gradients", "kernels")]
    if not steps:
        return "before its first step"
    last = steps[-1]
    of = f" of {epochs}" if isinstance(epochs, int) else ""
    return f"epoch {last['epoch'] + 1}{of}, step {last['step']}"


def _score(top1: Interval | None) -> str:
    if top1 is None:
        return ""
    mean, low, high = (100 * value for value in top1)
    return f"{mean:.1f} % ({low:.1f} to {high:.1f})"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _without(folder: Path, error: Exception) -> str:
    """Message of an error without the folder, which is in the row already."""
    return str(error).removeprefix(f"{folder}{os.sep}").removeprefix(f"{folder}: ")
