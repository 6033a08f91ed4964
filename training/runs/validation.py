"""Validation of a network on held-out videos during its training."""

from typing import NamedTuple, Protocol

from torch import nn

from ..scoring.protocols import Scorer
from .config import Data, TrainConfig
from .machine import Machine


class Validation(NamedTuple):
    """Result of a network on the held-out part."""

    loss: float
    top1: float | None = None
    """Top-1 accuracy, from 0 to 1; None for a network that is no classifier."""

    @property
    def value(self) -> float:
        """Top-1, or the negative loss where there is none. Higher is better."""
        return -self.loss if self.top1 is None else self.top1


class Validator(Protocol):
    """Runs a network on the held-out part."""

    def __call__(self, model: nn.Module) -> Validation: ...


def classifier_validator(
    config: TrainConfig, data: Data, *, sees: str, machine: Machine
) -> Validator | None:
    """Loss and top-1 of a classifier on the held-out part; None where it is empty."""
    if not data.parts.held_out:
        return None
    scorer = Scorer(
        data.clips["held_out"],
        sees=sees,
        protocol=config.protocol,
        device=machine.device,
        precision=machine.precision,
        workers=min(machine.workers, 2),
        part="held_out",
    )

    def validate(model: nn.Module) -> Validation:
        scores = scorer(model)
        return Validation(scores.loss, float(scores.hits().mean()))

    return validate
