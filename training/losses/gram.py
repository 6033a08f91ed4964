"""Gram matrices of channels: a student's like its teacher's."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .terms import (
    STAGES,
    Adapter,
    Equal,
    Outputs,
    Term,
    at_least_single,
    check_choice,
    pairs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GramMatching(Term):
    """Absolute difference of Gram matrices, averaged over several levels.

    At a level with C channels and M positions, the entries' absolute differences are
    summed and divided by C M ("paper"), or by C^2 M ("mean"), which is the mean
    difference of an entry of G / M. The first grows with C: from random weights it is
    some hundred times the second, and drowns the labels.

    Source:
        The dual-action stream's second term. Its G = x x^T is not normalised, and its
        normaliser is the term's own: 1 / (C M).
    """

    equal: ClassVar[Equal] = "shape"
    weight: float = 50.0
    taps: tuple[str, ...] = STAGES
    norm: Literal["paper", "mean"] = "paper"
    adapter: Adapter | None = None

    def __post_init__(self) -> None:
        check_choice("GramMatching", "norm", self.norm, ("paper", "mean"))

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        values = []
        for ours, theirs in pairs(student, teacher, self.taps):
            channels = ours.shape[1]
            value = (gram(ours) - gram(theirs)).abs().sum((1, 2)).mean() / channels
            values.append(value if self.norm == "paper" else value / channels)
        return torch.stack(values).mean()


def gram(features: Tensor) -> Tensor:
    """Products of all pairs of channels, as means over the M positions.

    Always in float32, inside autocast too: sums over the positions of a first stage
    pass float16's 65,504.

    Args:
        features: (B, C, ...); a feature without positions has one.

    Returns:
        (B, C, C): G / M, in float32 or better.
    """
    with torch.autocast(features.device.type, enabled=False):
        x = at_least_single(features)
        x = x.flatten(2) if x.dim() > 2 else x[..., None]
        return x @ x.mT / x.shape[2]
