"""Terms of a distillation: small frozen values that can be called, compared, recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RecipeError

STAGES = ("layer1", "layer2", "layer3", "layer4", "avgpool")


class Outputs(NamedTuple):
    """What one network made of a batch."""

    logits: Tensor
    """(B, classes)"""
    features: dict[str, Tensor]
    """Tap name -> (B, C, ...)"""


class Term(Protocol):
    """One named part of a distillation loss."""

    @property
    def weight(self) -> float: ...

    @property
    def taps(self) -> tuple[str, ...]: ...

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTargets:
    """KL divergence from the teacher's softened prediction to the student's.

    Source:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network",
        arXiv:1503.02531, section 2: the factor T^2 keeps the gradient's size
        comparable when the temperature changes. Here it is the term's weight.
    """

    temperature: float = 2.0
    """Above 1 softens both."""
    weight: float = 4.0
    taps: tuple[str, ...] = ()

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        return F.kl_div(
            F.log_softmax(student.logits.float() / self.temperature, dim=1),
            F.log_softmax(teacher.logits.float() / self.temperature, dim=1),
            log_target=True,
            reduction="batchmean",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMSE:
    """Mean squared distance between features of the same shape, over all taps.

    Source:
        Crasto et al., "MARS: Motion-Augmented RGB Stream for Action Recognition",
        CVPR 2019, at the pooled features.
    """

    weight: float = 50.0
    taps: tuple[str, ...] = ("avgpool",)

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        pairs = _pairs(student, teacher, self.taps)
        return torch.stack([F.mse_loss(ours, theirs) for ours, theirs in pairs]).mean()


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLevelMAE:
    """Mean absolute distance between features, averaged over several levels.

    Source:
        The dual-action stream's first term, with its L1 norm read as a mean: as a sum,
        the first stage alone would be a million times the cross-entropy.
    """

    weight: float = 50.0
    taps: tuple[str, ...] = STAGES

    def __call__(self, student: Outputs, teacher: Outputs) -> Tensor:
        pairs = _pairs(student, teacher, self.taps)
        return torch.stack([F.l1_loss(ours, theirs) for ours, theirs in pairs]).mean()


def _pairs(
    student: Outputs, teacher: Outputs, taps: tuple[str, ...]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features of both at every tap, in float32: half precision loses small distances.

    Raises:
        RecipeError: their shapes differ. (A loss would broadcast them.)
    """
    for name in taps:
        ours, theirs = student.features[name], teacher.features[name]
        if ours.shape != theirs.shape:
            raise RecipeError(
                f"{name}: expected features of one shape,"
                f" got student {tuple(ours.shape)}, teacher {tuple(theirs.shape)}"
            )
        yield ours.float(), theirs.float()
