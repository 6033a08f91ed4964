"""Recipes from files that a command names: FILE.toml, and FILE.py or FILE.py:name."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from motion_shards.near import near

from ..catalogue import is_file, recipe_names
from ..errors import RecipeError
from ..experiments.collaborate import CollaborateRecipe
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.fuse import FuseRecipe
from ..experiments.hidden import HiddenRecipe
from ..experiments.motion import MotionRecipe
from ..experiments.motion_teacher_recipe import MotionTeacherRecipe
from ..experiments.teach import TeachRecipe
from ..models.user_files import FILES, imported, used_files
from ..runs.config import TrainConfig
from . import get_recipe
from .agreement import check_needs
from .sizes import PAPER
from .systems import Recipe, System
from .toml_recipes import read_toml

KIND_OF: dict[type, str] = {
    TeachRecipe: "teach",
    DistillRecipe: "distill",
    MotionTeacherRecipe: "distill",
    MotionRecipe: "motion",
    HiddenRecipe: "hidden",
    FuseRecipe: "fuse",
    CollaborateRecipe: "collaborate",
}
"""Class of settings -> kind of the system."""

ROLES = {
    "hidden": ("temporal",),
    "collaborate": ("first", "second"),
    "fuse": ("first",),
}
"""Kind of a system -> roles that its recipes must fill, besides those of a student."""

RECIPE = "RECIPE"
"""Name of the recipe in a file that has several values."""


def recipe_named(text: str) -> Recipe:
    """A recipe by its name, or of a file. A Python file is run.

    Args:
        text: NAME, FILE.toml, FILE.py or FILE.py:name.

    Raises:
        RecipeError: no such recipe or file, or the file is of something else.
    """
    if text.endswith(".toml"):
        return read_toml(Path(text))
    if not is_file(text):
        return get_recipe(text)
    path, name = text, ""
    if not text.endswith(".py"):
        path, _, name = text.rpartition(":")
    module = imported(Path(path))
    name = name or _only(module, path)
    value = getattr(module, name, None)
    if value is None:
        known = [one for one, what in vars(module).items() if _is_recipe(what)]
        raise RecipeError(
            f"{path}: expected a recipe among {', '.join(known) or 'none'}, got {name}"
            f"{near(name, known)}"
        )
    if isinstance(value, Recipe):
        recipe = value
    elif type(value) in _kinds():
        stem = Path(path).stem
        title = stem if name == RECIPE else f"{stem}.{name}"
        recipe = own_recipe(value, name=title, line=f"{name} of {Path(path).name}")
    else:
        raise RecipeError(
            f"{path}: expected {name} to be a recipe or settings of one, got"
            f" {type(value).__name__}"
        )
    return replace(recipe, code=(Path(path).name,))


def own_recipe(
    settings: Any,
    *,
    name: str,
    needs: Mapping[str, Recipe] | None = None,
    line: str = "a recipe of one's own",
) -> Recipe:
    """A recipe with these settings.

    Args:
        settings: a `TeachRecipe`, `DistillRecipe` or of another experiment.
        name: in the record of runs and in the names of their folders.
        needs: role -> recipe. None: a student's teachers learn from labels with the same
            clips and schedule, and nothing else is needed.

    Raises:
        RecipeError: the name is that of another recipe, or they are not the settings of an
        experiment.
    """
    kind = _kinds().get(type(settings))
    if kind is None:
        raise RecipeError(f"expected settings of a recipe, got {settings!r}")
    if name in recipe_names() or "+" in name or "/" in name:
        raise RecipeError(
            f"expected a name that no other recipe has, without + and /, got {name}"
        )
    clip = settings.clip if isinstance(settings, TrainConfig) else PAPER.clip3d
    size = replace(PAPER, name="own", line="as in its file", clip3d=clip)
    if needs is None:
        needs = _teachers(settings, name)
    roles = getattr(settings, "roles", ROLES.get(kind, ()))
    missing = [role for role in roles if role not in needs]
    if missing:
        raise RecipeError(f"{name}: expected `needs` with {missing[0]}, got none")
    system = System(name=name, kind=kind, line=line, make=lambda size: settings)
    made = Recipe(name=name, system=system, size=size, settings=settings, needs=needs)
    check_needs(made)
    return made


def _teachers(settings: Any, name: str) -> dict[str, Recipe]:
    """Trainings on labels of a student's teachers, as the student's own."""
    if not isinstance(settings, DistillRecipe):
        return {}
    alone = settings.scratch()
    return {
        role: replace(
            own_recipe(
                replace(alone, model=net, clip=settings.clip_of(net)),
                name=f"{name}.teacher",
            ),
            label=net.sees,
            code=tuple(used_files(net)),
        )
        for role, net in zip(settings.roles, settings.teachers, strict=True)
    }


def _kinds() -> dict[type, str]:
    """Classes of settings, and those that a user's file has derived from them."""
    found = dict(KIND_OF)
    for file in FILES.values():
        for kind in vars(file.module).values():
            if isinstance(kind, type) and kind not in found:
                base = next((b for b in kind.__mro__ if b in KIND_OF), None)
                if base:
                    found[kind] = KIND_OF[base]
    return found


def _is_recipe(value: Any) -> bool:
    return type(value) in (Recipe, *_kinds())


def _only(module: ModuleType, path: str) -> str:
    """The name of the one recipe of a file.

    Raises:
        RecipeError: it has none, or several.
    """
    if hasattr(module, RECIPE):
        return RECIPE
    names = [name for name, value in vars(module).items() if _is_recipe(value)]
    if len(names) != 1:
        known = f", got {', '.join(names)}: give {path}:NAME" if names else ", got none"
        raise RecipeError(f"{path}: expected one recipe, or one called {RECIPE}{known}")
    return names[0]
