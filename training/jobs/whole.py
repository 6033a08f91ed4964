"""A run from its folder to its results: what teaching and distilling share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.store import Store

from ..engine import processes
from ..engine.record import Run
from ..progress import Watch
from .course import Course, Data
from .description import run_of
from .evaluate import judged, told_videos
from .follow import follow
from .looking import held_out_look
from .machine import Machine


def begun(
    what: dict[str, Any],
    *,
    runs: Path,
    out: Path | None,
    base: str,
    machine: Machine,
    about: dict[str, str],
) -> Run:
    """The folder of a run, new or not.

    Args:
        what: everything that decides the result.
        runs, out, base: where; see `teach`.
        about: for people, beside what the machine says.

    Raises:
        RunError: `out` holds another run, or something else.
    """
    group = machine.processes
    with processes.first_before_others(group):
        folder = out or run_of(runs, base, what)
        told = machine.told() | about
        return Run.open(folder, what, machine=told, first=group.first)


def carry_out(
    run: Run,
    course: Course,
    step: nn.Module,
    model: nn.Module,
    *,
    sees: str,
    data: Data,
    store: Store,
    seed: int,
    machine: Machine,
    watch: Watch,
    title: str,
    results: Callable[[], dict[str, Any]],
) -> None:
    """Train, judge, and write results.json.

    Args:
        results: what else it shall say, asked for when the scores lie in the folder.

    Raises:
        TrainingError: see `follow`.
    """
    started = time.perf_counter()
    training = follow(
        course,
        step,
        model,
        clips=data.clips["train"],
        look=held_out_look(course, data, sees=sees, machine=machine),
        run=run,
        seed=seed,
        machine=machine,
        watch=watch,
        title=title,
    )
    if machine.processes.first:
        scores = judged(
            model,
            data.clips,
            sees=sees,
            protocol=course.protocol,
            run=run,
            classes=store.classes,
            machine=machine,
            watch=watch,
        )
        training["wall_seconds"] = round(time.perf_counter() - started, 1)
        told = {"split": run.decided()["split"], "videos": told_videos(data.parts)}
        run.finish(told | {"training": training} | scores | results())
    processes.wait(machine.processes)
