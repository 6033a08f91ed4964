"""What a system is: one way to train or to combine, at every size, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..data.dataset import ClipConfig
from ..jobs.distill import DistillRecipe
from ..jobs.teach import TeachRecipe
from ..models.backbones import BackboneConfig
from ..protocols import ClipProtocol
from .sizes import Lesson, Size

KINDS = {
    "teach": "a network learns the labels",
    "distill": "a student learns from labels and a teacher",
    "motion": "a network learns motion from frames, without labels",
    "hidden": "a motion network and a classifier learn together, from frames",
    "fuse": "trained networks are combined",
    "collaborate": "two trained networks attend to each other's snippets",
}


@dataclass(frozen=True, kw_only=True)
class System:
    """One row of a paper's table, or a stage on the way to it."""

    name: str
    kind: str
    line: str
    make: Callable[[Size], Any]
    """Size -> the job's recipe."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Role -> the system that fills it. What is fused needs `first`, `second`, ..."""
    paper: str = ""
    like: Mapping[str, str] = field(default_factory=dict)
    """Size -> another system that is the same there, and is trained instead."""
    control: bool = False
    """In no paper: a comparison without which a row would say too much."""


def course(lesson: Lesson, clip: ClipConfig, judge: ClipProtocol) -> dict[str, Any]:
    """The fields of a `Course`."""
    return {
        "clip": clip,
        "protocol": judge,
        "optim": lesson.optim,
        "epochs": lesson.epochs,
        "batch_size": lesson.batch_size,
        "look_every": lesson.look_every,
        "select": lesson.select,
        "held_out": lesson.held_out,
    }


def taught(model: BackboneConfig, **fields: Any) -> TeachRecipe:
    return TeachRecipe(model=model, **fields)


def distilled(
    student: BackboneConfig, teacher: BackboneConfig, **fields: Any
) -> DistillRecipe:
    return DistillRecipe(student=student, teacher=teacher, **fields)
