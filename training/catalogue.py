"""The list of recipes without the recipes, whose networks take torch seconds to load.

catalogue.json is written by tools/catalogue.py; a test holds it to the recipes.
"""

import json
from pathlib import Path

from .errors import RecipeError
from .near import near

PATH = Path(__file__).parent / "recipes" / "catalogue.json"


def catalogue() -> dict[str, dict[str, str]]:
    """ "systems" and "families": name -> what it is, in a line; "sizes": size -> what
    stands behind a system's name."""
    return json.loads(PATH.read_text("utf-8"))


def recipe_lines() -> list[str]:
    """One line a recipe, without sizes."""
    known = catalogue()
    lines = known["systems"] | known["families"]
    wide = max(map(len, lines))
    return [f"{name:<{wide}}  {line}" for name, line in lines.items()]


def recipe_names() -> list[str]:
    """Every name that --recipe takes."""
    known = catalogue()
    sized = [name + end for name in known["systems"] for end in known["sizes"].values()]
    return [*sized, *known["families"]]


def check_name(name: str) -> None:
    """Check that there is such a recipe.

    Raises:
        RecipeError: there is not.
    """
    if name not in recipe_names():
        raise unknown(name)


def unknown(name: str) -> RecipeError:
    """What to say of a name that is none."""
    return RecipeError(
        f"no recipe {name!r}{near(name, recipe_names())} (`training recipes` lists them)"
    )
