"""The step of a student, for one data set or several."""

from collections.abc import Mapping, Sequence

from torch import nn
from torch.utils.data import default_collate

from ..data.dataset import Clips
from ..data.joined import JoinedClips, JoinedPosition, grouped
from ..data.order import ClipPosition
from ..models.backbones import build_backbone
from ..models.heads import TwoHeads
from ..models.weights import load_exactly, read_weights
from ..runs.record import Run
from ..steps.distill import Distill, JointDistill
from ..steps.labels import supervised_step
from ..steps.step import Step
from ..steps.teachers import Teacher
from .distill_recipe import DistillRecipe
from .joint import head_weights


def student_step(
    recipe: DistillRecipe,
    student: nn.Module,
    experts: Sequence[nn.Module],
    clips: Clips | None = None,
) -> Step:
    """The step of a recipe, for given networks.

    Args:
        clips: of the training, needed where a term names an adapter.
    """
    sees = recipe.student.sees
    if not recipe.terms:  # only the first weights were the teacher's
        return supervised_step(student, sees=sees)
    names = recipe.teacher_names
    named = dict(zip(names, experts, strict=True))
    seen = dict(zip(names, (net.sees for net in recipe.seen_teachers), strict=True))
    adapted = any(term.adapter for term in recipe.terms.values())
    example = None
    if adapted and clips is not None:
        example = default_collate([clips[ClipPosition(0, 0, 0)]])
    return Distill(
        student,
        named,
        student_sees=sees,
        teacher_sees=seen,
        teacher_entries=recipe.entries_of_teachers(),
        teacher_weights=recipe.teacher_weights,
        terms=recipe.terms,
        label_weight=recipe.label_weight,
        labels_reach=recipe.labels_reach,
        feature_only=recipe.feature_only,
        example=example,
    )


def joint_student_step(
    recipe: DistillRecipe,
    student: TwoHeads,
    teacher: Run,
    clips: JoinedClips,
    *,
    classes: Mapping[str, int],
) -> Step:
    """The step of a recipe on several data sets, and the student's first weights.

    Args:
        teacher: a complete run that was trained on the same data sets.
        classes: data set -> number of its classes; the first is the run's own.

    Raises:
        CheckpointError: the teacher was not.
    """
    net, sees, teachers = recipe.teacher, recipe.student.sees, {}
    for path, (name, count) in zip(
        head_weights(teacher, list(classes)), classes.items(), strict=True
    ):
        expert = build_backbone(net, count)
        state = read_weights(path)
        load_exactly(expert, state, what=str(path))
        teachers[name] = Teacher({net.sees: expert}, {net.sees: net.sees})
        if recipe.init == "teacher":
            load_exactly(student.alone(name), state, what=str(path))
    if not recipe.terms:
        return supervised_step(student, sees=sees)
    example = None
    if any(term.adapter for term in recipe.terms.values()):
        first = [JoinedPosition(name, ClipPosition(0, 0, 0)) for name in classes]
        example = grouped([clips[place] for place in first])
    return JointDistill(
        student,
        teachers,
        student_sees=sees,
        terms=recipe.terms,
        label_weight=recipe.label_weight,
        labels_reach=recipe.labels_reach,
        feature_only=recipe.feature_only,
        example=example,
    )
