"""Supervised training on labels alone."""

from torch import Tensor, nn

from ..engine.loop import Batch, JointBatch
from ..models.heads import TwoHeads
from .label_loss import mixed_of
from .step import LABELS, Step


class Supervised(Step):
    """Cross-entropy of a network on the labels of its clips."""

    def __init__(self, model: nn.Module, *, sees: str) -> None:
        super().__init__()
        self.model, self.sees, self.weights = model, sees, {LABELS: 1.0}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        logits = self.model(batch[self.sees])
        loss = self.label_loss(logits, batch["label"], mixed_of(batch))
        return {LABELS: loss}


class JointSupervised(Step):
    """Cross-entropy on the labels of several data sets, summed over the heads."""

    def __init__(self, model: TwoHeads, *, sees: str) -> None:
        super().__init__()
        self.model, self.sees, self.weights = model, sees, {LABELS: 1.0}

    def losses(self, batch: JointBatch) -> dict[str, Tensor]:
        logits = self.model({name: part[self.sees] for name, part in batch.items()})
        return {
            f"{name}.{LABELS}": self.label_loss(
                logits[name], part["label"], mixed_of(part), name
            )
            for name, part in batch.items()
        }


def supervised_step(model: nn.Module, *, sees: str) -> Step:
    """The step of a network on the labels of one data set, or of one head for each."""
    if isinstance(model, TwoHeads):
        return JointSupervised(model, sees=sees)
    return Supervised(model, sees=sees)
