"""Speed of single networks, fed from memory: the median of repeated windows."""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import RunError
from ..models.backbones import clip_shape, net_named
from ..models.collaborative import Collaborative, CollaborativeConfig
from ..models.weights import read_weights
from ..run_files.fields import recorded
from ..run_files.names import RECIPE
from ..run_files.reproduction import NetworkSpeed
from ..runs.machine import place_on_device
from ..runs.record import Run
from ..runs.trained import clip_of, trained_model

BATCH = 16
MOST_SNIPPETS = 1024
WITHOUT_EFFECT = ("dropout", "first_layer", "lrn_k", "weights")
"""Settings of a network that do not change what it computes with, once trained."""


class Measurable(NamedTuple):
    """A network of a run and inputs for it."""

    model: nn.Module
    shapes: tuple[tuple[int, ...], ...]
    """Shape of each of its inputs, without the batch."""
    architecture: str
    """Network and input in words."""
    key: str
    """Equal for networks that differ in the values of their weights only."""
    sees: str
    frames: int
    """Frames of a video that one input stands for."""

    def speed(self, device: torch.device, seconds: float, windows: int) -> NetworkSpeed:
        """Inputs per second: of the median window, the slowest and the fastest.

        Args:
            seconds: least length of a window.
        """
        model = place_on_device(self.model, device).eval()
        one = [torch.zeros(1, *shape, device=device) for shape in self.shapes]
        batch = [torch.zeros(BATCH, *shape, device=device) for shape in self.shapes]
        rates = window_rates(lambda: model(*batch), device, seconds, windows)
        return NetworkSpeed(
            system="",
            per_second=BATCH * median(rates),
            slowest=BATCH * min(rates),
            fastest=BATCH * max(rates),
            architecture=self.architecture,
            parameters=sum(weight.numel() for weight in model.parameters()),
            multiply_adds=_multiply_adds(model, one),
            sees=self.sees,
            frames=self.frames,
        )


def network(run: Run) -> Measurable:
    """The network of a run that classifies clips."""
    model, sees = trained_model(run)
    clip = clip_of(run)
    height, width = clip.size_of(sees.sees)
    shape = clip_shape(sees, clip.length, (height, width))
    built = {
        name: value
        for name, value in (run.config().model or {}).items()
        if name not in WITHOUT_EFFECT
    }
    motion = built.get("estimator")
    before = motion.get("estimator") if isinstance(motion, dict) else ""
    return Measurable(
        model=model,
        shapes=(shape,),
        architecture=f"{sees.net}{f' after {before}' if before else ''} on {sees.sees},"
        f" {clip.length} x {width}x{height} px",
        key=json.dumps([built, shape, _shapes(model)], sort_keys=True, default=str),
        sees=sees.sees,
        # clips that follow each other; of a 2D network every frame has a pass of its own,
        # as in the paper
        frames=1 if net_named(sees.net).dim == 2 else clip.length,
    )


def collaboration(run: Run) -> Measurable:
    """The collaborative layers of a run, on the snippets of videos.

    Each snippet stands for a frame, as the networks before the layers have a pass for
    each frame.

    Raises:
        RunError: its settings are something else.
    """
    where = f"{run.path(RECIPE)}: learning"
    config = recorded(CollaborativeConfig, run.setting("learning"), where=where)
    snippets = run.setting("snippets")
    if not isinstance(snippets, int) or not 0 < snippets <= MOST_SNIPPETS:
        raise RunError(
            f"{run.path(RECIPE)}: snippets: expected 1 to {MOST_SNIPPETS}, got {snippets}"
        )
    weights = read_weights(run.weights())
    classes, spatial = weights["spatial_head.weight"].shape
    motion = weights["motion_head.weight"].shape[1]
    model = Collaborative(
        classes,
        spatial=spatial,
        motion=motion,
        hidden=config.hidden,
        rounds=config.rounds,
    )
    shapes = ((snippets, spatial), (snippets, motion))
    return Measurable(
        model=model,
        shapes=shapes,
        architecture=f"collaborative layers on {snippets} snippets of {spatial} and"
        f" {motion} features",
        key=json.dumps(["collaborative", config.rounds, shapes, _shapes(model)]),
        sees="features",
        frames=snippets,
    )


@torch.no_grad()
def window_rates(
    once: Callable[[], object], device: torch.device, seconds: float, windows: int
) -> list[float]:
    """Calls per second in each window, after two calls to warm up.

    Args:
        seconds: least length of a window, which has one call at least.
    """

    def settled() -> None:
        once()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(2):
        settled()
    rates = []
    for _ in range(windows):
        count, started = 0, time.perf_counter()
        while (taken := time.perf_counter() - started) < seconds or not count:
            settled()
            count += 1
        rates.append(count / taken)
    return rates


def _shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


def _multiply_adds(model: nn.Module, inputs: list[Tensor]) -> int:
    """Multiply-adds of convolutions and linear layers for one input."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(*inputs)
    return int(counter.get_total_flops() // 2)
