"""Named settings. A family says how to teach and how to distil, at one size.

>>> family("demo").distill("flow", "mv")
"""

from collections.abc import Callable
from typing import NamedTuple

from ..errors import RecipeError
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from . import demo, r3d, tiny


class Family(NamedTuple):
    """A recipe for every combination of modalities."""

    teach: Callable[[str], TeachRecipe]
    """modality -> training on labels"""
    distill: Callable[[str, str], DistillRecipe]
    """teacher's modality, student's modality -> distillation"""

    @property
    def line(self) -> str:
        """What it is, in one line."""
        return (self.distill.__doc__ or "").strip().splitlines()[0]


FAMILIES = {
    "r3d": Family(r3d.teach, r3d.distill),
    "r3d_small": Family(r3d.teach_small, r3d.distill_small),
    "demo": Family(demo.teach, demo.distill),
    "tiny": Family(tiny.teach, tiny.distill),
}


def family(name: str) -> Family:
    """
    Raises:
        RecipeError: no recipe of this name.
    """
    if name not in FAMILIES:
        raise RecipeError(f"expected a recipe among {', '.join(FAMILIES)}, got {name}")
    return FAMILIES[name]


def default_name(dataset: str, size: str) -> str:
    """The recipe where none was chosen.

    Args:
        size: "small" or "paper".
    """
    if size == "paper":
        return "r3d"
    return "demo" if dataset == "demo" else "r3d_small"
