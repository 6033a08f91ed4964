"""Optimizer, and its learning rate as a function of how far a run is."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from ..errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """How weights follow their gradient."""

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    """SGD's; AdamW has its own."""
    dampening: float = 0.0
    """0.9 as in MARS makes a constant gradient move weights ten times less."""
    weight_decay: float = 5e-4
    """Of weights; biases, norms and slopes have none."""
    schedule: Literal["constant", "one_cycle", "steps", "plateau"] = "constant"
    warm_up: float = 0.15
    """one_cycle: share of the run in which the rate rises."""
    milestones: tuple[float, ...] = ()
    """steps: shares of the run after which the rate is a tenth."""
    patience: int = 10
    """plateau: epochs without a lower held-out loss before the rate is a tenth."""
    gradient_clip: float | None = None

    def __post_init__(self) -> None:
        if self.name not in ("sgd", "adamw"):
            raise RecipeError(f"expected the optimizer sgd or adamw, got {self.name}")
        if self.schedule not in ("constant", "one_cycle", "steps", "plateau"):
            raise RecipeError(
                "expected the schedule constant, one_cycle, steps or plateau,"
                f" got {self.schedule}"
            )


def build_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """An optimizer for everything in `module` that learns."""
    learning = [p for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in learning if p.dim() > 1]},
        {"params": [p for p in learning if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if config.name == "adamw":
        return torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        dampening=config.dampening,
        weight_decay=config.weight_decay,
    )


def factor(config: OptimConfig, share: float) -> float:
    """What the learning rate is multiplied with when `share` of the run is done.

    one_cycle rises from 1/25 to 1 along a half cosine, then falls to almost 0 along
    another. plateau is 1 here: see `Plateau`.

    Args:
        share: from 0 (first step) to 1.

    Source:
        one_cycle: Smith and Topin, "Super-Convergence", arXiv:1708.07120, with
        torch's numbers.
    """
    if config.schedule == "one_cycle":
        start, end = 1 / 25, 1 / 250_000
        if share < config.warm_up:
            return _half_cosine(start, 1.0, share / config.warm_up)
        return _half_cosine(1.0, end, (share - config.warm_up) / (1 - config.warm_up))
    if config.schedule == "steps":
        return 0.1 ** sum(share >= milestone for milestone in config.milestones)
    return 1.0


class Schedule:
    """Sets the learning rate before each step; remembers what a plateau needs."""

    def __init__(self, optimizer: torch.optim.Optimizer, config: OptimConfig) -> None:
        self.optimizer, self.config = optimizer, config
        self.lowest, self.epochs_since, self.drops = math.inf, 0, 0

    def before_step(self, step: int, total_steps: int) -> float:
        """The rate of step `step` (from 0), which is now set."""
        rate = self.config.learning_rate * 0.1**self.drops
        rate *= factor(self.config, step / max(total_steps - 1, 1))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def after_epoch(self, held_out_loss: float) -> None:
        """Look whether the held-out loss still falls."""
        if held_out_loss < self.lowest:
            self.lowest, self.epochs_since = held_out_loss, 0
            return
        self.epochs_since += 1
        if (
            self.config.schedule == "plateau"
            and self.epochs_since > self.config.patience
        ):
            self.drops, self.epochs_since = self.drops + 1, 0

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {
            "lowest": self.lowest,
            "epochs_since": self.epochs_since,
            "drops": self.drops,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a checkpoint."""
        self.lowest = state["lowest"]
        self.epochs_since, self.drops = state["epochs_since"], state["drops"]


def _half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
