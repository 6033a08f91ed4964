"""Run a recipe: find or train what it needs, then find or train it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..engine.processes import joined
from ..errors import CheckpointError, RecipeError
from ..experiments.collaborate import CollaborateRecipe, collaborate
from ..experiments.distill import described, distill
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe, fuse
from ..experiments.hidden import HiddenRecipe, hidden
from ..experiments.joint import check_joint, training_stores
from ..experiments.motion import MotionRecipe, motion
from ..experiments.teach import TeachRecipe, teach
from ..models.named_weights import lacking
from ..models.pretrained import check_weights
from ..runs.config import TrainConfig, check_processes
from ..runs.context import RunContext, StoreJob
from ..runs.record import Run
from . import Recipe, baseline_of

NO_TEACHER = (
    "no complete {sees} teacher of this store, split, recipe, seed and held-out part:"
    " training one first"
)
NO_BASELINE = "baseline: the student without its teacher"


def run_recipe(
    recipe: Recipe,
    context: RunContext,
    *,
    needed: Mapping[str, Run] | None = None,
    baseline: bool = False,
    out: Path | None = None,
) -> Run:
    """Find the complete run of a recipe, or train it, after all that it needs.

    Where a paper has epochs of its own for the store's data set, they are taken.

    Args:
        needed: role -> a complete run, used instead of finding or training one.
        baseline: of a distillation, also train the student without its teacher, on the
            same stores.
        out: folder of the run; None finds or makes one in `context.runs`.

    Returns:
        A complete run.

    Raises:
        TrainingError: see the experiments.
    """
    given, waiting = needed or {}, replace(context, wait=True)
    recipe = recipe.on(*context.datasets)
    if recipe.system.joint and not context.other_stores:
        raise RecipeError(
            f"expected several stores for {recipe.name}, which learns them together (a"
            " second --store for `teach` and `distill`, --also for `reproduce`), got one"
        )
    if isinstance(recipe.settings, TrainConfig):
        check_processes(recipe.settings, context.machine)
    with joined(context.machine.processes, context.machine.device):
        settings, scratch = recipe.settings, None
        if isinstance(settings, DistillRecipe) and (
            baseline or recipe.needs.keys() - given.keys()
        ):
            job = _job(recipe, context, out)
            _refuse_early(settings, job)
        complete = {
            role: given[role]
            if role in given
            else _needed(role, need, replace(waiting, variants=()))
            for role, need in recipe.needs.items()
        }
        if baseline:
            scratch = _run(baseline_of(recipe), {}, waiting, if_none=NO_BASELINE)
        return _run(recipe, complete, context, scratch=scratch, out=out)


def fits_on_held_out(recipe: Recipe) -> bool:
    """Whether a recipe, or one that it needs, uses held-out videos for fitting."""
    settings = recipe.settings
    own = isinstance(settings, CollaborateRecipe) or (
        isinstance(settings, FuseRecipe) and settings.how != "average"
    )
    return own or any(map(fits_on_held_out, recipe.needs.values()))


def _needed(role: str, recipe: Recipe, context: RunContext) -> Run:
    """The run of a recipe that another one needs. A teacher is reported."""
    if not role.startswith("teacher"):
        return run_recipe(recipe, context)
    if recipe.needs:
        run = run_recipe(recipe, context)
    else:
        sees = recipe.settings.model.sees
        run = _run(recipe, {}, context, if_none=NO_TEACHER.format(sees=sees))
    context.reporter.say(f"teacher: {run.folder}")
    return run


def _run(
    recipe: Recipe,
    needed: Mapping[str, Run],
    context: RunContext,
    *,
    scratch: Run | None = None,
    if_none: str = "",
    out: Path | None = None,
) -> Run:
    settings = recipe.settings
    job = _job(recipe, context, out)
    match settings:
        case TeachRecipe():
            return teach(settings, job, if_none=if_none)
        case DistillRecipe():
            return distill(
                settings, job, teacher=list(needed.values()), scratch=scratch
            )
        case MotionRecipe():
            return motion(settings, job)
        case HiddenRecipe():
            return hidden(
                settings, job, motion=needed.get("motion"), temporal=needed["temporal"]
            )
        case CollaborateRecipe():
            return collaborate(
                settings, job, first=needed["first"], second=needed["second"]
            )
        case FuseRecipe():
            return fuse(settings, job, streams=list(needed.values()))
    raise RecipeError(f"{recipe.name}: no experiment runs {type(settings).__name__}")


def _job(recipe: Recipe, context: RunContext, out: Path | None) -> StoreJob:
    return context.job(
        recipe.name,
        label=recipe.label,
        out=out,
        changes=recipe.changes,
        code=recipe.code,
    )


def _refuse_early(settings: DistillRecipe, job: StoreJob) -> None:
    """Raise before the teacher is trained what would fail only after it."""
    settings.check_shapes()
    if reason := lacking(settings.student):
        raise CheckpointError(reason)
    check_weights(settings.student)
    if job.other_stores:
        check_joint(settings, teachers=len(settings.teachers))
    training_stores(settings, job, settings.modalities)
    if job.out and job.machine.processes.first:
        Run(job.out).check(described(settings, job), partly=True)
