"""Cross-entropy of labels: smoothed, weighted by class, of mixed clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..engine.loop import Batch


class Mixed(NamedTuple):
    """Labels of the clips that were mixed into a batch: see `engine.mixing`."""

    other: Tensor
    """(B,) int64"""
    share: Tensor
    """(B,) from 0 to 1: share of a clip's own label; the other one has the rest."""


def mixed_of(batch: Batch) -> Mixed | None:
    """The mixed labels of a batch; None where clips are as they were."""
    if "other_label" not in batch:
        return None
    return Mixed(batch["other_label"], batch["share"])


@dataclass(frozen=True)
class LabelLoss:
    """Cross-entropy, averaged over clips (or over their classes' weights, as torch does).

    Source:
        smoothing: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016,
        section 7: a share of the target is spread evenly over all classes.
    """

    smoothing: float = 0.0
    class_weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Data set ("" for the only one) -> (classes,) weights; none: all count alike."""

    def __call__(
        self, logits: Tensor, labels: Tensor, mixed: Mixed | None, dataset: str = ""
    ) -> Tensor:
        """A scalar.

        Args:
            logits: (B, classes).
            labels: (B,) int64.
        """
        weight = self.class_weights.get(dataset)
        if weight is not None:
            weight = weight.to(logits.device)
        if mixed is None:
            return F.cross_entropy(
                logits, labels, weight, label_smoothing=self.smoothing
            )
        total, count = logits.new_zeros(()), logits.new_zeros(())
        for targets, share in ((labels, mixed.share), (mixed.other, 1 - mixed.share)):
            each = F.cross_entropy(
                logits,
                targets,
                weight,
                reduction="none",
                label_smoothing=self.smoothing,
            )
            total = total + (share * each).sum()
            count = count + (share if weight is None else share * weight[targets]).sum()
        return total / count


def balanced_class_weights(labels: Sequence[int], classes: int) -> Tensor:
    """(classes,) float32: V / (K n) for a class of n of the V videos, of K classes that
    occur; 0 for one without videos.

    The mean over the videos is 1.
    """
    counts = torch.bincount(torch.tensor(labels), minlength=classes).float()
    known = counts > 0
    weights = len(labels) / (known.sum() * counts.clamp(min=1))
    return weights * known
