"""A system, one way to train or to combine; a recipe, a system at one size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..data.dataset import ClipConfig
from ..scoring.protocols import ClipProtocol
from .sizes import SIZES, Size, TrainSchedule


class Kind(NamedTuple):
    """A kind of training or combination."""

    line: str
    command: str
    """The command of `training` that runs it."""
    default: str = ""
    """The system that the command runs without --recipe; empty where that depends on
    modalities, or where another kind has the same command."""
    classifies: bool = True
    """Whether it leaves one network behind that recognises classes."""


KINDS = {
    "teach": Kind("a network learns the labels", "teach"),
    "distill": Kind("a student learns from labels and a teacher", "distill"),
    "motion": Kind(
        "a network learns motion from frames, without labels",
        "motion",
        default="motionnet",
        classifies=False,
    ),
    "hidden": Kind(
        "a motion network and a classifier learn together, from frames", "motion"
    ),
    "fuse": Kind(
        "trained networks are combined", "fuse", default="frame_dtmv", classifies=False
    ),
    "collaborate": Kind(
        "two trained networks attend to each other's snippets",
        "collaborate",
        default="hts_cln",
        classifies=False,
    ),
}
"""Name of a kind -> its line in lists, and its command."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One row of a paper's table, or a stage on the way to it."""

    name: str
    kind: str
    """One of `KINDS`."""
    line: str
    make: Callable[..., Any]
    """Size -> settings of the experiment: a `TeachRecipe`, `DistillRecipe`, ... With
    `any_modality` also (size, modality) or (size, teacher's, student's)."""
    needs: Mapping[str, "str | System"] = field(default_factory=dict)
    """Role -> the system that fills it. What is fused needs `first`, `second`, ..."""
    paper: str = ""
    like: Mapping[str, str] = field(default_factory=dict)
    """Size -> another system that is the same there, and is trained instead."""
    control: bool = False
    """In no paper: a comparison that shows how much of a row is due to its method."""
    any_modality: bool = False
    """Schedule and losses follow the modalities, which are named in a run's name."""
    named: Mapping[str, Size] = field(default_factory=dict)
    """Name of a recipe -> its size, where they are not NAME, NAME_medium, ..."""

    @property
    def recipes(self) -> Mapping[str, Size]:
        """Name of each recipe of the system -> its size."""
        return self.named or {self.name + s.suffix: s for s in SIZES.values()}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A system at a size: a name, frozen settings, and the recipes that it needs."""

    name: str
    system: System
    size: Size
    settings: Any
    """A `TeachRecipe`, `DistillRecipe`, ..., as its experiment takes it."""
    needs: Mapping[str, "Recipe"] = field(default_factory=dict)
    """Role -> the recipe that fills it."""
    label: str = ""
    """Behind the name in that of a run's folder: "flow-to-mv"."""

    @property
    def line(self) -> str:
        """A line for a list; it distinguishes the recipes of one system by their size."""
        system = self.system
        return f"{system.line}: {self.size.line}" if system.named else system.line


def train_fields(
    schedule: TrainSchedule, clip: ClipConfig, protocol: ClipProtocol
) -> dict[str, Any]:
    """The fields of a `TrainConfig`."""
    return {
        "clip": clip,
        "protocol": protocol,
        "optim": schedule.optim,
        "epochs": schedule.epochs,
        "batch_size": schedule.batch_size,
        "validate_every": schedule.validate_every,
        "select": schedule.select,
        "held_out": schedule.held_out,
    }
