"""Run a reproduction: train its stages, record each, and write the report."""

import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from motion_shards.plain_text import counted
from pipeline.store import Store

from ..data.known_share import MIN_KNOWN_SHARE
from ..data.splits import resolve_split
from ..errors import Interrupted, RunError
from ..experiments.evaluate import evaluate
from ..experiments.joint import names_of
from ..models.pretrained import unobtainable
from ..models.user_files import FILES
from ..recipes.change import Change, parse_changes
from ..report.files import write_report
from ..run_files.names import CROPS, REPRODUCTION, SCORES
from ..run_files.reproduction import (
    Reproduction,
    StageSpeed,
    read_reproduction,
    write_reproduction,
)
from ..runs.context import RunContext
from ..runs.machine import Machine, select_machine
from ..runs.progress import ProgressReporter
from ..runs.record import Run
from .figure_data import write_figures
from .plan import NOT_WANTED, Holdings, Plan, Stage, plan, recipe_of_key
from .remaining import progress_line, seconds_of
from .stages import run_stage, run_stage_alone
from .throughput import measured_speeds
from .workers import FOUND_SECONDS, in_processes, in_this_process


def reproduce(
    paper: str,
    *,
    size: str,
    seeds: Sequence[int],
    store: Store,
    splits: Sequence[str],
    out: Path,
    rows: Sequence[str] = (),
    jobs: int = 1,
    machine: Mapping[str, Any],
    held_out: float | None = None,
    min_known_share: float = MIN_KNOWN_SHARE,
    controls: bool = True,
    changes: Sequence[str] = (),
    also: Sequence[Store] = (),
    reading: Mapping[str, StageSpeed] | None = None,
    command: str = "",
    reporter: ProgressReporter,
) -> Reproduction:
    """Train what is missing, then compare and write the report.

    Complete stages are reused; an interrupted one is resumed. The
    report is written after every seed and split, so there is something to read early.

    Args:
        out: folder of the report; runs are next to it, where other commands find them.
        jobs: processes side by side, on a CPU with one thread each.
        machine: of `select_machine`.
        held_out: share of the training videos to hold out; None is the recipes'.
        min_known_share: of the intervals with known motion vectors.
        changes: PATH=VALUE of settings for all recipes that have the path, or
            SYSTEM:PATH=VALUE for one.
        also: stores that joint systems learn together with `store`; of the same splits.
        reading: how fast videos become what networks see, from `benched`.
        command: that resumes this, for the report.

    Returns:
        The state of the reproduction, as in reproduction.json.

    Raises:
        Interrupted: a signal came; the same call resumes.
        FolderHeld: another process writes this reproduction.
        RecipeError, RunError, DataError: see `plan` and the experiments.
    """
    there, parsed = out / REPRODUCTION, parse_changes(changes)
    if not Run(out).is_new and not there.is_file():
        raise RunError(f"{out}: expected a reproduction or an empty folder")
    if also:
        names_of((store, *also))
    for other in also:
        for split in splits:
            resolve_split(other, split)
    made = plan(
        paper,
        size=size,
        seeds=seeds,
        splits=splits,
        store=holdings(store, splits)._replace(
            also=tuple(holdings(one, splits) for one in also)
        ),
        wanted=rows,
        controls=controls,
        changes=parsed,
        lacks=cache(unobtainable),
    )
    select_machine(**machine)  # a refusal leaves no folder
    with Run(out).writing(reporter.say):
        state = Reproduction(
            paper=paper,
            size=size,
            seeds=tuple(seeds),
            store=store.folder.resolve().name,
            split=",".join(splits),
            held_out=held_out,
            changes=tuple(sorted(changes)) or None,
            recipe_of=dict(made.recipe_of),
            not_run=dict(made.not_run),
            runs={},
            total=len(made.stages),
            done=0,
            command=command,
        )
        if there.is_file():
            before = read_reproduction(out)
            state.check_same(before, out)
            state.seconds, state.speeds = dict(before.seconds), before.speeds
        reporter.say(
            f"{paper} at size {size}: {len(made.recipe_of)} systems, {counted(len(seeds), 'seed')},"
            f"{f' {len(splits)} splits,' * (len(splits) > 1)}"
            f" {len(made.stages)} stages; {len(made.not_run)} rows not run"
        )
        try:
            options = {"held_out": held_out, "min_known_share": min_known_share}
            stopped = _run_plan(
                made, store, also, out, jobs, machine, options, state, reporter, parsed
            )
        except Interrupted:
            stopped = True
        if stopped:
            write_reproduction(out, state)
            write_report(out, state)
            raise Interrupted(
                f"{out}: {state.done} of {state.total} stages are complete; run the same"
                " command to resume"
            )
        runs = {key: Run(Path(folder)) for key, folder in state.runs.items()}
        if not runs:
            raise RunError(f"{out}: no stage could be completed: {_reasons(state)}")
        first = {
            system: runs[key]
            for system, name in made.recipe_of.items()
            if (key := made.key(Stage(name, seeds[0], splits[0]))) in runs
        }
        if store.mirror_safe:
            _evaluate_ten_crops(
                made, state.runs, store, select_machine(**machine), reporter
            )
        reporter.say("figures and speeds")
        chosen = select_machine(**machine)
        state.speeds = measured_speeds(first, chosen, reading or {})
        write_figures(out, first, store, chosen)
        write_reproduction(out, state)
        write_report(out, state)
        return state


