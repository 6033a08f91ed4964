"""A teacher that sees one modality -> a student that sees another."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from pipeline.store import Store

from .. import metrics
from ..engine import processes
from ..engine.record import SCORES, WEIGHTS, Run, as_json, differences
from ..errors import RecipeError, RunError
from ..losses.terms import SoftTargets, Term
from ..models.backbones import NETS, TAPS, BackboneConfig, build_backbone
from ..models.pretrained import first_weights
from ..models.weights import transfer
from ..progress import Watch
from ..scores import Scores, together
from ..steps import Distill, check_taps
from .course import Course, open_data
from .description import decided, store_facts
from .evaluate import trained_model
from .machine import Machine
from .teach import TeachRecipe
from .whole import begun, carry_out

VIEW_ONLY = {"flip", "jitter", "is", "crop_scales", "corners", "uneven_crops"}
"""Clip settings in which teacher and student may differ: the rest is what 1 px means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRecipe(Course):
    """Everything that decides the result of a distillation, apart from data and teacher."""

    student: BackboneConfig = field(default=BackboneConfig(sees="mv"))
    teacher: BackboneConfig = field(default=BackboneConfig(sees="flow"))
    terms: Mapping[str, Term] = field(default_factory=lambda: {"soft": SoftTargets()})
    label_weight: float = 1.0
    init: Literal["none", "teacher"] = "none"
    """Where the student's first weights come from."""

    def __post_init__(self) -> None:
        Course.__post_init__(self)
        if self.init not in ("none", "teacher"):
            raise RecipeError(f"expected init none or teacher, got {self.init}")
        if not self.terms:
            raise RecipeError("expected at least one term of distillation, got none")
        nets = {
            f"{side} {net}": TAPS[net]
            for side, net in (
                ("student", self.student.net),
                ("teacher", self.teacher.net),
            )
        }
        check_taps(self.terms, nets)

    def scratch(self) -> TeachRecipe:
        """The student without its teacher: the same net, clips and number of steps."""
        shared = {f.name: getattr(self, f.name) for f in fields(Course)}
        return TeachRecipe(model=self.student, **shared)


def distill(
    recipe: DistillRecipe,
    *,
    recipe_name: str,
    teacher: Run,
    scratch: Run | None = None,
    store: Store,
    split: str,
    seed: int,
    runs: Path,
    out: Path | None = None,
    base: str,
    machine: Machine,
    watch: Watch,
) -> Run:
    """Train the student, evaluate it, and leave a complete run.

    Args:
        teacher: a complete run.
        scratch: a complete run of the student without a teacher, to compare with.
        runs, out, base: as in `teach`.

    Raises:
        RunError: the teacher does not fit the store or the recipe.
        TrainingError: see `follow` and `open_data`.
    """
    student_sees, teacher_sees = recipe.student.sees, recipe.teacher.sees
    modalities = [student_sees, teacher_sees]
    data = open_data(
        store, recipe, split=split, modalities=modalities, seed=seed, machine=machine
    )
    expert, seen = trained_model(teacher)
    check_teacher(teacher, recipe, store=store, split=split)
    what = described(
        recipe,
        recipe_name=recipe_name,
        store=store,
        split=split,
        seed=seed,
        precision=machine.precision,
    )
    what["teacher"] = {
        "net": seen.net,
        "sees": seen.sees,
        "weights": hashlib.sha256(teacher.path(WEIGHTS).read_bytes()).hexdigest(),
    }
    about = {
        "store": str(store.folder.resolve()),
        "teacher": str(teacher.folder.resolve()),
    }

    def beside() -> dict[str, Any]:
        return {
            "what": f"{student_sees} from labels and a {teacher_sees} teacher",
            "teacher": _told_of(teacher),
        } | (compared(run, scratch) if scratch else {})

    with processes.joined(machine.processes, machine.device):
        run = begun(what, runs=runs, out=out, base=base, machine=machine, about=about)
        results = run.results()
        if results is not None:
            watch.say(f"{run.folder}: complete, nothing to do")
            if scratch and machine.processes.first and "scratch" not in results:
                run.finish(results | compared(run, scratch))
            return run
        watch.say(
            f"{run.folder}: {student_sees} {recipe.student.net} learns from"
            f" {len(data.parts.train)} videos and a {teacher_sees} teacher,"
            f" {len(data.parts.held_out)} held out, {len(data.parts.test)} to test"
        )
        torch.manual_seed(seed)  # for the first weights
        student = build_backbone(recipe.student, len(store.classes))
        fitted = first_weights(student, recipe.student)
        if fitted:
            watch.say(f"first weights: {recipe.student.weights}: {fitted.text()}")
        if recipe.init == "teacher":
            fitted = transfer(
                student,
                expert.state_dict(),
                scale=recipe.student.first_layer,
                but=(NETS[recipe.student.net].head,),
                what=str(teacher.folder),
            )
            watch.say(f"first weights from the teacher: {fitted.text()}")
        carry_out(
            run,
            recipe,
            student_step(recipe, student, expert),
            student,
            sees=student_sees,
            data=data,
            store=store,
            seed=seed,
            machine=machine,
            watch=watch,
            title=f"{teacher_sees} to {student_sees}",
            results=beside,
        )
    return run


