"""One stage of a plan: a recipe, and the runs it needs -> its run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pipeline.store import Store

from ..data.known import MIN_KNOWN_SHARE
from ..engine.record import Run
from ..errors import RecipeError
from ..jobs.collaborate import collaborate
from ..jobs.distill import distill
from ..jobs.fuse import FuseRecipe, fuse
from ..jobs.hidden import hidden
from ..jobs.job import StoreJob, run_name
from ..jobs.machine import Machine, chosen_machine
from ..jobs.motion import motion
from ..jobs.teach import teach
from ..progress import Silent, Watch
from ..recipes import Recipe, recipe
from .plan import Stage


class Place(NamedTuple):
    """Where stages are carried out, and with what."""

    store: Store
    split: str
    runs: Path
    machine: Machine
    watch: Watch
    wait: bool = False
    """For another process that writes a run."""
    held_out: float | None = None
    """Share of the training videos to hold out; None is the recipes'."""
    min_known_share: float = MIN_KNOWN_SHARE
    """Of the intervals with known motion vectors, where a run sees such."""
    fused_by_held_out: bool = True
    """Whether weights of a fusion will be found on them."""

    def job(self, name: str, *, seed: int, out: Path | None = None) -> StoreJob:
        """A job there.

        Args:
            name: of the recipe.
            out: the run's folder, where it is given.
        """
        return StoreJob(
            name=name,
            store=self.store,
            split=self.split,
            seed=seed,
            runs=self.runs,
            out=out,
            base=run_name((self.store,), name, split=self.split, seed=seed),
            machine=self.machine,
            watch=self.watch,
            wait=self.wait,
            held_out=self.held_out,
            min_known_share=self.min_known_share,
            fused_by_held_out=self.fused_by_held_out,
        )


def run_stage(
    chosen: Recipe,
    needed: Mapping[str, Run],
    place: Place,
    *,
    seed: int,
    out: Path | None = None,
) -> Run:
    """Carry a recipe out; what is complete already is found again.

    Args:
        needed: role -> a complete run.

    Raises:
        TrainingError: see the jobs.
    """
    settings, job = chosen.settings, place.job(chosen.name, seed=seed, out=out)
    match chosen.system.kind:
        case "teach":
            return teach(settings, job)
        case "distill":
            return distill(settings, job, teacher=needed["teacher"])
        case "motion":
            return motion(settings, job)
        case "hidden":
            return hidden(
                settings, job, motion=needed.get("motion"), temporal=needed["temporal"]
            )
        case "collaborate":
            return collaborate(
                settings, job, first=needed["first"], second=needed["second"]
            )
        case "fuse":
            return fuse(settings, job, streams=list(needed.values()))
    raise RecipeError(f"{chosen.name}: nothing carries out {chosen.system.kind}")


def fitted_on_held_out(chosen: Recipe) -> bool:
    """Whether a recipe, or one that it needs, fits something on held-out videos."""
    settings = chosen.settings
    own = chosen.system.kind == "collaborate" or (
        isinstance(settings, FuseRecipe) and settings.how != "average"
    )
    return own or any(map(fitted_on_held_out, chosen.needs.values()))


def with_needs(
    chosen: Recipe, place: Place, *, seed: int, out: Path | None = None
) -> Run:
    """Carry a recipe out after all that it needs."""
    waiting = place._replace(wait=True)
    needed = {
        role: with_needs(one, waiting, seed=seed) for role, one in chosen.needs.items()
    }
    return run_stage(chosen, needed, place, seed=seed, out=out)


def stage_work(
    *, store: Path, runs: Path, threads: int | None, machine: dict[str, Any]
) -> Callable[[Stage, Mapping[str, str]], str]:
    """For a process of its own: what does its stages."""
    if threads is not None:
        torch.set_num_threads(threads)
    return work_at(Store(store), runs, chosen_machine(**machine), Silent())


def work_at(
    store: Store, runs: Path, machine: Machine, watch: Watch
) -> Callable[[Stage, Mapping[str, str]], str]:
    """For this process."""

    def work(stage: Stage, needed: Mapping[str, str]) -> str:
        found = {role: Run(Path(folder)) for role, folder in needed.items()}
        place = Place(store, stage.split, runs, machine, watch, wait=True)
        run = run_stage(recipe(stage.recipe), found, place, seed=stage.seed)
        return str(run.folder)

    return work
