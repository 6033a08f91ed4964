"""Settings in which a recipe and those that it needs must agree."""

from collections.abc import Collection, Iterator
from typing import Any

from ..errors import RecipeError
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.hidden import HiddenRecipe
from ..experiments.motion_teacher_recipe import MotionTeacherRecipe
from ..models.backbones import net_named
from ..runs.compatibility import VIEW_ONLY, unseen
from .systems import Recipe

NETWORK = ("net", "sees", "frames", "lrn_k", "estimator")
"""Settings of a network that must be those of its trained weights."""


def check_needs(recipe: Recipe) -> None:
    """Check that what a recipe needs fits it, before hours are spent on training it.

    Raises:
        RecipeError: a teacher is another network than the recipe says, or sees motion of
            another scale.
    """
    for role, ours, theirs in _pairs(recipe):
        needed = recipe.needs[role].name
        for name, wanted in ours.items():
            if wanted != theirs[name]:
                raise RecipeError(
                    f"{recipe.name}: expected {role} ({needed}) with the recipe's {name}"
                    f" {_short(wanted)}, got {_short(theirs[name])}: set both"
                )


def links(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Beginning of a path here, role, and beginning of the path there."""
    settings = recipe.settings
    if isinstance(settings, DistillRecipe):
        for place, (role, needed) in enumerate(recipe.needs.items()):
            here = f"other_teachers.{place - 1}." if place else "teacher."
            yield here, role, _path_of_network(needed.settings)
            if role == "teacher" and isinstance(settings, MotionTeacherRecipe):
                yield "motion.", role, "motion."
            yield "clip.", role, "clip."
    if isinstance(settings, HiddenRecipe):
        yield "classifier.", "temporal", "model."
        if "motion" in recipe.needs:
            yield "motion.", "motion", "motion."


def follows(recipe: Recipe, role: str, path: str, changed: Collection[str]) -> bool:
    """Whether a clip setting of a recipe counts for what it needs, too.

    The length does not for a teacher that stacks as many frames as before: it sees windows
    of longer clips.

    Args:
        changed: paths of the recipe's settings that change.
    """
    name = path.removeprefix("clip.")
    if name == "length" and isinstance(recipe.settings, DistillRecipe):
        here = next(here for here, of, _ in links(recipe) if of == role)
        stacks = net_named(recipe.needs[role].settings.network.net).dim == 2
        if stacks and not {f"{here}frames", f"{here}net"} & set(changed):
            return False
    return name not in VIEW_ONLY | unseen(_sees(recipe.needs[role]))


def _pairs(recipe: Recipe) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Role, settings here, and those of the needed recipe that must be equal."""
    for here, role, there in links(recipe):
        name, _, place = here.rstrip(".").partition(".")
        ours = getattr(recipe.settings, name)
        if place:
            ours = ours[int(place)]
        theirs = getattr(recipe.needs[role].settings, there.rstrip("."))
        if here == "clip.":
            sees = _sees(recipe.needs[role])
            if isinstance(recipe.settings, DistillRecipe):
                ours = recipe.settings.clip_of(recipe.needs[role].settings.network)
            yield role, _motion(ours, sees), _motion(theirs, sees)
        else:
            yield role, _network(ours), _network(theirs)


def _path_of_network(settings: Any) -> str:
    """Beginning of the paths of the network that recognises classes."""
    if isinstance(settings, HiddenRecipe):
        return "classifier."
    return "student." if isinstance(settings, DistillRecipe) else "model."


def _network(net: Any) -> dict[str, Any]:
    return {name: getattr(net, name) for name in NETWORK if hasattr(net, name)}


def _sees(recipe: Recipe) -> str:
    hidden = isinstance(recipe.settings, HiddenRecipe)
    return "rgb" if hidden else str(recipe.settings.network.sees)


def _motion(clip: Any, sees: str) -> dict[str, Any]:
    return {
        f"clip.{name}": getattr(clip, name)
        for name in clip.__slots__
        if name not in VIEW_ONLY | unseen(sees)
    }


def _short(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
