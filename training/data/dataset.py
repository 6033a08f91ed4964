"""Clips as tensors: what a DataLoader batches."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from motion_shards.choices import MOTION
from pipeline.store import Store, StoredVideo, side_by_side

from . import sampling
from .clip_arrays import FrameSize, cut_view, network_input, stated_views
from .clip_config import ClipConfig
from .frames import Frames
from .order import ClipPosition, draw_generator
from .splits import available_entries
from .transforms import Box, View, box_around, crop_views, random_view
from .variants import Variant, random_store


def frames_of(store: Store, config: ClipConfig, *, memory_bytes: int = 0) -> Frames:
    """Entries of a store as clips of this kind need them."""
    return Frames(
        store,
        short_px=config.grid_short_px,
        fill=config.fill,
        cells=config.cells is not None,
        memory_bytes=memory_bytes,
    )


class Draw(NamedTuple):
    """All random choices of a training clip."""

    start: int
    view: View
    contrast: float = 1.0
    brightness: float = 0.0
    label: int = 0
    """Position, among the video's labels, of the one that is learned."""
    speed: float = 1.0
    """Factor of u and v."""
    variant: int = 0
    """Store of the varied modality: 0 is the training's own, k the k-th variant."""


class Clips(Dataset):
    """Clips of videos: random ones for training, stated ones for evaluation.

    The content of a clip is a function of its key, so any process may make it. Each
    training clip of a video with several labels has one of them, drawn uniformly: on
    average the loss is that of uniform targets, and steps need no special case.

    With variants, a training clip has its `varied` modality from one of the stores that
    have its video, each equally likely, and all else from the training's own.
    """

    def __init__(
        self,
        frames: Frames,
        videos: Sequence[StoredVideo],
        modalities: Sequence[str],
        config: ClipConfig,
        *,
        seed: int = 0,
        variants: Sequence[Variant] = (),
        varied: str = "",
    ) -> None:
        self.frames, self.videos = frames, list(videos)
        self.config, self.seed = config, seed
        self.variants, self.varied = tuple(variants), varied
        self.modalities = tuple(dict.fromkeys(modalities))
        self.mirror = config.flip and frames.store.mirror_safe

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, position: ClipPosition) -> dict[str, Tensor]:
        """A training clip.

        Returns:
            modality -> (C, T, H, W) float32, and "label", an int64 scalar.
        """
        video = self.videos[position.video]
        return self.clip(
            video, self.draw(video, draw_generator(position, seed=self.seed))
        )

    def __getitems__(
        self, positions: Sequence[ClipPosition]
    ) -> list[dict[str, Tensor]]:
        """The clips of a batch, of a store at an address read side by side."""
        return side_by_side(self.frames.store, self.__getitem__, positions)

    def available(self, video: StoredVideo) -> int:
        return available_entries(video, self.modalities)

    def draw(self, video: StoredVideo, rng: np.random.Generator) -> Draw:
        """A random clip of a video."""
        config = self.config
        start = sampling.random_start(
            rng,
            available=self.available(video),
            clip_span=config.span,
            short=config.short,
        )
        view = random_view(
            rng,
            self.frames.size(video),
            config.crop_px,
            scales=config.crop_scales,
            corners=config.corners,
            flip=self.mirror,
            uneven=config.uneven_crops,
        )
        contrast, brightness = rng.uniform(-config.jitter, config.jitter, 2).tolist()
        several = len(video.labels) > 1
        label = int(rng.integers(len(video.labels))) if several else 0
        speed = 1.0
        if config.speed_jitter:  # drawn last: others do not depend on it
            speed = float((1 + config.speed_jitter) ** rng.uniform(-1, 1))
        variant = 0
        if self.variants:  # after all others, for the same reason
            variant = random_store(rng, self.variants, video)
        return Draw(start, view, 1 + contrast, brightness, label, speed, variant)

    def seeing(self, modality: str) -> "Clips":
        """The same videos for a network that sees this modality only."""
        return Clips(self.frames, self.videos, [modality], self.config, seed=self.seed)

    def of_variant(self, variant: Variant, modality: str) -> "Clips":
        """Clips of a variant alone, of the videos that it has, for a network that sees
        this modality only."""
        videos = [video for video in self.videos if video.id in variant.ids]
        return Clips(variant.frames, videos, [modality], self.config, seed=self.seed)

    def views(self, video: StoredVideo, crops: int) -> tuple[View, ...]:
        """Views of evaluation: see `crop_views`."""
        size, config = self.frames.size(video), self.config
        return crop_views(size, config.crop_px, crops=crops, scaled=config.test_scaled)

    def clip(self, video: StoredVideo, draw: Draw) -> dict[str, Tensor]:
        """All modalities of one clip, cut alike."""
        label = video.labels[draw.label] if video.labels else -1
        batch: dict[str, Tensor] = {"label": torch.tensor(label)}
        box = draw.view.box
        for modality, frames in self._read(
            video, draw.start, box, draw.variant
        ).items():
            part = cut_view(
                frames,
                self._seen_in(box, modality, draw.view),
                self.config,
                modality=modality,
                of=self._size(video),
            )
            part = network_input(
                part,
                self.config,
                motion=modality in MOTION,
                contrast=draw.contrast,
                brightness=draw.brightness,
                speed=draw.speed,
            )
            batch[modality] = to_tensor(part)
        return batch

    def stated(
        self, video: StoredVideo, start: int, views: Sequence[View]
    ) -> dict[str, Tensor]:
        """One clip seen several times, read once: modality -> (views, C, T, H, W)."""
        size, box = self._size(video), box_around(views)
        found = {}
        for modality, frames in self._read(video, start, box).items():
            seen = [self._seen_in(box, modality, view) for view in views]
            found[modality] = torch.from_numpy(
                stated_views(frames, seen, self.config, modality=modality, of=size)
            )
        return found

    def _read(
        self, video: StoredVideo, start: int, box: Box, variant: int = 0
    ) -> dict[str, np.ndarray]:
        """Modality -> the entries of one clip, this part of the frame.

        Args:
            variant: as in `Draw`.
        """
        entries = self._entries(video, start)
        return {
            modality: frames.read(video, modality, entries, box=box)
            for modality, frames in self._stores(variant).items()
        }

    def _entries(self, video: StoredVideo, start: int) -> np.ndarray:
        return sampling.clip_entries(
            start,
            length=self.config.length,
            stride=self.config.stride,
            available=self.available(video),
            short=self.config.short,
        )

    def _stores(self, variant: int) -> dict[str, Frames]:
        """Modality -> the store that it is read from."""
        stores = {name: self.frames for name in self.modalities}
        if variant:
            stores[self.varied] = self.variants[variant - 1].frames
        return stores

    def _seen_in(self, box: Box, modality: str, view: View) -> View:
        """A view of what `_read` gives: cells are those of the whole frame."""
        whole = modality == "mv" and self.config.cells is not None
        return view if whole else view.within(box)

    def _size(self, video: StoredVideo) -> FrameSize:
        return FrameSize(self.frames.size(video), (video.height, video.width))


class StatedClips(Dataset):
    """Clips of which start and views are given by a protocol, in its order."""

    def __init__(
        self, clips: Clips, starts: Sequence[tuple[int, int]], *, crops: int = 1
    ) -> None:
        """
        Args:
            starts: (index of the video in `clips.videos`, first entry) of each clip.
            crops: see `crop_views`.
        """
        self.clips, self.starts, self.crops = clips, list(starts), crops

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Modality -> (views, C, T, H, W), and "index", the given one."""
        number, start = self.starts[index]
        video = self.clips.videos[number]
        views = self.clips.views(video, self.crops)
        clip = self.clips.stated(video, start, views)
        return clip | {"index": torch.tensor(index)}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Tensor]]:
        """The clips of a batch, of a store at an address read side by side."""
        return side_by_side(self.clips.frames.store, self.__getitem__, indices)


def to_tensor(frames: np.ndarray) -> Tensor:
    """(F, H, W, C) -> (C, F, H, W) float32: from numpy's order to torch's."""
    planes = frames.transpose(3, 0, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(planes, np.float32))
