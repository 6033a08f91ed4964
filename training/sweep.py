"""A recipe with every combination of some settings: runs side by side, and their table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from motion_shards.plain_text import counted, printable
from pipeline.store import Location, Store

from .data.splits import held_out_hint
from .errors import Interrupted
from .models.user_files import FILES, imported
from .ray_train import in_tasks
from .recipes.change import parse_changes
from .recipes.changes import with_changes
from .recipes.combinations import points_of
from .recipes.files import recipe_named
from .recipes.run import run_recipe
from .report.several import several_runs
from .reproduce.plan import Stage
from .reproduce.workers import Done, in_processes, in_this_process
from .run_files.results import Interval
from .runs.context import RunContext
from .runs.machine import select_machine
from .runs.progress import ProgressReporter, SilentReporter
from .runs.record import Run


@dataclass(slots=True, kw_only=True)
class Point:
    """One combination of settings, and the runs that it gave."""

    settings: tuple[str, ...]
    """PATH=VALUE."""
    runs: list[str] = field(default_factory=list)
    """Folders of complete runs, in the order of splits and seeds."""
    held_out: Interval | None = None
    """Top-1 on held-out videos: with its interval, or of several runs the mean, lowest and
    highest."""
    test: Interval | None = None
    """Top-1 on the test part, with its interval; of several runs the mean."""
    errors: list[str] = field(default_factory=list)
    """Reasons of runs that failed."""
    held_out_rule: str | None = None
    """Rule by which a run without held-out videos has none."""


def sweep(
    name: str,
    texts: Sequence[str],
    *,
    store: Store,
    splits: Sequence[str],
    seeds: Sequence[int],
    jobs: int = 1,
    ray: str | None = None,
    machine: Mapping[str, Any],
    reporter: ProgressReporter,
    **options: Any,
) -> list[Point]:
    """Run a recipe with every combination of settings, on all splits and seeds.

    Complete runs are reused and interrupted ones resumed, so the same call resumes. One
    that fails is named, and the others go on.

    Args:
        name: of the recipe, or its file.
        texts: PATH=VALUE,VALUE,... See `combinations`.
        jobs: runs side by side in processes of their own, with one thread each.
        ray: address of a Ray cluster, or auto or local, on which they run instead, with a
            GPU each where it has some; None: here.
        machine: of `select_machine`.
        options: further fields of `RunContext`: runs, held_out, min_known_share.

    Returns:
        The best first; those that failed are last. See `best_first`.

    Raises:
        RecipeError: a setting, or a combination, that the recipe does not take.
        Interrupted: a signal came; the same call resumes.
        MachineError: there is no such Ray cluster.
    """
    settings = points_of(recipe_named(name).on(store.dataset), texts)
    points = {made: Point(settings=each) for made, each in settings.items()}
    stages = [
        Stage(made, seed, split)
        for seed in seeds
        for split in splits
        for made in settings
    ]
    reporter.say(
        f"{name}: {counted(len(points), 'combination')}, {counted(len(stages), 'run')}"
    )
    work = partial(
        run_point,
        recipe=name,
        settings=settings,
        store=store.folder.resolve(),
        machine=dict(machine),
        code=tuple(file.path for file in FILES.values()),
        **options,
    )
    done = 0
    for one in _outcomes(stages, work, jobs, ray, machine, reporter):
        if one.interrupted:
            raise Interrupted(
                f"{done} of {counted(len(stages), 'run')} are over; run the same command"
                " to resume"
            )
        done += 1
        point = points[one.stage.recipe]
        where = " ".join(point.settings)
        where += f" seed {one.stage.seed}" if len(seeds) > 1 else ""
        where += f" split {one.stage.split}" if len(splits) > 1 else ""
        if one.error:
            *trace, why = one.error.strip().splitlines()
            point.errors.append(why)
            reporter.say(f"[{done}/{len(stages)}] {where}: failed: {why}")
            for line in trace:  # of a bug
                reporter.say(f"  {line}")
            continue
        point.runs.append(one.folder)
        reporter.say(f"[{done}/{len(stages)}] {where}: {one.seconds:.0f} s")
    for point in points.values():
        _measure(point)
    return best_first(list(points.values()))


def run_point(
    stage: Stage,
    needed: Mapping[str, str],
    *,
    recipe: str,
    settings: Mapping[str, Sequence[str]],
    store: Location,
    machine: Mapping[str, Any],
    code: Sequence[Path] = (),
    reporter: ProgressReporter | None = None,
    **options: Any,
) -> str:
    """Run a combination, alone in its process unless there is a reporter.

    Args:
        recipe: its name or file, without changes.
        settings: name of the changed recipe -> PATH=VALUE.
        code: files of the user's, named on the command line.

    Returns:
        Folder of the complete run.
    """
    if reporter is None:
        torch.set_num_threads(1)
    for path in code:
        imported(path)
    changes = parse_changes(settings[stage.recipe])
    opened = Store(store)
    made = with_changes(recipe_named(recipe).on(opened.dataset), changes)
    context = RunContext(
        store=opened,
        split=stage.split,
        seed=stage.seed,
        machine=select_machine(**machine),
        reporter=reporter or SilentReporter(),
        wait=True,  # another sweep may train the same combination
        **options,
    )
    return str(run_recipe(made, context).folder)


def best_first(points: Sequence[Point]) -> list[Point]:
    """Points by the accuracy that `sorted_by` names, those without one last."""
    by = sorted_by(points)

    def rank(point: Point) -> float:
        found = point.held_out if by == "held_out" else point.test
        return np.inf if point.errors or found is None else -found.mean

    return sorted(points, key=rank)


def sorted_by(points: Sequence[Point]) -> str:
    """ "held_out", by which settings may be chosen, or "test" where nothing is held out."""
    complete = [point for point in points if point.runs]
    return "held_out" if all(point.held_out for point in complete) else "test"


def sweep_text(points: Sequence[Point]) -> str:
    """A table for people, and what it is sorted by."""
    rows = [("held-out top-1", "test top-1", "settings")]
    for point in points:
        failed = f"  failed: {point.errors[0]}" if point.errors else ""
        rows.append(
            (
                _text(point.held_out),
                _text(point.test),
                " ".join(point.settings) + failed,
            )
        )
    wide = [max(len(row[i]) for row in rows) for i in range(2)]
    lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {printable(c)}" for a, b, c in rows]
    if sorted_by(points) == "test":
        rules = [point.held_out_rule for point in points if point.held_out_rule]
        hint = held_out_hint(rules[0] if rules else None)
        lines.append(
            "sorted by the test part, as no videos are held out: choose no setting by it"
            f" ({hint})"
        )
    if any(len(point.runs) > 1 for point in points):
        lines.append(
            "means of the runs of each line; behind them, for held-out videos the lowest and"
            " the highest"
        )
    return "\n".join(lines)


def _outcomes(
    stages: Sequence[Stage],
    work: Any,
    jobs: int,
    ray: str | None,
    machine: Mapping[str, Any],
    reporter: ProgressReporter,
) -> Iterator[Done]:
    needs: dict[Stage, dict[str, Stage]] = {stage: {} for stage in stages}
    if ray is not None:
        return in_tasks(stages, work, gpus=machine["device"] != "cpu", address=ray)
    if jobs > 1:
        return in_processes(stages, needs, work, processes=jobs)
    return in_this_process(stages, needs, partial(work, reporter=reporter))


def _measure(point: Point) -> None:
    results = [Run(Path(folder)).results() for folder in point.runs]
    for one in results:
        if one and not one.held_out and one.videos:
            point.held_out_rule = one.videos.held_out_rule
    held = [one.held_out.top1 for one in results if one and one.held_out]
    tests = [one.test.top1 for one in results if one and one.test]
    if len(held) == 1:
        point.held_out = held[0]
    elif held:
        means = [one.mean for one in held]
        point.held_out = Interval(float(np.mean(means)), min(means), max(means))
    if len(tests) == 1:
        point.test = tests[0]
    elif tests:
        point.test = several_runs([Path(folder) for folder in point.runs]).top1


def _text(interval: Interval | None) -> str:
    if interval is None:
        return ""
    mean, low, high = (100 * value for value in interval)
    return f"{mean:.1f} % ({low:.1f} to {high:.1f})"
