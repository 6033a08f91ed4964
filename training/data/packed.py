"""Batches of packed clips: one piece of memory per modality, unpacked on the device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from .motion_input import BOUND_PX
from .packed_clip import PackedClip, PackedMotion, PackedRgb

_ALIGNED = 16
"""Bytes: arrays of every type may begin there."""


class Array(NamedTuple):
    """Place of an array in the memory of a batch."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Group:
    """Clips of motion of which equal parts are needed."""

    places: tuple[int, ...]
    """In the batch."""
    levels: Array
    """(n, F, 2, h, w) uint8 or int16."""
    px: Array
    """(n, 256) or (n, 1) float32."""
    rows: Array | None
    """(n, H, h) float32, or (1, H, h) where all have the same."""
    columns: Array | None
    """(n, w, W) float32, or (1, w, W)."""
    scale: Array
    """(n, 3) float32: factors of u and v, and of both."""
    flip: Array
    """(n,) bool."""


@dataclass(frozen=True, slots=True)
class Frames8:
    """Clips of frames."""

    frames: Array
    """(n, F, H, W, 3) uint8."""
    scale: Array
    """(n, 2, 3) float32: gain and shift."""
    flip: Array
    """(n,) bool."""
    bgr: bool


@dataclass(frozen=True, slots=True)
class Packed:
    """One modality of a batch, before it is normalised."""

    memory: Tensor
    """(bytes,) uint8: all arrays, so that a batch is one copy to the device."""
    parts: Frames8 | tuple[Group, ...]
    shape: tuple[int, ...]
    """(B, C, F, H, W), or (B, views, C, F, H, W)."""
    gain: float
    """Input value of 20 px of motion."""

    def __len__(self) -> int:
        return self.shape[0]

    def pin_memory(self) -> "Packed":
        """A copy in memory from which a GPU reads without waiting; DataLoader calls it."""
        return replace(self, memory=self.memory.pin_memory())

    def to(self, device: torch.device) -> "Packed":
        """The same on a device."""
        return replace(self, memory=self.memory.to(device, non_blocking=True))

    def unpacked(self) -> Tensor:
        """The clips as `StoreClips` describes them, float32, where the memory is.

        Frames are equal to the bit to those that are made in numpy, and so is motion
        that is not resampled; resampled motion is within 1e-5 px.
        """
        with torch.autocast(self.memory.device.type, enabled=False):
            if isinstance(self.parts, Frames8):
                clips = self._frames(self.parts)
            else:
                clips = self._motion(self.parts)
        return clips.view(self.shape)

    def _frames(self, parts: Frames8) -> Tensor:
        frames = self._array(parts.frames).permute(0, 4, 1, 2, 3)
        scale = self._array(parts.scale)[..., None, None, None]
        clips = frames.to(torch.float32, memory_format=torch.contiguous_format)
        clips.mul_(scale[:, 0]).add_(scale[:, 1])
        if parts.bgr:
            clips = clips.flip(1)
        return _mirrored(clips, self._array(parts.flip))

    def _motion(self, groups: Sequence[Group]) -> Tensor:
        count = sum(len(group.places) for group in groups)
        clips = self.memory.new_empty((count, *self.shape[-4:]), dtype=torch.float32)
        for group in groups:
            fields = self._fields(group)
            if len(groups) == 1:
                clips.copy_(fields)
            else:
                clips[torch.tensor(group.places, device=clips.device)] = fields
        return clips

    def _fields(self, group: Group) -> Tensor:
        """(n, 2, F, H, W) of one group."""
        px = self._array(group.px)
        values = _in_px(self._array(group.levels), px)
        values = _resampled(
            values,
            None if group.rows is None else self._array(group.rows),
            None if group.columns is None else self._array(group.columns),
        )
        scale = self._array(group.scale)[..., None, None, None]
        values = values.transpose(1, 2) * scale[:, :2]
        values.mul_(scale[:, 2:]).clamp_(-BOUND_PX, BOUND_PX)
        values.mul_(float(np.float32(self.gain / BOUND_PX)))
        return _mirrored(values, self._array(group.flip))

    def _array(self, place: Array) -> Tensor:
        dtype = getattr(torch, place.dtype)
        stop = place.offset + prod(place.shape) * dtype.itemsize
        return self.memory[place.offset : stop].view(dtype).view(place.shape)


