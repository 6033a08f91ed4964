"""Settings of every training, and the clips of a split."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from motion_shards.choices import MOTION

from ..data.dataset import ClipConfig, Clips, frames_of
from ..data.known_share import check_known_share
from ..data.splits import SplitParts, available_entries, split_parts
from ..engine.optim import OptimConfig
from ..errors import DataError, RecipeError
from ..models.backbones import BackboneConfig
from ..scoring.protocols import ClipProtocol
from .context import StoreJob, holding
from .machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Settings of every training, whatever its step does.

    An experiment derives its settings from this class, and overrides `network` and
    `modalities` where they are others.
    """

    clip: ClipConfig = field(default_factory=ClipConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    epochs: int = 45
    batch_size: int = 32
    protocol: ClipProtocol = field(default_factory=ClipProtocol)
    held_out: float = 0.1
    """Share of the training groups that is held out: see `held_out_videos`."""
    validate_every: int = 1
    """Epochs between two validations on the held-out part; the last epoch always has one."""
    select: Literal["last", "best"] = "last"
    """Weights to select: the last, or the best ones on the held-out part."""
    gradients_at: str | None = None
    """A module ("fc6") where the losses' gradients are measured before the first step,
    for the record and for `balance`."""
    balance: Mapping[str, float] = field(default_factory=dict)
    """Term -> the share of the labels' gradient that its own shall have there at the
    start: determines the term's weight."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise RecipeError(
                "expected at least 1 epoch and batches of 2 clips,"
                f" got {self.epochs} and {self.batch_size}"
            )
        if self.validate_every < 1 or not 0 <= self.held_out < 1:
            raise RecipeError(
                "expected validate_every of 1 epoch or more and held_out from 0 to below 1,"
                f" got {self.validate_every} and {self.held_out}"
            )
        if self.select not in ("last", "best"):
            raise RecipeError(f"expected select last or best, got {self.select}")
        if not all(share > 0 for share in self.balance.values()):
            raise RecipeError(
                f"expected shares above 0 to balance, got {dict(self.balance)}"
            )
        if self.balance and self.gradients_at is None:
            raise RecipeError(
                "expected gradients_at, a module where gradients can be balanced, got none"
            )

    @property
    def network(self) -> BackboneConfig | None:
        """The network that recognises classes once it is trained; None without one."""
        return None

    @property
    def modalities(self) -> list[str]:
        """Modalities that the training reads from a store."""
        return ["rgb"]

    @property
    def chooses(self) -> bool:
        """Whether held-out videos decide something: the epoch, or the rate."""
        return self.select == "best" or self.optim.schedule == "plateau"

    def check_balance(self, terms: Collection[str] = ()) -> None:
        """Check that every balanced loss exists.

        Args:
            terms: names of the losses, except that of the labels, with weights of their own.

        Raises:
            RecipeError: another loss is to be balanced.
        """
        for name in self.balance:
            if name not in terms:
                known = ", ".join(terms) or "none, as it learns from labels"
                raise RecipeError(
                    f"expected balance of a term of the recipe ({known}), got {name}"
                )


@dataclass(frozen=True, slots=True)
class Data:
    """The videos of a run and the clips made of them."""

    parts: SplitParts
    clips: dict[str, Any]
    """"train", "held_out", "test": `Clips` that remember frames together. "train" may be
    `JoinedClips` of several data sets."""


def check_processes(config: TrainConfig, machine: Machine) -> None:
    """Check that the processes of a training can share its batches equally.

    Raises:
        RecipeError: they cannot.
    """
    if config.batch_size % machine.processes.world_size:
        raise RecipeError(
            f"expected a number of processes that can share batches of {config.batch_size}"
            f" clips equally, got {machine.processes.world_size}"
        )


def open_data(
    config: TrainConfig,
    job: StoreJob,
    modalities: Sequence[str],
    *,
    classifies: bool = True,
) -> Data:
    """The parts of a job's split as clips.

    Args:
        classifies: see `split_parts`.

    Raises:
        RecipeError: the job's processes cannot share a batch equally.
        DataError: the store lacks what is needed, clips are longer than every video, or
            too few motion vectors are known.
    """
    store = job.store
    check_processes(config, job.machine)
    parts = split_parts(
        store,
        split=job.split,
        modalities=modalities,
        **holding(config, job),
        classifies=classifies,
        seed=job.seed,
    )
    if "mv" in modalities:
        check_known_share(store, parts.train, least=job.min_known_share)
    longest = max(available_entries(video, modalities) for video in parts.train)
    if config.clip.span > longest:
        motion = any(name in MOTION for name in modalities)
        of = "intervals between frames" if motion else "frames"
        raise DataError(
            f"{store.folder}: expected videos of at least {config.clip.span} {of} for the"
            f" recipe's clips, but the longest one to learn from has {longest}"
        )
    frames = frames_of(store, config.clip, memory_bytes=job.machine.worker_bytes)
    videos = {"train": parts.train, "held_out": parts.held_out, "test": parts.test}
    clips = {
        part: Clips(frames, videos[part], modalities, config.clip, seed=job.seed)
        for part in videos
    }
    return Data(parts, clips)
