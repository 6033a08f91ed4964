"""Settings with several values -> every combination, for a sweep."""

from collections.abc import Sequence
from itertools import product

from ..errors import RecipeError
from . import Recipe
from .change import parse_change, parse_changes
from .changes import with_changes

OPENING, CLOSING = "([{", ")]}"


def values_of(text: str) -> tuple[str, ...]:
    """The values of one setting: those between commas that are in no brackets.

    Brackets around a whole value hold its own commas together, and are taken off.

    >>> values_of("1,2,3")
    ('1', '2', '3')
    >>> values_of("(112,112),(224,224)")
    ('112,112', '224,224')
    """
    found, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in OPENING) - (letter in CLOSING)
        if letter == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
    found.append(text[start:])
    return tuple(map(_bare, found))


def combinations(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination of the values, as PATH=VALUE; the last setting changes fastest.

    Args:
        texts: PATH=VALUE,VALUE,...

    Raises:
        RecipeError: a text is of another form, a value is empty or given twice, or two
            texts are of one setting.
    """
    parse_changes(texts)  # each setting once
    axes = []
    for text in texts:
        change = parse_change(text)
        values = values_of(change.value)
        if not all(values):
            raise RecipeError(
                f"{text}: expected values with commas between, got an empty one"
            )
        axes.append([change._replace(value=value).text for value in values])
    return [tuple(each) for each in product(*axes)]


def points_of(recipe: Recipe, texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The recipes of all combinations: name -> its changes, PATH=VALUE.

    Raises:
        RecipeError: see `combinations` and `with_changes`; or two combinations are the same.
    """
    found: dict[str, tuple[str, ...]] = {}
    for settings in combinations(texts):
        made = with_changes(recipe, parse_changes(settings))
        if made.name in found:
            raise RecipeError(
                f"expected different settings, but {' '.join(found[made.name])} and"
                f" {' '.join(settings)} are the same"
            )
        found[made.name] = settings
    return found


def _bare(value: str) -> str:
    value = value.strip()
    whole = value[:1] in ("(", "[") and value[-1:] in (")", "]")
    return value[1:-1] if whole else value