def holdings(store: Store, splits: Sequence[str]) -> Holdings:
    """The facts of a store that the plan needs, for all of the splits."""
    longest = [
        max(
            (video.frames for video in store.videos() if split in video.splits),
            default=0,
        )
        for split in splits
    ]
    return Holdings(store.dataset, tuple(store.modalities), min(longest))


def _run_plan(
    made: Plan,
    store: Store,
    also: Sequence[Store],
    out: Path,
    jobs: int,
    machine: Mapping[str, Any],
    options: Mapping[str, Any],
    state: Reproduction,
    reporter: ProgressReporter,
    changes: Sequence[Change],
) -> bool:
    """Run the stages and keep `state` up to date. Returns whether it was interrupted.

    Args:
        options: further fields of `RunContext`.
        changes: of settings, for all recipes.
    """
    options = dict(options, runs=out.parent, wait=True, fused_by_held_out=True)
    if jobs > 1:
        alone = partial(
            run_stage_alone,
            store=store.folder,
            also=[one.folder for one in also],
            machine=dict(machine),
            changes=changes,
            code=tuple(file.path for file in FILES.values()),
            **options,
        )
        coming = in_processes(made.stages, made.needs, alone, processes=jobs)
    else:
        context = RunContext(
            store=store,
            split=made.splits[0],
            seed=0,
            machine=select_machine(**machine),
            reporter=reporter,
            other_stores=tuple(also),
            **options,
        )
        here = partial(run_stage, context=context, changes=changes)
        coming = in_this_process(made.stages, made.needs, here)
    started = time.monotonic()
    for done in coming:
        stage = done.stage
        key = made.key(stage)
        if done.interrupted:
            return True
        if done.error:
            why = done.error.strip().splitlines()[-1]
            for system, name in made.recipe_of.items():
                if name == stage.recipe:
                    state.not_run.setdefault(system, why)
            reporter.say(f"{key}: {why}")
            for line in done.error.strip().splitlines()[:-1]:  # a bug's traceback
                reporter.say(f"  {line}")
            continue
        state.runs[key] = done.folder
        state.done = len(state.runs)
        if done.seconds > FOUND_SECONDS or key not in state.seconds:
            state.seconds[key] = round(seconds_of(done), 1)
        write_reproduction(out, state)
        reporter.say(progress_line(done, state, made, jobs, time.monotonic() - started))
        if all(
            made.key(one) in state.runs
            for one in made.stages
            if (one.seed, one.split) == (stage.seed, stage.split)
        ):
            write_report(out, state)
    return False


def _evaluate_ten_crops(
    made: Plan,
    runs: Mapping[str, str],
    store: Store,
    machine: Machine,
    reporter: ProgressReporter,
) -> None:
    """Also evaluate by ten crops what a paper evaluated so.

    Not where a mirrored video is of another class.
    """
    wanted = {f.system for f in made.rows if f.crops == "10" and f.metric != "fps"}
    recipes = {made.recipe_of[name] for name in wanted & made.recipe_of.keys()}
    for key, folder in runs.items():
        run = Run(Path(folder))
        done = run.path(CROPS.format(crops=10) + SCORES.format(part="test"))
        if recipe_of_key(key) in recipes and not done.is_file():
            evaluate(run, store=store, crops=10, machine=machine, reporter=reporter)


def _reasons(state: Reproduction) -> str:
    """Reasons for which requested rows could not be run, in one line."""
    wanted = {name: why for name, why in state.not_run.items() if why != NOT_WANTED}
    return "; ".join(f"{name}: {why}" for name, why in wanted.items())
