"""reproduction.json: the state of a `training reproduce`, and the speeds it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ..errors import RunError
from .json_dataclasses import from_json, to_json
from .names import REPRODUCTION
from .reading import read_json
from .results import Number
from .run_config import Count, Seed
from .shapes import RATE
from .writing import write_json

Rate = Annotated[float, RATE]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpeed:
    """One network, fed from memory."""

    system: str
    per_second: Number
    """Inputs: the median of repeated windows."""
    slowest: Number | None = None
    fastest: Number | None = None
    """Inputs per second of the slowest window and of the fastest."""
    architecture: str | None = None
    """Network and input in words; measured once for all systems that have both."""
    parameters: Number
    multiply_adds: Number
    """Multiply-adds for one input."""
    sees: str = ""
    frames: Count = 1
    """Frames of a video that one input stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpeed:
    """The speed of one stage, and the conditions under which it was measured."""

    stage: str = ""
    frames_per_second: Rate
    """Median of repeated measurements, or the mean where only that is known."""
    slowest: Rate | None = None
    fastest: Rate | None = None
    device: str
    """The processor's name, with the number of threads where it is a CPU."""
    how: str
    """The command or the conditions that gave the number."""

    def __post_init__(self) -> None:
        if not self.frames_per_second > 0:
            raise ValueError(
                f"{self.stage}: expected more than 0 frames per second,"
                f" got {self.frames_per_second}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSpeed:
    """A whole system, in frames of a video per second."""

    system: str
    stages: Mapping[str, Number]
    total: Number
    """Harmonic sum of the stages."""
    slowest: Number | None = None
    fastest: Number | None = None
    """The same of the slowest windows of all stages, and of the fastest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """The speeds of the networks, and of all that is made of videos for them."""

    device: str
    batch_size: Count
    rows: tuple[NetworkSpeed, ...]
    reading: Mapping[str, StageSpeed] = field(default_factory=dict)
    systems: tuple[SystemSpeed, ...] = ()


@dataclass(slots=True, kw_only=True)
class Reproduction:
    """Contents and progress of a reproduction. Runs are named recipe/seed."""

    paper: str | None = None
    """None for a report of given runs."""
    size: str | None = None
    seeds: tuple[Seed, ...] | None = None
    store: str | None = None
    """Name of its folder."""
    split: str = ""
    """Names with commas between; empty where it is not known."""
    held_out: Number | None = None
    """Share of the training videos to hold out; None is the recipes'."""
    changes: tuple[str, ...] | None = None
    """Settings of --set, sorted."""
    recipe_of: dict[str, str] | None = None
    """System -> the recipe that stands for it."""
    not_run: dict[str, str] = field(default_factory=dict)
    """System -> why."""
    runs: dict[str, str]
    """Run -> its folder."""
    seconds: dict[str, Number] = field(default_factory=dict)
    total: Count | None = None
    """Stages."""
    done: Count | None = None
    command: str | None = None
    """The command that resumes it."""
    speeds: Speeds | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits it is about; none where it is not known."""
        return tuple(filter(None, self.split.split(",")))

    def check_same(self, before: "Reproduction", folder: Path) -> None:
        """Check that this can resume the reproduction that was begun in a folder.

        Raises:
            RunError: that is of another paper, size, split, held-out share or other changes.
        """
        for name in ("paper", "size", "split", "held_out", "changes"):
            wanted, there = getattr(self, name), getattr(before, name)
            if wanted != there:
                raise RunError(
                    f"{folder}: expected a reproduction with {name} {wanted}, but it has"
                    f" {name} {there}: choose another --out"
                )


def read_reproduction(folder: Path) -> Reproduction:
    """The reproduction.json of a folder.

    Raises:
        RunError: it is missing, or something else.
    """
    path = folder / REPRODUCTION
    return from_json(Reproduction, read_json(path), where=str(path))


def write_reproduction(folder: Path, state: Reproduction) -> None:
    """Write reproduction.json, whole or not at all."""
    write_json(folder / REPRODUCTION, to_json(state))
