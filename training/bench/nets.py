"""Throughput of networks at their training sizes: clips per second, forward and backward."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from motion_shards.cores import processor_name
from motion_shards.plain_text import printable

from ..models.backbones import BackboneConfig, build_backbone, clip_shape, net_named
from ..models.sizes import cost
from ..recipes.grid import CELLS, LENGTH
from ..recipes.sizes import PAPER
from ..runs.machine import place_on_device, select_machine
from .windows import settle

CLASSES = 101
"""Classes of UCF101."""
ENOUGH_SECONDS = 0.5
"""Clips are put into one batch until a step takes as long as this."""
MOST = 16
"""Clips in one batch, at most."""
LARGE = (224, 224)
"""Height and width at which torchvision's networks of such pictures are trained."""
SIZES = {name: LARGE for name in ("s3d", "mvit_v1_b", "mvit_v2_s")} | {
    name: LARGE for name in ("swin3d_t", "swin3d_s", "swin3d_b")
}
"""3D networks that take other pictures than `PAPER.clip3d`."""
STACKED = ("clarifai", "clarifai_narrow", "clarifai_tiny")
"""2D networks of stacked vectors; other 2D networks see one RGB frame."""
FAMILIES = (
    "r3d_18",
    "mc3_18",
    "r2plus1d_18",
    "s3d",
    "mvit_v2_s",
    "swin3d_t",
    "resnet18",
    "clarifai",
    "grid",
    "grid_attention",
)
"""The networks that are measured if none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSpeed:
    """Clips per second of one network: medians, with the slowest and the fastest round."""

    net: str
    sees: str
    clip: tuple[int, int, int, int]
    """(C, T, H, W)."""
    parameters: int
    multiply_adds: int
    """Multiply-adds of a forward pass, for one clip."""
    batch: int
    training: float
    """Forward and backward, without the step of an optimizer."""
    training_range: tuple[float, float]
    forward: float
    """In evaluation."""
    forward_range: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSpeeds:
    """Clips per second of several networks."""

    device: str
    """One core of a CPU, by its CPU time, or a GPU, by the clock."""
    torch: str
    precision: str
    rounds: int
    rows: tuple[NetSpeed, ...]


def measure(
    nets: Sequence[str] = FAMILIES,
    *,
    rounds: int = 3,
    device: str = "auto",
    classes: int = CLASSES,
    clock: Callable[[], float] | None = None,
) -> NetSpeeds:
    """Measure networks with weights drawn at random, on clips of noise.

    Args:
        rounds: steps of training and evaluations of each network that count; one more
            comes first.
        clock: seconds; None: CPU time of one thread on a CPU, the clock with a GPU.

    Raises:
        RecipeError: an unknown network.
        MachineError: there is no GPU, but it was asked for.
    """
    configs = [config_of(name) for name in nets]
    machine = select_machine(device=device, precision="float32", workers=0)
    on_cpu = machine.device.type == "cpu"
    clock = clock or (time.process_time if on_cpu else _settled_clock)
    with _one_thread():
        rows = [
            _measured(config, rounds, machine.device, classes, clock)
            for config in configs
        ]
    return NetSpeeds(
        device=f"one core of {processor_name()}" if on_cpu else machine.facts().device,
        torch=torch.__version__,
        precision=machine.precision,
        rounds=rounds,
        rows=tuple(rows),
    )


def config_of(name: str) -> BackboneConfig:
    """A network at its training size: 3D ones see RGB, 2D ones one frame or ten intervals.

    Raises:
        RecipeError: there is no such network.
    """
    net = net_named(name)
    stacked = name in STACKED
    sees = "mv" if net.cells or stacked else "rgb"
    frames = PAPER.fields.length if stacked else PAPER.frame.length
    return BackboneConfig(net=name, sees=sees, frames=frames)


def clip_of(config: BackboneConfig) -> tuple[int, int, int, int]:
    """(C, T, H, W) of the clips that a network of `config_of` is trained with."""
    net = net_named(config.net)
    if net.cells:
        return clip_shape(config, LENGTH, CELLS[PAPER.name])
    if net.dim == 2:
        return clip_shape(config, config.frames, PAPER.fields.crop_px)
    size = SIZES.get(config.net, PAPER.clip3d.crop_px)
    return clip_shape(config, PAPER.clip3d.length, size)


def text(found: NetSpeeds) -> str:
    """A table for people."""
    what = (
        f"{found.device}, PyTorch {found.torch}, {found.precision}; clips per second:"
        f" median of {found.rounds} rounds (slowest to fastest)"
    )
    header = (
        f"{'net':<16}{'clip':>22}{'M weights':>11}{'G mult-adds':>13}{'batch':>7}"
        f"{'forward and backward':>28}{'forward':>28}"
    )
    lines = [what, header]
    for row in found.rows:
        clip = f"{row.sees} {'x'.join(map(str, row.clip))}"
        lines.append(
            f"{row.net:<16}{clip:>22}{row.parameters / 1e6:>11.2f}"
            f"{row.multiply_adds / 1e9:>13.3g}{row.batch:>7}"
            f"{_rate(row.training, row.training_range):>28}"
            f"{_rate(row.forward, row.forward_range):>28}"
        )
    return "\n".join(map(printable, lines))


def _measured(
    config: BackboneConfig,
    rounds: int,
    device: torch.device,
    classes: int,
    clock: Callable[[], float],
) -> NetSpeed:
    shape = clip_of(config)
    model = place_on_device(build_backbone(config, classes), device)

    def inputs(batch: int) -> Tensor:
        return torch.randn(batch, *shape, device=device)

    def seconds(work: Callable[[nn.Module, Tensor], None], clips: Tensor) -> float:
        began = clock()
        work(model, clips)
        return clock() - began

    batch = 1
    clips = inputs(batch)
    seconds(_step, clips)  # warms up
    first = seconds(_step, clips)
    while batch < MOST and first < ENOUGH_SECONDS:
        batch *= 2
        clips = inputs(batch)
        seconds(_step, clips)
        first = seconds(_step, clips)
    steps = [first, *(seconds(_step, clips) for _ in range(rounds - 1))]
    model.zero_grad(set_to_none=True)
    seconds(_evaluate, clips)
    passes = [seconds(_evaluate, clips) for _ in range(rounds)]
    _, length, height, width = shape
    costs = cost(config, classes, frames=length, height=height, width=width)
    training, forward = _speed(steps, batch), _speed(passes, batch)
    return NetSpeed(
        net=config.net,
        sees=config.sees,
        clip=shape,
        parameters=costs.parameters,
        multiply_adds=costs.multiply_adds,
        batch=batch,
        training=training[0],
        training_range=training[1:],
        forward=forward[0],
        forward_range=forward[1:],
    )


def _step(model: nn.Module, clips: Tensor) -> None:
    """Forward and backward."""
    model.train().zero_grad(set_to_none=True)
    labels = torch.zeros(len(clips), dtype=torch.long, device=clips.device)
    F.cross_entropy(model(clips), labels).backward()


def _evaluate(model: nn.Module, clips: Tensor) -> None:
    with torch.inference_mode():
        model.eval()(clips)


def _speed(seconds: Sequence[float], batch: int) -> tuple[float, float, float]:
    """Clips per second: median, slowest, fastest."""
    return batch / median(seconds), batch / max(seconds), batch / min(seconds)


def _rate(middle: float, spread: tuple[float, float]) -> str:
    """1.23 (1.2 to 1.3)"""
    return f"{middle:,.3g} ({spread[0]:,.3g} to {spread[1]:,.3g})"


def _settled_clock() -> float:
    settle()
    return time.perf_counter()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
