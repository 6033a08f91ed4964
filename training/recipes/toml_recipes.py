"""Recipes as TOML: the recipe from which one starts, and settings by their paths.

    from = "dtmv_small"
    name = "mine"
    epochs = 40
    [terms.map]
    is = "AttentionTransfer"
    taps = ["conv4", "conv5"]
    [needs.teacher]
    epochs = 20
    [needs.teacher_rgb]
    from = "rgb"

Tables and keys are the paths of `--set`; `from` in a table of `needs` names the recipe of
a teacher, or its modality. What is not in the file stays as it is in the
recipe from which it starts; of a table of terms, balances or rates that is there, all names
are. Nothing in a file is executed.
"""

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalogue import recipe_names
from ..errors import RecipeError
from . import get_recipe
from .change import Change
from .changes import with_changes
from .systems import Recipe
from .teachers import is_role, teacher_named, title
from .values import NONE, OFF, below, is_term, text_of

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
KIND = "is"
"""Key of the name of a term's class."""
FROM = "from"
"""Key of the name of the recipe from which one starts."""
ABOUT = (FROM, "name", "needs")
FURTHER = "other_teachers"
"""Field of settings that follows from what a recipe needs."""


def read_toml(path: Path) -> Recipe:
    """The recipe of a TOML file.

    Raises:
        RecipeError: there is no file, it is no TOML, it starts from no recipe, or has
            settings that the recipe refuses.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: expected a recipe as TOML: {error}") from None
    try:
        return from_toml(text)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def from_toml(text: str) -> Recipe:
    """A recipe from the text of a TOML file.

    Raises:
        RecipeError: see `read_toml`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"expected TOML: {error}") from None
    base = table.get(FROM)
    if not isinstance(base, str):
        raise RecipeError('expected from = "NAME", a recipe to start from')
    recipe = get_recipe(base)
    made = _fixed(with_changes(recipe, list(_changes(table, recipe))))
    return _named(made, table.get("name", made.name))


def to_toml(recipe: Recipe) -> str:
    """A recipe as TOML, with all settings; `from_toml` gives an equal one.

    Raises:
        RecipeError: it does not start from a recipe that has a name in the catalogue.
    """
    base = recipe.name.partition("+")[0]
    if base not in recipe_names():
        raise RecipeError(f"{recipe.name}: expected a recipe of `training recipes`")
    lines = [f"from = {_text(base)}", *_lines(recipe.settings, "")]
    lines += _needed(recipe, "needs", get_recipe(base))
    return "\n".join(lines) + "\n"


def _named(recipe: Recipe, name: object) -> Recipe:
    if name == recipe.name:
        return recipe
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in recipe_names():
        raise RecipeError(
            "expected a name of letters, digits, _, . and - that no other recipe has, got"
            f" {name!r}"
        )
    return replace(recipe, name=name, system=replace(recipe.system, like={}))


def _fixed(recipe: Recipe) -> Recipe:
    """A recipe whose changed settings are not made anew for other modalities."""
    if not recipe.changes:
        return recipe
    needs = {role: _fixed(needed) for role, needed in recipe.needs.items()}
    system = replace(recipe.system, any_modality=False)
    return replace(recipe, system=system, needs=needs)


def _changes(
    table: Mapping[str, Any], recipe: Recipe, of: str = ""
) -> Iterator[Change]:
    needs = table.get("needs", {})
    if not isinstance(needs, dict):
        raise RecipeError("expected tables [needs.ROLE]")
    settings = {key: value for key, value in table.items() if key not in ABOUT}
    for path, text in _paths(settings, recipe.settings, ""):
        yield Change(of, path, text)
    for role, inner in needs.items():
        needed = recipe.needs.get(role)
        if isinstance(inner, dict) and FROM in inner and is_role(recipe, role):
            name = str(inner[FROM])
            yield Change(of, role, name)
            needed = teacher_named(recipe, name)
        if needed is None or not isinstance(inner, dict):
            known = ", ".join(recipe.needs) or "none"
            raise RecipeError(
                f"expected tables of what {recipe.name} needs ({known}), got"
                f" needs.{role}"
            )
        yield from _changes(inner, needed, f"{of}:{role}".strip(":"))


def _paths(
    table: Mapping[str, Any], value: Any, path: str
) -> Iterator[tuple[str, str]]:
    """Paths and texts as --set takes them.

    Args:
        value: the settings that the recipe has there.
    """
    if isinstance(value, Mapping):
        for name in value:
            if name not in table:
                yield below(path, name), OFF
    for name, inner in table.items():
        here = below(path, name)
        if isinstance(inner, dict):
            kind = inner.get(KIND)
            if kind is not None:
                yield here, str(kind)
            rest = {key: one for key, one in inner.items() if key != KIND}
            yield from _paths(rest, _part(value, name), here)
        else:
            yield here, _as_text(inner, here)


def _part(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def _as_text(value: Any, path: str) -> str:
    if isinstance(value, list):
        return ",".join(_as_text(one, path) for one in value)
    if isinstance(value, (bool, int, float, str)):
        return text_of(value)
    raise RecipeError(f"{path}: expected a number, a text or a list, got {value!r}")


def _needed(recipe: Recipe, path: str, base: Recipe | None = None) -> Iterator[str]:
    """The tables of what a recipe needs.

    Args:
        base: the recipe from which it starts, where that may need others.
    """
    for role, needed in recipe.needs.items():
        here = below(path, role)
        yield f"\n[{here}]  # {needed.name}"
        usual = base.needs.get(role) if base else needed
        if usual is None or title(needed) != title(usual):
            yield f"{FROM} = {_text(title(needed))}"
        yield from _lines(needed.settings, here)
        yield from _needed(needed, below(here, "needs"))


def _lines(settings: Any, path: str) -> Iterator[str]:
    """Keys of a table, then the tables in it."""
    if is_term(settings):
        yield f"{KIND} = {_text(type(settings).__name__)}"
    names = (
        settings
        if isinstance(settings, Mapping)
        else [field.name for field in dataclasses.fields(settings)]
    )
    parts = {name: _part(settings, name) for name in names if name != FURTHER}
    tables = {
        name: part
        for name, part in parts.items()
        if isinstance(part, Mapping) or dataclasses.is_dataclass(part)
    }
    for name, part in parts.items():
        if name not in tables:
            yield f"{_key(name)} = {_value(part)}"
    for name, part in tables.items():
        here = below(path, _key(name))
        yield f"\n[{here}]"
        yield from _lines(part, here)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if value is None:
        return _text(NONE)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else text_of(value)


def _text(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped)
        + '"'
    )
