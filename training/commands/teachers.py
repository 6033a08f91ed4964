"""The teachers that `training distill` is given: modalities, recipes, runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from motion_shards.choices import MODALITIES
from motion_shards.near import near
from motion_shards.plain_text import counted

from ..errors import RunError
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.teacher_names import roles_of
from ..recipes import Recipe, to_distill, to_teach
from ..recipes.files import recipe_named
from ..recipes.teachers import network_of
from ..runs.compatibility import check_teacher
from ..runs.context import RunContext
from ..runs.record import Run


def distillation(
    recipe: Recipe, teachers: Sequence[str], student: str | None
) -> tuple[Recipe, dict[str, Recipe]]:
    """A recipe of a student for the modalities of --teacher and --student.

    Args:
        teachers: modalities, or recipes by name or file.

    Returns:
        The recipe, and role -> recipe of the teachers, where one is named by its recipe.

    Raises:
        RecipeError: there is no such recipe, or it does not distil.
    """
    if all(name in MODALITIES for name in teachers):
        return to_distill(recipe, tuple(teachers), student), {}
    chosen = to_distill(recipe, (), student)
    made = [
        to_teach(chosen, name) if name in MODALITIES else recipe_named(name)
        for name in teachers
    ]
    roles = roles_of([network_of(one) for one in made])
    return chosen, dict(zip(roles, made, strict=True))


def runs_of_teachers(
    settings: DistillRecipe, given: Sequence[Path | tuple[str, Path]]
) -> dict[str, Path]:
    """The runs of --teacher-run by role.

    Args:
        given: runs, with the name of a teacher or nothing before them. One without a name
            is the first free teacher on what the run saw.

    Raises:
        RunError: a run is not complete, or there is no such teacher, or no free one.
    """
    roles = dict(zip(settings.teacher_names, settings.roles, strict=True))
    nets = dict(zip(settings.roles, settings.seen_teachers, strict=True))
    pairs = [("", one) if isinstance(one, Path) else one for one in given]
    found: dict[str, Path] = {}
    for name, path in sorted(pairs, key=lambda pair: not pair[0]):  # named ones first
        run = Run(path)
        if run.results() is None:
            raise RunError(f"{path}: expected a complete run of a teacher")
        role = roles.get(name, name)
        if name and role not in nets:
            raise RunError(
                f"{name}={path}: expected a teacher of {', '.join(roles)}, got {name}"
                f"{near(name, roles)}"
            )
        if not name:
            free = [role for role in nets if role not in found]
            saw = run.config().sees
            role = next((r for r in free if nets[r].sees == saw), "".join(free[:1]))
        if not role or role in found:
            raise RunError(
                f"{path}: expected at most one --teacher-run for each of"
                f" {counted(len(nets), 'teacher')} ({', '.join(roles)}), got"
                f" {len(pairs)}: --teacher names several"
            )
        found[role] = path
    return found


def runs_by_role(
    recipe: Recipe, context: RunContext, given: Mapping[str, Path]
) -> dict[str, Run]:
    """The runs of --teacher-run by role, each a teacher of the recipe.

    Raises:
        RunError: see `check_teacher`.
    """
    settings, found = recipe.settings, {}
    for role, wanted in zip(settings.roles, settings.seen_teachers, strict=True):
        if role in given:
            run = Run(given[role])
            check_teacher(
                run, settings, wanted, store=context.store, split=context.split
            )
            context.reporter.say(f"teacher: {run.folder}")
            found[role] = run
    return found
