"""Clips as tensors: what a DataLoader batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.store import Store, StoredVideo

from . import sampling
from .frames import Frames
from .motion_input import Fill, motion_input
from .order import Place, draw_generator
from .splits import available_entries
from .transforms import View, centre_view, cut, random_view, rgb_input, to_tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    """How a video becomes a network's input."""

    length: int = 16
    """Entries of a clip."""
    stride: int = 1
    grid_short_px: int | None = None
    """Whole frames are reduced to this short side first; None leaves them as stored."""
    crop_px: tuple[int, int] = (112, 112)
    """Height and width of the input."""
    crop_scales: tuple[float, ...] = ()
    """Short side of a training crop as shares of the grid's; empty: `crop_px` unscaled."""
    corners: bool = False
    """Training crops lie at the centre or in a corner only."""
    flip: bool = True
    """Mirror half of the training clips, where the data set says a mirrored video
    keeps its class."""
    jitter: float = 0.0
    """Contrast and brightness of rgb change by up to this share."""
    rgb_mean: tuple[float, float, float] = (0.43216, 0.394666, 0.37645)
    rgb_std: tuple[float, float, float] = (0.22803, 0.22145, 0.216989)
    motion_gain: float = 1.0
    """What 20 px become. Use a gain only where the first layer needs it."""
    fill: Fill = "previous"
    """What stands in for intervals without known vectors."""

    @property
    def span(self) -> int:
        return sampling.span(self.length, self.stride)


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


class Clips(Dataset):
    """Clips of videos: random ones for training, stated ones for evaluation.

    Everything a clip contains follows from its key, so any process may make it.
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

    def __getitem__(self, place: Place) -> dict[str, Tensor]:
        """A training clip.

        Returns:
            modality -> (C, T, H, W) float32, and "label", an int64 scalar.
        """
        video = self.videos[place.video]
        return self.clip(video, self.draw(video, draw_generator(place, seed=self.seed)))

    def available(self, video: StoredVideo) -> int:
        return available_entries(video, self.modalities)

    def draw(self, video: StoredVideo, rng: np.random.Generator) -> Draw:
        """A random clip of a video."""
        config = self.config
        start = sampling.random_start(
            rng, available=self.available(video), clip_span=config.span
        )
        view = random_view(
            rng,
            self.frames.size(video),
            config.crop_px,
            scales=config.crop_scales,
            corners=config.corners,
            flip=self.mirror,
        )
        contrast, brightness = rng.uniform(-config.jitter, config.jitter, 2).tolist()
        return Draw(start, view, 1 + contrast, brightness)

    def centred(self, video: StoredVideo, start: int) -> Draw:
        """The middle of the frame from a stated entry on, nothing random."""
        scaled = bool(self.config.crop_scales)
        size = self.frames.size(video)
        return Draw(start, centre_view(size, self.config.crop_px, scaled=scaled))

    def clip(self, video: StoredVideo, draw: Draw) -> dict[str, Tensor]:
        """All modalities of one clip, cut alike."""
        config = self.config
        entries = sampling.clip_entries(
            draw.start,
            length=config.length,
            stride=config.stride,
            available=self.available(video),
        )
        batch: dict[str, Tensor] = {"label": torch.tensor(video.labels[0])}
        for modality in self.modalities:
            frames = self.frames.read(video, modality, entries)
            motion = modality != "rgb"
            part = cut(frames, draw.view, config.crop_px, motion=motion)
            if motion:
                part = motion_input(part, gain=config.motion_gain)
            else:
                part = rgb_input(
                    part,
                    mean=config.rgb_mean,
                    std=config.rgb_std,
                    contrast=draw.contrast,
                    brightness=draw.brightness,
                )
            batch[modality] = to_tensor(part)
        return batch


class StatedClips(Dataset):
    """Clips of which start and view are given by a protocol, in its order."""

    def __init__(self, clips: Clips, wanted: Sequence[tuple[int, int]]) -> None:
        """
        Args:
            wanted: (video's place in `clips.videos`, first entry) of each clip.
        """
        self.clips, self.wanted = clips, list(wanted)

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        """As `Clips`, and "video": the video's place in `clips.videos`."""
        index, start = self.wanted[place]
        video = self.clips.videos[index]
        clip = self.clips.clip(video, self.clips.centred(video, start))
        return clip | {"video": torch.tensor(index)}
