"""A teacher that sees one modality -> a student that sees another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Size, nn
from torch.utils.data import default_collate

from ..data.dataset import Clips
from ..data.order import Place
from ..errors import RecipeError, RunError
from ..losses.terms import SoftTargets, Term, check_equal, check_taps, sides
from ..models.adapters import build_adapter
from ..models.backbones import (
    NETS,
    TAPS,
    BackboneConfig,
    check_length,
)
from ..models.sizes import tap_shapes
from ..models.weights import transfer
from ..run_files.json_dataclasses import Json
from ..run_files.results import Baseline, OtherRun, Results, ShortAccuracy
from ..run_files.run_config import RunConfig
from ..runs.compatibility import check_teacher
from ..runs.config import Course, open_data
from ..runs.context import StoreJob
from ..runs.identity import fingerprint_of, run_config
from ..runs.lifecycle import begun, carry_out, fresh_network
from ..runs.record import SCORES, Run
from ..runs.trained import trained_model
from ..scoring import metrics
from ..scoring.scores import Scores, together
from ..steps.distill import Distill
from ..steps.labels import Supervised
from ..steps.step import LABELS, Step
from .teach import TeachRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRecipe(Course):
    """Everything that decides the result of a distillation, apart from data and teacher."""

    student: BackboneConfig = field(default=BackboneConfig(sees="mv"))
    teacher: BackboneConfig = field(default=BackboneConfig(sees="flow"))
    beside: tuple[BackboneConfig, ...] = ()
    """Further teachers, whose softmax scores are averaged with the first one's. Features
    are then named by what a teacher sees: "flow.layer4"."""
    terms: Mapping[str, Term] = field(default_factory=lambda: {"soft": SoftTargets()})
    label_weight: float = 1.0
    labels_reach: Literal["all", "head"] = "all"
    """head: labels teach the last layer only, as in MERS."""
    feature_only: int = 0
    """So many first epochs have neither labels nor terms of logits."""
    init: Literal["none", "teacher"] = "none"
    """Where the student's first weights come from."""

    def __post_init__(self) -> None:
        Course.__post_init__(self)
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
        if self.beside:
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
            f"{teacher.sees}.{tap}" if self.beside else tap: shape
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
        """All of them."""
        return (self.teacher, *self.beside)

    @property
    def modalities(self) -> list[str]:
        """What student and teachers see."""
        return list(dict.fromkeys(n.sees for n in (self.student, *self.teachers)))

    def taught_by(self, *sees: str) -> "DistillRecipe":
        """The same recipe with teachers that see these modalities.

        Features come from the one that sees flow, or from the first.
        """
        first = "flow" if "flow" in sees else sees[0]
        rest = tuple(
            replace(self.teacher, sees=other) for other in sees if other != first
        )
        terms = self.terms
        if rest and not self.beside:
            terms = {name: _of_stream(term, first) for name, term in terms.items()}
        return replace(
            self, teacher=replace(self.teacher, sees=first), beside=rest, terms=terms
        )

    def scratch(self) -> TeachRecipe:
        """The student without its teacher: the same net, clips and number of steps."""
        shared = {f.name: getattr(self, f.name) for f in fields(Course)}
        of_terms: dict[str, Any] = {"gradients_at": None, "balance": {}}
        return TeachRecipe(model=self.student, **shared | of_terms)


