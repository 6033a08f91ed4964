"""Distillation: a student trained on labels and frozen teachers."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..engine.loop import Batch, JointBatch
from ..errors import RecipeError
from ..losses.terms import Outputs, Term, features_at, sides
from ..models.adapters import build_adapter
from ..models.heads import TwoHeads, split_head
from ..models.taps import Taps, as_map, pooled
from .label_loss import Mixed, mixed_of
from .step import LABELS, Step
from .teachers import Teacher

TRUNK = "trunk"


class Seen(NamedTuple):
    """Outputs of student and teacher for the same clips."""

    student: Outputs
    teacher: Outputs
    label_logits: Tensor
    """(B, classes) logits for the labels' loss."""
    labels: Tensor
    """(B,) int64"""
    mixed: Mixed | None = None
    """Labels of the clips that were mixed into these."""


class Distill(Step):
    """A student sees one modality of a clip, its frozen teacher another, or several."""

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module | Mapping[str, nn.Module],
        *,
        student_sees: str,
        teacher_sees: str | Mapping[str, str] = "flow",
        teacher_entries: Mapping[str, int] | None = None,
        teacher_weights: Mapping[str, float] | None = None,
        terms: Mapping[str, Term],
        label_weight: float = 1.0,
        labels_reach: Literal["all", "head"] = "all",
        feature_only: int = 0,
        example: Batch | None = None,
    ) -> None:
        """
        Args:
            teacher, teacher_sees: a network and its modality, or several by stream: see
                `Teacher`.
            teacher_entries, teacher_weights: by stream: see `Teacher`.
            labels_reach: "head" lets the labels teach the last linear layer only, and
                the terms everything else: MERS, the variant of MARS (Crasto et al.,
                CVPR 2019). There the classifier comes after the features; here both
                learn side by side, which labels can't notice.
            feature_only: number of first epochs with neither labels nor terms of logits.
            example: a batch of a clip or more, of which values do not matter: needed
                where a term names an adapter, for the shapes.

        Raises:
            RecipeError: a term has the name of the labels' loss, or an adapter does not
                fit, or the student does not end in a linear layer.
        """
        super().__init__()
        one = "teacher"
        streams = {one: teacher} if isinstance(teacher, nn.Module) else teacher
        sees = {one: teacher_sees} if isinstance(teacher_sees, str) else teacher_sees
        heard = Teacher(streams, sees, teacher_entries, teacher_weights)
        self._begin(
            student,
            (heard,),
            student_sees=student_sees,
            terms=terms,
            label_weight=label_weight,
            labels_reach=labels_reach,
            feature_only=feature_only,
            example=example,
        )

    def _begin(
        self,
        student: nn.Module,
        teachers: tuple[Teacher, ...],
        *,
        student_sees: str,
        terms: Mapping[str, Term],
        label_weight: float,
        labels_reach: Literal["all", "head"],
        feature_only: int,
        example: Any,
    ) -> None:
        if LABELS in terms:
            raise RecipeError(f"expected terms of other names than {LABELS}")
        if labels_reach not in ("all", "head"):
            raise RecipeError(
                f"expected labels to reach all or head, got {labels_reach}"
            )
        self.student, self.student_sees = student, student_sees
        self.frozen_teachers: tuple[Teacher, ...] = teachers
        self.terms = terms
        self.labels_reach, self.feature_only, self.epoch = labels_reach, feature_only, 0
        self.weights = term_weights(terms, label_weight)
        """Weights by name. They are in the step's state: a run may set them at its start."""
        wanted = [sides(name) for term in terms.values() for name in term.taps]
        for teacher in teachers:
            teacher.set_taps(theirs for _, theirs in wanted)
        self.reader = self._reader(sorted({ours for ours, _ in wanted}))
        self.adapters = nn.ModuleDict()
        if any(term.adapter for term in terms.values()):
            self._add_adapters(example)

    def _reader(self, taps: list[str]) -> Taps:
        self.head = split_head(self.student)[0] if self.labels_reach == "head" else ""
        return Taps(self.student, taps, inputs=[self.head] if self.head else [])

    @property
    def teacher(self) -> Teacher:
        return self.frozen_teachers[0]

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch of the batches that follow, from 0."""
        self.epoch = epoch

    def current_weights(self) -> dict[str, float]:
        """Weights of the losses by name, in this epoch."""
        if self.epoch >= self.feature_only:
            return dict(self.weights)
        return {
            name: weight if name in self.terms and self.terms[name].taps else 0.0
            for name, weight in self.weights.items()
        }

    def seen(self, batch: Any) -> dict[str, Seen]:
        """Data set -> what both made of its clips; "" for a batch of one."""
        logits, features, given = self.reader(batch[self.student_sees])
        student, label_logits = Outputs(logits, features), logits
        if self.head:
            head = self.student.get_submodule(self.head)
            label_logits = pooled(as_map(head, head(given[self.head].detach())))
        teacher = self.teacher(batch)
        labels, mixed = batch["label"], mixed_of(batch)
        return {"": Seen(student, teacher, label_logits, labels, mixed)}

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Losses by name, unweighted; "data set.name" for a batch of several data sets.

        Those of weight 0 are not computed. Those that only the first epochs leave out are
        computed for the record.
        """
        found: dict[str, Tensor] = {}
        for dataset, seen in self.seen(batch).items():
            student, teacher, logits, labels, mixed = seen
            prefix = dataset and f"{dataset}."
            if self.weights[LABELS] != 0:
                found[prefix + LABELS] = self.label_loss(logits, labels, mixed, dataset)
            for name, term in self.terms.items():
                if self.weights[name] != 0:
                    adapted = self._adapted(name, student)
                    found[prefix + name] = term(
                        adapted, teacher.of_stream(term.teacher)
                    )
        return found

    @property
    def leaves_out(self) -> bool:
        return self.feature_only > 0 or super().leaves_out

    def get_extra_state(self) -> dict[str, float]:
        return dict(self.weights)

    def set_extra_state(self, state: dict[str, float]) -> None:
        self.weights = dict(state)

    def networks(self) -> list[nn.Module]:
        streams = [s for t in self.frozen_teachers for s in t.streams.values()]
        return [*super().networks(), *streams]

    def _adapted(self, name: str, student: Outputs) -> Outputs:
        """The student's outputs as a term takes them, adapters applied."""
        made = {
            written: self.adapters[_key(name, written)](
                student.features[sides(written)[0]]
            )
            for written in self.terms[name].taps
            if _key(name, written) in self.adapters
        }
        return student._replace(features=student.features | made) if made else student

    @torch.no_grad()
    def _add_adapters(self, example: Any) -> None:
        if example is None:
            raise RecipeError("expected an example batch for terms with an adapter")
        training = self.student.training
        self.eval()
        student, teacher, *_ = next(iter(self.seen(example).values()))
        self.student.train(training)
        for name, term in self.terms.items():
            kind = term.adapter
            if kind is None:
                continue
            for written in term.taps:
                ours, theirs = features_at(student, teacher, written)
                self.adapters[_key(name, written)] = build_adapter(
                    kind, ours.shape, theirs.shape, tap=f"term {name}, {written}"
                )