def described(
    recipe: DistillRecipe,
    *,
    recipe_name: str,
    store: Store,
    split: str,
    seed: int,
    precision: str,
) -> dict[str, Any]:
    """Everything that decides the result but the teacher."""
    return decided(
        "distill",
        recipe=recipe,
        recipe_name=recipe_name,
        model=recipe.student,
        modalities=list(dict.fromkeys([recipe.student.sees, recipe.teacher.sees])),
        store=store,
        split=split,
        seed=seed,
        precision=precision,
    )


def student_step(
    recipe: DistillRecipe, student: nn.Module, expert: nn.Module
) -> Distill:
    """The step of a recipe, for networks that are there."""
    return Distill(
        student,
        expert,
        student_sees=recipe.student.sees,
        teacher_sees=recipe.teacher.sees,
        terms=recipe.terms,
        label_weight=recipe.label_weight,
    )


def check_teacher(
    teacher: Run, recipe: DistillRecipe, *, store: Store, split: str
) -> None:
    """Check that a run can teach on this store.

    Raises:
        RunError: it sees something else, has other classes, was trained on another
            split (it may know the test videos), or on motion that was made otherwise
            (another flow profile, vector source, codec or size).
    """
    theirs = teacher.decided()
    sees = theirs["model"]["sees"]
    if sees != recipe.teacher.sees:
        raise RunError(
            f"{teacher.folder}: expected a teacher that sees {recipe.teacher.sees},"
            f" got one that sees {sees}"
        )
    net = theirs["model"]["net"]
    if net != recipe.teacher.net:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the recipe's net"
            f" {recipe.teacher.net}, got {net}"
        )
    ours = store_facts(store, [sees])
    if theirs["store"]["classes"] != ours["classes"]:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the store's"
            f" {len(store.classes)} classes ({_few(store.classes)}),"
            f" got {len(theirs['store']['classes'])} ({_few(theirs['store']['classes'])})"
        )
    if theirs["split"]["name"] != split:
        raise RunError(
            f"{teacher.folder}: expected a teacher of split {split},"
            f" got split {theirs['split']['name']}: it may know the test videos"
        )
    differ = differences(theirs["store"]["settings"], ours["settings"])
    if differ:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the same {sees}, but there and in"
            f" {store.folder} differ in {differ[0]}"
        )
    clip = {
        name: value
        for name, value in theirs["recipe"]["settings"]["clip"].items()
        if name not in VIEW_ONLY
    }
    differ = differences(clip, {k: as_json(recipe.clip)[k] for k in clip})
    if differ:
        raise RunError(
            f"{teacher.folder}: expected a teacher of the same clips, but there and in the"
            f" recipe differ in {differ[0]}"
        )


def compared(run: Run, scratch: Run) -> dict[str, Any]:
    """The student beside the net that had no teacher, on the same test videos."""
    ours, theirs = together(
        *(Scores.load(one.path(SCORES.format(part="test"))) for one in (run, scratch))
    )
    difference = metrics.paired_difference(ours.hits(), theirs.hits())._asdict()
    return {
        "scratch": _told_of(scratch)
        | {"difference": difference, "videos_compared": len(ours.labelled)}
    }


def _told_of(run: Run) -> dict[str, Any]:
    results = run.results()
    assert results is not None  # only complete runs get here
    return {
        "run": run.folder.name,
        "what": results["what"],
        "test": {k: results["test"][k] for k in ("top1", "mean_class", "videos")},
        "training": results["training"],
    }


def _few(classes: list[str] | tuple[str, ...]) -> str:
    return ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
