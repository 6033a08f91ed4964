"""Clips of which workers send bytes and levels, to be scaled on the network's device."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from motion_shards.choices import MOTION
from pipeline.store import CELL_PX, StoredVideo

from .clip_arrays import cut_view, motion_growth, network_input, stated_views
from .dataset import Clips, Draw, to_tensor
from .frames import Frames
from .joined import JoinedClips
from .packed_clip import (
    PackedMotion,
    PackedRgb,
    axes_of,
    pack_rgb,
    source_box,
    sums_of,
)
from .transforms import View, box_around, resized

Inputs = Literal["host", "device"]
"""Place where clips are scaled and normalised: the processes that read them, or the
network's device."""


class PackedClips(Clips):
    """Clips of which frames are bytes and motion is as it is stored; `collated` makes a
    batch of them.

    Motion on its own grid of cells is small, and as in `Clips`.
    """

    def clip(self, video: StoredVideo, draw: Draw) -> dict[str, Any]:
        """All modalities of one clip, cut alike: packed, and cells as a tensor."""
        label = video.labels[draw.label] if video.labels else -1
        clip: dict[str, Any] = {"label": torch.tensor(label)}
        entries = self._entries(video, draw.start)
        for modality, frames in self._stores(draw.variant).items():
            if modality == "mv" and self.config.cells is not None:
                part = cut_view(
                    frames.read(video, modality, entries),
                    draw.view,
                    self.config,
                    modality=modality,
                    of=self._size(video),
                )
                part = network_input(part, self.config, motion=True, speed=draw.speed)
                clip[modality] = to_tensor(part)
            elif modality in MOTION:
                clip[modality] = self._motion(
                    frames, video, modality, entries, draw.view, speed=draw.speed
                )
            else:
                clip[modality] = self._rgb(frames, video, entries, [draw.view], draw)[0]
        return clip

    def stated(
        self, video: StoredVideo, start: int, views: Sequence[View]
    ) -> dict[str, Any]:
        """Modality -> a packed clip for each view; of cells (views, C, T, M, N)."""
        clip: dict[str, Any] = {}
        entries = self._entries(video, start)
        for modality, frames in self._stores(0).items():
            if modality == "mv" and self.config.cells is not None:
                cells = frames.read(video, modality, entries)
                clip[modality] = torch.from_numpy(
                    stated_views(
                        cells,
                        views,
                        self.config,
                        modality=modality,
                        of=self._size(video),
                    )
                )
            elif modality in MOTION:
                clip[modality] = [
                    self._motion(frames, video, modality, entries, view)
                    for view in views
                ]
            else:
                draw = Draw(start, views[0])
                clip[modality] = self._rgb(frames, video, entries, views, draw)
        return clip

    def _rgb(
        self,
        frames: Frames,
        video: StoredVideo,
        entries: np.ndarray,
        views: Sequence[View],
        draw: Draw,
    ) -> list[PackedRgb]:
        """Frames are scaled here: bytes that are rounded after it are the same anywhere."""
        box = box_around(views)
        read = frames.read(video, "rgb", entries, box=box)
        return [
            pack_rgb(
                resized(view.within(box).box.of(read), self.config.crop_px),
                view.flip,
                self.config,
                contrast=draw.contrast,
                brightness=draw.brightness,
            )
            for view in views
        ]

    def _motion(
        self,
        frames: Frames,
        video: StoredVideo,
        modality: str,
        entries: np.ndarray,
        view: View,
        *,
        speed: float = 1.0,
    ) -> PackedMotion:
        size, config = self._size(video), self.config
        sums = sums_of(
            axes_of(view, size.stored, size.grid, config.crop_px),
            cell_px=CELL_PX if modality == "mv" else 1,
        )
        read = frames.read_levels(video, modality, entries, box=source_box(sums))
        return PackedMotion(
            read.values,
            read.px,
            sums[0].weights,
            sums[1].weights,
            view.flip,
            motion_growth(size.grid, view, config),
            speed,
            config.crop_px,
            config.motion_gain,
        )


def inputs_on(device: torch.device) -> Inputs:
    """Default place where clips for networks on this device are normalised."""
    return "device" if device.type == "cuda" else "host"


def packing(clips: Clips | JoinedClips) -> Clips | JoinedClips:
    """The same clips, packed."""
    if isinstance(clips, JoinedClips):
        return JoinedClips({name: packing_of(c) for name, c in clips.parts.items()})
    return packing_of(clips)


def packing_of(clips: Clips) -> PackedClips:
    """The same clips of one data set, packed."""
    return PackedClips(
        clips.frames,
        clips.videos,
        clips.modalities,
        clips.config,
        seed=clips.seed,
        variants=clips.variants,
        varied=clips.varied,
    )
