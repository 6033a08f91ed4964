"""Other teachers of a student: recipes that fill the roles teacher, teacher_rgb, ..."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from motion_shards.choices import MODALITIES

from ..errors import RecipeError
from ..experiments.distill_recipe import DistillRecipe
from ..experiments.motion_teacher_recipe import MotionTeacherRecipe
from ..experiments.teach import TeachRecipe
from ..experiments.teacher_names import roles_of
from ..models.backbones import BackboneConfig
from ..runs.compatibility import VIEW_ONLY, unseen
from . import get_recipe, to_teach
from .systems import Recipe
from .values import NONE, OFF, text_of

_ROLE = re.compile(r"teacher(_[a-z]+[0-9]*)?")


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """The recipes that teach a student, and the student's settings for them."""

    needs: Mapping[str, Recipe]
    """Role -> recipe, of all teachers."""
    new: frozenset[str] = frozenset()
    """Roles of recipes that were not there."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the student's settings that have changed."""


def is_role(recipe: Recipe, path: str) -> bool:
    """Whether a path of --set is the role of a teacher, which another recipe can fill."""
    settings = recipe.settings
    taught = isinstance(settings, DistillRecipe)
    taught = taught and not isinstance(settings, MotionTeacherRecipe)
    return taught and _ROLE.fullmatch(path) is not None


def teacher_named(student: Recipe, text: str) -> Recipe | None:
    """The recipe of a teacher by its name; None for "off".

    Args:
        text: a recipe, or a modality: the student's first teacher on it.

    Raises:
        RecipeError: there is no such recipe.
    """
    if text.lower() in (OFF, NONE):
        return None
    return to_teach(student, text) if text in MODALITIES else get_recipe(text)


def title(recipe: Recipe) -> str:
    """A teacher as `teacher_named` takes it: the modality, or the name without changes."""
    return recipe.label or recipe.name.partition("+")[0]


def with_teachers(student: Recipe, fillers: Mapping[str, Recipe | None]) -> Teachers:
    """The teachers of a student, other recipes in some roles.

    Args:
        fillers: role -> recipe; None leaves the teacher out. A role that the student does
            not have is of a further teacher.

    Raises:
        RecipeError: a recipe results in no single network, a role is named for another
            modality, or no teacher is there to leave out.
    """
    settings: DistillRecipe = student.settings
    places = {role: place for place, role in enumerate(settings.roles)}
    rows: list[tuple[str, Recipe, BackboneConfig]] = []
    for role in (*places, *(role for role in fillers if role not in places)):
        one = fillers[role] if role in fillers else student.needs[role]
        if one is None and (role == "teacher" or role not in places):
            further = ", ".join(settings.roles[1:]) or "it has none"
            raise RecipeError(
                f"{role}=off: expected a further teacher of {student.name} to leave out"
                f" ({further})"
            )
        if one is not None:
            own = settings.teachers[places[role]] if role not in fillers else None
            rows.append((role, one, own or network_of(one)))
    nets = [net for _, _, net in rows]
    roles = roles_of(nets)
    for role, (given, one, net) in zip(roles, rows, strict=True):
        if given in fillers and given != role:
            raise RecipeError(
                f"{given}={one.name}: expected {role}={one.name}, as it sees {net.sees}"
            )
    return Teachers(
        needs={role: one for role, (_, one, _) in zip(roles, rows, strict=True)},
        new=frozenset(role for role, _, _ in rows if role in fillers),
        fields=settings.fields_of(nets, [places.get(given) for given, _, _ in rows]),
    )


def clips_for(teacher: Recipe, settings: DistillRecipe) -> dict[str, str]:
    """Paths and texts of the clip settings of a teacher in which it must agree with its
    student, where it does not.

    Args:
        settings: of the student.
    """
    net = teacher.settings.network
    ours, theirs = settings.clip_of(net), teacher.settings.clip
    free = VIEW_ONLY | unseen(net.sees)
    return {
        f"clip.{name}": text_of(getattr(ours, name))
        for name in ours.__slots__
        if name not in free and getattr(ours, name) != getattr(theirs, name)
    }


def network_of(recipe: Recipe) -> BackboneConfig:
    """The network that a recipe trains.

    Raises:
        RecipeError: it results in several, or in none that recognises classes.
    """
    settings = recipe.settings
    single = isinstance(settings, (TeachRecipe, DistillRecipe))
    if not single or isinstance(settings, MotionTeacherRecipe):
        raise RecipeError(
            "expected a teacher's recipe to be of one network that learns from labels or from"
            f" a teacher, got {recipe.name}: {recipe.line}"
        )
    return settings.network  # type: ignore[no-any-return]
