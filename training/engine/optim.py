"""Optimizer, and its learning rate as a function of how far a run is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import RecipeError
from ..models.blocks import blocks_of
from ..run_files.fields import ADDED


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """Settings of the optimizer and the learning-rate schedule."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    """adam adds the decay to the gradient, adamw subtracts it from the weight."""
    learning_rate: float = 0.1
    momentum: float = 0.9
    """SGD's; Adam has its own."""
    dampening: float = 0.0
    """0.9 as in MARS makes a constant gradient move weights ten times less."""
    weight_decay: float = 5e-4
    decays: Literal["weights", "all"] = "weights"
    """Parameters that decay: weights only, or biases, norms and slopes too (the default
    of torch)."""
    bias_rate: float = 1.0
    """Learning rate of biases as a multiple of the weights'; 2 is usual in Caffe."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Beginning of a weight's name -> multiple of its learning rate; the longest that
    fits counts. Names are the network's ("layer1.") or the step's ("student.layer1.").
    0 freezes, batch norm's running means included."""
    layer_decay: float = field(default=1.0, metadata=ADDED)
    """Factor of the learning rate from each block of the network to the one before: the
    last has the whole rate. Names of blocks: see `blocks_of`."""
    schedule: Literal["constant", "one_cycle", "steps", "plateau", "cosine"] = (
        "constant"
    )
    warm_up: float = 0.15
    """one_cycle: share of the run in which the rate rises."""
    warm_up_steps: int = 0
    """Number of first steps in which the rate rises linearly; not for one_cycle."""
    last_rate: float = field(default=0.0, metadata=ADDED)
    """cosine: share of the learning rate that is left after the last step."""
    milestones: tuple[float, ...] = ()
    """steps: shares of the run after which the rate drops."""
    drop: float = 0.1
    """steps, plateau: factor by which the rate drops."""
    patience: int = 10
    """plateau: epochs without a lower held-out loss before the rate drops."""
    gradient_clip: float | None = None
    accumulate: int = 1
    """Number of parts in which a batch passes through the network; see `fit`."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("name", ("sgd", "adam", "adamw")),
            ("schedule", ("constant", "one_cycle", "steps", "plateau", "cosine")),
            ("decays", ("weights", "all")),
        ):
            value = getattr(self, name)
            if value not in choices:
                what = {"name": "optimizer", "decays": "decay of"}.get(name, name)
                raise RecipeError(
                    f"expected the {what} {', '.join(choices[:-1])} or {choices[-1]},"
                    f" got {value}"
                )
        if min(self.learning_rate, self.weight_decay, self.bias_rate) < 0:
            raise RecipeError(
                "expected no negative learning_rate, weight_decay or bias_rate, got"
                f" {self.learning_rate}, {self.weight_decay} and {self.bias_rate}"
            )
        if not (0 <= self.momentum < 1 and 0 <= self.dampening <= 1):
            raise RecipeError(
                "expected momentum from 0 to below 1 and dampening from 0 to 1, got"
                f" {self.momentum} and {self.dampening}"
            )
        if not (0 < self.warm_up < 1 and 0 < self.drop <= 1 and self.patience >= 0):
            raise RecipeError(
                "expected warm_up between 0 and 1, drop above 0 and up to 1, and patience"
                f" of 0 or more, got {self.warm_up}, {self.drop} and {self.patience}"
            )
        if self.gradient_clip is not None and self.gradient_clip <= 0:
            raise RecipeError(
                f"expected a gradient_clip above 0, or none, got {self.gradient_clip}"
            )
        if not all(rate >= 0 for rate in self.rates.values()):
            raise RecipeError(f"expected rates of 0 or more, got {dict(self.rates)}")
        if not 0 < self.layer_decay <= 1 or not 0 <= self.last_rate <= 1:
            raise RecipeError(
                "expected layer_decay above 0 up to 1 and last_rate from 0 to 1, got"
                f" {self.layer_decay:g} and {self.last_rate:g}"
            )
        if self.accumulate < 1 or self.warm_up_steps < 0:
            raise RecipeError(
                "expected to accumulate 1 part or more and no negative warm-up,"
                f" got {self.accumulate} and {self.warm_up_steps}"
            )


def build_optimizer(
    module: nn.Module, config: OptimConfig, network: nn.Module | None = None
) -> torch.optim.Optimizer:
    """An optimizer for all trainable parameters of `module`.

    Weights with a rate of 0 are frozen here. On a GPU a step is one kernel for many weights
    (torch's fused optimizers), which differs by rounding.

    Args:
        network: the part of it whose blocks learn at rates of their own (`layer_decay`);
            what is none of its weights, as adapters, has the whole rate.

    Raises:
        RecipeError: a rate is for a name that no weight has, or nothing is trainable.
    """
    multiples = _multiples(module, config.rates)
    if config.layer_decay != 1 and network is not None:
        factors = layer_factors(network, config.layer_decay)
        for name, weight in module.named_parameters():
            multiples[name] *= factors.get(weight, 1.0)
    for name, weight in module.named_parameters():
        if multiples[name] == 0:
            weight.requires_grad_(False)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            decays = weight.dim() > 1 or config.decays == "all"
            multiple = multiples[name]
            if name.rpartition(".")[2] == "bias":
                multiple *= config.bias_rate
            groups.setdefault((multiple, decays), []).append(weight)
    if not groups:
        raise RecipeError("expected weights that learn, but all of them are frozen")
    ordered = sorted(groups, key=lambda kind: (kind[0] != 1, -kind[0], not kind[1]))
    described: list[dict[str, object]] = [
        {
            "params": groups[multiple, decays],
            "lr": config.learning_rate * multiple,
            "multiple": multiple,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for multiple, decays in ordered
    ]
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    made = partial(kinds.get(config.name, torch.optim.SGD), lr=config.learning_rate)
    if config.name == "sgd":
        made = partial(made, momentum=config.momentum, dampening=config.dampening)
    if fusable([weight for group in groups.values() for weight in group]):
        try:
            return made(described, fused=True)
        except RuntimeError:  # torch has none for such weights
            pass
    return made(described)


def fusable(weights: Sequence[Tensor]) -> bool:
    """Whether all weights are numbers of float type on GPUs, where one kernel moves many."""
    return all(it.device.type == "cuda" and it.is_floating_point() for it in weights)


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load a state that was saved on this device or another.

    Whether steps are fused stays as it is, and moments get the order in memory of their
    weights: fused steps would otherwise mix up their elements, without an error.
    """
    here = [
        {name: group[name] for name in ("fused", "foreach") if name in group}
        for group in optimizer.param_groups
    ]
    groups = saved["param_groups"]
    if len(groups) == len(here):  # else it is of other weights, as the next line says
        groups = [group | own for group, own in zip(groups, here, strict=True)]
    optimizer.load_state_dict({**saved, "param_groups": groups})
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight).copy_(value)


