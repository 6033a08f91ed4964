"""recipe.json: what decides a run's result, and the machine on which it was started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipeline.store import MODALITIES, Json

from .json_dataclasses import from_json
from .names import RECIPE
from .reading import read_json
from .shapes import COUNT, NUMBER, SEED

Modality = Annotated[str, MODALITIES]
Count = Annotated[int, COUNT]
Seed = Annotated[int, SEED]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSettings:
    """A recipe: its name and all its settings."""

    name: str
    settings: Mapping[str, Json]
    """The fields of its dataclass; `recorded` makes their dataclasses of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """The store, as far as it decides a result. No folder: stores may move."""

    dataset: str
    fingerprint: str | None = None
    classes: tuple[str, ...]
    settings: Mapping[str, Json] | None = None
    """"common" and those of the modalities, their codecs included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitName:
    """A split by its name, and where it comes from."""

    name: str
    kind: str
    """official, lists, seeded; none for all videos of a store without splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts(SplitName):
    """A split with the hash of its parts."""

    videos: str
    """SHA-256 over each video's id, part, labels and group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosHash:
    """A set of videos."""

    count: Count
    ids: str
    """SHA-256 of the sorted ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointStore:
    """Another data set that is learned together with the run's own."""

    store: StoreFacts
    split: SplitFacts
    videos_held_out: VideosHash


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantStore:
    """A store of the same videos, from which training clips come, too."""

    store: StoreFacts
    videos_to_train_on: VideosHash
    """Videos of the training part that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedStream:
    """A run whose scores are fused."""

    recipe: str
    scores: str
    """SHA-256 of its scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStream(RecipeSettings):
    """A run whose network's features are used."""

    weights: str
    """SHA-256 of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides a run's result: recipe.json under "run"."""

    kind: str
    """teach, distill, motion, hidden, fuse or collaborate."""
    recipe: RecipeSettings
    model: Mapping[str, Json] | None
    """Configuration of the network; None if there is not exactly one."""
    modalities: tuple[Modality, ...]
    """All that are read from the store."""
    store: StoreFacts
    split: SplitFacts
    videos_held_out: VideosHash | None = None
    seed: Seed
    precision: str
    teacher: tuple[Mapping[str, Json], ...] | None = None
    """The networks of the teachers, each with the hash of its weights."""
    first_weights: tuple[str, ...] | None = None
    """SHA-256 of weights that the training starts from."""
    streams: tuple[NetworkStream | FusedStream, ...] | None = None
    """The runs that are fused, or whose features are."""
    joint: Mapping[str, JointStore] | None = None
    """Name -> another data set that is learned together."""
    variants: tuple[VariantStore, ...] | None = None
    """Stores among which clips draw what the network sees, after the run's own."""
    code: Mapping[str, str] | None = None
    """Python file of the user's with nets or losses of the run -> SHA-256 of its text."""

    @property
    def net(self) -> str | None:
        """Name of the network that classifies; None if there is not exactly one."""
        net = (self.model or {}).get("net")
        return net if isinstance(net, str) else None

    @property
    def sees(self) -> str | None:
        """Modality that the run's network takes; None if there is not exactly one network."""
        model = self.model or {}
        sees = "rgb" if "estimator" in model else model.get("sees")
        return sees if isinstance(sees, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOn:
    """The machine on which a run was started, for people: recipe.json under "machine"."""

    device: str = ""
    machine: str = ""
    """The processor's architecture."""
    threads: Count | None = None
    workers: Count | None = None
    compiled: bool | None = None
    torch: str = ""
    """Version."""
    processor: str | None = None
    """Model name of the CPU."""
    cores: Annotated[float, NUMBER] | None = None
    """CPU time that was available to the process, in cores."""
    versions: Mapping[str, str] | None = None
    """Library, or python or ffmpeg, -> its version."""
    commit: str | None = None
    """Commit of the source, where that is a git checkout."""
    command: str | None = None
    """Command line of the process."""
    store: str | None = None
    """The folder of the store; several of a joint training with commas between."""
    variants: str | None = None
    """Folders of variants of the store."""
    teacher: str | None = None
    """Folders of the runs that it needs."""
    first: str | None = None
    second: str | None = None
    code: Mapping[str, str] | None = None
    """Python file of the user's that the recipe comes from -> SHA-256 of its text."""
    changes: tuple[str, ...] | None = None
    """Settings that differ from those of the recipe that was named: "epochs=40"."""
    motion: str | None = None
    temporal: str | None = None
    streams: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """recipe.json."""

    run: RunConfig
    machine: StartedOn


def read_recipe(folder: Path) -> RecipeFile:
    """The recipe.json of a run.

    Raises:
        RunError: it is missing, damaged or something else.
    """
    path = folder / RECIPE
    return from_json(RecipeFile, read_json(path), where=str(path))
