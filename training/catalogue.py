"""The list of recipes without the recipes, whose networks take torch seconds to load.

catalogue.json is written by tools/catalogue.py; a test holds it to the recipes.
"""

import json
from pathlib import Path

from motion_shards.near import near

from .errors import RecipeError

PATH = Path(__file__).parent / "recipes" / "catalogue.json"


def recipe_lines() -> list[str]:
    """A line for each system, and for each recipe that has a name of its own."""
    lines = _catalogue()["lines"]
    width = max(map(len, lines))
    return [f"{name:<{width}}  {line}" for name, line in lines.items()]


def recipe_names() -> list[str]:
    """Every name that --recipe takes."""
    return list(_catalogue()["names"])


def check_name(name: str) -> None:
    """Check that there is such a recipe.

    Raises:
        RecipeError: there is not.
    """
    if name not in recipe_names():
        raise unknown(name)


def unknown(name: str) -> RecipeError:
    """The error for a name that no recipe has."""
    return RecipeError(
        f"no recipe {name!r}{near(name, recipe_names())} (`training recipes` lists them)"
    )


def _catalogue() -> dict[str, dict[str, str]]:
    return json.loads(PATH.read_text("utf-8"))
