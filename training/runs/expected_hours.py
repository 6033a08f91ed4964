"""Notices before a training starts: about the size of its frames, and its hours."""

import copy
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from motion_shards.plain_text import in_words
from pipeline.store import Store

from ..data.clip_config import ClipConfig
from ..engine.loop import autocast
from ..models.backbones import CHANNELS, BackboneConfig, build_backbone, clip_shape
from ..models.sizes import cost, cost_of
from ..steps.step import Step
from .config import TrainConfig
from .machine import Machine, place_on_device

LONG = 2e13
"""Multiply-adds from which on the hours of a training are reported: minutes of one core."""
SMALL_PX = 100
"""Recipes that reduce frames to a shorter side than this are made for drawn or tiny clips."""
MUCH_WAITING = 0.1
"""Share of the time of a training from which on waiting for clips is reported."""
LARGER = 1.5
"""Factor from which on stored frames are larger than needed."""
MARGIN, ROUND_PX = 7 / 8, 16
"""Crop as a share of the short side of a fitting store, which is a multiple of this."""


def small_frames_notice(store: Store, clip: ClipConfig, larger: str) -> str | None:
    """A line where frames are much larger than what a recipe sees of them.

    Args:
        larger: what to do for more, as the end of the line.
    """
    grid = clip.grid_short_px
    if store.dataset == "demo" or grid is None or grid >= SMALL_PX:
        return None
    video = store.videos()[0]
    if min(video.height, video.width) <= 2 * grid:
        return None
    height, width = clip.crop_px
    return (
        f"frames of {video.width}x{video.height} px are scaled to {width}x{height} "
        f"px, which is little for real clips: {larger}"
    )


def large_frames_notice(store: Store, clip: ClipConfig, *, waited: float) -> str | None:
    """A line where a training waits for clips whose frames are stored larger than needed.

    Args:
        waited: share of the time of an epoch.
    """
    video = store.videos()[0]
    grid = clip.grid_short_px or ROUND_PX * round(min(clip.crop_px) / MARGIN / ROUND_PX)
    side = max(grid, min(clip.crop_px))
    if waited < MUCH_WAITING or min(video.height, video.width) < LARGER * side:
        return None
    height, width = clip.crop_px
    return (
        f"{waited:.0%} of the time was spent waiting for clips: frames of"
        f" {video.width}x{video.height} px are decoded for {width}x{height} px; a store of"
        f" that size is read faster: `pipeline extract --short-side {side}`"
    )


def expected_hours(
    config: TrainConfig,
    nets: Sequence[BackboneConfig],
    *,
    clips: int,
    classes: int,
    machine: Machine,
) -> str | None:
    """A line with the hours that a training will take; None where it is a short one.

    One step of the learning network is timed, without lasting effect.

    Args:
        nets: the network that learns, then those that it learns from.
        clips: of an epoch.
    """
    clip = config.clip
    each = [
        config.windows_of(net)
        * cost(
            net, classes, frames=config.length_of(net), height=height, width=width
        ).multiply_adds
        for net in nets
        for height, width in (clip.size_of(net.sees),)
    ]
    per_clip = 3 * each[0] + sum(each[1:])  # back is twice forward
    if per_clip * clips * config.epochs < LONG:
        return None
    seconds = step_seconds(nets[0], config, classes=classes, machine=machine)
    seconds *= per_clip / (3 * each[0])
    return _hours(config, clips, per_clip=per_clip, seconds=seconds, machine=machine)


def expected_hours_of_step(
    config: TrainConfig, step: Step, model: nn.Module, *, clips: int, machine: Machine
) -> str | None:
    """The same line for a step on rgb alone, whatever its network is made of.

    One step of a copy is timed.

    Args:
        model: the network in `step`.
        clips: of an epoch.
    """
    shape = (CHANNELS["rgb"], config.clip.length, *config.clip.crop_px)
    per_clip = 3 * cost_of(model, shape).multiply_adds
    if per_clip * clips * config.epochs < LONG:
        return None
    count = _tried_clips(config, machine)
    with torch.random.fork_rng([machine.device] if _on_gpu(machine) else []):
        copied = place_on_device(copy.deepcopy(step), machine.device).train()
        batch = {
            "rgb": torch.rand((count, *shape), device=machine.device),
            "label": torch.zeros(count, dtype=torch.int64, device=machine.device),
        }
        seconds = _seconds(lambda: copied(batch).loss, machine) / count
    return _hours(config, clips, per_clip=per_clip, seconds=seconds, machine=machine)


def _hours(
    config: TrainConfig, clips: int, *, per_clip: int, seconds: float, machine: Machine
) -> str:
    """The line.

    Args:
        per_clip: multiply-adds of a clip, forward and back.
        seconds: of a clip.
    """
    total = seconds * clips * config.epochs / machine.processes.world_size
    return (
        f"about {in_words(total)} on this machine ({config.epochs} epochs of {clips:,} clips,"
        f" {per_clip / 1e9:.1f} G multiply-adds and {seconds:.2g} s per clip), without the"
        " time to read clips and to score held-out videos"
    )


def step_seconds(
    net: BackboneConfig, config: TrainConfig, *, classes: int, machine: Machine
) -> float:
    """Seconds that a network takes for a clip, forward and back, as tried once."""
    device, batch = machine.device, _tried_clips(config, machine)
    shape = (batch, *clip_shape(net, config.clip.length, config.clip.size_of(net.sees)))
    with torch.random.fork_rng([device] if _on_gpu(machine) else []):
        model = place_on_device(build_backbone(net, classes), device).train()
        clips = torch.rand(shape, device=device)
        labels = torch.zeros(batch, dtype=torch.int64, device=device)
        return _seconds(lambda: F.cross_entropy(model(clips), labels), machine) / batch


def _seconds(loss: Callable[[], Tensor], machine: Machine) -> float:
    """Seconds that a loss takes, forward and back."""
    device, cuda = machine.device, _on_gpu(machine)
    started = time.perf_counter()
    for _ in range(3 if cuda else 1):  # a GPU chooses its algorithms first
        if cuda:
            torch.cuda.synchronize(device)
        started = time.perf_counter()
        with autocast(device, machine.precision):
            value = loss()
        value.backward()
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _tried_clips(config: TrainConfig, machine: Machine) -> int:
    return min(config.batch_size, 16 if _on_gpu(machine) else 2)


def _on_gpu(machine: Machine) -> bool:
    return machine.device.type == "cuda"
