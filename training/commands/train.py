"""The work of `training teach`, `distill` and `evaluate`: a recipe -> complete runs."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.store import Json, Store

from ..errors import RecipeError, RunError
from ..experiments.evaluate import evaluate
from ..recipes import Recipe, to_teach
from ..recipes.change import parse_changes
from ..recipes.run import run_recipe
from ..run_files.json_dataclasses import to_json
from ..run_files.results import Evaluation
from ..run_files.settings_json import differences
from ..runs.context import RunContext
from ..runs.identity import runs_in
from ..runs.machine import Machine
from ..runs.progress import ProgressReporter
from ..runs.record import Run
from ..scoring.clip_protocol import Crops
from .contexts import changed_recipe
from .teachers import distillation, runs_by_role, runs_of_teachers


def run_teach(
    recipe: Recipe,
    context: RunContext,
    modality: str | None = None,
    *,
    out: Path | None,
    changes: Sequence[str] = (),
    init: str | None = None,
) -> Run:
    """`training teach`.

    Args:
        changes: PATH=VALUE of settings.
        init: first weights, as `init_changes` takes them.
    """
    chosen = to_teach(recipe, modality).on(*context.datasets)
    recipe = changed_recipe(chosen, changes, context.reporter, init=init)
    return run_recipe(recipe, context, out=out)


def run_distill(
    recipe: Recipe,
    context: RunContext,
    *,
    teacher: str | Sequence[str] | None = None,
    student: str | None = None,
    teacher_runs: Sequence[Path | tuple[str, Path]] = (),
    baseline: bool = False,
    out: Path | None,
    changes: Sequence[str] = (),
    init: str | None = None,
    teacher_init: str | None = None,
) -> Run:
    """`training distill`: teachers if there are none, a baseline if wanted, the student.

    Args:
        teacher: modalities, or recipes by name or file, of the teachers.
        teacher_runs: complete runs; with the name of the teacher that each is, or its role,
            where the modality does not say.
        changes: PATH=VALUE of settings, or teacher:PATH=VALUE.
        init: first weights of the student, as `init_changes` takes them.
        teacher_init: those of the teacher.
    """
    named = (teacher,) if isinstance(teacher, str) else tuple(teacher or ())
    chosen, teachers = distillation(recipe, named, student)
    recipe = changed_recipe(
        chosen.on(*context.datasets),
        changes,
        context.reporter,
        init=init,
        teacher_init=teacher_init,
        teachers={role: one.on(*context.datasets) for role, one in teachers.items()},
    )
    roles = runs_of_teachers(recipe.settings, teacher_runs)
    for change in parse_changes(changes):
        if change.of.partition(":")[0] in roles:
            raise RecipeError(
                f"{change.text}: expected no change of a teacher of --teacher-run, as it is"
                " there"
            )
    needed = runs_by_role(recipe, context, roles)
    return run_recipe(recipe, context, needed=needed, baseline=baseline, out=out)


def run_evaluate(
    folder: Path,
    *,
    store: Path | str | None,
    part: str,
    crops: Crops | None = None,
    machine: Machine,
    reporter: ProgressReporter,
) -> Evaluation:
    """`training evaluate`: on the store that is given, or where it was at training."""
    run = Run(folder)
    where = store or run.machine().store or ""
    return evaluate(
        run,
        store=Store(where),
        part=part,
        crops=crops,
        machine=machine,
        reporter=reporter,
    )


def crops_of(option: str | None) -> Crops | None:
    """The number of crops of --crops, or None."""
    known: dict[str | None, Crops] = {"1": 1, "3": 3, "10": 10}
    return known.get(option)


def runs_of_splits(folders: Sequence[Path], wanted: str | None) -> list[Path]:
    """The given runs; with splits asked for, the one given and its like on these.

    Raises:
        RunError: a split has no complete run of the same settings in that folder.
    """
    if wanted is None:
        return list(folders)
    if len(folders) != 1:
        raise RunError(f"expected one run with --split, got {len(folders)}")
    given = Run(folders[0])
    ours = _apart_from_split(given)
    like: dict[str, Path] = {}
    for run in runs_in(folders[0].resolve().parent):
        if run.results() is not None and not differences(ours, _apart_from_split(run)):
            like.setdefault(run.config().split.name, run.folder)
    like[given.config().split.name] = folders[0]
    if wanted == "all":
        known = Store(given.machine().store or "").splits
        names = sorted(known)
    else:
        names = wanted.split(",")
    missing = [name for name in names if name not in like]
    if missing:
        raise RunError(
            f"{folders[0]}: expected runs like it on splits {', '.join(names)} beside it,"
            f" but there is none on {', '.join(missing)}: train with --split"
            f" {','.join(missing)}"
        )
    return [like[name] for name in names]


def _apart_from_split(run: Run) -> dict[str, Json]:
    config: dict[str, Json] = to_json(run.config())
    ignored = ("split", "teacher", "streams", "first_weights")
    return {k: v for k, v in config.items() if k not in ignored}
