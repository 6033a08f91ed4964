"""Networks that learn from labels alone."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..engine.loop import Batch, JointBatch, StepOutput
from ..models.heads import TwoHeads

LABELS = "labels"
"""Name of the labels' loss among the losses."""


class Supervised(nn.Module):
    """A network learns the labels of what it sees."""

    def __init__(self, model: nn.Module, *, sees: str) -> None:
        super().__init__()
        self.model, self.sees = model, sees

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.model(batch[self.sees])
        return {LABELS: F.cross_entropy(logits, batch["label"])}

    def forward(self, batch: Batch) -> StepOutput:
        return weighted(self.losses(batch), {LABELS: 1.0})


class JointSupervised(nn.Module):
    """A network learns the labels of several data sets: the sum of its heads' losses."""

    def __init__(self, model: TwoHeads, *, sees: str) -> None:
        super().__init__()
        self.model, self.sees = model, sees

    def losses(self, batch: JointBatch) -> dict[str, Tensor]:
        logits = self.model({name: part[self.sees] for name, part in batch.items()})
        return {
            f"{name}.{LABELS}": F.cross_entropy(logits[name], part["label"])
            for name, part in batch.items()
        }

    def forward(self, batch: JointBatch) -> StepOutput:
        return weighted(self.losses(batch), {LABELS: 1.0})


def weighted(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> StepOutput:
    """The sum a loop wants, and its parts.

    Args:
        losses: "labels", or "ucf101.labels".
        weights: of "labels".
    """
    total: Tensor | float = 0.0
    for name, value in losses.items():
        total = total + weights[name.rpartition(".")[2]] * value
    assert isinstance(total, Tensor)
    return StepOutput(total, {name: value.detach() for name, value in losses.items()})
