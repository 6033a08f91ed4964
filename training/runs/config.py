"""Settings of every training, and the clips of a split."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from motion_shards.choices import MOTION

from ..data.clip_config import ClipConfig
from ..data.dataset import Clips, frames_of
from ..data.frames import Frames
from ..data.known_share import check_known_share
from ..data.sampling import window_count
from ..data.splits import SplitParts, available_entries, split_parts
from ..data.variants import Variant, open_variants
from ..engine.optim import OptimConfig
from ..errors import DataError, RecipeError
from ..models.backbones import BackboneConfig, check_clip
from ..run_files.fields import ADDED
from ..scoring.clip_protocol import ClipProtocol
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
    ema_decay: float | None = field(default=None, metadata=ADDED)
    """Decay per step of an exponential moving average of the weights, which is then what
    is validated, selected and evaluated; None: the weights themselves."""
    label_smoothing: float = field(default=0.0, metadata=ADDED)
    """Share of the labels' target that is spread evenly over all classes."""
    mixup: float = field(default=0.0, metadata=ADDED)
    """Parameter of the beta distribution of mixup's shares; 0 is off. A clip is mixed alike
    in all modalities, so a teacher sees the student's mixture."""
    cutmix: float = field(default=0.0, metadata=ADDED)
    """The same of CutMix; with both, each batch has one of them."""
    sampling: Literal["videos", "classes"] = field(default="videos", metadata=ADDED)
    """videos: an epoch has every video once. classes: as many clips of every class."""
    class_weights: Literal["none", "balanced"] = field(default="none", metadata=ADDED)
    """balanced: the labels' loss counts a class by the inverse of its number of videos."""
    gradient_checkpointing: bool = field(default=False, metadata=ADDED)
    """Compute activations twice instead of keeping them: less memory, the same values."""
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
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise RecipeError(
                f"expected ema_decay from 0 to below 1, got {self.ema_decay:g}"
            )
        if not 0 <= self.label_smoothing < 1 or min(self.mixup, self.cutmix) < 0:
            raise RecipeError(
                "expected label_smoothing from 0 to below 1, mixup and cutmix of 0 or"
                f" more, got {self.label_smoothing:g}, {self.mixup:g} and {self.cutmix:g}"
            )
        for name, known in (
            ("sampling", ("videos", "classes")),
            ("class_weights", ("none", "balanced")),
        ):
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"expected {name} {' or '.join(known)}, got {getattr(self, name)}"
                )
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

    def length_of(self, net: BackboneConfig) -> int:
        """Entries of a clip that a network takes."""
        return self.clip_of(net).length

    def clip_of(self, net: BackboneConfig) -> ClipConfig:
        """Clips that a network is trained on by itself."""
        return self.clip

    def windows_of(self, net: BackboneConfig) -> int:
        """Windows of a clip that a network sees: one, but for a teacher of fewer entries."""
        return window_count(self.clip.length, self.clip_of(net).length)

    def check_clip(self, net: BackboneConfig, length: int) -> None:
        """Check that a network takes clips of `length` entries of what it sees.

        Raises:
            RecipeError: see `backbones.check_clip`.
        """
        size, cells = self.clip.size_of(net.sees), self.clip.cells is not None
        check_clip(net, length, size, cells=cells)

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
    variants: tuple[Variant, ...] = ()
    """Stores from which training clips have what the network sees, besides its own."""

    def of_every_store(self, part: str, *, sees: str) -> dict[str, Clips]:
        """Clips of a part of the run's own store ("") and of each variant that has some."""
        own = self.clips[part]
        others = {v.name: own.of_variant(v, sees) for v in self.variants}
        return {"": own} | {name: clips for name, clips in others.items() if len(clips)}


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
        DataError: the store lacks what is needed, clips are longer than every video, too
            few motion vectors are known, or a variant is none: see `open_variants`.
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
    variants = _variants(config, job, frames, parts)
    varied = sees_of(config) if variants else ""
    videos = {"train": parts.train, "held_out": parts.held_out, "test": parts.test}
    clips = {
        part: Clips(
            frames,
            videos[part],
            modalities,
            config.clip,
            seed=job.seed,
            variants=variants,
            varied=varied,
        )
        for part in videos
    }
    return Data(parts, clips, variants)


def sees_of(config: TrainConfig) -> str:
    """The modality that the network of a training sees, which is the one that varies.

    Raises:
        RecipeError: the training has no network that recognises classes.
    """
    if config.network is None:
        raise RecipeError("expected no variants where no network learns classes")
    return config.network.sees


def _variants(
    config: TrainConfig, job: StoreJob, frames: Frames, parts: SplitParts
) -> tuple[Variant, ...]:
    if not job.variants:
        return ()
    sees = sees_of(config)
    variants = open_variants(
        frames,
        job.variants,
        train=parts.train,
        scored=(*parts.held_out, *parts.test),
        modality=sees,
    )
    for variant in variants if sees == "mv" else ():
        ids = [video.id for video in parts.train if video.id in variant.ids]
        there = [variant.store.video(name) for name in ids]
        check_known_share(variant.store, there, least=job.min_known_share)
    return variants