def pack(clips: Sequence[PackedClip], *, views: int = 0) -> Packed:
    """Clips of one modality as a batch.

    Args:
        views: of each clip, which follow each other; 0: clips without an axis of views.
    """
    writer, first = _Writer(), clips[0]
    if isinstance(first, PackedRgb):
        frames = [clip for clip in clips if isinstance(clip, PackedRgb)]
        parts: Frames8 | tuple[Group, ...] = Frames8(
            writer.add([clip.frames for clip in frames]),
            writer.add([np.stack((clip.gain, clip.shift)) for clip in frames]),
            writer.add([np.bool_(clip.flip) for clip in frames]),
            first.bgr,
        )
        inner, gain = (3, *first.frames.shape[:3]), 1.0
    else:
        parts = _groups(clips, writer)
        inner, gain = (2, len(first.levels), *first.size), first.gain
    outer = (len(clips) // views, views) if views else (len(clips),)
    return Packed(writer.memory(), parts, (*outer, *inner), gain)


def collated(clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Clips as a batch, those that are packed as `Packed`."""
    batch: dict[str, Any] = {}
    for name, first in clips[0].items():
        values = [clip[name] for clip in clips]
        if isinstance(first, PackedRgb | PackedMotion):
            batch[name] = pack(values)
        elif isinstance(first, list):
            every = [view for value in values for view in value]
            batch[name] = pack(every, views=len(first))
        else:
            batch[name] = default_collate(values)
    return batch


def unpacked(batch: Any, device: torch.device) -> Any:
    """A batch of which nothing is packed; what was is on the device, the rest as it is."""
    if isinstance(batch, Packed):
        return batch.to(device).unpacked()
    if isinstance(batch, dict):
        return {name: unpacked(value, device) for name, value in batch.items()}
    return batch


def memory_of(clips: Tensor | Packed) -> int:
    """Bytes of the clips of a batch."""
    return (clips.memory if isinstance(clips, Packed) else clips).nbytes


def _groups(clips: Sequence[Any], writer: "_Writer") -> tuple[Group, ...]:
    alike: dict[tuple, list[int]] = {}
    for place, clip in enumerate(clips):
        assert isinstance(clip, PackedMotion)
        key = (
            clip.levels.shape,
            clip.px.shape,
            clip.rows is None,
            clip.columns is None,
        )
        alike.setdefault(key, []).append(place)
    groups = []
    for places in alike.values():
        of = [clips[place] for place in places]
        scales = [np.append(clip.growth, np.float32(clip.speed)) for clip in of]
        groups.append(
            Group(
                tuple(places),
                writer.add([clip.levels for clip in of]),
                writer.add([clip.px for clip in of]),
                writer.shared([clip.rows for clip in of]),
                writer.shared([clip.columns for clip in of]),
                writer.add(scales),
                writer.add([np.bool_(clip.flip) for clip in of]),
            )
        )
    return tuple(groups)


class _Writer:
    """Arrays one after the other in one piece of memory."""

    def __init__(self) -> None:
        self.arrays: list[tuple[Array, list[np.ndarray]]] = []
        self.size = 0

    def add(self, arrays: Sequence[Any]) -> Array:
        """Arrays of one type and shape, as one with an axis more."""
        first = np.asarray(arrays[0])
        place = Array(first.dtype.name, (len(arrays), *first.shape), self.size)
        self.arrays.append((place, list(arrays)))
        size = len(arrays) * first.nbytes
        self.size += -(-size // _ALIGNED) * _ALIGNED
        return place

    def shared(self, arrays: Sequence[np.ndarray | None]) -> Array | None:
        """The same, of one where all are the same."""
        if arrays[0] is None:
            return None
        same = all(one is arrays[0] for one in arrays)
        return self.add(arrays[:1] if same else arrays)

    def memory(self) -> Tensor:
        """(bytes,) uint8; of a worker of a DataLoader in memory that it shares."""
        memory = torch.empty(self.size, dtype=torch.uint8)
        if get_worker_info() is not None:
            memory.share_memory_()
        flat = memory.numpy()
        for place, arrays in self.arrays:
            size = prod(place.shape) * np.dtype(place.dtype).itemsize
            there = flat[place.offset : place.offset + size].view(place.dtype)
            np.stack(arrays, out=there.reshape(place.shape))
        return memory


def _in_px(levels: Tensor, px: Tensor) -> Tensor:
    """(n, F, 2, h, w) levels and (n, L) px -> float32 px."""
    if px.shape[1] == 1:
        return levels * px[..., None, None, None]
    first = torch.arange(len(px), dtype=torch.int32, device=px.device) * px.shape[1]
    index = levels.to(torch.int32) + first[:, None, None, None, None]
    return px.flatten().index_select(0, index.flatten()).view(levels.shape)


def _resampled(values: Tensor, rows: Tensor | None, columns: Tensor | None) -> Tensor:
    """(n, F, 2, h, w) -> (n, F, 2, H, W)."""
    count, length, two, high, wide = values.shape
    if columns is not None:
        columns = columns.expand(count, -1, -1)
        flat = torch.bmm(values.reshape(count, -1, wide), columns)
        values = flat.view(count, length, two, high, -1)
    if rows is not None:
        rows = rows.expand(count, -1, -1)
        flat = values.permute(0, 3, 1, 2, 4).reshape(count, high, -1)
        values = torch.bmm(rows, flat).view(count, rows.shape[1], length, two, -1)
        values = values.permute(0, 2, 3, 1, 4)
    return values


def _mirrored(clips: Tensor, flip: Tensor) -> Tensor:
    """(n, C, F, H, W) with those of `flip` from right to left."""
    return torch.where(flip[:, None, None, None, None], clips.flip(-1), clips)
