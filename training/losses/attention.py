"""Attention transfer: a student is active at the positions at which its teacher is."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .terms import Equal, Outputs, Term, check_equal, features_at

STAGES = ("layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionTransfer(Term):
    """Distance of attention maps: what remains of a feature without its channels.

    Networks may differ in channels, not in positions, of which there must be several:
    at the pooled features the map is 1 in every network.

    Source:
        Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017,
        arXiv:1612.03928, equation 2 with p = 2: the map is the sum of squares over the
        channels, at length 1. Squared distances are averaged over positions, as the
        authors' program does, and over clips and taps.
    """

    equal: ClassVar[Equal] = "positions"
    weight: float = 1000.0
    taps: tuple[str, ...] = STAGES

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        values = []
        for tap in self.taps:
            ours, theirs = features_at(student, teacher, tap)
            check_equal(self.equal, ours.shape[1:], theirs.shape[1:], what=tap)
            values.append(F.mse_loss(attention(ours), attention(theirs)))
        return torch.stack(values).mean()


def attention(features: Tensor) -> Tensor:
    """(B, C, ...) -> (B, positions), not negative, of length 1 for each clip."""
    return F.normalize(features.square().sum(1).flatten(1), dim=1)
