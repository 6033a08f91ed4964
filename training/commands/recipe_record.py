"""A recipe for programs: as JSON, and as a TOML file to start from."""

from collections.abc import Sequence

from pipeline.store import Json

from ..recipes.change import parse_changes
from ..recipes.changes import with_changes
from ..recipes.files import recipe_named
from ..recipes.toml_recipes import to_toml
from ..run_files.settings_json import as_json
from .recipe_facts import epochs_elsewhere, lines_of


def recipe_toml(name: str, changes: Sequence[str] = ()) -> str:
    """A recipe as a TOML file to start from.

    Args:
        changes: see `recipe_text`.

    Raises:
        RecipeError: see `recipe_text`; or the recipe is of a file.
    """
    return to_toml(with_changes(recipe_named(name), parse_changes(changes)))


def recipe_json(name: str, changes: Sequence[str] = ()) -> dict[str, Json]:
    """The page of a recipe for programs: its settings, and its paper's statements.

    Args:
        changes: see `recipe_text`.

    Raises:
        RecipeError: see `recipe_text`.
    """
    recipe = with_changes(recipe_named(name), parse_changes(changes))
    return {
        "name": recipe.name,
        "system": recipe.system.name,
        "kind": recipe.system.kind,
        "size": recipe.size.name,
        "line": recipe.line,
        "paper": recipe.system.paper or None,
        "needs": {role: needed.name for role, needed in recipe.needs.items()},
        "settings": as_json(recipe.settings),
        "epochs_on": epochs_elsewhere(recipe),
        "statements": [line._asdict() for line in lines_of(recipe)],
    }
