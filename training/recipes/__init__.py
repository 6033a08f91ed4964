"""Named settings: families for any pair of modalities, and the papers' systems.

>>> family("demo").distill("flow", "mv")
>>> recipe("dtmv_small").settings
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from ..catalogue import unknown
from ..errors import RecipeError
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from . import demo, dtmv, dual_action, ftsnet, htsc, r3d, tiny
from .sizes import SIZES, Size
from .systems import KINDS, System

SYSTEMS = {
    system.name: system
    for paper in (ftsnet, dual_action, dtmv, htsc)
    for system in paper.SYSTEMS
}
"""Name without a size -> what it is."""


class Recipe(NamedTuple):
    """A system at one size."""

    system: System
    size: Size

    @property
    def name(self) -> str:
        return self.system.name + self.size.suffix

    @property
    def settings(self) -> Any:
        """What its job wants: a `TeachRecipe`, `DistillRecipe`, ..."""
        return self.system.make(self.size)

    @property
    def needs(self) -> dict[str, "Recipe"]:
        """Role -> what fills it."""
        return {role: at(name, self.size) for role, name in self.system.needs.items()}


class Family(NamedTuple):
    """A recipe for every combination of modalities."""

    teach: Callable[[str], TeachRecipe]
    """modality -> training on labels"""
    distill: Callable[[str, str], DistillRecipe]
    """teacher's modality, student's modality -> distillation"""
    line: str
    teacher: str | None = None
    """The recipe under whose name its teachers run; None is its own."""
    sees: tuple[str, str] = ("flow", "mv")
    """Teacher's and student's modality where none is asked for."""


def _line(function: Callable) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]


FAMILIES = {
    "r3d": Family(r3d.teach, r3d.distill, _line(r3d.distill)),
    "r3d_small": Family(r3d.teach_small, r3d.distill_small, _line(r3d.distill_small)),
    "demo": Family(demo.teach, demo.distill, _line(demo.distill)),
    "tiny": Family(tiny.teach, tiny.distill, _line(tiny.distill)),
}


def at(system: str, size: Size) -> Recipe:
    """A system at a size, or the one that is the same there.

    Raises:
        RecipeError: no system of this name.
    """
    if system not in SYSTEMS:
        raise unknown(system)
    found = SYSTEMS[system]
    return Recipe(SYSTEMS[found.like.get(size.name, found.name)], size)


def recipe(name: str) -> Recipe:
    """A system by its name and size: dtmv, dtmv_small.

    Raises:
        RecipeError: no recipe of this name.
    """
    for size in reversed(SIZES.values()):
        system = name.removesuffix(size.suffix) if name.endswith(size.suffix) else ""
        if system in SYSTEMS:
            return Recipe(SYSTEMS[system], size)
    raise unknown(name)


def at_size(name: str, size: str) -> str:
    """A recipe's name at the size that is asked for: dtmv and small give dtmv_small.

    Raises:
        RecipeError: no recipe of this name, or not at this size.
    """
    suffix = SIZES[size].suffix
    if name + suffix in FAMILIES:
        return name + suffix
    if name in FAMILIES:
        raise RecipeError(
            f"expected no --size {size} with the recipe {name}, which has none of it"
        )
    chosen = recipe(name)
    if chosen.size.name not in ("paper", size):
        raise RecipeError(
            f"expected --size {chosen.size.name}, or none, with the recipe {name}, got"
            f" {size}"
        )
    return chosen.system.name + suffix


def is_system(name: str) -> bool:
    """Whether it is a paper's system, not a family."""
    try:
        recipe(name)
    except RecipeError:
        return False
    return True


def family(name: str) -> Family:
    """The recipe as one for any pair of modalities.

    Raises:
        RecipeError: no recipe of this name, or one that neither teaches nor distils.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    chosen = recipe(name)
    kind = chosen.system.kind
    if kind not in ("teach", "distill"):
        raise RecipeError(
            f"expected a recipe that teaches or distils, but {name} is for `training"
            f" {COMMANDS[kind]}`: {chosen.system.line}"
        )
    settings = chosen.settings
    if kind == "teach":

        def alone(teacher: str, student: str) -> DistillRecipe:
            raise RecipeError(f"{name} has no teacher: {chosen.system.line}")

        sees = settings.model.sees
        return Family(
            lambda modality: _teaching(settings, modality),
            alone,
            chosen.system.line,
            sees=(sees, sees),
        )
    expert = chosen.needs["teacher"]
    return Family(
        lambda modality: _teaching(expert.settings, modality),
        lambda teacher, student: replace(
            settings,
            teacher=replace(settings.teacher, sees=teacher),
            student=replace(settings.student, sees=student),
        ),
        chosen.system.line,
        teacher=expert.name,
        sees=(settings.teacher.sees, settings.student.sees),
    )


def _teaching(settings: TeachRecipe, modality: str) -> TeachRecipe:
    return replace(settings, model=replace(settings.model, sees=modality))


COMMANDS = {
    "teach": "teach",
    "distill": "distill",
    "motion": "motion",
    "hidden": "motion",
    "fuse": "fuse",
    "collaborate": "collaborate",
}
"""Kind of a system -> the command that runs it."""


def default_name(size: str, *, teach: str | None = None, student: str = "mv") -> str:
    """The recipe where none was chosen.

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
    """The recipe of `training motion`, `fuse` or `collaborate` where none was chosen."""
    system = {"motion": "motionnet", "fuse": "frame_dtmv", "collaborate": "hts_cln"}
    return system[command] + SIZES[size].suffix


def listed() -> dict[str, dict[str, str]]:
    """What catalogue.json says, for whoever needs the names alone."""
    return {
        "systems": {name: system.line for name, system in SYSTEMS.items()},
        "families": {name: known.line for name, known in FAMILIES.items()},
        "sizes": {name: size.suffix for name, size in SIZES.items()},
    }


__all__ = ["COMMANDS", "FAMILIES", "KINDS", "SIZES", "SYSTEMS", "Family", "Recipe"]
