"""Accuracies that `training reproduce` measured of our recipes, with data set and seeds.

measured.json is written by tools/measured.py out of the folders of its reports, which
docs/reproduction.md shows whole.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).with_name("measured.json")


class Measured(NamedTuple):
    """The accuracy of one recipe, in percent, with its 95 % interval."""

    recipe: str
    dataset: str
    about: str
    """Data set and clips, in words."""
    split: str
    seeds: int
    mean: float
    low: float
    high: float


@cache
def all_measured() -> tuple[Measured, ...]:
    """Every figure."""
    return tuple(Measured(**one) for one in json.loads(PATH.read_text("utf-8")))


def measured_about(recipe: str) -> tuple[Measured, ...]:
    """Measurements of one recipe."""
    return tuple(one for one in all_measured() if one.recipe == recipe)
