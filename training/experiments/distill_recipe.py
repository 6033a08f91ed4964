"""Settings of a distillation, and the checks that its parts fit each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Size

from ..data.clip_config import ClipConfig
from ..errors import CheckpointError, RecipeError
from ..losses.terms import SoftTargets, Term, check_equal, check_taps, sides
from ..models.adapters import build_adapter
from ..models.backbones import BackboneConfig, net_named
from ..models.sizes import tap_shapes, without_numbers
from ..models.weights import transfer
from ..run_files.fields import ADDED
from ..runs.config import TrainConfig
from ..steps.distill import term_weights
from ..steps.step import LABELS
from .teach import TeachRecipe
from .teacher_names import names_of, renamed_teachers, roles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRecipe(TrainConfig):
    """Everything that decides the result of a distillation, apart from data and teacher."""

    student: BackboneConfig = field(default=BackboneConfig(sees="mv"))
    teacher: BackboneConfig = field(default=BackboneConfig(sees="flow"))
    other_teachers: tuple[BackboneConfig, ...] = ()
    """Further teachers, whose softmax scores are averaged with the first one's. Features
    are then named by teacher: "flow.layer4" (see `teacher_names`)."""
    teacher_weights: Mapping[str, float] = field(default_factory=dict, metadata=ADDED)
    """Name of a teacher -> its weight in the mean of several; 1 for one that is not named."""
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
        self._check_teachers()
        for net in (self.student, *self.teachers):
            self.check_clip(net, self.length_of(net))
        self._check_weights()
        clips = self.batch_size // self.optim.accumulate
        for name, term in self.terms.items():
            if clips < term.fewest_clips:
                raise RecipeError(
                    f"term {name}: expected at least {term.fewest_clips} clips in each"
                    f" part of a batch to relate, got {clips}"
                )

    def _check_teachers(self) -> None:
        """
        Raises:
            RecipeError: a term or a weight is of no teacher, or a tap is of no network.
        """
        names, nets = self.teacher_names, [teacher.net for teacher in self.teachers]
        known = ", ".join(names)
        taps = net_named(self.teacher.net).taps
        if self.other_teachers:
            taps = tuple(
                f"{name}.{tap}"
                for name, net in zip(names, nets, strict=True)
                for tap in net_named(net).taps
            )
        check_taps(
            self.terms,
            {
                f"student {self.student.net}": net_named(self.student.net).taps,
                f"teacher {' and '.join(nets)}": taps,
            },
        )
        for name, term in self.terms.items():
            if term.teacher is not None and term.teacher not in names:
                raise RecipeError(
                    f"term {name}: expected a teacher among {known}, got {term.teacher}"
                )
        if self.teacher_weights and not self.other_teachers:
            raise RecipeError(
                "expected teacher_weights where there are several teachers, got"
                f" {', '.join(self.teacher_weights)} with one ({known})"
            )
        for name, weight in self.teacher_weights.items():
            if name not in names or weight < 0:
                raise RecipeError(
                    f"expected teacher_weights of {known}, of 0 or more, got {name}"
                    f" {weight:g}"
                )
        if not any(self.teacher_weights.get(name, 1.0) for name in names):
            raise RecipeError(
                "expected a teacher with a weight other than 0 in teacher_weights, got"
                " none"
            )

    def _check_weights(self) -> None:
        """
        Raises:
            RecipeError: no loss has a weight, or one that is to be balanced has none.
        """
        weights = term_weights(self.terms, self.label_weight)
        if not any(weights.values()):
            raise RecipeError(
                "expected a loss with a weight other than 0, got none among"
                f" {', '.join(weights)}"
            )
        for name in (LABELS, *self.balance) if self.balance else ():
            if not weights[name]:
                raise RecipeError(
                    f"expected a weight other than 0 of {name}, whose gradient is to be"
                    " balanced"
                )

    def check_shapes(self) -> None:
        """Check that features, or what adapters make of them, fit the terms, and the
        teacher's weights the student that starts from them.

        Raises:
            RecipeError: they do not; the term, the tap and both shapes are named.
        """
        self._check_init()
        shapes: dict[BackboneConfig, dict[str, tuple[int, ...]]] = {}
        for net in (self.student, *self.teachers):
            if net not in shapes:
                height, width = self.clip.size_of(net.sees)
                shapes[net] = tap_shapes(
                    net, frames=self.length_of(net), height=height, width=width
                )
        named = {
            f"{name}.{tap}" if self.other_teachers else tap: shape
            for name, teacher in zip(self.teacher_names, self.teachers, strict=True)
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

    def _check_init(self) -> None:
        """
        Raises:
            RecipeError: the student's network cannot start from the teacher's weights.
        """
        if self.init != "teacher":
            return
        try:
            transfer(
                without_numbers(self.student, 2),
                without_numbers(self.teacher, 2).state_dict(),
                but=(net_named(self.student.net).head,),
            )
        except CheckpointError:
            raise RecipeError(
                f"expected a student of the teacher's net, {self.teacher.net}, whose"
                f" weights it starts from (init=teacher), got {self.student.net}: set"
                " init=none, or teacher.net too"
            ) from None

    @property
    def teachers(self) -> tuple[BackboneConfig, ...]:
        """The first teacher and the further ones."""
        return (self.teacher, *self.other_teachers)

    @property
    def teacher_names(self) -> tuple[str, ...]:
        """A name for each teacher: see `names_of`."""
        return names_of(self.teachers)

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of each teacher, which a recipe or a run fills: teacher, teacher_rgb."""
        return roles_of(self.teachers)

    @property
    def seen_teachers(self) -> tuple[BackboneConfig, ...]:
        """The teachers as their runs have them: `sees` is the modality of their clips."""
        return self.teachers

    def clip_of(self, net: BackboneConfig) -> ClipConfig:
        fewer = net != self.student and self._sees_windows(net)
        return replace(self.clip, length=net.frames) if fewer else self.clip

    def entries_of_teachers(self) -> dict[str, int]:
        """Name -> entries of a 2D teacher that stacks fewer than a clip has.

        It sees windows of the clip: see `Teacher`.
        """
        return {
            name: net.frames
            for name, net in zip(self.teacher_names, self.teachers, strict=True)
            if net != self.student and self._sees_windows(net)
        }

    def _sees_windows(self, net: BackboneConfig) -> bool:
        return net_named(net.net).dim == 2 and net.frames < self.clip.length

    @property
    def network(self) -> BackboneConfig:
        return self.student

    @property
    def modalities(self) -> list[str]:
        """Modalities of student and teachers."""
        nets = (self.student, *self.seen_teachers)
        return list(dict.fromkeys(net.sees for net in nets))

    def taught_by(self, *sees: str) -> "DistillRecipe":
        """This recipe with teachers that see other modalities.

        Features come from the one that sees flow, or from the first.
        """
        first = "flow" if "flow" in sees else sees[0]
        rest = tuple(
            replace(self.teacher, sees=other) for other in sees if other != first
        )
        nets = (replace(self.teacher, sees=first), *rest)
        return replace(self, **self.fields_of(nets, [0] + [None] * len(rest)))

    def fields_of(
        self, teachers: Sequence[BackboneConfig], before: Sequence[int | None]
    ) -> dict[str, Any]:
        """The fields of these settings with other teachers.

        Terms and weights stay with the teacher that they are of, which may have another
        name then.

        Args:
            before: the position of each teacher among the present ones; None for a new one.
        """
        names, old = names_of(teachers), self.teacher_names
        new = {
            old[place]: name
            for name, place in zip(names, before, strict=True)
            if place is not None
        }
        several = (len(old) > 1, len(names) > 1)
        return {
            "teacher": teachers[0],
            "other_teachers": tuple(teachers[1:]),
            "teacher_weights": {
                new[name]: weight
                for name, weight in self.teacher_weights.items()
                if name in new and several[1]
            },
            "terms": {
                name: renamed_teachers(term, old[0], new, several)
                for name, term in self.terms.items()
            },
        }

    def scratch(self) -> TeachRecipe:
        """The student without its teacher: the same net, clips and number of steps."""
        shared = {f.name: getattr(self, f.name) for f in fields(TrainConfig)}
        of_terms: dict[str, Any] = {"gradients_at": None, "balance": {}}
        return TeachRecipe(model=self.student, **shared | of_terms)
