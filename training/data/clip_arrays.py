"""Entries of a clip as `Frames` reads them -> a network's input, in numpy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from motion_shards.choices import MOTION

from .cells import cut_cells
from .clip_config import ClipConfig
from .motion_input import compressed_input, motion_input
from .transforms import View, cut, cut_size, rgb_input


class FrameSize(NamedTuple):
    """Heights and widths of a video's frames, px."""

    grid: tuple[int, int]
    """The net's grid, a reduced frame."""
    stored: tuple[int, int]


def cut_view(
    frames: np.ndarray, view: View, config: ClipConfig, *, modality: str, of: FrameSize
) -> np.ndarray:
    """(F, h, w, C) as `Frames` reads them -> (F, *size, C) of a view, values unchanged.

    Args:
        of: the size of the video's frames.
    """
    motion = modality in MOTION
    if modality == "mv" and config.cells is not None:
        part = cut_cells(frames, view, of=of.grid, stored=of.stored, size=config.cells)
    else:
        part = cut(frames, view, config.crop_px, motion=motion)
    if motion and config.jitter_rescale:
        growth = _growth(of.grid, view, config)
        part = part * np.append(growth, np.ones(part.shape[3] - 2, np.float32))
    return part


def network_input(
    frames: np.ndarray,
    config: ClipConfig,
    *,
    motion: bool,
    contrast: float = 1.0,
    brightness: float = 0.0,
    speed: float = 1.0,
) -> np.ndarray:
    """(F, H, W, C) as stored -> float32 as the network takes it.

    Args:
        contrast, brightness: of rgb; see `rgb_input`.
        speed: factor of u and v.
    """
    if motion:
        moved = frames[..., :2]
        if speed != 1:
            moved = moved * np.float32(speed)
        if frames.shape[3] == 2:
            return motion_input(moved, gain=config.motion_gain)
        made = compressed_input if config.cell_values == "log" else motion_input
        fields = made(moved, gain=config.motion_gain)
        return np.concatenate((fields, frames[..., 2:]), axis=3)
    return rgb_input(
        frames,
        mean=config.rgb_mean,
        std=config.rgb_std,
        order=config.rgb_order,
        contrast=contrast,
        brightness=brightness,
    )


def stated_views(
    frames: np.ndarray,
    views: Sequence[View],
    config: ClipConfig,
    *,
    modality: str,
    of: FrameSize,
) -> np.ndarray:
    """Several views of one clip: (F, h, w, C) -> (views, C, F, H, W) float32.

    Args:
        of: the size of the video's frames.
    """
    motion = modality in MOTION
    # Values first where pixels are not resampled: views overlap.
    shape = config.size_of(modality)
    early = all((v.height, v.width) == shape for v in views)
    if early:
        frames = network_input(frames, config, motion=motion)
    size = (frames.shape[3], len(frames), *shape)
    seen = np.empty((len(views), *size), np.float32)
    for place, view in zip(seen, views, strict=True):
        part = cut_view(frames, view, config, modality=modality, of=of)
        if not early:
            part = network_input(part, config, motion=motion)
        place[...] = part.transpose(3, 0, 1, 2)
    return seen


def motion_growth(size: tuple[int, int], view: View, config: ClipConfig) -> np.ndarray:
    """(2,) float32: factors of u and v in a view; a mirrored scene moves the other way."""
    growth = np.ones(2, np.float32)
    if config.jitter_rescale:
        growth = _growth(size, view, config)
    return growth * np.array([-1 if view.flip else 1, 1], np.float32)


def _growth(size: tuple[int, int], view: View, config: ClipConfig) -> np.ndarray:
    """(u, v): how much more this view is enlarged than one of evaluation."""
    scale = 1.0 if config.test_scaled else None
    height, width = cut_size(size, config.crop_px, scale)
    return np.array([width / view.width, height / view.height], np.float32)
