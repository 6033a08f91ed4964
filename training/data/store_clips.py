"""Clips of a store as a torch data set: the public face of this folder.

>>> clips = StoreClips("data/stores/ucf101", modalities=["rgb", "flow"], seed=0)
>>> loader = clips.loader(16, workers=4)
>>> for epoch in range(20):
...     clips.set_epoch(epoch)
...     for batch in loader:
...         logits = student(batch["rgb"])
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, Dataset

from motion_shards.choices import MODALITIES
from motion_shards.near import near
from pipeline.store import Store, StoredVideo, side_by_side

from ..errors import DataError, RecipeError
from .clip_config import ClipConfig
from .dataset import Clips, Draw, frames_of
from .order import ClipPosition, Order, draw_generator
from .sampling import consecutive_starts, even_starts
from .splits import require_modalities, resolve_split, split_parts, unusable
from .workers import single_threaded

Part = Literal["train", "held_out", "test", "all"]
PARTS = ("train", "held_out", "test", "all")


class StoreClips(Dataset):
    """Clips of the videos of a store, all modalities cut and mirrored alike.

    With `augment`, item i is a random clip of video i: start, crop, flip and brightness
    follow from `seed`, the epoch and i, and from nothing else, so any worker may read it.
    Without, clips are at stated starts of each video, cut at the centre.

    An item is a dict, which torch's default collate turns into a batch:

    - "rgb": (3, T, H, W) float32, normalised by `rgb_mean` and `rgb_std` of the config
      (torchvision's video networks);
    - "flow", "mv": (2, T, H, W) float32: u to the right, v down, where 1 is a motion of
      20 px of the stored frames per interval (larger ones are 1; `motion_gain` of the
      config multiplies). Vectors are painted onto the pixels of their 8 px cells, and
      unknown intervals repeat the one before. With `cells` of the config "mv" is
      (3, T, M, N): one vector per cell, and 1 where the interval is known, else 0;
    - "label": () int64, a position in `classes`; of a video with several labels a random
      one, or without `augment` the first; -1 where it has none;
    - "video": its id in the store;
    - "start": () int64, the first frame of the clip, counted from 0.

    T, H and W are `length` and `crop_px`. Entry t of every modality belongs to frame
    start + t * stride of the video, motion to the interval from it to the next frame. A
    video that is shorter than a clip begins again.

    Attributes:
        store: the `Store`.
        classes: names of the labels.
        videos: those of the part, in their order.
        config: the `ClipConfig` in use.
    """

    def __init__(
        self,
        store: Store | Path | str,
        *,
        modalities: Sequence[str] = ("rgb",),
        split: str | None = None,
        part: Part = "train",
        length: int | None = None,
        stride: int | None = None,
        crop_px: tuple[int, int] | None = None,
        short_px: int | None = None,
        config: ClipConfig | None = None,
        augment: bool | None = None,
        clips_per_video: int | None = 1,
        held_out: float = 0.0,
        seed: int = 0,
        memory_gb: float = 0.0,
    ) -> None:
        """
        Args:
            store: a finished store, its folder, or its address (s3://..., https://...).
            modalities: some of rgb, flow and mv; videos without one of them are left out.
            split: name of a split; None is "1", or the only one.
            part: "train", "held_out" or "test" of the split, or "all" videos of the
                store, with and without labels, whatever its splits.
            length: entries of a clip.
            stride: frames from one entry of a clip to the next.
            crop_px: height and width of what a network sees.
            short_px: reduce frames to this short side before they are cut.
            config: all settings of a clip, as those of a recipe
                (`get_recipe("dtmv").settings.clip`); the four above replace its own.
            augment: random clips, crops and flips; None: in the training part only.
                Flips happen only where the data set says that they keep a video's class.
            clips_per_video: without `augment`, the number of clips of each video: 1 from
                its middle, more spread evenly; None: all that follow each other without
                overlap.
            held_out: share of the training groups that belongs to "held_out" instead.
            seed: of the order, of everything random in a clip, and of the held-out part.
            memory_gb: GiB in which each process keeps decoded videos.

        Raises:
            StoreNotFound, LayoutError: no finished store there, or a damaged one.
            DataError: the store has no such split or modality, or the part is empty.
            RecipeError: settings that do not fit each other.
        """
        self.store = store if isinstance(store, Store) else Store(store)
        self.config = _config(config, length, stride, crop_px, short_px)
        self.augment = part == "train" if augment is None else augment
        if self.augment and clips_per_video != 1:
            raise RecipeError(
                "expected clips_per_video=1 with augment, which draws one clip of each"
                f" video in an epoch, got {clips_per_video}"
            )
        if clips_per_video is not None and clips_per_video < 1:
            raise RecipeError(
                f"expected at least one clip per video, got {clips_per_video}"
            )
        self.seed = seed
        self.videos = _videos(
            self.store, modalities, split, part, held_out=held_out, seed=seed
        )
        frames = frames_of(
            self.store, self.config, memory_bytes=int(memory_gb * (1 << 30))
        )
        self._clips = Clips(frames, self.videos, modalities, self.config, seed=seed)
        self._starts: list[tuple[int, int]] = []
        if not self.augment:
            for number, video in enumerate(self.videos):
                found = self._stated_starts(video, clips_per_video)
                self._starts += [(number, start) for start in found]
        # Shared with the workers of a DataLoader, which may outlive an epoch
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, by position."""
        return self.store.classes

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of an item."""
        return self._clips.modalities

    @property
    def epoch(self) -> int:
        """The epoch that random clips belong to."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random clips, and the order of `loader`, of another epoch, from 0.

        Call it before the iteration; workers that are running follow.
        """
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Number of clips: with `augment`, one of each video."""
        return len(self.videos) if self.augment else len(self._starts)

    def __getitem__(self, index: int | ClipPosition) -> dict[str, Any]:
        """A clip; see the class. Equal for equal seed, epoch and index."""
        if self.augment:
            if not isinstance(index, ClipPosition):
                number = range(len(self))[index]
                index = ClipPosition(self.epoch, number, number)
            video = self.videos[index.video]
            draw = self._clips.draw(video, draw_generator(index, seed=self.seed))
        else:
            assert isinstance(index, int)
            number, start = self._starts[index]
            video = self.videos[number]
            draw = Draw(start, self._clips.views(video, 1)[0])
        clip: dict[str, Any] = self._clips.clip(video, draw)
        return clip | {"video": video.id, "start": torch.tensor(draw.start)}

    def __getitems__(
        self, indices: Sequence[int | ClipPosition]
    ) -> list[dict[str, Any]]:
        """The clips of a batch, of a store at an address read side by side."""
        return side_by_side(self.store, self.__getitem__, indices)

    def loader(
        self,
        batch_size: int,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> DataLoader:
        """Batches of clips, read and decoded by `workers` processes.

        With `augment`: every video once in an epoch, in the order that our own trainings
        have for this seed and epoch; whole batches only. Without: all clips in order.

        Args:
            batch_size: clips of a batch, of all processes together with `augment`.
            workers: processes that read ahead; 0 reads between the steps.
            pin_memory: for a GPU.
            rank, world_size: of this process among those of a training, each of which
                has its share of every batch.

        Returns:
            A DataLoader of {"rgb": (B, 3, T, H, W), ..., "label": (B,), "video": list of
            B ids, "start": (B,)}. Any other DataLoader takes a `StoreClips`, too.
        """
        if batch_size < 1:
            raise RecipeError(
                f"expected at least one clip in a batch, got {batch_size}"
            )
        if self.augment:
            order = Order(
                len(self),
                batch_size,
                seed=self.seed,
                rank=rank,
                world_size=world_size,
            )
            chosen: dict[str, Any] = {"batch_sampler": _EpochBatches(self, order)}
        else:
            ours = range(rank, len(self), world_size)
            chosen = {"batch_size": batch_size, "sampler": ours}
        return DataLoader(
            self,
            **chosen,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            worker_init_fn=single_threaded,
            generator=torch.Generator(),  # else iterating would draw from the global one
        )

    def __repr__(self) -> str:
        names = ", ".join(self.modalities)
        return f"StoreClips({self.store.folder}: {len(self)} clips, {names})"

    def _stated_starts(self, video: StoredVideo, count: int | None) -> list[int]:
        available, span = self._clips.available(video), self.config.span
        if count is None:
            return consecutive_starts(available=available, clip_span=span).tolist()
        if count == 1:
            return [max(available - span, 0) // 2]
        return even_starts(count, available=available, clip_span=span).tolist()


class _EpochBatches:
    """The order of the epoch in which a `StoreClips` is when an iteration begins."""

    def __init__(self, clips: StoreClips, order: Order) -> None:
        self.clips, self.order = clips, order

    def __len__(self) -> int:
        return self.order.per_epoch

    def __iter__(self) -> Iterator[list[ClipPosition]]:
        self.order.begin(self.clips.epoch)
        return iter(self.order)


def _config(
    config: ClipConfig | None,
    length: int | None,
    stride: int | None,
    crop_px: tuple[int, int] | None,
    short_px: int | None,
) -> ClipConfig:
    given = {
        "length": length,
        "stride": stride,
        "crop_px": None if crop_px is None else tuple(crop_px),
        "grid_short_px": short_px,
    }
    for name, value in given.items():
        sizes = value if isinstance(value, tuple) else (value,)
        if len(sizes) != (2 if name == "crop_px" and value is not None else 1) or any(
            size is not None and size < 1 for size in sizes
        ):
            raise RecipeError(f"expected a positive {name}, got {value}")
    changes: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    return replace(config or ClipConfig(), **changes)


def _videos(
    store: Store,
    modalities: Sequence[str],
    split: str | None,
    part: str,
    *,
    held_out: float,
    seed: int,
) -> tuple[StoredVideo, ...]:
    if isinstance(modalities, str) or not modalities:
        raise DataError(
            f"expected a list of modalities among {', '.join(MODALITIES)}, got"
            f" {modalities!r}"
        )
    if part not in PARTS:
        raise DataError(
            f"expected a part among {', '.join(PARTS)}, got {part}{near(part, PARTS)}"
        )
    if part == "all":
        require_modalities(store, modalities)
        videos = tuple(v for v in store.videos() if not unusable(v, modalities, part))
    else:
        parts = split_parts(
            store,
            split=resolve_split(store, split),
            modalities=modalities,
            held_out=held_out,
            classifies=False,
            seed=seed,
        )
        videos = getattr(parts, part)
    if not videos:
        raise DataError(f"{store.folder}: no video in the part {part}")
    return videos
