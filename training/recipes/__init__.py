"""The papers' systems, each at several sizes: named settings of every experiment.

>>> get_recipe("dtmv_small").settings
>>> to_distill(get_recipe("demo"), ("rgb",), "mv")
"""

from dataclasses import replace

from ..catalogue import unknown
from ..errors import RecipeError
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.motion_teacher_recipe import MotionTeacherRecipe
from . import dtmv, dual_action, ftsnet, grid, htsc, kinetics, r3d
from .sizes import SIZES, Size
from .systems import KINDS, Recipe, System

SYSTEMS = {
    system.name: system
    for paper in (ftsnet, dual_action, kinetics, dtmv, htsc, grid, r3d)
    for system in paper.SYSTEMS
}
"""Name without a size -> the system."""

_BY_NAME = {
    name: (system, size)
    for system in SYSTEMS.values()
    for name, size in system.recipes.items()
}


def get_recipe(name: str) -> Recipe:
    """A system at a size, by the name of both: dtmv, dtmv_small.

    Raises:
        RecipeError: no recipe of this name.
    """
    if name not in _BY_NAME:
        raise unknown(name)
    return _build(*_BY_NAME[name])


def system_at(system: str, size: Size) -> Recipe:
    """A system at a size, or the other system that is the same at this size.

    Raises:
        RecipeError: no system of this name.
    """
    if system not in SYSTEMS:
        raise unknown(system)
    found = SYSTEMS[system]
    return _build(SYSTEMS[found.like.get(size.name, found.name)], size)


def recipe_names() -> list[str]:
    """Names of all recipes."""
    return list(_BY_NAME)


def at_size(name: str, size: str) -> str:
    """Name of a recipe at a given size: dtmv and small give dtmv_small.

    Raises:
        RecipeError: no recipe of this name, or not at this size.
    """
    recipe = get_recipe(name)
    sized = name + SIZES[size].suffix
    if recipe.size.name == size:
        return name
    if recipe.size.name == "paper" and sized in _BY_NAME:
        return sized
    if recipe.system.named:
        raise RecipeError(
            f"expected no --size {size} with the recipe {name}, which has one size"
        )
    raise RecipeError(
        f"expected --size {recipe.size.name}, or none, with the recipe {name}, got {size}"
    )


def to_teach(recipe: Recipe, modality: str | None = None) -> Recipe:
    """The recipe itself, if it trains on labels, else that of its student's teacher.

    Args:
        modality: of the network; None is the recipe's own.

    Raises:
        RecipeError: it neither teaches nor distils.
    """
    _require(recipe, "teach", "distill")
    if recipe.system.kind == "distill":
        recipe = recipe.needs["teacher"]
        _require(recipe, "teach")
    usual = recipe.settings.model.sees
    sees = modality or usual
    if recipe.system.any_modality:
        settings = recipe.system.make(recipe.size, sees)
    else:
        settings = replace(
            recipe.settings, model=replace(recipe.settings.model, sees=sees)
        )
    own = sees == usual and not recipe.system.any_modality
    return replace(recipe, settings=settings, label="" if own else sees)


def to_distill(
    recipe: Recipe, teachers: tuple[str, ...] = (), student: str | None = None
) -> Recipe:
    """A distillation between other modalities.

    Args:
        teachers: modality of the teacher, or of several, whose mean teaches; none: the
            recipe's own.
        student: modality of the student; None is the recipe's own.

    Raises:
        RecipeError: it does not distil.
    """
    _require(recipe, "teach", "distill")
    settings, system = recipe.settings, recipe.system
    if not isinstance(settings, DistillRecipe):
        raise RecipeError(f"{recipe.name} has no teacher: {system.line}")
    if not (teachers or student or system.any_modality):
        return recipe
    usual = (*(one.sees for one in settings.teachers), settings.student.sees)
    given, sees = teachers or usual[:-1], student or usual[-1]
    if isinstance(settings, MotionTeacherRecipe):
        if (*given, sees) != usual:
            raise RecipeError(
                f"expected no other --teacher or --student with {recipe.name}, whose"
                " teacher finds flow in the student's frames"
            )
        return recipe
    if system.any_modality:
        settings = system.make(recipe.size, given[0], sees)
    else:
        settings = replace(settings, student=replace(settings.student, sees=sees))
    if given != tuple(one.sees for one in settings.teachers):
        settings = settings.taught_by(*given)
    names = [one.sees for one in settings.teachers]
    own = (*names, sees) == usual and not system.any_modality
    roles = zip(settings.roles, names, strict=True)
    keeps = not teachers and not system.any_modality
    needs = recipe.needs if keeps else {r: to_teach(recipe, name) for r, name in roles}
    label = "" if own else f"{'+'.join(names)}-to-{sees}"
    return replace(recipe, settings=settings, needs=needs, label=label)


def baseline_of(student: Recipe) -> Recipe:
    """The student of a distillation without its teacher, for comparison."""
    settings = student.settings
    label = f"{settings.student.sees}-scratch"
    return replace(student, settings=settings.scratch(), needs={}, label=label)


def default_name(size: str, *, teach: str | None = None, student: str = "mv") -> str:
    """Name of the recipe of `training teach` and `distill` where none is given.

    Args:
        size: "small", "medium" or "paper".
        teach: modality of a training on labels; None is a distillation.
        student: its student's modality.
    """
    if teach is None:
        system = "ds" if student == "rgb" else "dtmv"
    else:
        system = {"flow": "flow2d", "mv": "mv", "rgb": "r3d_rgb"}[teach]
    return system + SIZES[size].suffix


def default_system(command: str, size: str) -> str:
    """Name of the recipe of `training motion`, `fuse` or `collaborate` where none is
    given."""
    defaults = (kind.default for kind in KINDS.values() if kind.command == command)
    return next(filter(None, defaults)) + SIZES[size].suffix


def listing() -> dict[str, object]:
    """The content of catalogue.json, for commands that need the names alone."""
    return {
        "lines": {
            name: get_recipe(name).line
            for system in SYSTEMS.values()
            for name in (system.named or (system.name,))
        },
        "names": recipe_names(),
        "papers": {s.name: s.paper for s in SYSTEMS.values() if s.paper},
        "same": _same_at_a_size(),
    }


def _same_at_a_size() -> dict[str, list[str]]:
    """Name of a recipe -> other systems that are the same at its size."""
    found: dict[str, list[str]] = {}
    for system in SYSTEMS.values():
        for size in system.like:
            found.setdefault(system_at(system.name, SIZES[size]).name, []).append(
                system.name
            )
    return found


def _build(system: System, size: Size) -> Recipe:
    name = next(name for name, at in system.recipes.items() if at is size)
    needs = {
        role: system_at(needed, size)
        if isinstance(needed, str)
        else _build(needed, size)
        for role, needed in system.needs.items()
    }
    settings = system.make(size)
    return Recipe(name=name, system=system, size=size, settings=settings, needs=needs)


def _require(recipe: Recipe, *kinds: str) -> None:
    kind = recipe.system.kind
    if kind not in kinds:
        raise RecipeError(
            f"expected a recipe that teaches or distils, but {recipe.name} is for"
            f" `training {KINDS[kind].command}`: {recipe.system.line}"
        )


__all__ = ["KINDS", "SIZES", "SYSTEMS", "Recipe", "Size", "System"]
