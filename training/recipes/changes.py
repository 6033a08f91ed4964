"""Recipes with other settings: `--set PATH=VALUE` and `--set teacher:PATH=VALUE`.

A changed recipe is another recipe: the changes are appended to its name, which is in the
record of a run and in the name of its folder. Runs are still found by all their settings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from motion_shards.near import near

from ..errors import NoSuchPath, RecipeError
from .agreement import check_needs, follows, links
from .change import Change, mark, parse_changes
from .net_options import frames_of_clips, options_of_nets
from .paths import LEAVES_OUT, differing, has_path, with_values
from .systems import Recipe
from .teachers import Teachers, clips_for, is_role, teacher_named, title, with_teachers
from .values import OFF


def with_changes(
    recipe: Recipe,
    changes: Sequence[Change],
    *,
    teachers: Mapping[str, Recipe] | None = None,
) -> Recipe:
    """A recipe with other settings, and other settings of those that it needs.

    Settings in which a student and its teacher must agree are changed in both: the
    motion that clips show, and the network. So are those of another recipe that a change
    makes a teacher: "teacher_rgb=r3d_rgb_small", or "teacher_rgb=rgb" for the recipe's
    own teacher on another modality; "off" leaves a further teacher out.

    Args:
        changes: of the recipe, or of one that fills a role: "teacher".
        teachers: role -> recipe of a teacher, as such changes name them.

    Raises:
        RecipeError: no such path or role, a value of another type, or settings that do
            not fit each other.
    """
    fillers: dict[str, Recipe | None] = dict(teachers or {})
    rest = []
    for one in changes:
        if not one.of and is_role(recipe, one.path):
            fillers[one.path] = teacher_named(recipe, one.value)
        else:
            rest.append(one)
    found = with_teachers(recipe, fillers) if fillers else Teachers(needs=recipe.needs)
    taught = replace(recipe, needs=found.needs)
    own, of_role = _sorted(rest, taught)
    own += _of_nets(recipe.settings, own)
    own += _following(frames_of_clips, recipe.settings, own)
    for role, given in of_role.items():
        given += _of_nets(taught.needs[role].settings, given)
    own, of_role = _linked(taught, own, of_role)
    values = {one.path: one.value for one in own}
    settings = _settings(recipe, values, found.fields)  # its own errors first
    alike = {
        role: with_changes(needed, _fitting(needed, settings))
        if role in found.new
        else needed
        for role, needed in found.needs.items()
    }
    needs = {
        role: with_changes(needed, of_role.get(role, ()))
        for role, needed in alike.items()
    }
    return _with(
        recipe, settings, needs, replace(recipe, needs=alike), fillers, found.fields
    )


def changed(
    recipe: Recipe, values: Mapping[str, str], needs: Mapping[str, Recipe]
) -> Recipe:
    """A recipe with other values at paths, on other recipes that it needs.

    The same recipe where nothing differs.

    Raises:
        RecipeError: see `with_changes`.
    """
    return _with(recipe, _settings(recipe, values), needs, recipe)


def _with(
    recipe: Recipe,
    settings: Any,
    needs: Mapping[str, Recipe],
    before: Recipe,
    fillers: Mapping[str, Recipe | None] = MappingProxyType({}),
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """A recipe with other settings, on other recipes that it needs.

    Args:
        before: the recipe with which it is compared, apart from its `fields`.
        fillers: role -> the recipe that fills it from now on.
        fields: values of whole fields of the settings that follow from them.
    """
    made = replace(recipe, settings=settings, needs=needs)
    check_needs(made)
    found = (
        *(
            f"{role}={title(one) if one else OFF}"
            for role, one in fillers.items()
            if needs.get(role) != recipe.needs.get(role)
        ),
        *_differences(before, made, fields),
    )
    if not found:
        return recipe
    paths = {one.partition("=")[0] for one in found}
    kept = (one for one in recipe.changes if one.partition("=")[0] not in paths)
    return replace(made, name=recipe.name + mark(found), changes=(*kept, *found))


def changed_settings(
    settings: Any, texts: Sequence[str]
) -> tuple[Any, tuple[str, ...]]:
    """Settings without a recipe, with other values, and the differences.

    Raises:
        RecipeError: see `with_changes`; or a change is of a recipe.
    """
    changes = parse_changes(texts)
    for one in changes:
        if one.of:
            raise RecipeError(f"{one.text}: expected PATH=VALUE, as nothing is needed")
    made = with_values(settings, {one.path: one.value for one in changes})
    return made, tuple(f"{path}={text}" for path, text in differing(settings, made))


def for_every(recipe: Recipe, changes: Sequence[Change]) -> Recipe:
    """A recipe of a reproduction, and all that it needs, with the changes of all.

    Args:
        changes: those without a name are for every recipe that has the path, the others
            for the system or the recipe of that name.
    """
    needs = {role: for_every(one, changes) for role, one in recipe.needs.items()}
    names = ("", recipe.system.name, recipe.name)
    values = {
        one.path: one.value
        for one in changes
        if one.of in names
        and (one.of or has_path(recipe.settings, one.path, one.value))
    }
    return changed(recipe, values, needs)


def check_used(recipes: Sequence[Recipe], changes: Sequence[Change]) -> None:
    """Check that every change of a reproduction reaches a recipe.

    Args:
        recipes: all of them, without changes.

    Raises:
        RecipeError: none has the path, or there is no such system.
    """
    names = dict.fromkeys(name for r in recipes for name in (r.system.name, r.name))
    for one in changes:
        if one.of and one.of not in names:
            raise RecipeError(
                f"{one.text}: expected a system of the reproduction, got {one.of}"
                f"{near(one.of, names)}"
            )
        if not one.of and not any(
            has_path(recipe.settings, one.path, one.value) for recipe in recipes
        ):
            raise _first_error(recipes[0], one)


def _of_nets(settings: Any, changes: Sequence[Change]) -> list[Change]:
    """The changes that follow from those of nets."""
    return _following(options_of_nets, settings, changes)


def _following(
    rule: Callable[[Any, Mapping[str, str]], dict[str, str]],
    settings: Any,
    changes: Sequence[Change],
) -> list[Change]:
    texts = {one.path: one.value for one in changes if not one.of}
    return [Change("", path, text) for path, text in rule(settings, texts).items()]


def _fitting(teacher: Recipe, settings: Any) -> list[Change]:
    """The changes that give a teacher the clips of its student."""
    found = clips_for(teacher, settings)
    return [Change("", path, text) for path, text in found.items()]


def _settings(
    recipe: Recipe, values: Mapping[str, str], fields: Mapping[str, Any] | None = None
) -> Any:
    """The recipe's settings with other values; a term that is left out has no balance.

    Args:
        fields: values of whole fields, in which the others are put.
    """
    balance = getattr(recipe.settings, "balance", {})
    gone = {
        f"balance.{name}": text
        for name in balance
        if (text := values.get(f"terms.{name}", "").lower()) in LEAVES_OUT
    }
    try:
        return with_values(recipe.settings, gone | dict(values), fields=fields)
    except RecipeError as error:
        raise RecipeError(f"{recipe.name}: {error}") from None


def _linked(
    recipe: Recipe, own: list[Change], of_role: dict[str, list[Change]]
) -> tuple[list[Change], dict[str, list[Change]]]:
    """The changes, and those that follow in the recipes that must agree."""
    ours = {one.path: one for one in own}
    theirs = {role: {one.path: one for one in each} for role, each in of_role.items()}
    for here, role, there in links(recipe):
        given = theirs.setdefault(role, {})
        for one in own:
            if one.path.startswith(here) and (
                here != "clip." or follows(recipe, role, one.path, ours)
            ):
                path = there + one.path.removeprefix(here)
                given.setdefault(path, Change("", path, one.value))
        for one in of_role.get(role, ()):
            if here != "clip." and one.path.startswith(there):
                path = here + one.path.removeprefix(there)
                ours.setdefault(path, Change("", path, one.value))
    return list(ours.values()), {
        role: list(each.values()) for role, each in theirs.items()
    }


def _sorted(
    changes: Sequence[Change], recipe: Recipe
) -> tuple[list[Change], dict[str, list[Change]]]:
    """The changes of a recipe, and those of the recipes that fill its roles."""
    own, of_role = [], {role: [] for role in recipe.needs}  # type: ignore[var-annotated]
    for one in changes:
        role, _, further = one.of.partition(":")
        if not role:
            own.append(one)
            continue
        if role not in of_role:
            known = ", ".join(of_role) or "none"
            raise RecipeError(
                f"{one.text}: expected one that {recipe.name} needs ({known}), got"
                f" {role}{near(role, of_role)}"
            )
        of_role[role].append(one._replace(of=further))
    return own, of_role


def _differences(
    before: Recipe, after: Recipe, fields: Mapping[str, Any]
) -> Iterator[str]:
    """The changes of a recipe's own settings, then those of recipes that it needs.

    Args:
        fields: values of whole fields that settings have before.
    """
    own = list(differing(before.settings, after.settings, fields=fields))
    for path, text in own:
        yield f"{path}={text}"
    following = {
        (role, there + path.removeprefix(here), text)
        for here, role, there in links(before)
        for path, text in own
        if path.startswith(here)
    }
    for role, needed in after.needs.items():
        known = before.needs[role].changes
        for one in (one for one in needed.changes if one not in known):
            path, _, text = one.partition("=")
            if (role, path, text) not in following:
                yield f"{role}.{one}"


def _first_error(recipe: Recipe, change: Change) -> RecipeError:
    try:
        with_values(recipe.settings, {change.path: change.value})
    except RecipeError as error:
        return RecipeError(f"{change.text}: {error}")
    return NoSuchPath(f"{change.text}: no recipe has this setting")