def layer_factors(network: nn.Module, decay: float) -> dict[nn.Parameter, float]:
    """Weight -> factor of its learning rate, by the depth of its block.

    The last of n blocks has 1, the first decay ** (n - 1); weights in no block, as a class
    token, learn as the first.

    Source:
        Clark et al., "ELECTRA", ICLR 2020; Bao et al., "BEiT", ICLR 2022.
    """
    blocks = blocks_of(network)
    first = decay ** max(len(blocks) - 1, 0)
    factors = dict.fromkeys(network.parameters(), first)
    for number, (_, block) in enumerate(blocks):
        for weight in block.parameters():
            factors[weight] = decay ** (len(blocks) - 1 - number)
    return factors


def factor(config: OptimConfig, share: float) -> float:
    """Factor of the learning rate when `share` of the run is done.

    one_cycle rises from 1/25 to 1 along a half cosine, then falls to almost 0 along
    another. plateau is 1 here: see `Schedule`.

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
        return config.drop ** sum(share >= milestone for milestone in config.milestones)
    return 1.0


class Schedule:
    """Sets the learning rate before each step; holds the state of a plateau schedule."""

    def __init__(self, optimizer: torch.optim.Optimizer, config: OptimConfig) -> None:
        self.optimizer, self.config = optimizer, config
        self.lowest, self.epochs_since, self.drops = math.inf, 0, 0

    def before_step(self, step: int, total_steps: int) -> float:
        """The rate of step `step` (from 0), which is now set.

        A milestone at 1/3 of 90 steps changes the rate of step 30, the 31st.
        """
        rate = self.config.learning_rate * self.config.drop**self.drops
        if self.config.schedule == "cosine":
            rate *= _cosine(self.config, step, total_steps)
        elif self.config.schedule == "one_cycle":
            rate *= factor(self.config, step / max(total_steps - 1, 1))
        else:
            rate *= factor(self.config, step / max(total_steps, 1))
            if step < self.config.warm_up_steps:
                rate *= (step + 1) / self.config.warm_up_steps
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("multiple", 1.0)
        return rate

    def after_epoch(self, held_out_loss: float) -> None:
        """Check whether the held-out loss still falls."""
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
        """State for a checkpoint."""
        return {
            "lowest": self.lowest,
            "epochs_since": self.epochs_since,
            "drops": self.drops,
        }

    def load_state_dict(self, state: dict) -> None:
        """Load the state of a checkpoint."""
        self.lowest = state["lowest"]
        self.epochs_since, self.drops = state["epochs_since"], state["drops"]


def _multiples(module: nn.Module, rates: Mapping[str, float]) -> dict[str, float]:
    """Name of a weight -> multiple of the learning rate."""
    found: dict[str, float] = {}
    used: set[str] = set()
    for name, _ in module.named_parameters():
        inside = name.partition(".")[2]  # the step's name for the network taken off
        fitting = [p for p in rates if name.startswith(p) or inside.startswith(p)]
        used.update(fitting)
        found[name] = rates[max(fitting, key=len)] if fitting else 1.0
    lost = [prefix for prefix in rates if prefix not in used]
    if lost:
        raise RecipeError(
            f"expected rates for weights of the network, but none begins with {lost[0]}"
        )
    return found


def _cosine(config: OptimConfig, step: int, total_steps: int) -> float:
    """Linear to 1 in `warm_up_steps`, then along half a cosine to `last_rate`.

    Source:
        Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts; warm-up as in Goyal et
        al., "Accurate, Large Minibatch SGD", arXiv:1706.02677.
    """
    rising = config.warm_up_steps
    if step < rising:
        return (step + 1) / rising
    share = (step - rising) / max(total_steps - rising, 1)
    return _half_cosine(1.0, config.last_rate, min(share, 1.0))


def _half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
