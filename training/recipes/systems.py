"""Systems, the ways to train or combine networks, and recipes: systems at one size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..data.clip_config import ClipConfig
from ..scoring.clip_protocol import ClipProtocol
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
    """Whether it results in one network that recognises classes."""


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
    """Whether it is a comparison in no paper: how much of a row is due to its method."""
    any_modality: bool = False
    """Schedule and losses follow the modalities, which are named in a run's name."""
    epochs_on: Mapping[str, int] = field(default_factory=dict)
    """Data set -> epochs at paper size, where its paper trains longer or shorter on it than
    on UCF101."""
    joint: bool = False
    """Trained on the videos of several stores together, with a head for each."""
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
    """Suffix of the name of a run's folder: "flow-to-mv"."""
    changes: tuple[str, ...] = ()
    """Settings that differ from those of the recipe whose name it has, and of the recipes
    that it needs: "epochs=40", "teacher.epochs=40"."""
    code: tuple[str, ...] = ()
    """Names of the Python files that it comes from."""
    datasets: tuple[str, ...] = ()
    """The data sets whose epochs it has; none: those of UCF101."""

    def on(self, *datasets: str) -> "Recipe":
        """The recipe, and all that it needs, with the epochs of a data set.

        Of several that are learned together, the largest decides, which has the fewest:
        an epoch lasts until each of its videos was seen. Epochs that are not the
        system's own, and a recipe that is for data sets already, stay.
        """
        if self.datasets:
            return self
        needs = {role: needed.on(*datasets) for role, needed in self.needs.items()}
        settings, known = self.settings, self.system.epochs_on
        if self.size.name == "paper" and known.keys() & set(datasets):
            usual = self.system.make(self.size).epochs
            if settings.epochs == usual:
                fewest = min(known.get(name, usual) for name in datasets)
                settings = replace(settings, epochs=fewest)
        return replace(self, settings=settings, needs=needs, datasets=datasets)

    def on_each(self, datasets: Sequence[str]) -> "Recipe":
        """The recipe, and all that it needs, each with the epochs of what it learns.

        Args:
            datasets: of a store, and of those that joint systems learn, too; none: those
                of UCF101.
        """
        own = datasets if self.system.joint else datasets[:1]
        needs = {role: needed.on_each(datasets) for role, needed in self.needs.items()}
        return replace(self.on(*own), needs=needs)

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