class JointDistill(Distill):
    """A student of several data sets; each half of a batch has its own teacher's view.

    The sum over the data sets of the losses of `Distill` for each.

    Source:
        Zhang et al., "Real-Time Action Recognition With Deeply Transferred Motion
        Vector CNNs", IEEE TIP 2018, who train HMDB51 together with UCF101.
    """

    student: TwoHeads

    def __init__(
        self,
        student: TwoHeads,
        teachers: Mapping[str, Teacher],
        *,
        student_sees: str,
        terms: Mapping[str, Term],
        label_weight: float = 1.0,
        labels_reach: Literal["all", "head"] = "all",
        feature_only: int = 0,
        example: JointBatch | None = None,
    ) -> None:
        """
        Args:
            teachers: data set -> its teacher. One network of two heads is a teacher of
                each: `Teacher({"flow": both.alone("ucf101")}, {"flow": "flow"})`.
        """
        nn.Module.__init__(self)
        if teachers.keys() != student.heads.keys():
            raise RecipeError(
                f"expected teachers of {', '.join(student.heads)},"
                f" got {', '.join(teachers) or 'none'}"
            )
        self.datasets = tuple(teachers)
        self._begin(
            student,
            tuple(teachers.values()),
            student_sees=student_sees,
            terms=terms,
            label_weight=label_weight,
            labels_reach=labels_reach,
            feature_only=feature_only,
            example=example,
        )

    def _reader(self, taps: list[str]) -> Taps:
        return Taps(self.student, [TRUNK, *(f"{TRUNK}.{name}" for name in taps)])

    def seen(self, batch: JointBatch) -> dict[str, Seen]:
        clips = {name: part[self.student_sees] for name, part in batch.items()}
        logits, features, _ = self.reader(clips)
        sizes = [len(value) for value in clips.values()]
        halves = {
            name.removeprefix(f"{TRUNK}."): value.split(sizes)
            for name, value in features.items()
        }
        found = {}
        for place, (name, part) in enumerate(batch.items()):
            seen = {written: value[place] for written, value in halves.items()}
            label_logits = logits[name]
            if self.labels_reach == "head":
                label_logits = self.student.heads[name](seen[TRUNK].detach())
            student = Outputs(logits[name], seen)
            teacher = self.frozen_teachers[self.datasets.index(name)](part)
            found[name] = Seen(
                student, teacher, label_logits, part["label"], mixed_of(part)
            )
        return found


def term_weights(terms: Mapping[str, Term], label_weight: float) -> dict[str, float]:
    """Weights of all losses by name. A term may say that its weight is the labels'."""
    weights = {LABELS: label_weight}
    for name, term in terms.items():
        if term.weight_on == "hard":
            weights[LABELS] *= term.weight
            weights[name] = 1.0
        else:
            weights[name] = term.weight
    return weights


def _key(term: str, tap: str) -> str:
    """Name of an adapter: torch requires names without dots."""
    return f"{term}_{tap}".replace(".", "_").replace(":", "_to_")
