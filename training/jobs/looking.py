"""Looks at held-out videos while a network learns."""

from typing import NamedTuple, Protocol

from torch import nn

from ..protocols import Scorer
from .course import Course, Data
from .machine import Machine


class Look(NamedTuple):
    """What the held-out part says of a network."""

    loss: float
    top1: float | None = None
    """None where nothing is recognised, as by a network of motion."""


class Looking(Protocol):
    """Looks at the held-out part."""

    def __call__(self, model: nn.Module) -> Look: ...


def held_out_look(
    course: Course, data: Data, *, sees: str, machine: Machine
) -> Looking | None:
    """How often a classifier is right on the held-out part; None where it is empty."""
    if not data.parts.held_out:
        return None
    scorer = Scorer(
        data.clips["held_out"],
        sees=sees,
        protocol=course.protocol,
        device=machine.device,
        precision=machine.precision,
        workers=min(machine.workers, 2),
        part="held_out",
    )

    def look(model: nn.Module) -> Look:
        scores = scorer(model)
        return Look(scores.loss, float(scores.hits().mean()))

    return look
