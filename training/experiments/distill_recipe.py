"""Settings of a distillation, and the checks that its parts fit each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Size

from ..errors import RecipeError
from ..losses.terms import SoftTargets, Term, check_equal, check_taps, sides
from ..models.adapters import build_adapter
from ..models.backbones import TAPS, BackboneConfig, check_length
from ..models.sizes import tap_shapes
from ..runs.config import TrainConfig
from ..steps.step import LABELS
from .teach import TeachRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRecipe(TrainConfig):
    """Everything that decides the result of a distillation, apart from data and teacher."""

    student: BackboneConfig = field(default=BackboneConfig(sees="mv"))
    teacher: BackboneConfig = field(default=BackboneConfig(sees="flow"))
    other_teachers: tuple[BackboneConfig, ...] = ()
    """Further teachers, whose softmax scores are averaged with the first one's. Features
    are then named by what a teacher sees: "flow.layer4"."""
    terms: Mapping[str, Term] = field(default_factory=lambda: {"soft": SoftTargets()})
    label_weight: float = 1.0
    labels_reach: Literal["all", "head"] = "all"
    """head: labels teach the last layer only, as in MERS."""
    feature_only: int = 0
    """Number of warm-up epochs trained on feature terms only."""
    init: Literal["none", "teacher"] = "none"
    """Source of the student's first weights."""

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        self.check_balance(self.terms)
        if self.init not in ("none", "teacher"):
            raise RecipeError(f"expected init none or teacher, got {self.init}")
        if self.labels_reach not in ("all", "head"):
            raise RecipeError(
                f"expected labels_reach all or head, got {self.labels_reach}"
            )
        if not 0 <= self.feature_only < self.epochs:
            raise RecipeError(
                f"expected feature_only from 0 to below the {self.epochs} epochs, as"
                f" nothing else teaches the last layer, got {self.feature_only}"
            )
        if LABELS in self.terms:
            raise RecipeError(f"expected terms of other names than {LABELS}")
        if self.init == "teacher" and self.student.weights:
            raise RecipeError(
                "expected a student's first weights from the teacher (init) or from a"
                f" file (weights), got both: {self.student.weights}"
            )
        alone = (self.label_weight, self.labels_reach, self.feature_only)
        if not self.terms and alone != (1.0, "all", 0):
            raise RecipeError(
                "expected label_weight 1, labels_reach all and feature_only 0 without"
                " terms of distillation, got {:g}, {} and {}".format(*alone)
            )
        if not self.terms and self.init == "none":
            raise RecipeError(
                "expected at least one term of distillation or the teacher's weights to"
                " start from, got neither"
            )
        sees = [teacher.sees for teacher in self.teachers]
        if len(set(sees)) != len(sees):
            raise RecipeError(
                f"expected teachers of different modalities, got {', '.join(sees)}"
            )
        taps: tuple[str, ...] = TAPS[self.teacher.net]
        if self.other_teachers:
            taps = tuple(
                f"{t.sees}.{tap}" for t in self.teachers for tap in TAPS[t.net]
            )
        check_taps(
            self.terms,
            {
                f"student {self.student.net}": TAPS[self.student.net],
                f"teacher {self.teacher.net}": taps,
            },
        )
        for net in (self.student, *self.teachers):
            check_length(net, self.clip.length)

    def check_shapes(self) -> None:
        """Check that features, or what adapters make of them, fit the terms.

        Raises:
            RecipeError: they do not; the term, the tap and both shapes are named.
        """
        height, width = self.clip.crop_px
        shapes: dict[BackboneConfig, dict[str, tuple[int, ...]]] = {}
        for net in (self.student, *self.teachers):
            if net not in shapes:
                shapes[net] = tap_shapes(
                    net, frames=self.clip.length, height=height, width=width
                )
        named = {
            f"{teacher.sees}.{tap}" if self.other_teachers else tap: shape
            for teacher in self.teachers
            for tap, shape in shapes[teacher].items()
        }
        for name, term in self.terms.items():
            for written in term.taps:
                what = f"term {name}, {written}"
                ours, theirs = sides(written)
                own, other = shapes[self.student][ours], named[theirs]
                if term.adapter is None:
                    check_equal(term.equal, own, other, what=what)
                    continue
                with torch.device("meta"):
                    build_adapter(
                        term.adapter, Size((1, *own)), Size((1, *other)), tap=what
                    )

    @property
    def teachers(self) -> tuple[BackboneConfig, ...]:
        """The first teacher and the further ones."""
        return (self.teacher, *self.other_teachers)

    @property
    def network(self) -> BackboneConfig:
        return self.student

    @property
    def modalities(self) -> list[str]:
        """Modalities of student and teachers."""
        return list(dict.fromkeys(n.sees for n in (self.student, *self.teachers)))

    def taught_by(self, *sees: str) -> "DistillRecipe":
        """This recipe with teachers that see other modalities.

        Features come from the one that sees flow, or from the first.
        """
        first = "flow" if "flow" in sees else sees[0]
        rest = tuple(
            replace(self.teacher, sees=other) for other in sees if other != first
        )
        terms = self.terms
        if rest and not self.other_teachers:
            terms = {name: _of_stream(term, first) for name, term in terms.items()}
        return replace(
            self,
            teacher=replace(self.teacher, sees=first),
            other_teachers=rest,
            terms=terms,
        )

    def scratch(self) -> TeachRecipe:
        """The student without its teacher: the same net, clips and number of steps."""
        shared = {f.name: getattr(self, f.name) for f in fields(TrainConfig)}
        of_terms: dict[str, Any] = {"gradients_at": None, "balance": {}}
        return TeachRecipe(model=self.student, **shared | of_terms)


def _of_stream(term: Term, stream: str) -> Term:
    """A term that takes the teacher's features from one of several streams."""
    if not term.taps:
        return term
    taps = tuple(f"{ours}:{stream}.{theirs}" for ours, theirs in map(sides, term.taps))
    return replace(term, taps=taps)  # type: ignore[type-var]