def distill(
    recipe: DistillRecipe,
    job: StoreJob,
    *,
    teacher: Run | Sequence[Run],
    scratch: Run | None = None,
) -> Run:
    """Train the student, evaluate it, and leave a complete run.

    Args:
        teacher: a complete run, or one for each of the recipe's teachers.
        scratch: a complete run of the student without a teacher, to compare with.

    Raises:
        RunError: the teacher does not fit the store or the recipe.
        TrainingError: see `train` and `open_data`.
    """
    teachers = [teacher] if isinstance(teacher, Run) else list(teacher)
    if len(teachers) != len(recipe.teachers):
        raise RunError(
            f"expected {len(recipe.teachers)} runs of teachers, got {len(teachers)}"
        )
    student_sees = recipe.student.sees
    recipe.check_shapes()
    data = open_data(recipe, job, recipe.modalities)
    for one, wanted in zip(teachers, recipe.teachers, strict=True):
        check_teacher(one, recipe, wanted, store=job.store, split=job.split)
    experts = [trained_model(one)[0] for one in teachers]
    seen = " and ".join(one.sees for one in recipe.teachers)
    config = replace(described(recipe, job), teacher=tuple(map(network_of, teachers)))

    def complete(results: Results) -> Results:
        return replace(
            results,
            teacher=_told_of(teachers[0]),
            teachers=tuple(map(_told_of, teachers)),
            scratch=compared(run, scratch) if scratch else None,
        )

    with begun(config, job, store=job.store, teacher=teachers) as run:
        results = run.results()
        if results is not None:
            if scratch and job.machine.processes.first and results.scratch is None:
                with run.writing(job.watch.say, wait=True):
                    run.finish(replace(results, scratch=compared(run, scratch)))
            return run
        job.watch.say(
            f"{run.folder}: {student_sees} {recipe.student.net} learns from"
            f" {len(data.parts.train)} videos and a {seen} teacher,"
            f" {data.parts.told()}"
        )
        student = fresh_network(recipe.student, job)
        if recipe.init == "teacher":
            fitted = transfer(
                student,
                experts[0].state_dict(),
                scale=recipe.student.first_layer,
                but=(NETS[recipe.student.net].head,),
                what=str(teachers[0].folder),
            )
            job.watch.say(f"first weights from the teacher: {fitted.text()}")
        carry_out(
            run,
            recipe,
            job,
            student_step(recipe, student, experts, data.clips["train"]),
            student,
            sees=student_sees,
            data=data,
            title=f"{seen} to {student_sees}",
            what=f"{student_sees} from labels and a {seen} teacher",
            complete=complete,
            nets=(recipe.student, *(recipe.teachers if recipe.terms else ())),
        )
    return run


def network_of(teacher: Run) -> dict[str, Json]:
    """A teacher's network, and the hash of its weights."""
    return {**(teacher.config().model or {}), "weights": fingerprint_of(teacher)}


def described(recipe: DistillRecipe, job: StoreJob) -> RunConfig:
    """Everything that decides the result but the teacher."""
    return run_config(
        "distill",
        recipe,
        job,
        model=recipe.student.architecture(),
        modalities=recipe.modalities,
    )


def student_step(
    recipe: DistillRecipe,
    student: nn.Module,
    experts: Sequence[nn.Module],
    clips: Clips | None = None,
) -> Step:
    """The step of a recipe, for networks that are there.

    Args:
        clips: of the training, needed where a term names an adapter.
    """
    sees = recipe.student.sees
    if not recipe.terms:  # only the first weights were the teacher's
        return Supervised(student, sees=sees)
    one = len(experts) == 1
    named = dict(zip((t.sees for t in recipe.teachers), experts, strict=True))
    adapted = any(term.adapter for term in recipe.terms.values())
    example = None
    if adapted and clips is not None:
        example = default_collate([clips[Place(0, 0, 0)]])
    return Distill(
        student,
        experts[0] if one else named,
        student_sees=sees,
        teacher_sees=recipe.teacher.sees if one else {name: name for name in named},
        terms=recipe.terms,
        label_weight=recipe.label_weight,
        labels_reach=recipe.labels_reach,
        feature_only=recipe.feature_only,
        example=example,
    )


def compared(run: Run, scratch: Run) -> Baseline:
    """The student beside the net that had no teacher, on the same test videos."""
    ours, theirs = together(
        *(Scores.load(one.path(SCORES.format(part="test"))) for one in (run, scratch))
    )
    other = _told_of(scratch)
    return Baseline(
        run=other.run,
        what=other.what,
        test=other.test,
        training=other.training,
        difference=metrics.paired_difference(ours.hits(), theirs.hits()),
        videos_compared=len(ours.labelled),
    )


def _of_stream(term: Term, stream: str) -> Term:
    """The same term, its teacher's features taken from one of several streams."""
    if not term.taps:
        return term
    taps = tuple(f"{ours}:{stream}.{theirs}" for ours, theirs in map(sides, term.taps))
    return replace(term, taps=taps)  # type: ignore[type-var]


def _told_of(run: Run) -> OtherRun:
    results = run.results()
    if results is None or results.test is None:
        raise RunError(f"{run.folder}: expected a complete run with test results")
    test = results.test
    return OtherRun(
        run=run.folder.name,
        what=results.what,
        test=ShortAccuracy(
            top1=test.top1, mean_class=test.mean_class, videos=test.videos
        ),
        training=results.training,
    )
