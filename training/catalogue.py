"""The list of recipes without the recipes, whose networks take torch seconds to load.

catalogue.json is written by tools/catalogue.py; a test holds it to the recipes.
"""

import json
from pathlib import Path
from typing import Any

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


def paper_of(system: str) -> str:
    """The paper that a system is of ("dtmv"), by its name without a size; empty for none."""
    return _catalogue()["papers"].get(system, "")


def same_as(recipe: str) -> tuple[str, ...]:
    """Other systems that are the same at the size of a recipe: `mars` of "fts_small"."""
    return tuple(_catalogue()["same"].get(recipe, ()))


def is_file(name: str) -> bool:
    """Whether a name of a recipe is FILE.toml, FILE.py or FILE.py:name."""
    return name.endswith((".toml", ".py")) or ".py:" in name


def check_name(name: str) -> None:
    """Check that there is such a recipe, or such a file. Nothing is read.

    Raises:
        RecipeError: there is not.
    """
    if is_file(name):
        path = Path(
            name if name.endswith((".toml", ".py")) else name.rpartition(":")[0]
        )
        if not path.is_file():
            raise RecipeError(f"{path}: expected a file with a recipe, found none")
        return
    if name not in recipe_names():
        raise unknown(name)


def unknown(name: str) -> RecipeError:
    """The error for a name that no recipe has."""
    return RecipeError(
        f"no recipe {name!r}{near(name, recipe_names())} (`training recipes` lists them)"
    )


def _catalogue() -> dict[str, dict[str, Any]]:
    return json.loads(PATH.read_text("utf-8"))
