"""What happens to a batch: the only thing in which trainings differ."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import nn

from .engine.loop import Batch, StepOutput
from .errors import RecipeError
from .losses.photometric import BALANCED, FlowLoss, Parts, flow_loss
from .losses.terms import Outputs, Term
from .models.motion_backbone import MotionBackbone, unnormalised
from .models.motionnet import MotionNet
from .models.taps import tap


class Supervised(nn.Module):
    """A network learns the labels of what it sees."""

    def __init__(self, model: nn.Module, *, sees: str) -> None:
        super().__init__()
        self.model, self.sees = model, sees

    def forward(self, batch: Batch) -> StepOutput:
        logits = self.model(batch[self.sees])
        loss = F.cross_entropy(logits, batch["label"])
        return StepOutput(loss, {"labels": loss.detach()})


class Distill(nn.Module):
    """A student sees one modality of a clip, its frozen teacher another."""

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        *,
        student_sees: str,
        teacher_sees: str = "flow",
        terms: Mapping[str, Term],
        label_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher.requires_grad_(False)
        self.student_sees, self.teacher_sees = student_sees, teacher_sees
        self.terms, self.label_weight = terms, label_weight
        self.taps = sorted({name for term in terms.values() for name in term.taps})

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.teacher.eval()  # else its batch norm would follow the student's data
        return self

    def forward(self, batch: Batch) -> StepOutput:
        with tap(self.student, *self.taps) as features:
            student = Outputs(self.student(batch[self.student_sees]), features)
        with torch.no_grad(), tap(self.teacher, *self.taps) as features:
            teacher = Outputs(self.teacher(batch[self.teacher_sees]), features)

        labels = F.cross_entropy(student.logits, batch["label"])
        parts = {"labels": labels.detach()}
        loss = self.label_weight * labels
        for name, term in self.terms.items():
            part = term(student, teacher)
            parts[name] = part.detach()
            loss = loss + term.weight * part
        return StepOutput(loss, parts)


class Unsupervised(nn.Module):
    """MotionNet learns from rgb clips which motion explains the next frame."""

    def __init__(
        self,
        model: MotionNet,
        *,
        rgb_mean: Sequence[float],
        rgb_std: Sequence[float],
        loss: FlowLoss = BALANCED,
    ) -> None:
        """
        Args:
            rgb_mean, rgb_std: with which the clips are normalised, to undo it.
        """
        super().__init__()
        self.model, self.loss = model, loss
        self.rgb_mean, self.rgb_std = tuple(rgb_mean), tuple(rgb_std)

    def forward(self, batch: Batch) -> StepOutput:
        frames = unnormalised(batch["rgb"], mean=self.rgb_mean, std=self.rgb_std)
        loss, parts = flow_loss(frames, self.model.scales(frames), self.loss)
        return StepOutput(loss, _means(parts))


class EndToEnd(nn.Module):
    """A motion estimator and the network that sees its motion learn together.

    Source:
        Zhou, Chen, Sugumaran, "Hidden Two-Stream Collaborative Learning Network for Action
        Recognition", section 3.1, after Zhu et al., "Hidden Two-Stream Convolutional
        Networks for Action Recognition", ACCV 2018: the losses of the flow stay, so that
        it remains one.
    """

    def __init__(
        self,
        model: MotionBackbone,
        *,
        loss: FlowLoss = BALANCED,
        flow_weight: float = 1.0,
    ) -> None:
        """
        Args:
            flow_weight: of the losses without labels, against cross-entropy.
        """
        super().__init__()
        self.model, self.loss, self.flow_weight = model, loss, flow_weight

    def forward(self, batch: Batch) -> StepOutput:
        logits, frames, flows = self.model.forward_with_flows(batch["rgb"])
        labels = F.cross_entropy(logits, batch["label"])
        explained, parts = flow_loss(frames, flows, self.loss)
        loss = labels + self.flow_weight * explained
        told = {"labels": labels.detach(), "flow": explained.detach()}
        return StepOutput(loss, told | _means(parts))


def _means(parts: Parts) -> dict[str, torch.Tensor]:
    """Each kind of term, as a mean over the levels."""
    return {name: part.detach().mean() for name, part in parts._asdict().items()}


def check_taps(terms: Mapping[str, Term], nets: Mapping[str, tuple[str, ...]]) -> None:
    """Check that every net has the taps that the terms ask for.

    Args:
        nets: name -> its taps.

    Raises:
        RecipeError: one has not; the term, the tap and the net are named.
    """
    for name, term in terms.items():
        for wanted in term.taps:
            for net, taps in nets.items():
                if wanted not in taps:
                    raise RecipeError(
                        f"term {name}: expected taps of {net} among {', '.join(taps)},"
                        f" got {wanted}"
                    )
