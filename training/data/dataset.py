"""Clips as tensors: what a DataLoader batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from motion_shards.choices import MOTION
from pipeline.store import Store, StoredVideo

from ..errors import RecipeError
from . import sampling
from .frames import Frames
from .motion_input import Fill, motion_input
from .normal import KINETICS, Colours
from .order import ClipPosition, draw_generator
from .sampling import Short
from .splits import available_entries
from .transforms import (
    View,
    crop_views,
    cut,
    cut_size,
    random_view,
    rgb_input,
    to_tensor,
)

CHOICES = {
    "short": ("loop", "hold"),
    "test_crop": ("largest", "input"),
    "rgb_order": ("rgb", "bgr"),
    "fill": ("previous", "zero"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    """Settings that turn a video into a network's input."""

    length: int = 16
    """Entries of a clip."""
    stride: int = 1
    short: Short = "loop"
    """Padding of a video that is shorter than a clip."""
    grid_short_px: int | None = None
    """Whole frames are reduced to this short side first; None leaves them as stored."""
    crop_px: tuple[int, int] = (112, 112)
    """Height and width of the input."""
    crop_scales: tuple[float, ...] = ()
    """Short side of a training crop as shares of the grid's; empty: `crop_px` unscaled."""
    uneven_crops: bool = False
    """Height and width have shares of their own, equal or next to each other."""
    corners: bool = False
    """Take training crops at the centre or in a corner only."""
    test_crop: Literal["largest", "input"] = "largest"
    """Crop of evaluation: as much as the largest training crop, or `crop_px`
    unscaled. The same where training crops are unscaled."""
    jitter_rescale: bool = False
    """Motion grows with its training crop: u and v are multiplied by how much more a
    crop is enlarged than those of evaluation are. Off: values stay, as in the papers."""
    flip: bool = True
    """Mirror half of the training clips, where the data set says a mirrored video
    keeps its class."""
    jitter: float = 0.0
    """Contrast and brightness of rgb change by up to this share."""
    rgb_mean: Colours = KINETICS["rgb_mean"]
    rgb_std: Colours = KINETICS["rgb_std"]
    rgb_order: Literal["rgb", "bgr"] = "rgb"
    motion_gain: float = 1.0
    """Input value of a motion of 20 px. Use a gain only where the first layer needs it."""
    fill: Fill = "previous"
    """Replacement of intervals without known vectors."""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"expected {name} {' or '.join(known)}, got {getattr(self, name)}"
                )
        if self.uneven_crops and not self.crop_scales:
            raise RecipeError("expected crop_scales with uneven_crops, got none")

    @property
    def span(self) -> int:
        return sampling.span(self.length, self.stride)

    @property
    def test_scaled(self) -> bool:
        """Whether evaluation's crops are scaled to the size of the input."""
        return bool(self.crop_scales) and self.test_crop == "largest"


def frames_of(store: Store, config: ClipConfig, *, memory_bytes: int = 0) -> Frames:
    """Entries of a store as clips of this kind need them."""
    return Frames(
        store,
        short_px=config.grid_short_px,
        fill=config.fill,
        memory_bytes=memory_bytes,
    )


class Draw(NamedTuple):
    """Everything random about a training clip."""

    start: int
    view: View
    contrast: float = 1.0
    brightness: float = 0.0
    label: int = 0
    """Position, among the video's labels, of the one that is learned."""


class Clips(Dataset):
    """Clips of videos: random ones for training, stated ones for evaluation.

    The content of a clip is a function of its key, so any process may make it. Each
    training clip of a video with several labels has one of them, drawn uniformly: on
    average the loss is that of uniform targets, and steps need no special case.
    """

    def __init__(
        self,
        frames: Frames,
        videos: Sequence[StoredVideo],
        modalities: Sequence[str],
        config: ClipConfig,
        *,
        seed: int = 0,
    ) -> None:
        self.frames, self.videos = frames, list(videos)
        self.config, self.seed = config, seed
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
        return Draw(start, view, 1 + contrast, brightness, label)

    def seeing(self, modality: str) -> "Clips":
        """The same videos for a network that sees this modality only."""
        return Clips(self.frames, self.videos, [modality], self.config, seed=self.seed)

    def views(self, video: StoredVideo, crops: int) -> tuple[View, ...]:
        """Views of evaluation: see `crop_views`."""
        size, config = self.frames.size(video), self.config
        return crop_views(size, config.crop_px, crops=crops, scaled=config.test_scaled)

    def clip(self, video: StoredVideo, draw: Draw) -> dict[str, Tensor]:
        """All modalities of one clip, cut alike."""
        label = video.labels[draw.label] if video.labels else -1
        batch: dict[str, Tensor] = {"label": torch.tensor(label)}
        for modality, frames in self._read(video, draw.start).items():
            part = self._cut(frames, draw.view, motion=modality in MOTION)
            part = self._normal(part, draw, motion=modality in MOTION)
            batch[modality] = to_tensor(part)
        return batch

    def stated(
        self, video: StoredVideo, start: int, views: Sequence[View]
    ) -> dict[str, Tensor]:
        """One clip seen several times, read once: modality -> (views, C, T, H, W)."""
        plain = Draw(start, views[0])
        batch = {}
        for modality, frames in self._read(video, start).items():
            motion = modality in MOTION
            # Values first where pixels are not resampled: views overlap.
            early = all((v.height, v.width) == self.config.crop_px for v in views)
            if early:
                frames = self._normal(frames, plain, motion=motion)
            size = (frames.shape[3], len(frames), *self.config.crop_px)
            seen = np.empty((len(views), *size), np.float32)
            for place, view in zip(seen, views, strict=True):
                part = self._cut(frames, view, motion=motion)
                if not early:
                    part = self._normal(part, plain, motion=motion)
                place[...] = part.transpose(3, 0, 1, 2)
            batch[modality] = torch.from_numpy(seen)
        return batch

    def _read(self, video: StoredVideo, start: int) -> dict[str, np.ndarray]:
        """Modality -> the entries of one clip, whole frames."""
        entries = sampling.clip_entries(
            start,
            length=self.config.length,
            stride=self.config.stride,
            available=self.available(video),
            short=self.config.short,
        )
        return {
            modality: self.frames.read(video, modality, entries)
            for modality in self.modalities
        }

    def _cut(self, frames: np.ndarray, view: View, *, motion: bool) -> np.ndarray:
        """(F, h, w, C) of the net's grid -> (F, *crop_px, C)."""
        part = cut(frames, view, self.config.crop_px, motion=motion)
        if motion and self.config.jitter_rescale:
            part = part * self._growth(frames.shape[1:3], view)
        return part

    def _normal(self, frames: np.ndarray, draw: Draw, *, motion: bool) -> np.ndarray:
        """(F, H, W, C) as stored -> float32 as the network takes it."""
        config = self.config
        if motion:
            return motion_input(frames, gain=config.motion_gain)
        return rgb_input(
            frames,
            mean=config.rgb_mean,
            std=config.rgb_std,
            order=config.rgb_order,
            contrast=draw.contrast,
            brightness=draw.brightness,
        )

    def _growth(self, size: tuple[int, int], view: View) -> np.ndarray:
        """(u, v): how much more this view is enlarged than one of evaluation."""
        scale = 1.0 if self.config.test_scaled else None
        height, width = cut_size(size, self.config.crop_px, scale)
        return np.array([width / view.width, height / view.height], np.float32)


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
