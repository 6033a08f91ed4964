"""What happens to a batch: the only thing in which trainings differ."""

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import nn

from .engine.loop import Batch, StepOutput
from .errors import RecipeError
from .losses.terms import Outputs, Term
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
