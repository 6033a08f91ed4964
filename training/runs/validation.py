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
    """Loss and top-1 of a classifier on the held-out part; None where it is empty.

    With variants, the mean over the stores: one alone could select weights that are good
    for its encoder only, and the worst one depends on a few videos.
    """
    if not data.parts.held_out:
        return None
    scorers = [
        Scorer(
            clips,
            sees=sees,
            protocol=config.protocol,
            device=machine.device,
            precision=machine.precision,
            workers=machine.workers,
            inputs=machine.inputs,
            part="held_out",
        )
        for clips in data.of_every_store("held_out", sees=sees).values()
    ]

    def validate(model: nn.Module) -> Validation:
        each = [scorer(model) for scorer in scorers]
        loss = sum(scores.loss for scores in each) / len(each)
        hits = sum(float(scores.hits().mean()) for scores in each) / len(each)
        return Validation(loss, hits)

    return validate
